"""Line charts as inline SVG: no picture files, coloured by the page's own style, sharp at every width."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Any

import numpy as np
from markupsafe import Markup

WIDTH, HEIGHT = 400, 240
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 12, 28
COLOURS = 6  # of lines; those after them are the same, dashed
POINTS = 300  # more points than pixels only make the page heavy


@dataclass(frozen=True)
class Series:
    """One named line: x and y of the same length; a y that is not finite is a gap."""

    name: str
    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class Chart:
    """A titled chart: its SVG, its legend (name, last value) in the order of the line colours, and a remark."""

    title: str
    svg: Markup
    legend: list[tuple[str, str]]
    remark: str = ""


def thinned(series: Series, points: int = POINTS) -> Series:
    """At most `points` values: the mean of each run of neighbours (a run without a finite value stays a gap)."""
    if len(series.x) <= points:
        return series
    borders = np.linspace(0, len(series.x), points + 1).astype(int)
    pairs = list(pairwise(borders))
    x = np.array([series.x[low:high].mean() for low, high in pairs])
    y = np.array([_mean(series.y[low:high]) for low, high in pairs])
    return Series(series.name, x, y)


def line_chart(
    series: Sequence[Series],
    description: str,
    *,
    faint: Sequence[Series] = (),
    marks: Sequence[float] = (),
    logarithmic: bool = False,
    percent: bool = False,
    best: tuple[float, float] | None = None,
    across_name: str = "step",
) -> Markup:
    """Draw lines over steps, or over whatever x is.

    Args:
        faint: lines drawn pale behind those of the same position in `series` (raw values behind smoothed ones).
        marks: steps at which something happened, drawn as vertical hairlines.
        best: one (step, value) to ring.
        across_name: what x is, below the axis.
    """
    drawn = [thinned(one) for one in series]
    behind = [thinned(one) for one in faint]
    every = [*drawn, *behind]
    x_low, x_high = _range(np.concatenate([one.x for one in every]))
    heights = np.concatenate([one.y for one in every])
    low, high = _robust(heights)
    if percent:  # what cannot be is no part of the axis
        low, high = max(low, 0.0), min(high, 1.0)
    ticks = _log_ticks(heights) if logarithmic else _ticks(low, high)
    scale = np.log10 if logarithmic else np.asarray
    y_low, y_high = float(scale(ticks[0])), float(scale(ticks[-1]))

    def across(x: float) -> float:
        return LEFT + (x - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT)

    def up(y: float) -> float:
        place = (float(scale(max(y, ticks[0]) if logarithmic else y)) - y_low) / (y_high - y_low)
        return HEIGHT - BOTTOM - min(max(place, 0.0), 1.0) * (HEIGHT - TOP - BOTTOM)

    parts = [_grid(ticks, up, percent), _ground(x_low, x_high, across, across_name)]
    parts += [
        f'<path class="mark" d="M{across(x):.1f} {TOP}V{HEIGHT - BOTTOM}"/>' for x in marks if x_low <= x <= x_high
    ]
    parts += [f'<path class="line faint {_colour(n)}" d="{_path(one, across, up)}"/>' for n, one in enumerate(behind)]
    parts += [f'<path class="line {_colour(n)}" d="{_path(one, across, up)}"/>' for n, one in enumerate(drawn)]
    parts += [_dots(one, n, across, up) for n, one in enumerate(drawn) if len(one.x) <= 12]
    if best is not None:
        parts.append(f'<circle class="best" cx="{across(best[0]):.1f}" cy="{up(best[1]):.1f}" r="5.5"/>')
    return Markup(
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(description)}">'
        + "".join(parts)
        + "</svg>"
    )


def _grid(ticks: np.ndarray, up: Any, percent: bool) -> str:
    lines = []
    for tick in ticks:
        y = up(float(tick))
        text = f"{100 * tick:g} %" if percent else short(float(tick))
        lines.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        lines.append(f'<text class="tick" x="{LEFT - 7}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
    return "".join(lines)


def _ground(low: float, high: float, across: Any, name: str) -> str:
    y = HEIGHT - BOTTOM + 18
    texts = [f'<text class="tick" x="{LEFT - 7}" y="{y}" text-anchor="end">{name}</text>']
    for tick in _ticks(low, high, 5):
        if low <= tick <= high:
            x = min(across(float(tick)), WIDTH - 16)  # a label at the very end must not be cut off
            if x > LEFT + 8:
                texts.append(f'<text class="tick" x="{x:.1f}" y="{y}" text-anchor="middle">{short(float(tick))}</text>')
    return "".join(texts)


def _path(series: Series, across: Any, up: Any) -> str:
    commands, pen = [], "M"
    for x, y in zip(series.x, series.y, strict=True):
        if math.isfinite(y):
            commands.append(f"{pen}{across(x):.1f} {up(y):.1f}")
            pen = "L"
        else:
            pen = "M"
    return "".join(commands)


def _colour(number: int) -> str:
    return f"c{number % COLOURS}" + (" again" if number >= COLOURS else "")


def _dots(series: Series, number: int, across: Any, up: Any) -> str:
    circles = (
        f'<circle class="dot c{number % COLOURS}" cx="{across(x):.1f}" cy="{up(y):.1f}" r="2.5"/>'
        for x, y in zip(series.x, series.y, strict=True)
        if math.isfinite(y)
    )
    return "".join(circles)


def _ticks(low: float, high: float, about: int = 5) -> np.ndarray:
    """Round numbers that cover [low, high]: steps of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return np.round(np.arange(first, last + 1) * step, 12)


def _log_ticks(values: np.ndarray) -> np.ndarray:
    positive = values[np.isfinite(values) & (values > 0)]
    low, high = math.floor(math.log10(positive.min()) + 1e-9), math.ceil(math.log10(positive.max()) - 1e-9)
    return 10.0 ** np.arange(low, max(high, low + 1) + 1)


def _robust(values: np.ndarray) -> tuple[float, float]:
    """The range to show: one wild value must not flatten all others, so it is cut at the edge of the chart."""
    finite = values[np.isfinite(values)]
    low, high = _range(finite)
    if len(finite) >= 50:
        typical = float(np.quantile(finite, 0.98))
        high = min(high, low + 1.5 * (typical - low)) if typical > low else high
    return (0.0 if 0 < low < 0.5 * high else low), high


def _range(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = abs(low) * 0.1 or 1.0
    return (low, high) if high > low else (low - margin, high + margin)


def short(value: float) -> str:
    """A number in few digits."""
    if value != 0 and (abs(value) < 1e-3 or abs(value) >= 1e6):
        return f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e").replace(".0e", "e")
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _mean(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else math.nan
