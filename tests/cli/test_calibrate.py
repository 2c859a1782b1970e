"""`kinsight calibrate`: what it keeps in the model folder, what it says, what it refuses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import kinsight as package
from kinsight.errors import KinsightError
from kinsight.evaluation.likelihood import Likelihood
from kinsight.models import load_embedder
from kinsight.runs.calibration import CALIBRATION, Calibration, OperatingPoint, read_calibration

Call = Callable[..., Any]


@pytest.fixture(scope="module")
def run(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(finished, tmp_path_factory.mktemp("runs") / "calibrated"))


@pytest.mark.long
def test_thresholds_are_kept_with_the_model_and_shown(kinsight: Call, run: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    said = kinsight("calibrate", run, "--split", "test", "--rates", 0.2, 0.05, 1e-6, "--check", "test", "--out", page)
    assert said.code == 0, said.err
    assert "at most 5 % false accepts" in said.out
    assert "too few to tell a rate of 1e-06" in said.out
    assert "6 classes are few" in said.out
    assert "none of" in said.out  # it was checked on the very pictures that it was chosen on
    html = page.read_text()
    assert "When is it the same?" in html
    found = json.loads(page.with_suffix(".json").read_text())
    kept = read_calibration(run / "model", load_embedder(run / "model").digest())
    assert kept is not None
    assert [point.rate for point in kept.pairs] == [0.05, 0.2]
    assert found["pairs"][0]["threshold"] == kept.threshold(0.05) >= kept.threshold(0.2)
    assert kept.pairs[0].false <= 0.05
    with pytest.raises(KinsightError, match=r"rate 0\.3 was not calibrated"):
        kept.threshold(0.3)
    assert load_embedder(run / "model").digest() == kept.model  # the model is as it was


def test_from_python(run: Path) -> None:
    found = package.calibrate(run, split="test", rates=(0.1,))
    assert 0 <= found.probability(0.2) <= found.probability(0.9) <= 1
    assert found.calibration.likelihood.slope > 0
    assert found.checked is None


def test_a_split_that_the_model_has_seen_is_said(kinsight: Call, run: Path) -> None:
    said = kinsight("calibrate", run, "--split", "train", "--json")
    assert any("has seen the classes of this split" in each for each in json.loads(said.out)["doubts"])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--rates", "0"], "0.0 is no rate of false accepts; give numbers above 0 and below 1"),
        (["--rates", "nan"], "nan is no rate of false accepts"),
        (["--limit", "1"], "limit"),
        (["--out", "page.pdf"], "'page.pdf' is not a page"),
        (["--split", "holiday"], "no pictures in the split 'holiday'"),
    ],
)
def test_what_cannot_be_used_is_a_sentence(kinsight: Call, run: Path, options: list[str], sentence: str) -> None:
    assert sentence in kinsight("calibrate", run, *options).sentence


def test_a_damaged_or_foreign_calibration_is_a_sentence(run: Path, tmp_path: Path) -> None:
    model = Path(shutil.copytree(run / "model", tmp_path / "model"))
    point = OperatingPoint(0.1, 0.5, 0.1, 0.9)
    facts: dict[str, Any] = {"data": "x", "data_digest": None, "split": "test", "pictures": 4, "classes": 2}
    numbers: dict[str, Any] = {"same": 2, "different": 4, "gallery": 100, "equal_error_rate": 0.1}
    made = Calibration(model="other", pairs=[point], search=[point], likelihood=Likelihood(1, 0), **facts, **numbers)
    made.write(model)
    with pytest.raises(KinsightError, match="another model"):
        read_calibration(model, "this")
    assert read_calibration(model, "other") == made
    for content in ("[]", "{}", "not json", json.dumps({**json.loads((model / CALIBRATION).read_text()), "pairs": 3})):
        (model / CALIBRATION).write_text(content)
        with pytest.raises(KinsightError):
            read_calibration(model, "other")
    (model / CALIBRATION).unlink()
    assert read_calibration(model, "other") is None
    with pytest.raises(KinsightError, match="not a model folder"):
        made.write(tmp_path)


def test_a_larger_gallery_needs_a_stricter_threshold() -> None:
    points = [OperatingPoint(rate, threshold, rate, 0.5) for rate, threshold in ((0.01, 0.9), (0.1, 0.6))]
    made = Calibration(
        model="m", data="d", data_digest=None, split="test", pictures=101, classes=9, same=9, different=9, pairs=[],
        search=points, gallery=100, likelihood=Likelihood(1, 0), equal_error_rate=0.1,
    )  # fmt: skip
    assert made.search_threshold(0.1) == 0.6
    assert made.search_threshold(0.1, gallery=500) == 0.9  # 1 - 0.9 ** 0.2 = 0.021
    assert made.search_threshold(0.5, gallery=500) == 0.6
    with pytest.raises(KinsightError, match="calibrate on more pictures, or allow more"):
        made.search_threshold(0.1, gallery=5000)
