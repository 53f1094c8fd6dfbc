"""What is asked and answered: questions from the handbook's facts, answers that are right or wrong in a known way.

Each request is drawn from its own id, so that its words do not depend on which files it ends up in; only a
conversation looks back, at the earlier turns that its chunk holds.
"""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import date
from itertools import accumulate
from math import pi, sin
from typing import Any

import numpy as np

from simulator import phrases
from simulator.catalogue import FEATURES, MODELS, TENANT_CODES
from simulator.chunk import ABSENT, Chunk
from simulator.demand import VOICE
from simulator.documents import Document, Fact, handbook
from simulator.fragments import BLOCKED, FINISH_REASONS, OUTCOMES, RELEASES, prompt_version
from simulator.inventions import invent
from simulator.languages import Language, languages
from simulator.planted import KINDS, SECRETS, plant
from simulator.poison import poisoned
from simulator.tools import CALL_SHARE, draw_calls
from simulator.voice import PLAIN, lengthened, styled
from simulator.words import Label, Retrieved, ToolCall, Truth, Words

_BOOK = handbook()
TOPICS = _BOOK.topics
LANGUAGES = tuple(languages())
_BY_TOPIC = {topic: _BOOK.of(topic) for topic in _BOOK.topics}
_FACTS = {topic: tuple(fact for document in _BY_TOPIC[topic] for fact in document.facts) for topic in _BOOK.topics}

_MODEL_RATES = {
    "gpt-4o": 0.03, "gpt-4o-mini": 0.07, "o4-mini": 0.03, "gpt-4o-audio-preview": 0.08, "claude-sonnet-4-5": 0.02,
    "claude-haiku-4-5": 0.05, "gemini-2.5-flash": 0.06, "gemini-2.5-pro": 0.03, "mistral-small-latest": 0.1,
    "orion-2-preview": 0.16, "heron-8b": 0.12,
}  # fmt: skip
"""How often a model answers wrongly where nothing else is amiss. Invented."""
_FEATURE_FACTORS = {"support_chat": 1.0, "doc_search": 0.8, "summaries": 0.6, "voice_agent": 1.2, "nightly_tagging": 0.5}
_MISSED, _GAP = 0.35, 0.25
"""What is added where the document was not found, and where there is none."""
_RANKS, _RANK_WEIGHTS = (1, 2, 3, 4, 5), (0.66, 0.17, 0.09, 0.05, 0.03)
FOUND_AT_MOST = 5
_GAP_SHARE, _REFUSED_SHARE, _EMPTY_SHARE = 0.04, 0.015, 0.015
_ATTACK_SHARE, _ATTACK_SUCCESS, _PLANTED_SHARE, _THREAD_SHARE = 0.01, 0.2, 0.02, 0.01
_PERSONAL = ("email", "phone", "card", "iban", "ssn")
_SAME_TOPIC = 0.8
_NO_TRAINING_TENANT, _NO_LABELS_SHARE, _NO_STORING_SHARE = "brightwater-bank", 0.02, 0.01
_PLANTED_FACT_SHARE = 0.004
_PLANTED_KINDS = tuple(kind for kind in KINDS for _ in range(1 if kind in SECRETS else 3))


def topic_weights(feature: int) -> list[float]:
    """Cumulative weights of the handbook's topics for a feature: each has its favourites."""
    count = len(_BOOK.topics)
    return list(accumulate(1 / (1 + (place * 5 + feature * 7) % count) for place in range(count)))


_TOPIC_WEIGHTS = [topic_weights(code) for code in range(len(FEATURES))]


def topic_share(feature: int, topic: int) -> float:
    """The share of a feature's requests that are about a topic, both as codes."""
    weights = _TOPIC_WEIGHTS[feature]
    return (weights[topic] - (weights[topic - 1] if topic else 0.0)) / weights[-1]


def missed_share(day: date) -> float:
    """How often a search finds documents, but not the one that answers: it goes by the week's index."""
    return 0.06 + 0.05 * (day.isocalendar().week % 2)


def hallucination_rate(model: str, feature: str, day: date) -> float:
    """Before retrieval is looked at: by model and feature, with a slow wave over the days."""
    wave = 1 + 0.3 * sin(2 * pi * day.toordinal() / 9)
    return _MODEL_RATES[model] * _FEATURE_FACTORS[feature] * wave


