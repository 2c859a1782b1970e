"""The evaluations of a run: typed records in `evaluation/NAME.json`, and beside each what it ranked in `NAME.npz`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kinsight.evaluation import Estimate
from kinsight.evaluation.protocol import NOTHING, Protocol
from kinsight.files import write_json
from kinsight.reading import read_json_mapping
from kinsight.runs.protocol import DataProtocol, ModelProtocol, Selection
from kinsight.runs.ranking import QueryValues, Ranking
from kinsight.typed import from_plain, to_plain

TRAINED, UNTRAINED = "trained", "untrained"
_AGAIN = "evaluate the run again to write it anew"


@dataclass(frozen=True)
class EvaluationProtocol(Protocol):
    """What was measured and how, with the data and the model. What differs between data and models is not the protocol's affair."""

    data: DataProtocol = field(default_factory=DataProtocol, metadata=NOTHING)
    model: ModelProtocol = field(default_factory=ModelProtocol, metadata=NOTHING)
    unreadable_pictures: int | None = None
    seconds: float | None = field(default=None, metadata=NOTHING)


@dataclass(frozen=True)
class EvaluationRecord:
    """One evaluation of one model of a run.

    Attributes:
        name: its file, without ending.
        model: `trained`, `untrained`, or `group 0` and so on of the trained one.
        split: the pictures measured.
        metrics: flat numbers as `kinsight.evaluate` gives them, fractions not percent, with `_low`, `_high`, `_sd` where known.
        protocol: what moves them.
        selection: how the measured checkpoint was chosen; None for the untrained model.
    """

    name: str
    model: str = TRAINED
    split: str = "test"
    metrics: dict[str, float] = field(default_factory=dict)
    protocol: EvaluationProtocol = field(default_factory=EvaluationProtocol)
    selection: Selection | None = None

    @classmethod
    def from_plain(cls, content: Mapping[str, Any], name: str = "", where: str = "the evaluation") -> EvaluationRecord:
        """From what JSON holds; numbers that are not finite are left out.

        Raises:
            KinsightError: something is of another kind.
        """
        named = {"split": content.get("name") or name or "test", **content, "name": content.get("name") or name}
        record = from_plain(cls, named, where, otherwise=_AGAIN)
        return replace(record, metrics={key: value for key, value in record.metrics.items() if math.isfinite(value)})

    def to_plain(self) -> dict[str, Any]:
        """Ready for JSON."""
        return to_plain(self)

    def estimate(self, key: str) -> Estimate | None:
        """A metric with its interval; None where it was not measured."""
        return Estimate.of(self.metrics, key) if key in self.metrics else None

    @property
    def pictures(self) -> str:
        """What was measured: its name without that of the model, shared by evaluations of several models on the same pictures."""
        return self.name if self.model == TRAINED else self.name.removesuffix(f"-{self.model.replace(' ', '-')}")


def start_of(name: str) -> str:
    """What the evaluation of the starting point on the same pictures is called: one for the best and the last checkpoint."""
    return f"{name.removesuffix('-last')}-{UNTRAINED}"


class Evaluations:
    """The folder `evaluation/` of a run; the one place where evaluations are written and read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> list[str]:
        """Those that are there, in order."""
        return sorted(file.stem for file in self.folder.glob("*.json"))

    def path(self, name: str) -> Path:
        """Where a record stands."""
        return self.folder / f"{name}.json"

    def arrays_path(self, name: str) -> Path:
        """Where the arrays of an evaluation stand, if they do."""
        return self.folder / f"{name}.npz"

    def write(self, record: EvaluationRecord, ranking: Ranking) -> None:
        """Write a record and what it ranked."""
        write_json(self.path(record.name), record.to_plain())
        ranking.write(self.arrays_path(record.name))

    def read(self, name: str) -> EvaluationRecord:
        """One record.

        Raises:
            KinsightError: it is missing or damaged.
        """
        path = self.path(name)
        return EvaluationRecord.from_plain({**read_json_mapping(path), "name": name}, where=str(path))

    def read_all(self) -> list[EvaluationRecord]:
        """Every record, by name.

        Raises:
            KinsightError: one is damaged.
        """
        return [self.read(name) for name in self.names()]

    def ranking(self, name: str) -> Ranking | None:
        """What an evaluation ranked; None where that is not stored.

        Raises:
            KinsightError: it is damaged.
        """
        path = self.arrays_path(name)
        return Ranking.read(path) if path.exists() else None

    def query_values(self, name: str, metrics: Sequence[str]) -> QueryValues | None:
        """The values of each query; None where they are not stored.

        Raises:
            KinsightError: they are damaged.
        """
        path = self.arrays_path(name)
        otherwise = f"evaluate {self.folder.parent} again"
        return QueryValues.read(path, metrics, otherwise=otherwise) if path.exists() else None


def how_to_make(run: str | Path, name: str, more: str = "") -> str:
    """How an evaluation of that name is made: the end of a sentence, with `more` options in its command."""
    options = {
        "test": "",
        "test-untrained": " --untrained",
        "test-last": " --which last",
        "validation": " --split validation",
        "train": " --split train",
        "all": " --split all",
    }
    if is_group(name):
        return f"make it with `kinsight evaluate {run} --groups{more}`, and leave out runs whose head has no groups"
    if name not in options:
        return "choose another --name, or make it with `kinsight evaluate` and its options --data, --split, --which"
    return f"make it with `kinsight evaluate {run}{options[name]}{more}`"


def is_group(name: str) -> bool:
    """Whether an evaluation of that name is of one group of a model."""
    _, found, number = name.rpartition("-group-")
    return bool(found) and number.isdecimal()
