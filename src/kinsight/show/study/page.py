"""The page of a study: how far it is, what it has found, every number with its interval drawn; one file without outside references."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kinsight.evaluation import Estimate
from kinsight.show.comparison.verdict import side_of
from kinsight.show.estimates import drawn, extent, reach
from kinsight.show.metrics import described, is_fraction, ordered, title_of
from kinsight.show.page import environment
from kinsight.show.study.verdict import study_verdicts
from kinsight.show.study.words import (
    MEANINGS,
    duration_text,
    minutes_text,
    notation_of,
    notes,
    published_cells,
    values_text,
)
from kinsight.studies.jobs import UNTRAINED
from kinsight.studies.published import PublishedTable
from kinsight.studies.running import State
from kinsight.studies.tables import PROTOCOLS, MethodRow, StudyTable

REFRESH = 15
"""Seconds after which a browser looks again while a study runs."""


def study_html(found: StudyTable, state: State, published: Sequence[PublishedTable] = ()) -> str:
    """One self-contained page: progress while there is any, verdicts, a table a metric, settings, costs, published tables, notes."""
    return environment().get_template("study.html").render(**_content(found, state, published))


def _content(found: StudyTable, state: State, published: Sequence[PublishedTable]) -> dict[str, Any]:
    study = found.study
    done = state.done == state.total
    return {
        "data": Path(study.settings["data"]["path"]).stem,
        "counts": f"{len(study.methods)} methods, {study.folds} folds, {study.trials} trials, {study.repeats} repeats",
        "refresh": 0 if done or not state.running else REFRESH,
        "progress": None if done else _progress(state),
        "verdicts": study_verdicts(found),
        "metrics": [_metric(found, key) for key in ordered(study.metrics)],
        "compared": any(row.differences for row in found.rows),
        "protocols": [(protocol, MEANINGS[protocol]) for protocol in PROTOCOLS],
        "settings": [_settings(row) for row in found.rows],
        "published": [_published(table) for table in published],
        "notes": notes(found),
    }


def _progress(state: State) -> dict[str, Any]:
    left = state.total - state.done
    return {
        "percent": f"{100 * state.done / max(1, state.total):.1f}",
        "done": state.done,
        "total": state.total,
        "running": list(state.running),
        "left": f"{duration_text(state.seconds_left)} left" if state.running else f"stopped with {left} to do",
    }


def _metric(found: StudyTable, key: str) -> dict[str, Any]:
    """The methods by one metric; both tables are drawn on one scale, and their differences on another with zero in its middle."""
    values = [row.cells.get(protocol, {}).get(key) for row in found.rows for protocol in PROTOCOLS]
    low, high = extent(values, key)
    end = reach([row.differences.get(protocol, {}).get(key) for row in found.rows for protocol in PROTOCOLS])
    metric = described(key)
    return {
        "title": title_of(key),
        "definition": f"{metric.definition}{' Percent.' if is_fraction(key) else ''}" if metric else "",
        "scale": (notation_of(key)(low), notation_of(key)(high)),
        "rows": [_row(row, key, (low, high), end, found.study.repeats) for row in found.rows],
    }


def _remark(row: MethodRow, repeats: int) -> str:
    """How far a method is that is not done."""
    done = min(row.repeats.values(), default=0)
    if row.name == UNTRAINED or done == repeats:
        return ""
    return f"{done} of {repeats} repeats" if done else "not yet" if row.values is None else "searched"


def _row(row: MethodRow, key: str, scale: tuple[float, float], end: float, repeats: int) -> dict[str, Any]:
    def cell(estimate: Estimate | None) -> Any:
        return drawn(estimate, *scale, notation_of(key))

    def difference(estimate: Estimate | None) -> Any:
        return drawn(estimate, -end, end, notation_of(key), signed=True), "" if estimate is None else side_of(
            key, estimate
        )

    return {
        "title": row.title,
        "baseline": row.baseline,
        "remark": _remark(row, repeats),
        "cells": [(protocol, cell(row.cells.get(protocol, {}).get(key))) for protocol in PROTOCOLS],
        "differences": [(protocol, *difference(row.differences.get(protocol, {}).get(key))) for protocol in PROTOCOLS],
    }


def _settings(row: MethodRow) -> tuple[str, list[str]]:
    validation = "–" if row.validation is None else f"{100 * row.validation:.1f}"
    parameters = "–" if row.parameters is None else f"{row.parameters / 1e6:.2f} M"
    return row.title, [
        values_text(row.values) or "–",
        validation,
        minutes_text(row.minutes).replace("-", "–"),
        parameters,
    ]


def _published(table: PublishedTable) -> dict[str, Any]:
    return {"name": table.name, "source": table.source, "metrics": [title_of(key) for key in table.metrics],
            "rows": [(method, cells) for method, *cells in published_cells(table)]}  # fmt: skip
