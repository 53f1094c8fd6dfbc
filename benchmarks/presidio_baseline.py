"""Presidio's pattern recognisers as a baseline: no language model, no network."""

from __future__ import annotations

from collections.abc import Callable

Found = tuple[str, int, int]


def presidio_patterns() -> Callable[[str], list[Found]]:
    """(kind, start, end) of what Presidio's predefined pattern recognisers for English find in a text."""
    import tldextract
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import NoOpNlpEngine

    # The e-mail recogniser asks tldextract's default extractor, which fetches the list of public suffixes.
    tldextract.tldextract.TLD_EXTRACTOR = offline = tldextract.TLDExtract(suffix_list_urls=())
    tldextract.extract = offline
    engine = NoOpNlpEngine([{"lang_code": "en", "model_name": ""}])
    engine.load()
    registry = RecognizerRegistry(supported_languages=["en"])
    registry.load_predefined_recognizers(languages=["en"], nlp_engine=engine)
    analyzer = AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=["en"])
    kinds = sorted({kind for recognizer in registry.recognizers for kind in recognizer.supported_entities})

    def find(text: str) -> list[Found]:
        return [(r.entity_type, r.start, r.end) for r in analyzer.analyze(text, language="en", entities=kinds)]

    return find
