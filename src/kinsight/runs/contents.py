"""Everything that a run folder holds, read once for showing it: every piece may be missing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kinsight.errors import KinsightError
from kinsight.runs.evaluations import EvaluationRecord
from kinsight.runs.folder import RunFolder
from kinsight.runs.protocol import RunProtocol


@dataclass(frozen=True)
class RunContents:
    """A run folder; an absent piece is empty."""

    folder: RunFolder
    recipe: str
    protocol: RunProtocol
    history: list[dict[str, Any]]
    evaluations: list[EvaluationRecord]

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.folder.path.resolve().name


def read_contents(path: str | Path) -> RunContents:
    """Read what a run folder holds.

    Raises:
        KinsightError: the folder does not exist, holds no piece of a run, or a piece of it is broken.
    """
    run = RunFolder(path)
    if not run.path.is_dir():
        raise KinsightError(f"{run.path} is not a folder; give the folder of a run, the one that holds recipe.yaml")
    pieces = (run.recipe, run.protocol, run.metrics, run.evaluation)
    if not any(piece.exists() for piece in pieces):
        names = ", ".join(piece.name for piece in pieces)
        raise KinsightError(f"{run.path} holds none of {names}; give the folder of a run, or train one first")
    return RunContents(run, run.recipe_text(), run.read_protocol(), run.history(), run.evaluations.read_all())
