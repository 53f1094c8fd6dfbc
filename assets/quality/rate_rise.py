"""Is a rate another than it was? Some nights against the nights before, and what of it chance alone would explain.

Here belongs the comparison of two estimated rates, and the correction for many of them; which answers are compared stands in
rate_changes.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import special

from assets.quality.estimator import Rate
from assets.quality.inclusion import Floats, Ints

FALSE_DISCOVERIES = 5e-4
"""Of a night without any rise, the probability that one is found all the same (Benjamini and Hochberg's q)."""
USUAL_WANDER, WANDER_NIGHTS = 0.2, 27
"""How much of itself a rate goes up and down from night to night before anything is known of it, and the nights for which
that counts: as much as four weeks of reference."""
_STEPS = np.linspace(-9.0, 9.0, 145)
"""Standard deviations from the middle at which what is open about the reference is looked at, on the logit scale."""


def chance(window: Rate, reference: Rate, dispersion: float = 1.0) -> float:
    """The probability that nights would have a rate as high as `window` or higher, if its answers were wrong as often as
    those of `reference`; 1.0 where either says nothing.

    The exact binomial tail of the window's labels, averaged over the reference's posterior (Jeffreys' prior), so that a
    reference of few labels proves little. Both have as many labels as `_witnesses` says, less where nights differ by more
    than chance (`dispersion`, 1 or more).
    """
    size, known = _witnesses(window) / dispersion, _witnesses(reference) / dispersion
    if window.rate is None or reference.rate is None or not known or window.rate * size <= 0:
        return 1.0
    hits = window.rate * size
    yes, no = reference.rate * known + 0.5, (1 - reference.rate) * known + 0.5
    middle = special.digamma(yes) - special.digamma(no)
    logit = middle + np.sqrt(special.polygamma(1, yes) + special.polygamma(1, no)) * _STEPS
    density = np.exp(yes * special.log_expit(logit) + no * special.log_expit(-logit) - special.betaln(yes, no))
    tail = special.betainc(hits, size - hits + 1, special.expit(logit))
    return float(np.clip(np.trapezoid(tail * density, logit), 0.0, 1.0))


def _witnesses(rate: Rate) -> float:
    """How many answers of a plain draw would say as much of how answers come about.

    `n_effective` is what is known of the answers that were given. Where all of them are labelled nothing is in doubt about
    these, and as much as ever about the next.
    """
    if not rate.n_effective or rate.method == "census":
        return float(rate.n_labelled)
    return 1 / (1 / rate.n_effective + 1 / rate.n_responses)


def difference(window: Rate, reference: Rate, dispersion: float = 1.0) -> tuple[float, float, float] | None:
    """window - reference with its 95 % interval, from the intervals of both (Newcombe 1998); None without a rate."""
    known = (window.rate, window.low, window.high, reference.rate, reference.low, reference.high)
    if any(end is None for end in known):
        return None
    rate, low, high, usual, usual_low, usual_high = (float(end) for end in known if end is not None)
    wider, risen = np.sqrt(dispersion), rate - usual
    below, above = wider * np.hypot(rate - low, usual_high - usual), wider * np.hypot(high - rate, usual - usual_low)
    return risen, float(max(risen - below, -1.0)), float(min(risen + above, 1.0))


def dispersion(night: Ints, verdict: Floats, weight: Floats, rate: float) -> float:
    """How many times more the nights' rates vary than chance alone explains; 1 at least.

    Measured: the variance of the weighted mean with nights as witnesses, over that with labels as witnesses. Four weeks
    measure it badly, so it is averaged with what USUAL_WANDER expects, which counts as WANDER_NIGHTS nights.
    `night`, `verdict`, `weight` [label]: of the reference, whose rate is `rate`.
    """
    _, place = np.unique(night, return_inverse=True)
    nights = int(place.max(initial=-1)) + 1
    surprise = weight * (verdict - rate)
    alone = float((surprise**2).sum())
    if alone == 0:
        return 1.0
    together = float((np.bincount(place, surprise) ** 2).sum()) * nights / max(nights - 1, 1)
    labels_of_a_night = float((np.bincount(place, weight) ** 2).sum() / (weight**2).sum())
    expected = 1 + USUAL_WANDER**2 * labels_of_a_night * rate / (1 - rate) if rate < 1 else 1.0
    return max((WANDER_NIGHTS * expected + (nights - 1) * together / alone) / (WANDER_NIGHTS + nights - 1), 1.0)


def corrected(chances: Sequence[float | None]) -> list[float | None]:
    """The chances of all that was tested in a night, corrected for their number (Benjamini and Hochberg 1995): what is at or
    below FALSE_DISCOVERIES is found. None was not tested."""
    from scipy.stats import false_discovery_control  # Half a second to import, and most commands test nothing.

    tested = [chance for chance in chances if chance is not None]
    found = iter(false_discovery_control(tested).tolist() if tested else [])
    return [None if chance is None else float(next(found)) for chance in chances]
