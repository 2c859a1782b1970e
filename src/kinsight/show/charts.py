"""Line charts of a run as inline SVG: no picture files, coloured by the page's own style, sharp at every width."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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


def run_charts(lines: Sequence[Mapping[str, Any]], titles: Mapping[str, str] | None = None) -> list[Chart]:
    """The charts of a run's `metrics.jsonl`: loss, validation, learning rates, speed; those with data.

    `titles` gives the readable names of validation metrics.
    """
    training = [line for line in lines if line.get("kind") == "train"]
    validation = [line for line in lines if line.get("kind") == "validation"]
    events = [float(line["step"]) for line in lines if line.get("kind") == "event" and _finite(line.get("step"))]
    charts = [
        _loss_chart(series_of(training, _named(training, "loss")), events),
        _validation_chart(validation, dict(titles or {})),
        _rate_chart(series_of(training, _named(training, "lr")[:COLOURS])),
        _plain_chart("Pictures a second", series_of(training, ["pictures_per_second"])),
    ]
    return [chart for chart in charts if chart is not None]


def series_of(lines: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[Series]:
    """The named values over the steps. A step written twice (by a resume) counts once, as written last."""
    found = []
    for name in names:
        values = {
            float(line["step"]): float(line[name])
            for line in lines
            if _finite(line.get("step")) and isinstance(line.get(name), (int, float))
        }
        if any(math.isfinite(value) for value in values.values()):
            steps = np.array(sorted(values))
            found.append(Series(name, steps, np.array([values[step] for step in steps])))
    return found


def smoothed(y: np.ndarray, window: int) -> np.ndarray:
    """The centred running mean over `window` values; what is not finite is left out, the ends use what they have."""
    weights = np.isfinite(y).astype(float)
    kernel = np.ones(max(window, 1))
    total = np.convolve(np.where(weights > 0, y, 0.0), kernel, mode="full")
    count = np.convolve(weights, kernel, mode="full")
    start = (len(kernel) - 1) // 2
    total, count = total[start : start + len(y)], count[start : start + len(y)]
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


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
) -> Markup:
    """Draw lines over steps.

    Args:
        faint: lines drawn pale behind those of the same position in `series` (raw values behind smoothed ones).
        marks: steps at which something happened, drawn as vertical hairlines.
        best: one (step, value) to ring.
    """
    drawn = [thinned(one) for one in series]
    behind = [thinned(one) for one in faint]
    every = [*drawn, *behind]
    x_low, x_high = _range(np.concatenate([one.x for one in every]))
    heights = np.concatenate([one.y for one in every])
    ticks = _log_ticks(heights) if logarithmic else _ticks(*_robust(heights))
    scale = np.log10 if logarithmic else np.asarray
    y_low, y_high = float(scale(ticks[0])), float(scale(ticks[-1]))

    def across(x: float) -> float:
        return LEFT + (x - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT)

    def up(y: float) -> float:
        place = (float(scale(max(y, ticks[0]) if logarithmic else y)) - y_low) / (y_high - y_low)
        return HEIGHT - BOTTOM - min(max(place, 0.0), 1.0) * (HEIGHT - TOP - BOTTOM)

    parts = [_grid(ticks, up, percent), _steps(x_low, x_high, across)]
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


def _loss_chart(series: list[Series], events: list[float]) -> Chart | None:
    if not series:
        return None
    window = max(1, len(series[0].x) // 40)
    calm = [Series(one.name, one.x, smoothed(one.y, window)) for one in series]
    # Pale single values of several terms would hide one another; the total keeps its own.
    svg = line_chart(calm, "Loss over training steps", faint=series[:1] if window > 1 else (), marks=events)
    remarks = [f"Running mean over {window} logged steps; single values pale."] if window > 1 else []
    remarks += ["Hairlines: events."] if events else []
    names = [one.name.removeprefix("loss_") if one.name != "loss" else "total" for one in calm]
    if len(names) == 1:
        names = ["loss"]
    legend = [(_spoken(name), _short(_last(one.y))) for name, one in zip(names, calm, strict=True)]
    return Chart("Training loss", svg, legend, " ".join(remarks))


def _validation_chart(lines: list[Mapping[str, Any]], titles: dict[str, str]) -> Chart | None:
    order = [
        key
        for key in ("map_at_r", "r_precision", "precision_at_1", "recall_at_1")
        if any(key in line for line in lines)
    ]
    if "precision_at_1" in order and "recall_at_1" in order:
        order.remove("recall_at_1")  # the same number under another name
    series = series_of(lines, order)
    if not series:
        return None
    first = series[0]
    at = int(np.nanargmax(first.y))
    title = titles.get(first.name, first.name)
    remark = f"Ring: best {title}, {100 * first.y[at]:.1f} % at step {first.x[at]:,.0f}."
    svg = line_chart(
        series, "Validation metrics over training steps", percent=True, best=(float(first.x[at]), float(first.y[at]))
    )
    legend = [(titles.get(one.name, one.name), f"{100 * _last(one.y):.1f} %") for one in series]
    return Chart("Validation classes", svg, legend, remark)


def _rate_chart(series: list[Series]) -> Chart | None:
    if not series:
        return None
    positive = np.concatenate([one.y[np.isfinite(one.y) & (one.y > 0)] for one in series])
    logarithmic = len(positive) > 0 and positive.max() / positive.min() > 30
    svg = line_chart(series, "Learning rates over training steps", logarithmic=logarithmic)
    legend = [(_spoken(one.name.removeprefix("lr_")), _short(_last(one.y))) for one in series]
    return Chart("Learning rates", svg, legend, "Logarithmic scale." if logarithmic else "")


def _plain_chart(title: str, series: list[Series]) -> Chart | None:
    if not series:
        return None
    median = float(np.nanmedian(series[0].y))
    return Chart(title, line_chart(series, f"{title} over training steps"), [("median", _short(median))])


def _grid(ticks: np.ndarray, up: Any, percent: bool) -> str:
    lines = []
    for tick in ticks:
        y = up(float(tick))
        text = f"{100 * tick:g} %" if percent else _short(float(tick))
        lines.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        lines.append(f'<text class="tick" x="{LEFT - 7}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
    return "".join(lines)


def _steps(low: float, high: float, across: Any) -> str:
    y = HEIGHT - BOTTOM + 18
    texts = [f'<text class="tick" x="{LEFT - 7}" y="{y}" text-anchor="end">step</text>']
    for tick in _ticks(low, high, 5):
        if low <= tick <= high:
            x = min(across(float(tick)), WIDTH - 16)  # a label at the very end must not be cut off
            if x > LEFT + 8:
                texts.append(
                    f'<text class="tick" x="{x:.1f}" y="{y}" text-anchor="middle">{_short(float(tick))}</text>'
                )
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


def _named(lines: Sequence[Mapping[str, Any]], word: str) -> list[str]:
    names = {name: None for line in lines for name in line if name == word or name.startswith(f"{word}_")}
    return list(names)


def _spoken(name: str) -> str:
    return name.replace("_", " ")


def _short(value: float) -> str:
    if value != 0 and (abs(value) < 1e-3 or abs(value) >= 1e6):
        return f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e").replace(".0e", "e")
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _last(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(finite[-1])


def _mean(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else math.nan


def _finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)
