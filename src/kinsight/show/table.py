"""The numbers of evaluations as plain text, for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kinsight.evaluation.estimate import NO_INTERVAL
from kinsight.runs.evaluations import EvaluationRecord
from kinsight.show.metrics import is_fraction, ordered, title_of


def metric_table(evaluations: Sequence[Mapping[str, Any]]) -> str:
    """The metrics of evaluation records side by side, fractions in percent with their 95 % intervals.

    Records that were measured on the same pictures (same name but for that of the model) share a block, one column each;
    numbers that are no fractions stand below a line.
    """
    blocks: dict[str, list[EvaluationRecord]] = {}
    for record in evaluations:
        result = EvaluationRecord.from_plain(record)
        blocks.setdefault(result.pictures, []).append(result)
    return with_note("\n\n".join(_block(name, results) for name, results in blocks.items()))


def with_note(text: str) -> str:
    """The text, and what `[none]` means where it stands there."""
    return f"{text}\n{NO_INTERVAL}: values that are all alike carry no interval." if NO_INTERVAL in text else text


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells under a head and a rule, in columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    rule = "-" * (sum(widths) + 3 * (len(widths) - 1))
    return "\n".join([_line(rows[0], widths), rule, *(_line(row, widths) for row in rows[1:])])


def _block(name: str, results: list[EvaluationRecord]) -> str:
    keys = ordered({key: None for result in results for key in result.metrics})
    fractions = [key for key in keys if is_fraction(key)]
    rest = [key for key in keys if not is_fraction(key)]
    models = [result.model for result in results]
    rows = [[name, *models], *([title_of(key), *(_percent(key, result) for result in results)] for key in fractions)]
    others = [[title_of(key), *(_plain(key, result) for result in results)] for key in rest]
    widths = [max(len(row[column]) for row in [*rows, *others]) for column in range(len(models) + 1)]
    rule = "-" * (sum(widths) + 3 * len(models))
    lines = [_line(rows[0], widths), rule, *(_line(row, widths) for row in rows[1:])]
    if others:
        lines += [rule, *(_line(row, widths) for row in others)]
    return "\n".join(lines)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first = cells[0].ljust(widths[0])
    return "   ".join([first, *(cell.ljust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))]).rstrip()


def _percent(key: str, result: EvaluationRecord) -> str:
    estimate = result.estimate(key)
    return "-" if estimate is None else f"{estimate.number():>5} % {estimate.interval()}".rstrip()


def _plain(key: str, result: EvaluationRecord) -> str:
    if key not in result.metrics:
        return "-"
    value = result.metrics[key]
    return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 1000 else f"{value:.3g}"
