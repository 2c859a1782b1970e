"""The shared tiny run, an index of its pictures, and the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

import kinsight as package
from cli.conftest import kinsight
from tiny_run import finished, pictures

__all__ = ["finished", "kinsight", "pictures"]


@pytest.fixture(scope="session")
def birds(tmp_path_factory: pytest.TempPathFactory, finished: Path, pictures: Path) -> Path:
    """An index of all pictures of the table; to be searched, not to be changed."""
    path = tmp_path_factory.mktemp("index") / "birds.kin"
    package.index(finished, pictures, out=path, workers=0).close()
    return path
