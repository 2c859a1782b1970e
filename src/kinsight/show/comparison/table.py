"""A comparison of settings as plain text, Markdown and CSV."""

from __future__ import annotations

import csv
import io
import textwrap
from collections.abc import Callable
from typing import Any

from kinsight.evaluation import Estimate
from kinsight.show.comparison.cells import (
    COSTS,
    OUTSIDE,
    costs_of,
    interval_of,
    legend,
    notation_of,
    others,
    setting_text,
    titles,
    to_baseline,
)
from kinsight.show.comparison.result import Comparison
from kinsight.show.comparison.verdict import verdicts
from kinsight.show.metrics import described, is_fraction, title_of
from kinsight.show.table import aligned

Table = list[list[str]]
_NOTHING = Estimate(float("nan"))


def comparison_text(found: Comparison, width: int = 120) -> str:
    """The verdicts, what differs, the means beside their differences to the baseline, and notes; tables wider than `width` go on below."""
    judged = "\n".join(
        textwrap.fill(one, width, subsequent_indent="  ", break_on_hyphens=False) for _, one in verdicts(found)
    )
    blocks = [_fitted(table, width, keep, to_baseline(found)) for table, keep in _tables(found, _plain_difference)]
    said = [textwrap.fill(note, width, subsequent_indent="  ", break_on_hyphens=False) for note in _sentences(found)]
    return "\n\n".join([*([judged] if judged else []), *blocks, "\n".join(said)]).rstrip()


def comparison_markdown(found: Comparison) -> str:
    """The same as Markdown; differences whose interval excludes zero are bold."""
    tables = [_piped(table) for table, _ in _tables(found, _bold_difference)]
    notes = [f"- {_escaped(note)}" for note in _sentences(found)]
    meanings = [
        f"- {title_of(key)} (`{key}`): {metric.definition}" for key in found.metrics if (metric := described(key))
    ]
    judged = [f"- {_escaped(sentence)}" for _, sentence in verdicts(found)]
    return "\n\n".join(["\n".join(judged), *tables, "\n".join(notes), "\n".join(meanings)]).strip() + "\n"


def comparison_csv(found: Comparison) -> str:
    """One line a setting; fractions, not percent; empty where there is nothing."""
    lines: list[dict[str, Any]] = []
    for row in found.rows:
        line: dict[str, Any] = {"setting": row.setting, "n": row.n, "baseline": found.baseline, "pairs": row.pairs}
        for key in found.metrics:
            line |= _columns(key, row.values.get(key)) | _columns(f"{key}_difference", row.differences.get(key))
        lines.append({**line, "dimension": row.dimension, "parameters": row.parameters, "minutes": row.minutes})
    text = io.StringIO()
    writer = csv.DictWriter(text, lines[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def _tables(found: Comparison, difference: Callable[[str, Estimate], str]) -> list[tuple[Table, int]]:
    """Each table under its head, with how many columns are repeated where it is broken."""
    heads = titles(found)
    tables: list[tuple[Table, int]] = []
    if found.recipe:
        names = [row.setting for row in found.rows]
        keys = [[key, *(setting_text(values[name]) for name in names)] for key, values in found.recipe.items()]
        tables.append(([["what differs", *names], *keys], 1))
    compared = bool(others(found))
    plain = all(map(is_fraction, found.metrics))
    head = [f"{found.name}, %" if plain else found.name, "n", *(["pairs"] if compared else [])]
    head += [title for one in heads for title in ([one, to_baseline(found)] if compared else [one])]
    lines = []
    for row in found.rows:
        line = [row.setting, str(row.n), *([str(row.pairs or "-")] if compared else [])]
        for key in found.metrics:
            line.append(_cell(key, row.values.get(key)))
            if compared:
                line.append(difference(key, row.differences[key]) if key in row.differences else "-")
        lines.append([*line, *costs_of(row)])
    tables.append(([[*head, *COSTS], *lines], 3 if compared else 2))
    return tables


def _sentences(found: Comparison) -> list[str]:
    return [*(f"Not of one protocol: {each}." for each in found.disagreements), *found.notes, *legend(found)]


def _cell(key: str, estimate: Estimate | None, *, signed: bool = False) -> str:
    if estimate is None:
        return "-"
    return f"{estimate.number(notation_of(key), signed=signed)} {interval_of(key, estimate, signed=signed)}".rstrip()


def _plain_difference(key: str, estimate: Estimate) -> str:
    return _cell(key, estimate, signed=True) + (OUTSIDE if estimate.excludes_zero else "")


def _bold_difference(key: str, estimate: Estimate) -> str:
    text = _cell(key, estimate, signed=True)
    return f"**{text}**\\{OUTSIDE}" if estimate.excludes_zero else text


def _fitted(table: Table, width: int, keep: int, to_one: str) -> str:
    """The table, broken between columns where it is too wide; the first `keep` columns are repeated, costs stay together."""
    first_cost = len(table[0]) - len(COSTS) if table[0][-1] == COSTS[-1] else len(table[0])
    # A metric and its difference stay together: their titles say to what.
    step = 2 if to_one in table[0][keep:first_cost] else 1
    units = [list(range(column, column + step)) for column in range(keep, first_cost, step)]
    if first_cost < len(table[0]):
        units.append(list(range(first_cost, len(table[0]))))
    blocks: list[list[int]] = []
    for unit in units:
        if not blocks or _width(table, [*blocks[-1], *unit]) > width:
            blocks.append([*range(keep), *unit])
        else:
            blocks[-1] += unit
    return "\n\n".join(aligned([[row[column] for column in columns] for row in table]) for columns in blocks)


def _width(table: Table, columns: list[int]) -> int:
    return sum(max(len(row[column]) for row in table) for column in columns) + 3 * (len(columns) - 1)


def _piped(table: Table) -> str:
    head, *rows = [[_escaped(cell) for cell in row] for row in table]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _columns(key: str, estimate: Estimate | None) -> dict[str, Any]:
    return {**(estimate or _NOTHING).columns(key), f"{key}_method": estimate and estimate.method}
