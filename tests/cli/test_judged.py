"""Judgements of the page are learned from: `kinsight data judged`, then training on it, and `kinsight calibrate --judgements`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import kinsight as package
from kinsight.data.judged import JudgedPicture
from kinsight.runs.calibration import read_calibration
from kinsight.server.judgements import Judgements
from kinsight.server.meaning import Meaning
from tiny_run import TINY, dumped

Call = Callable[..., Any]


@pytest.fixture(scope="module")
def judgements(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody judged each picture of six classes beside its neighbours: the same class is confirmed, the next one rejected."""
    kept = Judgements(tmp_path_factory.mktemp("judged") / "birds.kin")
    table = pd.read_csv(pictures)
    judged = [JudgedPicture(path, str(pictures.parent / path)) for path in table["path"]]
    for row in range(36):
        for other in (row + 1, row + 6):
            said = table["label"][row] == table["label"][other]
            kept.add(bool(said), judged[row], judged[other], score=0.5, regions="", model="")
    kept.add(True, judged[0], judged[50], score=0.5, regions='{"regions":[]}', model="")
    return kept.path


@pytest.mark.long
def test_they_become_classes_that_training_reads(kinsight: Call, judgements: Path, tmp_path: Path) -> None:
    said = kinsight("data", "judged", judgements, "--out", tmp_path / "judged.csv")
    assert said.out.startswith("36 pictures of 6 classes")
    (tmp_path / "tiny.yaml").write_text(dumped({**TINY, "epochs": 1}))
    said = kinsight(
        "train", "--data", tmp_path / "judged.csv", "--recipe", tmp_path / "tiny.yaml", "--out", tmp_path / "run"
    )
    assert said.code == 0, said.err


@pytest.mark.long
def test_they_say_what_a_cosine_means_among_hits(
    kinsight: Call, finished: Path, judgements: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    said = kinsight("calibrate", run, "--split", "test", "--rates", 0.2, "--judgements", judgements)
    assert "Among hits: 30 that people confirmed, 42 that they rejected, of 42 pictures" in said.out
    assert "the same, of hits that people judged?" in said.out
    assert "no random pairs" in said.out
    assert "1 pairs were judged by a part" in said.out
    model = package.load(run)
    kept = read_calibration(run / "model", model.digest())
    assert kept is not None
    assert kept.judged is not None
    assert (kept.judged.same, kept.judged.different, kept.judged.parts) == (30, 42, 1)
    # Against the pairs, compared one by one.
    table = pd.read_csv(judgements)[:-1]
    vectors = [model.encode([Path(path) for path in table[side]]) for side in ("query_path", "other_path")]
    cosines = (vectors[0] * vectors[1]).sum(1)
    rejected = table["same"].to_numpy() == 0
    (point,) = kept.judged.pairs
    assert point.false == pytest.approx(np.mean(cosines[rejected] >= point.threshold))
    assert point.true == pytest.approx(np.mean(cosines[~rejected] >= point.threshold))
    assert point.false <= 0.2
    curve = kept.judged.likelihood
    assert Meaning(kept).same(0.5) == round(float((curve or kept.likelihood).probability(0.5)), 4)


def test_too_few_are_a_sentence(kinsight: Call, finished: Path, judgements: Path, tmp_path: Path) -> None:
    few = tmp_path / "few.judgements.csv"
    few.write_text("\n".join(judgements.read_text().splitlines()[:9]) + "\n")
    before = (finished / "model" / "calibration.json").exists()
    refused = kinsight("calibrate", finished, "--split", "test", "--judgements", few).sentence
    assert "at least 10 of each can tell something" in refused
    assert (finished / "model" / "calibration.json").exists() == before
    assert json.loads((finished / "model" / "config.json").read_text())  # the model is as it was
