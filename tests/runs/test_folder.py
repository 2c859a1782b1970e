"""The run folder: who may go on in it, and what it remembers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from kinsight.errors import KinsightError
from kinsight.runs.folder import RunFolder
from kinsight.runs.protocol import RunProtocol
from kinsight.settings.parsing import settings_from
from kinsight.settings.training import TrainingSettings

SETTINGS = TrainingSettings(epochs=3)


def test_a_claimed_folder_remembers_its_settings(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "new" / "run")
    assert not run.exists
    run.check(SETTINGS)
    assert not run.path.exists()
    run.claim(SETTINGS)
    assert run.exists
    assert settings_from(run.settings()) == SETTINGS
    run.claim(SETTINGS)


def test_small_rates_come_back_as_numbers(tmp_path: Path) -> None:
    settings = settings_from({"optimizer": {"trunk_lr": 1e-5}, "model": {"mean": [0.5, 0.25, 1e-7]}})
    run = RunFolder(tmp_path / "run")
    run.claim(settings)
    assert settings_from(run.settings()) == settings


def test_other_settings_are_refused_naming_the_keys(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.claim(SETTINGS)
    other = settings_from({"epochs": 4, "optimizer": {"trunk_lr": 0.5}})
    with pytest.raises(
        KinsightError, match=r"other settings \(epochs: 3 -> 4; optimizer\.trunk_lr: 0\.0001 -> 0\.5\); repeat its"
    ):
        run.claim(other)
    assert settings_from(run.settings()) == SETTINGS


def test_a_run_of_before_there_was_a_setting_goes_on_with_its_default(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.claim(SETTINGS)
    known = yaml.safe_load(run.recipe.read_text())
    del known["features"], known["keep_start"]
    run.recipe.write_text(yaml.safe_dump(known))
    run.check(SETTINGS)
    with pytest.raises(KinsightError, match=r"features\.copies: 0 -> 2"):
        run.check(replace(SETTINGS, features=replace(SETTINGS.features, copies=2)))


def test_what_moves_no_number_may_change(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.claim(SETTINGS)
    changed = replace(SETTINGS, checkpoint_minutes=9.0, data=replace(SETTINGS.data, workers=0, path="/elsewhere"))
    run.claim(changed)
    assert settings_from(run.settings()) == changed


def test_a_folder_with_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(KinsightError, match="is not empty and holds no run; give a new or empty folder as --out"):
        RunFolder(tmp_path).claim(SETTINGS)
    with pytest.raises(KinsightError, match=r"thesis\.tex is a file; give a folder as --out"):
        RunFolder(tmp_path / "thesis.tex").claim(SETTINGS)
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]


def test_an_empty_folder_may_be_used(tmp_path: Path) -> None:
    RunFolder(tmp_path).claim(SETTINGS)
    assert RunFolder(tmp_path).exists


def test_a_folder_without_a_run(tmp_path: Path) -> None:
    with pytest.raises(KinsightError, match=r"holds no run \(no recipe\.yaml\); give the --out folder"):
        RunFolder(tmp_path).require()


def test_history_leaves_out_a_line_cut_off_by_a_kill(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert run.history() == []
    records = [{"kind": "train", "step": step, "loss": 0.1 * step} for step in range(1, 4)]
    for record in records:
        run.log(record)
    with run.metrics.open("a") as stream:
        stream.write('{"kind": "train", "st')
    assert run.history() == records


def test_a_damaged_line_in_the_middle_is_refused(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.metrics.write_text('{"step": 1}\nnonsense\n{"step": 2}\n')
    with pytest.raises(KinsightError, match=r"metrics\.jsonl line 2 is not valid JSON; remove the line or restore"):
        run.history()


def test_rewind_drops_what_will_be_done_again(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    for step in (1, 2, 2, 3):
        run.log({"step": step})
    with run.metrics.open("a") as stream:
        stream.write('{"st')
    run.rewind(2)
    assert run.metrics.read_text() == '{"step": 1}\n{"step": 2}\n{"step": 2}\n'
    run.log({"step": 3})
    assert run.history()[-1] == {"step": 3}


def test_the_protocol_is_merged_one_level_deep(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert run.read_protocol() == RunProtocol()
    run.update_protocol({"training": {"steps": 3, "precision": "fp32"}, "selection": {"by": "map_at_r", "step": 1}})
    run.update_protocol({"training": {"steps_done": 2}, "selection": {"by": "last_step", "step": 2}})
    assert json.loads(run.protocol.read_text()) == {
        "training": {"steps": 3, "precision": "fp32", "steps_done": 2},
        "selection": {"by": "last_step", "step": 2},
    }


def test_which_model_is_which(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.claim(SETTINGS)
    for which in ("best", "last"):
        with pytest.raises(KinsightError, match=f"has no {which} model yet; go on with it: `kinsight train --out"):
            run.trained_model(which)
    with pytest.raises(KinsightError, match="which 'first' is not known; write best or last"):
        run.trained_model("first")
    run.model.mkdir()
    with pytest.raises(KinsightError, match="has no last model yet"):
        run.trained_model("last")
    run.update_protocol({"selection": {"by": "last_step", "step": 2}})
    assert run.trained_model("best") == run.trained_model("last") == run.model  # nothing was held out
    run.last_model.mkdir()
    assert run.trained_model("last") == run.last_model
