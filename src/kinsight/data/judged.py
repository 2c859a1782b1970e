"""Pairs of pictures that people judged on the page: read from their table, checked against each other, joined into classes.

A pair that was confirmed says that both pictures are of one class, and so on through chains of them; one that was rejected says that they
are of two. The pairs are hits that somebody was shown, so they are no random sample of all pairs: what is alike and yet different is
frequent among them, and what the model never finds is missing.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from kinsight import files
from kinsight.data.columns import BOX
from kinsight.errors import KinsightError
from kinsight.reading import read_text

COLUMNS = (
    "when", "same", "query", "query_path", "query_box", "other", "other_path", "other_box", "score", "regions", "model",
)  # fmt: skip
MOST_BYTES = 512 * 2**20
SAID = {"1": True, "0": False, "": None}  # None: what was said before is withdrawn
_OTHERWISE = "give the NAME.judgements.csv that `kinsight serve` keeps beside an index"

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class JudgedPicture:
    """A picture of a pair: its id, its file, and the part of it that the index holds, where it is cut to one."""

    id: str
    path: str
    box: Box | None = None


@dataclass(frozen=True)
class JudgedPair:
    """What was said last of two pictures, and whether only a part of the query was asked with."""

    query: JudgedPicture
    other: JudgedPicture
    same: bool
    part: bool = False


@dataclass(frozen=True)
class JudgedPairs:
    """The pairs of a table that are judged now.

    Attributes:
        pairs: the newest last.
        parts: how many more there are that were judged by a part of the query; they are left out of `pairs`.
        digest: of the table.
    """

    pairs: list[JudgedPair]
    parts: int
    digest: str


def read_judged(path: str | Path, *, parts: bool = False) -> JudgedPairs:
    """The pairs of a table of judgements, of each what was said last.

    Args:
        parts: take those as well that were judged by a part of the query: whoever confirmed that the beaks are alike did not say
            that the birds are.

    Raises:
        KinsightError: it cannot be read, or is no such table.
    """
    text = read_text(path, most=MOST_BYTES, otherwise=_OTHERWISE)
    rows = csv.DictReader(io.StringIO(text, newline=""))
    if not set(COLUMNS) <= set(rows.fieldnames or ()):
        raise KinsightError(f"{path} is no table of judgements (its first line is another one); {_OTHERWISE}")
    said: dict[frozenset[str], JudgedPair] = {}
    for row in rows:
        if None in row or None in row.values() or row["same"] not in SAID:
            continue  # a kill may have cut a line short
        query, other = _picture(row, "query", path), _picture(row, "other", path)
        pair = frozenset((query.id, other.id))
        said.pop(pair, None)
        same = SAID[row["same"]]
        if same is not None and len(pair) == 2:
            said[pair] = JudgedPair(query, other, same, bool(row["regions"]))
    whole = [pair for pair in said.values() if parts or not pair.part]
    return JudgedPairs(whole, len(said) - len(whole), files.digest(text))


def joined(pairs: Sequence[JudgedPair]) -> tuple[list[JudgedPicture], np.ndarray]:
    """All pictures of the pairs, by their ids, and the class of each, (N,) from 0: those that chains of confirmed pairs connect are one."""
    pictures = {picture.id: picture for pair in pairs for picture in (pair.query, pair.other)}
    ids = sorted(pictures)
    number = {id_: at for at, id_ in enumerate(ids)}
    first, second = ends(pairs, number, same=True)
    links = coo_matrix((np.ones(len(first), np.int8), (first, second)), shape=(len(ids), len(ids)))
    found = connected_components(links, directed=False)[1] if ids else np.empty(0, np.int32)
    classes = np.unique(found, return_inverse=True)[1].reshape(-1)
    return [pictures[id_] for id_ in ids], classes


def ends(pairs: Sequence[JudgedPair], number: dict[str, int], *, same: bool | None = None) -> np.ndarray:
    """The numbers of the pictures of pairs, (2, P); of all, or of those that were judged so."""
    wanted = [pair for pair in pairs if same is None or pair.same is same]
    rows = [[number[pair.query.id], number[pair.other.id]] for pair in wanted]
    return np.array(rows, np.int64).reshape(-1, 2).T


def contradictions(pairs: Sequence[JudgedPair]) -> list[JudgedPair]:
    """The rejected pairs whose pictures are connected by confirmed ones all the same."""
    pictures, classes = joined(pairs)
    number = {picture.id: int(label) for picture, label in zip(pictures, classes, strict=True)}
    return [pair for pair in pairs if not pair.same and number[pair.query.id] == number[pair.other.id]]


def contradiction_sentence(pairs: Sequence[JudgedPair], wrong: Sequence[JudgedPair]) -> str:
    """The first contradiction in words, and how many more there are."""
    pair = wrong[0]
    chain = " = ".join(_chain(pairs, pair.query.id, pair.other.id))
    more = f" (and {len(wrong) - 1:,} more)" if len(wrong) > 1 else ""
    return f"{pair.query.id} and {pair.other.id} were rejected, and confirmed pairs say that they are the same: {chain}{more}"


def judged_table(pairs: Sequence[JudgedPair], *, skip_contradictions: bool = False) -> pd.DataFrame:
    """The image table of judged pictures: `id, path, label, split` and where known the box; every class is for training.

    Pictures of two classes were not always rejected against each other: of most nobody was asked. A picture that nothing was confirmed of
    is left out.

    Args:
        skip_contradictions: leave out classes in which a pair was rejected, instead of refusing.

    Raises:
        KinsightError: judgements contradict each other, or no pair was confirmed.
    """
    wrong = contradictions(pairs)
    if wrong and not skip_contradictions:
        raise KinsightError(
            f"{contradiction_sentence(pairs, wrong)}; judge one of these again on the page, or leave such classes out with "
            "on_contradiction skip (--on-contradiction skip)"
        )
    pictures, classes = joined(pairs)
    by_id = {picture.id: int(label) for picture, label in zip(pictures, classes, strict=True)}
    alone = set(np.flatnonzero(np.bincount(classes, minlength=1) < 2).tolist())  # what it is not makes no class
    left_out = alone | {by_id[pair.query.id] for pair in wrong}
    kept = [(picture, int(label)) for picture, label in zip(pictures, classes, strict=True) if label not in left_out]
    if not kept:
        raise KinsightError(
            "no pair of whole pictures was confirmed, so that no class has two pictures; confirm matches on the page"
        )
    names = {label: picture.id for picture, label in reversed(kept)}  # the first of each class
    boxes = [picture.box or (None,) * 4 for picture, _ in kept]
    plain = {
        "id": [picture.id for picture, _ in kept],
        "path": [picture.path for picture, _ in kept],
        "label": [names[label] for _, label in kept],
        "split": "train",
    }
    sides = dict(zip(BOX, zip(*boxes, strict=True), strict=True))
    return pd.DataFrame({**plain, **(sides if any(picture.box for picture, _ in kept) else {})})


def _chain(pairs: Sequence[JudgedPair], start: str, end: str) -> list[str]:
    """The shortest way from one picture to another over confirmed pairs."""
    beside: dict[str, list[str]] = {}
    for pair in pairs:
        if pair.same:
            beside.setdefault(pair.query.id, []).append(pair.other.id)
            beside.setdefault(pair.other.id, []).append(pair.query.id)
    ways = [[start]]
    seen = {start}
    for way in ways:  # grows while it is walked
        if way[-1] == end:
            return way
        for each in beside.get(way[-1], []):
            if each not in seen:
                seen.add(each)
                ways.append([*way, each])
    return [start, end]


def _picture(row: dict[str, str], side: str, path: str | Path) -> JudgedPicture:
    return JudgedPicture(row[side], row[f"{side}_path"], _box(row[f"{side}_box"], path))


def _box(text: str, path: str | Path) -> Box | None:
    if not text:
        return None
    sides = text.split()
    if len(sides) != 4 or not all(side.isascii() and side.lstrip("-").isdigit() and len(side) < 10 for side in sides):
        raise KinsightError(f"{path} holds {text[:40]!r} where a box is four whole numbers; {_OTHERWISE}")
    left, top, right, bottom = map(int, sides)
    return left, top, right, bottom
