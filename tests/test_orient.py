"""kinsight orient and kinsight.orient, on made places and a model that nothing was taught: the way from a table to a page."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import kinsight
from coloured_places import place
from kinsight.cli import main
from kinsight.errors import KinsightError
from kinsight.explanation.orientation.estimates import VOTES
from kinsight.explanation.orientation.votes import Voting
from kinsight.models import TwoStreams, build_model
from kinsight.runs.folder import RunFolder
from kinsight.settings.parsing import settings_from

EACH = 20  # pairs that validate, and pairs that test


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two streams as a training would leave it, before its first step; its table as rendered towns have it."""
    folder = tmp_path_factory.mktemp("orient")
    towns = folder / "towns"
    rows = []
    for number in range(2 + 2 * EACH):
        heading = round(number * 77.7 % 360, 2)
        split = "train" if number < 2 else "validation" if number < 2 + EACH else "test"
        for view, picture in zip(("street", "aerial"), place(number, heading), strict=True):
            path = towns / view / f"{number:05d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture.reduce(2).save(path)
            row = {"path": f"{view}/{path.name}", "label": number, "pair": f"{number:05d}", "view": view}
            rows.append({**row, "split": split, "heading": heading})
    pd.DataFrame(rows).to_csv(towns / "metadata.csv", index=False)
    sizes = {"street": {"size": [32, 128], "resize": None}, "aerial": {"size": 64, "resize": 91}}
    settings = settings_from(
        {
            "data": {"path": str(towns), "fold": None},
            "model": {"trunk": "test_resnet", "head": {"dim": 8}, "streams": sizes, "pretrained": False},
        }
    )
    made = RunFolder(folder / "run")
    made.claim(settings)
    build_model(settings.model).save(made.model)
    return made.path


@pytest.mark.long
def test_measured_over_the_pairs_of_a_run(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = run.parent / "orientation.html"
    assert main(["orient", str(run), "--out", str(page)]) == 0
    said = capsys.readouterr().out
    assert "of 20 panoramas within 3.5 degrees" in " ".join(said.split())
    assert page.read_text().count("<article>") >= 12
    kept = json.loads((run / "maps" / "orientation-test.json").read_text())
    assert kept["protocol"]["split"] == "test"
    assert kept["pairs"] == 20
    assert kept["turned"] is True
    assert kept["calibration"]["source"] == "validation pairs"
    assert kept["calibration"]["pairs"] == 20
    assert kept["completeness_error"] < 1e-5
    table = pd.read_csv(run / "maps" / "orientation-test.csv", dtype={"pair": str})
    towns = pd.read_csv(run.parent / "towns" / "metadata.csv", dtype={"pair": str})
    true = towns[towns["view"] == "street"].set_index("pair").loc[table["pair"]]
    assert (true["split"] == "test").all()
    np.testing.assert_allclose(true["heading"], table["heading"])
    error = (table[VOTES] - table["heading"] + 180) % 360 - 180
    np.testing.assert_allclose(error, table["error"], atol=1e-9)

    # What was calibrated serves single pairs.
    street, aerial = (str(run.parent / "towns" / view / "00000.png") for view in ("street", "aerial"))
    one = kinsight.orient(run, street, aerial)
    assert one.confidence is not None
    assert 0 <= one.confidence <= 1
    assert 0 <= one.angle < 360
    assert kinsight.orient(run, street, aerial, voting=Voting(smoothing=9)).confidence is None  # calibrated for another
    assert kinsight.orient(run, street, aerial, once=True).height != one.height
    with pytest.raises(KinsightError, match="leave one of them out"):
        kinsight.orient(run, street, aerial, once=True, voting=Voting())
    model = kinsight.load(run)
    assert isinstance(model, TwoStreams)
    assert kinsight.orient(model, street, aerial).angle == one.angle
    assert main(["orient", str(run), street, aerial]) == 0
    assert f"looks {one.angle:.1f} degrees clockwise" in capsys.readouterr().out
    assert main(["orient", str(run), street, aerial, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["angle"] == one.angle


def test_pairs_without_headings_get_answers_and_no_claim(run: Path, tmp_path: Path) -> None:
    towns = pd.read_csv(run.parent / "towns" / "metadata.csv").head(8).drop(columns=["heading", "split"])
    towns["path"] = [str(run.parent / "towns" / path) for path in towns["path"]]
    towns.to_csv(tmp_path / "some.csv", index=False)
    page = tmp_path / "page.html"
    found = kinsight.orient(run, data=tmp_path / "some.csv", split="all", turn=False, out=page)
    assert found.true is None
    assert len(found) == 4
    assert (found.readings.turns == 0).all()
    assert "nothing says how many of them are right" in page.read_text()


@pytest.mark.parametrize(
    ("drop", "said"),
    [("view", "no column view"), ("aerial", "has no picture of the view aerial")],
)
def test_tables_without_pairs_are_refused(run: Path, tmp_path: Path, drop: str, said: str) -> None:
    towns = pd.read_csv(run.parent / "towns" / "metadata.csv").head(6)
    towns["path"] = [str(run.parent / "towns" / path) for path in towns["path"]]
    towns = towns.drop(columns="view") if drop == "view" else towns.drop(index=[3])
    towns.to_csv(tmp_path / "some.csv", index=False)
    with pytest.raises(KinsightError, match=said):
        kinsight.orient(run, data=tmp_path / "some.csv", split="all")


def test_what_cannot_be_answered_is_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["orient", str(run), "one.jpg"]) == 1
    assert "give a panorama and an aerial picture" in capsys.readouterr().err
    assert main(["orient", str(run), "a.jpg", "b.jpg", "--out", "page.html"]) == 1
    assert "leave out the two pictures" in capsys.readouterr().err
    with pytest.raises(KinsightError, match="no model"):
        kinsight.orient(object(), "a.jpg", "b.jpg")
