"""What a person is told of the difference between two versions of a prompt."""

from __future__ import annotations

from prompt_house import manifest

from assets.release.manifest import parse_manifest
from assets.release.manifest_diff import diff

WORDS = "Help customers of {{shop}}. Look orders up with look_up_order."
MODEL = {"provider": "openai", "name": "gpt-4o-mini-2024-07-18"}
BEFORE = parse_manifest(manifest(version="v12", rollback_to=...), "12.yml")


def test_each_change_is_a_line_and_the_words_are_shown_as_they_were_and_are() -> None:
    after = parse_manifest(
        manifest(
            template=[
                {"role": "system", "content": f"{WORDS}\nNever guess."},
                {"role": "user", "content": "{{ question }}"},
            ],
            model=MODEL | {"settings": {"temperature": 0.4, "max_tokens": 9}},
            tools={"look_up_order": "write"},
            retrieval={"index": "main", "k": 5},
        ),
        "13.yml",
    )
    assert diff(BEFORE, after).splitlines() == [
        "support-chat@v12 -> support-chat@v13: shorter answers about returns",
        "+ model.settings.max_tokens: 9",
        "  model.settings.temperature: 0.2 -> 0.4",
        "+ retrieval.index: main",
        "+ retrieval.k: 5",
        "+ retrieval.refuse_if_not_in_context: false",
        "+ retrieval.require_citations: false",
        "+ rollback_to: v12",
        "  tools.look_up_order: read -> write",
        "template:",
        " system| Help customers of {{shop}}. Look orders up with look_up_order.",
        "+system| Never guess.",
        " user| {{ question }}",
    ]


def test_two_names_for_the_same_are_told_so() -> None:
    same = parse_manifest(manifest(version="v14", rollback_to=...), "14.yml")
    assert diff(BEFORE, same).splitlines()[1:] == ["they say the same"]