def say(chunk: Chunk, rng: np.random.Generator) -> None:
    """Give a chunk its words, in place: texts, what may be done with them, and strings planted beside them."""
    count, codes = len(chunk), chunk.codes
    codes["prompt_text"] = np.full(count, ABSENT, dtype=np.int64)
    codes["system_text"] = np.full(count, ABSENT, dtype=np.int64)
    lot = rng.random(count)
    codes["consent"] = np.where(codes["tenant"] == TENANT_CODES[_NO_TRAINING_TENANT], 0, ABSENT)
    codes["consent"] = np.where(lot < _NO_LABELS_SHARE, 1, codes["consent"])
    codes["consent"] = np.where(lot > 1 - _NO_STORING_SHARE, 2, codes["consent"])
    words = draw_words(chunk)
    for row in np.flatnonzero(rng.random(count) < _PLANTED_FACT_SHARE).tolist():
        words[row] = _plant_fact(words[row], random.Random(int(chunk.ids["request"][row]) ^ 0xFAC7))
    for row in np.flatnonzero(codes["poisoned"] >= 0).tolist():
        words[row] = poisoned(words[row])
    chunk.words = words
    # What is planted has to arrive: its record is neither late nor sent in halves.
    codes["is_punctual"] = np.where([bool(w.planted) for w in words], 1, codes["is_punctual"])


def _plant_fact(words: Words, rng: random.Random) -> Words:
    """A string where no text is expected; only the gateway's log has these columns."""
    kind = rng.choice(("email", "github-pat"))
    value, _ = plant(rng, kind)
    part = rng.choice(("attributes", "deployment"))
    said: Any = {"channel": value, "country": "US"} if part == "attributes" else f"app built by {value}"
    return replace(words, fields={part: said}, planted=(*words.planted, (part, kind, value)))


def draw_words(chunk: Chunk) -> list[Words]:
    """The words of each row of a chunk whose outcome is drawn."""
    talks: dict[int, list[tuple[str, str]]] = {}
    topics: dict[int, str] = {}
    made = []
    codes = chunk.codes
    rows = zip(
        codes["feature"].tolist(), codes["model"].tolist(), codes["outcome"].tolist(), codes["finish"].tolist(),
        chunk.ids["request"].tolist(), chunk.ids["conversation"].tolist(), chunk.whole["conversation_turn"].tolist(),
        codes["release"].tolist(), codes["is_unguarded"].tolist(), codes["repeats"].tolist(),
        codes["attacker_turn"].tolist(), zip(*(codes[name].tolist() for name in VOICE), strict=True), strict=True,
    )  # fmt: skip
    systems = {
        (code, release): phrases.system_prompt(feature.name, prompt_version(chunk.day, code, release))
        for code, feature in enumerate(FEATURES)
        for release in RELEASES
    }
    for feature, model, outcome, finish, request, talk, turn, release, unguarded, repeats, attack, voice in rows:
        # What is repeated is drawn from the loop's own number, the same words again and again.
        rng = random.Random(request if repeats == ABSENT else repeats)
        history = talks.setdefault(talk, []) if turn > 0 else []
        topic = topics.get(talk) if history and rng.random() < _SAME_TOPIC else None
        topic = topic or rng.choices(_BOOK.topics, cum_weights=_TOPIC_WEIGHTS[feature])[0]
        topics[talk] = topic
        # Drawn all the same: a conversation that stays as it was takes the turns that it took.
        forced, language, style, prompt_permille, answer_permille, made_up_permille = voice
        topic = TOPICS[forced] if forced >= 0 else topic
        draw = _Draw(rng, chunk.day, FEATURES[feature].name, MODELS[model].name, f"{request:016x}")
        draw.is_unguarded = unguarded == 1
        draw.made_up_points = max(made_up_permille, 0) / 1000
        draw.language = languages()[LANGUAGES[language]] if language >= 0 else None
        error = "blocked" if outcome == BLOCKED else OUTCOMES[outcome][1]
        system = systems[feature, max(release, 0)]
        words = draw.words(system, topic, error, FINISH_REASONS[finish] if finish >= 0 else None)
        if attack >= 0 and words.truth is not None:
            words = draw.tried(words, attack)
        if repeats == ABSENT and not draw.is_unguarded:
            words = draw.planted(words)
        words = _voiced(words, request, max(style, PLAIN), prompt_permille, answer_permille)
        words = replace(words, history=tuple(history))
        if turn > 0 and words.output is not None:
            history.append((words.prompt, words.output))
        made.append(words)
    return made


