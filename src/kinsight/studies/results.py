"""What of a finished training is kept: one small file, written whole; where it stands, the training is done."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kinsight.files import write_json
from kinsight.reading import read_json_mapping
from kinsight.typed import from_plain, to_plain

FILE = "result.json"


@dataclass(frozen=True)
class Result:
    """The numbers of a finished job.

    Attributes:
        value: its best validation MAP@R; None where nothing was trained.
        step: at which step that was.
        steps: how many there were.
        values: of the settings that are searched, by full name.
        metrics: on the test half, where it was measured.
        minutes: of the training, or of the measuring where nothing was trained.
        parameters: of trunk and head.
        failed: why the training could not end, in a sentence.
    """

    value: float | None = None
    step: int | None = None
    steps: int | None = None
    values: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    minutes: float = 0.0
    parameters: int | None = None
    failed: str | None = None

    @property
    def score(self) -> float:
        """What the search goes by: a training that failed is worth nothing."""
        return 0.0 if self.value is None or self.failed else self.value


def write_result(folder: Path, result: Result) -> None:
    """Write the result of the job whose folder this is."""
    write_json(folder / FILE, to_plain(result))


def read_results(runs: Path) -> dict[str, Result]:
    """All results of a study by the path of their job.

    Raises:
        KinsightError: one is damaged.
    """
    return {
        file.parent.relative_to(runs).as_posix(): from_plain(
            Result, read_json_mapping(file), str(file), otherwise="remove it, and its training is done anew"
        )
        for file in sorted(runs.glob(f"**/{FILE}"))
    }
