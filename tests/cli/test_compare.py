"""kinsight compare"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evaluated_runs import write_run


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    """Two settings of two seeds."""
    values = {"n": (0.50, 0.54), "a": (0.52, 0.57)}
    return [
        write_run(
            tmp_path / f"birds-{name}-{seed}",
            {"map_at_r": value, "nmi": value},
            seed=seed,
            recipe={"epochs": 1 if name == "n" else 2},
        )
        for name, each in values.items()
        for seed, value in enumerate(each)
    ]


def test_tables(kinsight: Callable[..., Any], runs: list[Path]):
    said = kinsight("compare", *runs)
    assert said.code == 0
    for part in (
        "what differs   birds-n   birds-a",
        "epochs",
        "Cannot tell birds-a from birds-n: MAP@R +2.5; from 2 pairs of runs no interval",
        "difference to birds-n",
        "52.0   -",
    ):
        assert part in said.out


@pytest.mark.parametrize("suffix", ["md", "csv", "json", "html"])
def test_out(kinsight: Callable[..., Any], runs: list[Path], tmp_path: Path, suffix: str):
    out = tmp_path / "out" / f"table.{suffix}"
    said = kinsight("compare", *runs, "--baseline", "a", "--metrics", "nmi", "--out", out)
    assert said.code == 0
    assert said.out.endswith(f"written: {out}\n")
    assert "birds-n" in out.read_text()


def test_json(kinsight: Callable[..., Any], runs: list[Path]):
    said = kinsight("compare", *runs, "--json", "--baseline", "a")
    found = json.loads(said.out)
    assert found["baseline"] == "birds-a"
    assert found["rows"][1]["differences"]["nmi"]["value"] == pytest.approx(-0.025)
    assert len(found["runs"]) == 4


def test_refusals_and_anyway(kinsight: Callable[..., Any], runs: list[Path], tmp_path: Path):
    other = write_run(tmp_path / "cars-0", {"map_at_r": 0.1, "nmi": 0.2}, measured={"gallery": 9}, recipe={"epochs": 3})
    said = kinsight("compare", *runs, other)
    assert said.sentence.startswith(f"the numbers of these runs do not compare: gallery is 30 in {runs[0]} and 3 more")
    assert "Not of one protocol: gallery is 30" in kinsight("compare", *runs, other, "--anyway").out
    assert "no known format" in kinsight("compare", *runs, "--out", tmp_path / "x.pdf").sentence
    assert "none of the settings" in kinsight("compare", *runs, "--baseline", "dogs").sentence
    assert "kinsight evaluate" in kinsight("compare", *runs, "--name", "validation").sentence
    assert kinsight("compare").code == 2
