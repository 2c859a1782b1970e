"""The header of a table as its author wrote it: which columns are the standard ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kinsight.data.columns import STANDARD
from kinsight.errors import KinsightError

# What other tools write for path and label; the first one that a table has is taken.
WORDS = {
    "path": (
        "image_path", "img_path", "file_path", "filepath", "filename", "file_name", "image_file", "file", "image_name", "image", "img",
        "picture", "photo",
    ),
    "label": ("class", "target", "class_label", "class_id", "label_id", "labels", "class_name"),
}  # fmt: skip


def standard_names(
    columns: Iterable[str], name: str, *, path: str | None = None, label: str | None = None
) -> tuple[dict[str, str], list[str]]:
    """What each column is called from here on, and what is worth knowing about that, a sentence each.

    Blanks around a name and capitals do not matter. A table without `path` or `label` has them under another tool's word.

    Args:
        name: what messages call the table.
        path: the column that holds the paths, if its user says so.
        label: likewise.

    Raises:
        KinsightError: there is no column of the name that the user says.
    """
    columns = list(columns)
    names = {column: column.strip() for column in columns}
    for column, bare in names.items():
        plain = _plain(bare)
        if bare not in STANDARD and plain in STANDARD and plain not in names.values():
            names[column] = plain
    notes = []
    for standard, said in (("path", path), ("label", label)):
        if said is not None:
            chosen = _said(columns, said, standard, name)
            for column, known in names.items():
                if known == standard and column != chosen:
                    names[column] = f"other_{standard}"
            names[chosen] = standard
        elif standard not in names.values() and not {"ground_path", "aerial_path"} <= set(names.values()):
            found = [column for word in WORDS[standard] for column in columns if _plain(names[column]) == word]
            if len(found) > 1:
                others = " and ".join(repr(each.strip()) for each in found[1:])
                notes.append(
                    f"column {found[0].strip()!r} of {name} is read as {standard}, not {others}; choose with --{standard}-column"
                )
            if found:
                names[found[0]] = standard
    return names, notes


def _said(columns: Sequence[str], said: str, standard: str, name: str) -> str:
    for same in (
        lambda each: each == said,
        lambda each: each.strip() == said.strip(),
        lambda each: _plain(each) == _plain(said),
    ):
        for column in columns:
            if same(column):
                return column
    raise KinsightError(
        f"{name} has no column {said!r} to take as {standard}; it has {', '.join(each.strip() for each in columns)}"
    )


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")
