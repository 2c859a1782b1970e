"""The curves of a run from its `metrics.jsonl`: loss, validation, branches, learning rates, speed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kinsight.show.charts import COLOURS, Chart, Series, line_chart, short


def run_charts(lines: Sequence[Mapping[str, Any]], titles: Mapping[str, str] | None = None) -> list[Chart]:
    """The charts of a run's `metrics.jsonl`: loss, validation, branches, learning rates, speed; those with data.

    `titles` gives the readable names of validation metrics.
    """
    training = [line for line in lines if line.get("kind") == "train"]
    validation = [line for line in lines if line.get("kind") == "validation"]
    events = [float(line["step"]) for line in lines if line.get("kind") == "event" and _finite(line.get("step"))]
    charts = [
        _loss_chart(series_of(training, _named(training, "loss")), events),
        _validation_chart(validation, dict(titles or {})),
        _branch_chart([line for line in lines if line.get("kind") == "objective"]),
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
    legend = [(_spoken(name), short(_last(one.y))) for name, one in zip(names, calm, strict=True)]
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


def _branch_chart(lines: list[Mapping[str, Any]]) -> Chart | None:
    """Which share of each epoch's pictures a head that assigns them gave to each branch."""
    told = []
    for line in lines:
        counts = line.get("assigned")
        if isinstance(counts, list) and len(counts) > 1 and all(map(_finite, counts)) and sum(counts) > 0:
            shares = {f"branch {number}": count / sum(counts) for number, count in enumerate(counts)}
            told.append({"step": line.get("step"), **shares})
    series = series_of(told, list(told[0])[1 : 1 + COLOURS]) if told else []
    if not series:
        return None
    svg = line_chart(series, "Share of the pictures assigned to each branch, over training steps", percent=True)
    legend = [(one.name, f"{100 * _last(one.y):.1f} %") for one in series]
    return Chart(
        "Pictures by branch", svg, legend, "Share of each epoch's pictures whose own loss the branch learned from."
    )


def _rate_chart(series: list[Series]) -> Chart | None:
    if not series:
        return None
    positive = np.concatenate([one.y[np.isfinite(one.y) & (one.y > 0)] for one in series])
    logarithmic = len(positive) > 0 and positive.max() / positive.min() > 30
    svg = line_chart(series, "Learning rates over training steps", logarithmic=logarithmic)
    legend = [(_spoken(one.name.removeprefix("lr_")), short(_last(one.y))) for one in series]
    return Chart("Learning rates", svg, legend, "Logarithmic scale." if logarithmic else "")


def _plain_chart(title: str, series: list[Series]) -> Chart | None:
    if not series:
        return None
    median = float(np.nanmedian(series[0].y))
    return Chart(title, line_chart(series, f"{title} over training steps"), [("median", short(median))])


def _named(lines: Sequence[Mapping[str, Any]], word: str) -> list[str]:
    names = {name: None for line in lines for name in line if name == word or name.startswith(f"{word}_")}
    return list(names)


def _spoken(name: str) -> str:
    return name.replace("_", " ")


def _last(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(finite[-1])


def _finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)
