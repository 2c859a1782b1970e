"""One tiny study, done once and shared by the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save_file

import kinsight
from kinsight.models.trunk import Trunk
from tiny_run import pictures

__all__ = ["pictures"]

TINY: dict[str, Any] = {
    "data": {"workers": 0},
    "model": {"trunk": "test_resnet", "size": 32, "resize": 32, "head": {"dim": 8}},
    "batches": {"size": 8},
    "epochs": 1,
}
METHODS = "margin,grouping-margin"
COUNTS: dict[str, Any] = {"folds": 2, "trials": 1, "repeats": 2}


def weights_beside(pictures: Path) -> str:
    """Weights of the trunk, so that all trainings of a study have the same."""
    file = pictures.parent / "test_resnet.safetensors"
    if not file.exists():
        save_file(Trunk("test_resnet").network.state_dict(), file)
    return str(file)


def tiny_study(pictures: Path, out: Path, **changes: Any) -> Any:
    """The tiny study in a folder, done as far as it is not."""
    given = {"methods": METHODS, "settings": TINY, "progress": False, **COUNTS, **changes}
    settings = given["settings"]
    given["settings"] = {**settings, "model": {**settings["model"], "weights": weights_beside(pictures)}}
    return kinsight.benchmark(pictures, out=out, **given)


@pytest.fixture(scope="session")
def done(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Path:
    """The folder of the tiny study, finished; not to be changed."""
    out = tmp_path_factory.mktemp("studies") / "done"
    tiny_study(pictures, out)
    return out
