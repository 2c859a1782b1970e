"""A tiny finished run whose head has groups; made once, not to be changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kinsight.training import train
from tiny_run import tiny

GROUPS = 3
SETTINGS: dict[str, Any] = {"model": {"head": {"name": "attentive", "groups": GROUPS, "dim": 16}}, "epochs": 1}

_made: dict[str, Path] = {}


@pytest.fixture(scope="session")
def grouped(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Path:
    """The run folder."""
    if "grouped" not in _made:
        out = tmp_path_factory.mktemp("runs") / "grouped"
        train(tiny(pictures, SETTINGS), out, progress=False)
        _made["grouped"] = out
    return _made["grouped"]
