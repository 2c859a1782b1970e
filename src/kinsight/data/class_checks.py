"""Checks of classes and splits: who trains, who is searched for, and whether it can be found."""

from __future__ import annotations

import pandas as pd

from kinsight.data.columns import FLAGS, split_names
from kinsight.data.problems import Problem, Severity, in_rows
from kinsight.data.splits import SPLITS, halves


def hopeless_queries(table: pd.DataFrame) -> list[Problem]:
    """Queries, not in the gallery themselves, of whose class the gallery of their split has no picture."""
    if not _has_flags(table):
        return []
    hits = _others_in_gallery(table)
    hopeless = table["is_query"] & ~table["is_gallery"] & table["split"].isin(SPLITS[1:]) & (hits == 0)
    return in_rows(
        table,
        hopeless,
        "label",
        "a query of class {value}, of which the gallery has no picture; add one or unflag the query",
    )


def _is_halved(table: pd.DataFrame) -> bool:
    return bool((table["split"].to_numpy() == halves(table["label"])).all())


HALVED = 4
"""Classes whose half is enough to train on, where nobody marks any."""


def sides(table: pd.DataFrame, evaluation_only: bool) -> list[Problem]:
    """Splits with nothing, or nothing to tell apart, in them."""
    classes = table.loc[table["split"] == "train", "label"].nunique()
    problems = []
    if not evaluation_only and classes < 2:
        what = "nothing to train on" if classes == 0 else "only one class to train on"
        every = table["label"].nunique()
        few = f", or give four classes or more, of which half train (here {'is' if every == 1 else 'are'} {every})"
        repair = f"mark rows of two or more classes as train{few if every < HALVED and _is_halved(table) else ''}"
        problems.append(Problem(None, "split", None, f"there is {what}; {repair}"))
    if not table["split"].isin(SPLITS[1:]).any():
        words = "there is nothing to evaluate; mark rows as validation or test"
        problems.append(Problem(None, "split", None, words, "error" if evaluation_only else "warning"))
    return problems


def single_pictures(table: pd.DataFrame) -> list[Problem]:
    """Classes whose only picture can neither form a pair nor be found."""
    problems = []
    for split in SPLITS:
        rows = table["split"] == split
        if split != "train" and _has_flags(table):
            lonely = rows & table["is_query"] & table["is_gallery"] & (_others_in_gallery(table) == 0)
            names = list(table.loc[lonely, "label"].unique())
        else:
            sizes = table.loc[rows, "label"].value_counts(sort=False)
            names = list(sizes.index[sizes == 1])
        if len(names):
            effect = "form no pair in training" if split == "train" else "are skipped at evaluation"
            words = f"{_count(len(names), 'class', 'classes')} with one picture in {split} {effect} ({_some(names)})"
            problems.append(Problem(None, "label", names[0], f"{words}; add pictures or drop them", "warning"))
    return problems


def seen_classes(table: pd.DataFrame) -> list[Problem]:
    """Classes on both sides: retrieval is measured on classes that were neither trained nor chosen on."""
    known = table[table["split"].isin(SPLITS)]
    sizes = known.groupby(["label", "split"]).size().unstack(fill_value=0).reindex(columns=list(SPLITS), fill_value=0)
    problems = []
    for seen, unseen in (("train", "test"), ("validation", "test"), ("train", "validation")):
        both = sizes[(sizes[seen] > 0) & (sizes[unseen] > 0)]
        if both.empty:
            continue
        more = f" ({_count(len(both) - 1, 'other class', 'other classes')} too)" if len(both) > 1 else ""
        words = (
            f"class {both.index[0]} is both in {seen} ({both[seen].iloc[0]} pictures) "
            f"and in {unseen} ({both[unseen].iloc[0]}){more}, but it must be measured on classes never seen"
        )
        severity: Severity = "error" if unseen == "test" else "warning"
        repair = f"split by whole classes: --data.split_by {_disjoint_column(table) or 'halves'}"
        problems.append(Problem(None, "split", both.index[0], f"{words}; {repair}", severity))
        if severity == "error":  # one sentence is enough: the repair is the same
            return problems
    return problems


def _disjoint_column(table: pd.DataFrame) -> str | None:
    """Another column that holds splits and keeps every class on one side."""
    for column in table.columns:
        if column in ("split", "id", "path", "label") or not split_names(table[column].head(100)).isin(SPLITS).all():
            continue
        names = split_names(table[column])
        sides = (names == "test").groupby(table["label"]).nunique()
        if names.isin(SPLITS).all() and {"train", "test"} <= set(names) and (sides == 1).all():
            return str(column)
    return None


def _has_flags(table: pd.DataFrame) -> bool:
    return all(column in table and table[column].dtype == bool for column in FLAGS)


def _others_in_gallery(table: pd.DataFrame) -> pd.Series:
    """For each row how many gallery pictures of its class its split holds, itself not counted."""
    return table["is_gallery"].groupby([table["split"], table["label"]]).transform("sum") - table["is_gallery"]


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _some(names: list) -> str:
    return ", ".join(map(str, names[:5])) + (", ..." if len(names) > 5 else "")
