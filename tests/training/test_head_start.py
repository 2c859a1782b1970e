"""A head that is fitted to the training pictures before the first step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from kinsight.models import load_embedder
from kinsight.models.whitening import within_class_whitening
from kinsight.runs.folder import RunFolder
from kinsight.training import loop as loop_module
from kinsight.training import train
from kinsight.training.loop import Training
from kinsight.training.tables import prepare_table
from tiny_run import TINY, numbers_of, weights_of
from tiny_run import stored_each_step as tiny

FITTED: dict[str, Any] = {"model": {**TINY["model"], "head": {"name": "linear", "dim": None, "init": "within-class"}}}


def settings_of(pictures: Path, **changes: Any) -> Any:
    settings = tiny(pictures, changes)
    settings.model.head = dict(FITTED["model"]["head"])
    return settings


def test_the_head_is_fitted_to_the_training_pictures_alone(tmp_path: Path, pictures: Path) -> None:
    settings = settings_of(pictures, epochs=1, data={"fold": None})
    training = Training(settings, RunFolder(tmp_path / "run"), prepare_table(settings.data), progress=False)
    paths = training.table["path"].iloc[training.rows].tolist()
    vectors = training.embedder.encode(paths, normalize=False)
    weight, bias = within_class_whitening(torch.from_numpy(vectors), torch.from_numpy(training.labels))
    training._measure_start()
    layer = training.embedder.head.layers[-1]
    torch.testing.assert_close(layer.weight.detach(), weight)
    torch.testing.assert_close(layer.bias.detach(), bias)


@pytest.mark.long
@pytest.mark.parametrize(("fitted", "kept"), [(0.3, False), (0.5, True), (0.7, True)])
def test_a_fitted_head_is_kept_unless_it_is_worse(
    tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch, fitted: float, kept: bool
) -> None:
    coming = iter([0.5, fitted, 0.1, 0.1, 0.1])
    monkeypatch.setattr(
        loop_module, "validate", lambda *_: {"precision_at_1": 0.5, "r_precision": 0.0, "map_at_r": next(coming)}
    )
    run = train(settings_of(pictures), tmp_path / "run", progress=False)
    model = load_embedder(run.model)
    layer: Any = model.head.layers[-1]  # type: ignore[index]
    assert torch.equal(layer.weight.detach(), torch.eye(model.dim)) != kept
    if kept:  # fitted anew, to the validation classes too, once they have chosen
        table = prepare_table(settings_of(pictures).data)
        known = table[table["split"] != "test"]
        model.head.unfit()  # type: ignore[operator]
        vectors = torch.from_numpy(model.encode(known["path"].tolist(), normalize=False))
        weight, bias = within_class_whitening(vectors, torch.from_numpy(pd.factorize(known["label"])[0]))
        chosen = load_embedder(run.model).head.layers[-1]  # type: ignore[index]
        torch.testing.assert_close(chosen.weight.detach(), weight)
        torch.testing.assert_close(chosen.bias.detach(), bias)
    selection = run.read_protocol().selection
    assert selection is not None
    assert (selection.step, selection.value, selection.start) == (0, max(0.5, fitted), 0.5)


@pytest.mark.long
def test_a_killed_run_with_a_fitted_head_goes_on_to_the_same_numbers(
    tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(settings_of(pictures), tmp_path / "whole", progress=False)
    step = Training._step

    def cut(self: Training, *arguments: Any) -> None:
        if self.position.step == 4:
            raise KeyboardInterrupt
        step(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "_step", cut)
        with pytest.raises(KeyboardInterrupt, match="step 4 is stored"):
            train(settings_of(pictures), tmp_path / "cut", progress=False)
    train(settings_of(pictures), tmp_path / "cut", progress=False)
    assert numbers_of(tmp_path / "cut") == numbers_of(whole.path)
    ours, theirs = weights_of(tmp_path / "cut"), weights_of(whole.path)
    assert np.all([ours == theirs])
