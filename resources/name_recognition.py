"""Names of people, places and organisations, by a spaCy model: the one finder that needs more than patterns.

It is off unless asked for: it needs the extra `ner` and a model that the site installs, costs hundreds of times what the
patterns cost, and misses names all the same. Nothing here fetches a model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from resources.redaction_seed import Names, RedactionError

NameFinder = Callable[[str], Iterator[tuple[str, int, int]]]
_KIND_OF_LABEL = {
    "PERSON": "PERSON", "PER": "PERSON", "GPE": "LOCATION", "LOC": "LOCATION", "FAC": "LOCATION",
    "ORG": "ORGANIZATION", "NORP": "NRP",
}  # fmt: skip
_PIECE_CHARACTERS = 50_000


def names_in(names: Names) -> NameFinder:
    """A finder of (kind, start, end) with the seed's model. Raises RedactionError where spaCy or the model is missing."""
    try:
        import spacy
    except ImportError:
        raise RedactionError("names need the extra `ner`: pip install -c constraints.txt -e '.[ner]'") from None
    try:
        model = spacy.load(names.model)
    except OSError:
        raise RedactionError(
            f"redaction.yml: names: {names.model} is neither an installed spaCy model nor the folder of one"
        ) from None

    def find(text: str) -> Iterator[tuple[str, int, int]]:
        for start, end in _pieces(text):
            for entity in model(text[start:end]).ents:
                kind = _KIND_OF_LABEL.get(entity.label_, entity.label_)
                if kind in names.kinds:
                    yield kind, start + entity.start_char, start + entity.end_char

    return find


def _pieces(text: str) -> Iterator[tuple[int, int]]:
    """A long text in pieces that end at a space: a model's memory grows with what it reads at once."""
    start = 0
    while start < len(text):
        end = min(start + _PIECE_CHARACTERS, len(text))
        if end < len(text):
            end = max(text.rfind(" ", start, end), text.rfind("\n", start, end)) + 1 or end
        yield start, end
        start = end
