"""Judged pairs: what was said last counts, confirmed ones join classes, contradictions are named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kinsight.data import read_table
from kinsight.data.judged import COLUMNS, JudgedPair, JudgedPicture, contradictions, joined, judged_table, read_judged
from kinsight.errors import KinsightError


def pair(query: str, other: str, same: bool) -> JudgedPair:
    return JudgedPair(JudgedPicture(query, f"/p/{query}"), JudgedPicture(other, f"/p/{other}"), same)


def write(path: Path, *said: tuple[str, str, str, str]) -> Path:
    """A table of (query, other, same, regions)."""
    lines = [",".join(COLUMNS)]
    for query, other, same, regions in said:
        lines.append(f"2026-01-01,{same},{query},/p/{query},,{other},/p/{other},1 2 30 40,0.5,{regions},digest")
    path.write_text("\n".join(lines) + "\n2026-01-01,1,cut")
    return path


def test_what_was_said_last_of_a_pair_counts(tmp_path: Path) -> None:
    path = write(
        tmp_path / "x.judgements.csv",
        ("a", "b", "1", ""),
        ("b", "a", "0", ""),
        ("a", "c", "1", ""),
        ("c", "a", "", ""),
        ("d", "e", "1", "box"),
        ("f", "f", "1", ""),
        ("g", "h", "1", ""),
    )
    found = read_judged(path)
    assert [(one.query.id, one.other.id, one.same) for one in found.pairs] == [("b", "a", False), ("g", "h", True)]
    assert found.parts == 1
    assert found.pairs[0].other == JudgedPicture("a", "/p/a", (1, 2, 30, 40))
    assert len(read_judged(path, parts=True).pairs) == 3


def test_classes_are_what_chains_of_confirmed_pairs_connect() -> None:
    random = np.random.default_rng(0)
    pairs = [
        pair(f"{a:02d}", f"{b:02d}", bool(same)) for a, b, same in random.integers(0, [30, 30, 2], (40, 3)).tolist()
    ]
    pictures, classes = joined(pairs)
    plain = {picture.id: {picture.id} for picture in pictures}
    for one in pairs:
        if one.same and plain[one.query.id] is not plain[one.other.id]:
            union = plain[one.query.id] | plain[one.other.id]
            plain.update(dict.fromkeys(union, union))
    together = classes[:, None] == classes[None]
    assert (together == [[other.id in plain[one.id] for other in pictures] for one in pictures]).all()
    assert contradictions(pairs) == [one for one in pairs if not one.same and one.other.id in plain[one.query.id]]


def test_a_contradiction_is_named_with_the_chain_or_left_out() -> None:
    pairs = [
        pair("a", "b", True),
        pair("c", "b", True),
        pair("a", "c", False),
        pair("d", "e", True),
        pair("e", "f", False),
    ]
    with pytest.raises(
        KinsightError, match=r"a and c were rejected, and .* the same: a = b = c; judge one of these again"
    ):
        judged_table(pairs)
    table = judged_table(pairs, skip_contradictions=True)
    assert table[["id", "label", "split"]].to_numpy().tolist() == [
        ["d", "d", "train"],
        ["e", "d", "train"],
    ]
    with pytest.raises(KinsightError, match="no pair of whole pictures was confirmed"):
        judged_table(pairs[4:])


def test_the_table_is_read_as_any_other(tmp_path: Path) -> None:
    path = write(tmp_path / "x.judgements.csv", ("a, b", "c", "1", ""), ("a", "c", "1", ""), ("a", "d", "0", ""))
    path.write_text(path.read_text().replace("a, b,/p/a, b", '"a, b","/p/a, b"'))
    judged_table(read_judged(path).pairs).to_csv(tmp_path / "table.csv", index=False)
    table = read_table(tmp_path / "table.csv")
    assert table["path"].tolist() == ["/p/a", "/p/a, b", "/p/c"]
    assert table["label"].tolist() == ["a", "a", "a"]
    assert table["x_2"].fillna(0).tolist() == [0, 0, 30]


def test_what_is_no_table_of_judgements_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("path,label\nx,1\n")
    with pytest.raises(KinsightError, match=r"no table of judgements .*; give the NAME\.judgements\.csv"):
        read_judged(tmp_path / "x.csv")
    path = write(tmp_path / "y.csv", ("a", "b", "1", ""))
    path.write_text(path.read_text().replace("1 2 30 40", "1 2 three 4"))
    with pytest.raises(KinsightError, match="a box is four whole numbers"):
        read_judged(path)
