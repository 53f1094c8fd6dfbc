"""Small drawings inside tiles and tables, as SVG: a line over days with its target, an interval, the steps of a request.

Here belongs what is too small for a chart with axes (charts.py). Colours are classes of the page's style.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from apps.pages.figures import figure, is_known

WIDTH, HEIGHT, EDGE = 120.0, 30.0, 3.0
ROW = 36.0
LEAST_WIDTH = 0.4
"""Percent of the width: a step that took next to nothing is seen."""
LONGEST_STEP = 40


def spark(values: Sequence[Any], target: Any = None, words: str = "") -> str:
    """A line through values in their order; gaps where one is not known, a dot at the newest, dashes at the target."""
    known = [float(v) for v in values if is_known(v)]
    if len(known) < 2:
        return ""
    reach = [*known, float(target)] if is_known(target) else known
    low, high = min(reach), max(reach)

    def place(at: int, value: float) -> tuple[float, float]:
        x = EDGE + (WIDTH - 2 * EDGE) * at / (len(values) - 1)
        share = 0.5 if high == low else (value - low) / (high - low)
        return round(x, 1), round(HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * share, 1)

    path, is_open = [], False
    for at, value in enumerate(values):
        if not is_known(value):
            is_open = False
            continue
        x, y = place(at, float(value))
        path.append(f"{'L' if is_open else 'M'}{x} {y}")
        is_open = True
    newest = max(at for at, value in enumerate(values) if is_known(value))
    x, y = place(newest, float(values[newest]))
    parts = [f'<path class="spark-line" d="{"".join(path)}"/>', f'<circle class="spark-dot" cx="{x}" cy="{y}" r="2.2"/>']
    if is_known(target):
        _, level = place(0, float(target))
        parts.insert(0, f'<path class="spark-target" d="M0 {level}H{WIDTH:.0f}"/>')
    label = f'role="img" aria-label="{escape(words)}"' if words else 'aria-hidden="true"'
    return f'<svg class="spark" viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" {label}>{"".join(parts)}</svg>'


def steps(rows: Sequence[dict[str, Any]], words: str) -> str:
    """What a request did when: for each step its name and time, and a bar from its start to its end. It fits any width."""
    timed = [row for row in rows if is_known(row["start_ms"]) and is_known(row["duration_ms"])]
    end = max((float(row["start_ms"]) + float(row["duration_ms"]) for row in timed), default=0.0)
    if not timed or end <= 0:
        return ""
    parts = []
    for at, row in enumerate(timed):
        length = max(100 * float(row["duration_ms"]) / end, LEAST_WIDTH)
        start = min(100 * float(row["start_ms"]) / end, 100 - length)
        text, bar = f'y="{at * ROW + 14:.0f}"', f'y="{at * ROW + 20:.0f}" height="8" rx="2"'
        kind = "bad" if row.get("is_failed") else "part" if at else "whole"
        name, took = escape(_cut(str(row["step"]))), escape(figure(row["duration_ms"], "ms"))
        parts += [
            f'<text {text}><tspan class="step-name">{name}</tspan><tspan class="step-time" dx="8">{took}</tspan></text>',
            f'<rect class="step-track" width="100%" {bar}/>',
            f'<rect class="step-{kind}" x="{start:.2f}%" width="{length:.2f}%" {bar}/>',
        ]
    shape = f'width="100%" height="{ROW * len(timed):.0f}"'
    return f'<svg class="steps" {shape} role="img" aria-label="{escape(words)}">{"".join(parts)}</svg>'


def _cut(name: str) -> str:
    return name if len(name) <= LONGEST_STEP else f"{name[: LONGEST_STEP - 1]}…"
