"""Recipes of one published table from one file: `FOLDER.table.yaml` gives the recipes `FOLDER/NAME`.

`recipes` are texts as they stand. `rows` times `columns` (a loss, a data set) give one recipe each: `settings` are the same for the whole
row, `searched` has one value a column, null where that recipe does not set it. Keys are full names such as `objective.loss.margin`.
`printed` is what the paper prints for it. `notes` stand above the recipes that set their key.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from kinsight.settings.yaml_mapping import yaml_mapping

_WIDTH = 118


def table_recipes(text: str) -> dict[str, str]:
    """The texts of a table's recipes by name, without its folder."""
    table = yaml_mapping(text)
    made = {
        table["name"].format(row=row, column=column): _text(table, row, column, place)
        for row in table.get("rows", {})
        for place, column in enumerate(table["columns"])
    }
    return {**table.get("recipes", {}), **made}


def _text(table: Mapping[str, Any], row: str, column: str, place: int) -> str:
    known, head = table["rows"][row], table["columns"][column]
    searched = {key: values[place] for key, values in known.get("searched", {}).items() if values[place] is not None}
    flat = {**known["settings"], **searched}
    title = known["title"].format(column=head["title"])
    lines = [table["title"].format(row=title, column=head["title"]), *_comments(table, known, head, place, flat)]
    wrapped = [part for line in lines for part in textwrap.wrap(line, _WIDTH, break_on_hyphens=False)]
    base = known.get("extends") or table["extends"]
    settings = {"extends": base.format(row=row, column=column), **nested(flat)}
    body = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True, default_flow_style=None, width=_WIDTH)
    return "".join(f"# {line}\n" for line in wrapped) + body


def _comments(
    table: Mapping[str, Any], row: Mapping[str, Any], column: Mapping[str, Any], place: int, flat: Mapping[str, Any]
) -> Iterator[str]:
    printed = row.get("printed", [None] * (place + 1))[place]
    if printed is not None:
        yield table["printed"].format(**column, printed=printed)
    yield from (note for key, note in row.get("notes", {}).items() if key in flat)


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by full name (`objective.loss.margin`), nested as in a recipe."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        *groups, last = name.split(".")
        inside = found
        for group in groups:
            inside = inside.setdefault(group, {})
        inside[last] = value
    return found
