"""The tables of a study for a terminal, as Markdown, as CSV and as LaTeX."""

from __future__ import annotations

import csv
import io
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from kinsight.evaluation import Estimate
from kinsight.show.metrics import is_fraction, title_of
from kinsight.show.study.verdict import study_verdicts
from kinsight.show.study.words import (
    TITLES,
    difference_text,
    estimate_text,
    minutes_text,
    notation_of,
    notes,
    published_cells,
    values_text,
)
from kinsight.show.table import aligned
from kinsight.studies.published import PublishedTable
from kinsight.studies.tables import PROTOCOLS, MethodRow, StudyTable

Cells = list[list[str]]


def study_text(found: StudyTable, published: Sequence[PublishedTable] = (), width: int = 120) -> str:
    """What was found, both tables, and what they mean, for a terminal."""

    def filled(sentence: str) -> str:
        return textwrap.fill(sentence, width, subsequent_indent="  ", break_on_hyphens=False)

    judged = "\n".join(filled(sentence) for _, sentence in study_verdicts(found))
    blocks = [aligned(_cells(found, protocol)) for protocol in PROTOCOLS]
    blocks += [f"{_published_title(table)}\n\n{aligned(_published(table))}" for table in published]
    return "\n\n".join([*([judged] if judged else []), *blocks, "\n".join(map(filled, notes(found)))])


def study_markdown(found: StudyTable, published: Sequence[PublishedTable] = ()) -> str:
    """What was found, both tables, the settings, and what they mean; differences whose interval excludes zero are bold. Published tables
    stand apart."""
    judged = "\n".join(f"- {sentence}" for _, sentence in study_verdicts(found))
    parts = [judged] if judged else []
    for protocol in PROTOCOLS:
        parts += [f"### {TITLES[protocol]}", _piped(_cells(found, protocol, bold="**"))]
    if settings := _settings(found):
        parts += ["### Settings that were found", _piped(settings)]
    for table in published:
        parts += [f"### {_published_title(table)}", _piped(_published(table))]
    return "\n\n".join([*parts, "\n".join(f"- {note}" for note in notes(found))]) + "\n"


def study_csv(found: StudyTable) -> str:
    """A line for each method, table and metric; fractions, not percent; empty where there is nothing."""
    lines = [
        {
            "method": row.name,
            "protocol": protocol,
            "repeats": row.repeats.get(protocol, 0),
            "metric": metric,
            **_columns("value", row.cells.get(protocol, {}).get(metric)),
            "baseline": row.baseline,
            **_columns("difference", row.differences.get(protocol, {}).get(metric)),
            "minutes": row.minutes,
            "parameters": row.parameters,
        }
        for row in found.rows
        for protocol in PROTOCOLS
        for metric in found.study.metrics
    ]
    text = io.StringIO()
    writer = csv.DictWriter(text, lines[0].keys() if lines else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def study_latex(found: StudyTable) -> str:
    """One table with both protocols side by side, as in the papers: mean and half the width of the interval; needs booktabs."""
    metrics = found.study.metrics
    columns = "l" + "c" * len(metrics) * len(PROTOCOLS)
    heads = [f"\\multicolumn{{{len(metrics)}}}{{c}}{{{protocol.capitalize()}}}" for protocol in reversed(PROTOCOLS)]
    lines = [
        "% Mean over repeats, in percent; +- is half of the 95 % interval (Student's t).",
        f"\\begin{{tabular}}{{{columns}}}",
        "\\toprule",
        " & ".join(["", *heads]) + r" \\",
        " & ".join(["Method", *([_latex(title_of(metric)) for metric in metrics] * len(PROTOCOLS))]) + r" \\",
        "\\midrule",
        *(" & ".join(_latex_row(found, row)) + r" \\" for row in found.rows),
        "\\bottomrule",
        "\\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def _cells(found: StudyTable, protocol: str, bold: str = "") -> Cells:
    compared = any(row.differences for row in found.rows)
    unit = ", %" if all(map(is_fraction, found.study.metrics)) else ""
    head = [f"{protocol}{unit}", "repeats", *map(title_of, found.study.metrics)]
    if compared:
        head += [f"{title_of(metric)} to baseline" for metric in _judged(found)]
    rows = []
    for row in found.rows:
        cells = row.cells.get(protocol, {})
        line = [
            row.title,
            str(row.repeats.get(protocol, 0)),
            *(estimate_text(m, cells.get(m)) for m in found.study.metrics),
        ]
        if compared:
            differences = row.differences.get(protocol, {})
            line += [
                _emphasised(difference_text(m, differences.get(m)), differences.get(m), bold) for m in _judged(found)
            ]
        rows.append([*line, minutes_text(row.minutes), "-" if row.parameters is None else f"{row.parameters:,}"])
    return [[*head, "minutes a training", "parameters"], *rows]


def _published_title(table: PublishedTable) -> str:
    return f"Published, not measured here: {table.source}, %"


def _published(table: PublishedTable) -> Cells:
    head = [f"{title_of(metric)}, {protocol}" for protocol in PROTOCOLS for metric in table.metrics]
    return [["method", *head], *published_cells(table)]


def _judged(found: StudyTable) -> Iterator[str]:
    """The metrics whose differences stand in the tables; all of them are in the CSV."""
    yield from [
        metric for metric in ("precision_at_1", "map_at_r") if metric in found.study.metrics
    ] or found.study.metrics[:1]


def _emphasised(text: str, estimate: Estimate | None, bold: str) -> str:
    return f"{bold}{text}{bold}" if estimate is not None and estimate.excludes_zero else text


def _settings(found: StudyTable) -> Cells:
    rows = [
        [row.title, values_text(row.values), "-" if row.validation is None else f"{100 * row.validation:.1f}"]
        for row in found.rows
        if row.values
    ]
    return [["method", "values", "validation MAP@R, %"], *rows] if rows else []


def _columns(name: str, estimate: Estimate | None) -> dict[str, Any]:
    return (estimate or Estimate(float("nan"))).columns(name)


def _latex_row(found: StudyTable, row: MethodRow) -> list[str]:
    cells = [_latex(row.title)]
    for protocol in reversed(PROTOCOLS):
        for metric in found.study.metrics:
            estimate = row.cells.get(protocol, {}).get(metric)
            if estimate is None:
                cells.append("--")
                continue
            notation = notation_of(metric)
            half = "" if estimate.ends is None else f" \\pm {notation((estimate.ends[1] - estimate.ends[0]) / 2)}"
            cells.append(f"${notation(estimate.value)}{half}$")
    return cells


def _latex(text: str) -> str:
    return "".join(f"\\{sign}" if sign in "&%$#_{}" else sign for sign in text)


def _piped(table: Cells) -> str:
    head, *rows = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in table]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))