def _voiced(words: Words, request: int, style: int, prompt_permille: int, answer_permille: int) -> Words:
    """The same, said in another style or at greater length."""
    rng = random.Random(request ^ 0x701CE)
    prompt, output = words.prompt, words.output
    if prompt_permille > 1000:
        prompt = lengthened(prompt, prompt_permille / 1000, rng)
    if output is not None:
        output = styled(output, style, rng)
        if answer_permille > 1000:
            output = lengthened(output, answer_permille / 1000, rng)
    return words if (prompt, output) == (words.prompt, words.output) else replace(words, prompt=prompt, output=output)


class _Draw:
    """One request's words."""

    def __init__(self, rng: random.Random, day: date, feature: str, model: str, request: str) -> None:
        self.rng, self.day, self.feature, self.model, self.request = rng, day, feature, model, request
        self.is_unguarded = False
        """The filters are out of order: an attack, and it gets what it wants."""
        self.language: Language | None = None
        """What a customer speaks who does not speak English."""
        self.made_up_points = 0.0
        """How much more often than usual an answer that could be right is made up instead."""

    def words(self, system: str, topic: str, error: str | None, finish: str | None) -> Words:
        """`error`: the outcome's error code, or `blocked`. Some outcomes have no answer, some a broken one."""
        if self.feature == "code_assist":
            words = self._code(system, finish)
        elif self.feature in ("summaries", "nightly_tagging"):
            words = self._task(system, topic)
        else:
            words = self._talk(system, topic)
        if error == "refusal":
            refused = replace(words.truth, label="refused", kind=None, probability=0.0) if words.truth else None
            words = replace(words, output=self.rng.choice(phrases.DECLINES), truth=refused)
        elif error == "invalid_json_output":
            words = replace(words, output=json.dumps({"answer": words.output})[:-2], truth=None)
        elif error == "blocked":
            words = replace(words, prompt=f"{words.prompt} {phrases.ATTACKS['role']}", retrieved=())
        if error not in (None, "refusal", "invalid_json_output"):
            words = replace(words, output=None, tool_calls=(), truth=None)
        return words

    def _talk(self, system: str, topic: str) -> Words:
        """A question to the handbook, spoken or written, with documents where the feature searches."""
        rng, spoken = self.rng, self.language
        searches = self.feature == "doc_search"
        facts = spoken.facts if spoken else _FACTS
        fact = None if not spoken and rng.random() < _GAP_SHARE else rng.choice(facts[topic])
        question = fact.question if fact else rng.choice(_BOOK.gaps[topic])
        retrieved = self._retrieve(topic, fact) if searches else ()
        rank = next((r.rank for r in retrieved if fact and r.document.id == fact.document_id), None)
        words = self._answer(fact, searches and rank is None, retrieved, rank)
        attack = None
        if (self.feature != "voice_agent" and rng.random() < _ATTACK_SHARE) or self.is_unguarded:
            attack = rng.choice(tuple(phrases.ATTACKS))
        if spoken:
            around = (rng.choice(spoken.phrases[kind]) for kind in ("opening", "closing"))
            prompt = f" {question} ".join(around).strip()
        else:
            prompt = rng.choice(phrases.OPENINGS) + question + rng.choice(phrases.CLOSINGS)
        if self.feature == "support_chat" and rng.random() < _THREAD_SHARE:
            thread = "\n\n".join(document.text for document in rng.choices(_BOOK.documents, k=12))
            prompt = phrases.FORWARDED.format(thread, question)
        if attack:
            return self._attacked(replace(words, system=system, prompt=f"{prompt} {phrases.ATTACKS[attack]}"), attack)
        about = fact.document_id if fact else _BY_TOPIC[topic][0].id
        return replace(words, system=system, prompt=prompt, tool_calls=self._calls(about))

    def _answer(self, fact: Fact | None, is_missed: bool, retrieved: tuple[Retrieved, ...], rank: int | None) -> Words:
        rng = self.rng
        probability = hallucination_rate(self.model, self.feature, self.day)
        probability += _GAP if fact is None else _MISSED if is_missed else 0.0
        more = 0.0 if fact is None or is_missed else self.made_up_points
        document_id = fact.document_id if fact else None
        lot = rng.random()
        if lot < probability:
            if fact is None:
                kind, text = "unanswerable", rng.choice(_FACTS[rng.choice(_BOOK.topics)]).sentence
            else:
                kind, text = invent(rng, fact, self.language)
            truth = Truth("hallucinated", kind, document_id, rank, probability + more, fact.sentence if fact else None)
        elif fact is None or is_missed or lot > 1 - _REFUSED_SHARE:
            truth = Truth("refused", None, document_id, rank, probability + more, fact.sentence if fact else None)
            refusals = self.language.phrases["refusal"] if self.language else phrases.REFUSALS
            return Words("", (), "", rng.choice(refusals), _uncited(retrieved), truth=truth)
        else:
            wrong, text = self._made_up(fact, more / (1 - probability - _REFUSED_SHARE))
            label: Label = "hallucinated" if wrong else "grounded"
            truth = Truth(label, wrong, document_id, rank, probability + more, fact.sentence)
        cites = retrieved[0].document.id if retrieved and rank is None else document_id
        if self.language:
            output = rng.choice(self.language.phrases["answer"]).format(text)
        elif self.feature == "voice_agent":
            output = rng.choice(phrases.SPOKEN).format(text)
        elif retrieved and rng.random() < 0.8:
            output = rng.choice(phrases.CITED).format(text, cites)
            retrieved = tuple(replace(r, is_cited=r.document.id == cites) for r in retrieved)
        else:
            output = rng.choice(phrases.ANSWERS).format(text)
        return Words("", (), "", output, retrieved, truth=truth)

    def _made_up(self, fact: Fact, chance: float) -> tuple[str | None, str]:
        """What is wrong with an answer that would be right, if anything is, and what it says."""
        # By chance of its own: all else about the request stays as it was drawn.
        rng = random.Random(int(self.request, 16) ^ 0xFA15E)
        return invent(rng, fact, self.language) if rng.random() < chance else (None, fact.sentence)

    def _retrieve(self, topic: str, fact: Fact | None) -> tuple[Retrieved, ...]:
        """Up to five documents, best first; the true one is missing in a known share."""
        rng = self.rng
        if rng.random() < _EMPTY_SHARE:
            return ()
        near = [d for d in _BY_TOPIC[topic] if fact is None or d.id != fact.document_id]
        found: list[Document] = rng.sample(near, 3)
        found += rng.sample([d for d in _BOOK.documents if d.topic != topic], FOUND_AT_MOST - len(found))
        if fact is not None and rng.random() >= missed_share(self.day):
            place = rng.choices(_RANKS, _RANK_WEIGHTS)[0] - 1
            true = next(d for d in _BY_TOPIC[topic] if d.id == fact.document_id)
            found = [*found[:place], true, *found[place:-1]]
        score, retrieved = rng.uniform(0.62, 0.93), []
        for rank, document in enumerate(found, start=1):
            retrieved.append(Retrieved(document, rank, round(score, 4), is_cited=False))
            score *= rng.uniform(0.86, 0.99)
        return tuple(retrieved)

    def _calls(self, about: str) -> tuple[ToolCall, ...]:
        if self.rng.random() >= CALL_SHARE.get(self.feature, 0.0):
            return ()
        return draw_calls(self.rng, self.feature, self.request, self.rng.choice((1, 1, 1, 2)), about)

    def _attacked(self, words: Words, attack: str) -> Words:
        """An answer to somebody who wants the prompt, or the rules, out of the way."""
        assert words.truth is not None
        truth = replace(words.truth, label="unsafe", kind=None, probability=0.0, attack=attack)
        words = replace(words, retrieved=_uncited(words.retrieved))
        if self.is_unguarded and attack in phrases.REVEALING:
            return replace(words, output=words.system, truth=replace(truth, kind="leaked_prompt"))
        if self.is_unguarded:
            kind = self.rng.choice(_PERSONAL)
            value, _ = plant(self.rng, kind)
            output, planted = phrases.DISCLOSED.format(value), ("output", kind, value)
            return replace(words, output=output, planted=(planted,), truth=replace(truth, kind="leaked_personal_data"))
        # While the filters work, an attack may change an answer, but the prompt stays where it is.
        if attack in phrases.REVEALING or self.rng.random() >= _ATTACK_SUCCESS:
            return replace(words, output=self.rng.choice(phrases.DECLINES), truth=replace(truth, label="refused"))
        return replace(words, output=phrases.OBEYED, truth=replace(truth, kind="obeyed_attack"))

    def tried(self, words: Words, turn: int) -> Words:
        """What an attacker does instead: attacks of each kind, and between them searches that show each document once."""
        step, is_search = divmod(turn, 2)
        if not is_search or step * FOUND_AT_MOST >= len(_BOOK.documents):
            attack = tuple(phrases.ATTACKS)[step % len(phrases.ATTACKS)]
            said = f"{words.prompt} {phrases.ATTACKS[attack]}"
            return self._attacked(replace(words, prompt=said, retrieved=()), attack)
        assert words.truth is not None
        documents = _BOOK.documents[step * FOUND_AT_MOST : (step + 1) * FOUND_AT_MOST]
        found = tuple(Retrieved(d, n, round(0.9 - n / 20, 4), is_cited=False) for n, d in enumerate(documents, start=1))
        truth = replace(words.truth, label="refused", kind=None, rank=None, probability=0.0)
        return replace(words, output=self.rng.choice(phrases.REFUSALS), retrieved=found, truth=truth)

    def _task(self, system: str, topic: str) -> Words:
        """A summary of a document, or the topic of a customer's message."""
        rng = self.rng
        fact = rng.choice(_FACTS[topic])
        probability = hallucination_rate(self.model, self.feature, self.day)
        is_wrong = rng.random() < probability
        if self.feature == "nightly_tagging":
            said = rng.choice([t for t in _BOOK.topics if t != topic]) if is_wrong else topic
            output = json.dumps({"topic": said, "urgent": rng.random() < 0.1})
            prompt = rng.choice(phrases.OPENINGS) + fact.question + rng.choice(phrases.CLOSINGS)
            label: Label = "hallucinated" if is_wrong else "grounded"
            truth = Truth(label, "wrong_topic" if is_wrong else None, None, None, probability, topic)
            return Words(system, (), prompt, output, truth=truth)
        document = next(d for d in _BY_TOPIC[topic] if d.id == fact.document_id)
        more = self.made_up_points
        kind, text = invent(rng, fact, None) if is_wrong else self._made_up(fact, more / (1 - probability))
        output = rng.choice(phrases.SUMMARIES).format(title=document.title, fact=text)
        truth = Truth("hallucinated" if kind else "grounded", kind, document.id, None, probability + more, fact.sentence)
        return Words(system, (), rng.choice(phrases.SUMMARY_ASKS).format(document.text), output, truth=truth)

    def _code(self, system: str, finish: str | None) -> Words:
        rng = self.rng
        about = {
            "function": rng.choice(phrases.FUNCTIONS),
            "error": rng.choice(phrases.ERRORS),
            "condition": rng.choice(phrases.CONDITIONS),
        }
        prompt = rng.choice(phrases.CODE_QUESTIONS).format(**about)
        if finish == "tool_calls":
            calls = draw_calls(rng, self.feature, self.request, rng.choice((1, 1, 2, 3)), "")
            return Words(system, (), prompt, None, tool_calls=calls)
        return Words(system, (), prompt, rng.choice(phrases.CODE_ANSWERS).format(**about))

    def planted(self, words: Words) -> Words:
        """With a string in it that must not reach a warehouse, now and then; in an answer only what the caller said."""
        rng = self.rng
        if rng.random() >= _PLANTED_SHARE:
            return words
        kind = rng.choice(_PLANTED_KINDS)
        value, sentence = plant(rng, kind)
        lot = rng.random()
        if lot < 0.1 and words.tool_calls:
            first = words.tool_calls[0]
            calls = (replace(first, arguments=first.arguments | {"note": sentence}), *words.tool_calls[1:])
            return replace(words, tool_calls=calls, planted=(("arguments", kind, value),))
        if lot < 0.13 and words.output is not None and self.feature in ("support_chat", "doc_search"):
            words = replace(words, output=f"{words.output} {sentence}", planted=(("output", kind, value),))
        planted = (("prompt", kind, value), *words.planted)
        return replace(words, prompt=f"{words.prompt} {sentence}", planted=planted)


def _uncited(retrieved: tuple[Retrieved, ...]) -> tuple[Retrieved, ...]:
    return tuple(replace(r, is_cited=False) for r in retrieved)
