"""How many labels tomorrow would make an interval as narrow as wished.

Here belongs the forecast for one rate; tomorrow is taken to be like today: as many responses, the same
rate, score and raters.
"""

from __future__ import annotations

import numpy as np

from assets.quality.estimator import Rate
from assets.service.intervals import Z_95, clopper_pearson_low, wilson


def labels_needed(rate: Rate, share_of_width: float = 0.5) -> int | None:
    """The labels of a night whose interval is `share_of_width` of that of `rate`; all its responses where nothing less does.

    None where no number of labels does: what is left is the raters' own error, or there is no interval to begin with.
    """
    if not 0 < share_of_width < 1:
        raise ValueError(f"{share_of_width} of a width; give a share between 0 and 1")
    if rate.rate is None or rate.low is None or rate.high is None or not rate.n_effective or rate.high <= rate.low:
        return None
    wished, by_raters = share_of_width * (rate.high - rate.low), 2 * Z_95 * (rate.rater_error or 0.0)
    if wished <= by_raters:
        return None
    youden = 1.0 if rate.sensitivity is None or rate.specificity is None else rate.sensitivity + rate.specificity - 1
    apparent = rate.rate if rate.specificity is None else 1 - rate.specificity + youden * rate.rate
    today = _width(apparent, rate.n_effective, rate.method)
    scale = np.sqrt(max((rate.high - rate.low) ** 2 - by_raters**2, 0.0)) / today if today else 1.0
    target = np.sqrt(wished**2 - by_raters**2) / scale
    fewer, enough = rate.n_effective, rate.n_effective
    while _width(apparent, enough, rate.method) > target:
        fewer, enough = enough, 2 * enough
    while enough - fewer > 1e-3 * enough:
        middle = (fewer + enough) / 2
        is_wide = _width(apparent, middle, rate.method) > target
        fewer, enough = (middle, enough) if is_wide else (fewer, middle)
    # Effective labels are proportional to 1 / (1/n - 1/N): the closer to all N, the less is left to chance.
    left = 1 / rate.n_labelled - 1 / rate.n_responses
    return min(int(np.ceil(1 / (left * rate.n_effective / enough + 1 / rate.n_responses))), rate.n_responses)


def _width(rate: float, size: float, method: str) -> float:
    if method == "exact":
        hits = rate * size
        return float(1 - clopper_pearson_low(size - hits, size, 0.95) - clopper_pearson_low(hits, size, 0.95))
    low, high = wilson(rate * size, size)
    return float(high - low)
