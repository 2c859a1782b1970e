"""The run folder: enough to go on, to evaluate, to explain.

recipe.yaml  protocol.json  metrics.jsonl  model/  model-last/  checkpoints/  features/  evaluation/  maps/  pairs/  report.html
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from kinsight.errors import KinsightError
from kinsight.files import explained, standing, write_json, write_text
from kinsight.reading import parse_json, read_json_mapping, read_text, require_file
from kinsight.runs.evaluations import Evaluations
from kinsight.runs.protocol import RunProtocol
from kinsight.settings.recipe import MOST_BYTES, differences
from kinsight.settings.training import TrainingSettings, moves_numbers
from kinsight.settings.yaml_mapping import yaml_mapping
from kinsight.typed import from_plain, to_plain

_RESTORE = "restore it or train the run anew"


class RunFolder:
    """Paths and small files of one run."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.recipe = self.path / "recipe.yaml"
        self.protocol = self.path / "protocol.json"
        self.metrics = self.path / "metrics.jsonl"
        self.model = self.path / "model"
        self.last_model = self.path / "model-last"
        self.checkpoints = self.path / "checkpoints"
        self.features = self.path / "features"
        self.evaluation = self.path / "evaluation"
        self.maps = self.path / "maps"
        self.pairs = self.path / "pairs"
        self.report = self.path / "report.html"

    @property
    def exists(self) -> bool:
        """Whether a run has been started here."""
        return os.path.isfile(self.recipe)

    def require(self) -> RunFolder:
        """This folder, if it holds a run.

        Raises:
            KinsightError: it does not.
        """
        if not self.exists:
            raise KinsightError(
                f"{self.path} holds no run (no recipe.yaml); give the --out folder of a `kinsight train`"
            )
        return self

    def trained_model(self, which: str = "best") -> Path:
        """The folder of the `best` model (chosen on validation classes) or of the `last`; without validation they are one.

        Raises:
            KinsightError: the run has not come so far.
        """
        if which not in ("best", "last"):
            raise KinsightError(f"which {which!r} is not known; write best or last")
        last = standing(self.last_model)
        last = last if last.is_dir() or not self._finished else standing(self.model)
        folder = standing(self.model) if which == "best" else last
        if not folder.is_dir():
            raise KinsightError(
                f"{self.path} has no {which} model yet; go on with it: `kinsight train --out {self.path}`"
            )
        return folder

    def settings(self) -> dict[str, Any]:
        """The stored settings as nested plain values.

        Raises:
            KinsightError: there is no run, or its recipe is damaged.
        """
        text = read_text(self.require().recipe, most=MOST_BYTES, otherwise=_RESTORE)
        try:
            return yaml_mapping(text)
        except ValueError as problem:
            raise KinsightError(f"{self.recipe} is no recipe ({problem}); {_RESTORE}") from None

    def check(self, settings: TrainingSettings) -> None:
        """Whether a run with these settings may start or go on here.

        Raises:
            KinsightError: the folder holds something else, or a run with other settings.
        """
        if self.exists:
            known = {**_plain(TrainingSettings()), **self.settings()}  # of before a setting was there: its default
            found = differences(known, _plain(settings))
            changes = [change for change in found if moves_numbers(change.partition(":")[0])]
            longer = settings.epochs > self.settings().get("epochs", settings.epochs)
            if longer and self._finished:  # a finished run may be extended
                changes = [change for change in changes if not change.startswith("epochs:")]
            if changes:
                extend = "; once it is finished, more epochs extend it" if longer else ""
                raise KinsightError(
                    f"{self.path} holds a run with other settings ({'; '.join(changes[:4])}); "
                    f"repeat its settings (or give only --out) to go on with it, or choose another --out{extend}"
                )
            return
        if self.path.exists() and not self.path.is_dir():
            raise KinsightError(f"{self.path} is a file; give a folder as --out")
        if self.path.is_dir() and any(entry for entry in self.path.iterdir() if not entry.name.startswith(".")):
            raise KinsightError(f"{self.path} is not empty and holds no run; give a new or empty folder as --out")

    def claim(self, settings: TrainingSettings, reasons: Sequence[str] = ()) -> None:
        """Check the folder and store the settings in it, below comments that say how they came about.

        Raises:
            KinsightError: the folder holds something else, or a run with other settings.
        """
        self.check(settings)
        comments = [f"# {' '.join(each.split())}\n" for each in reasons or self.reasons]
        write_text(
            self.recipe, "".join(comments) + yaml.safe_dump(_plain(settings), sort_keys=False, allow_unicode=True)
        )

    @property
    def reasons(self) -> list[str]:
        """How the settings came about, where `recipe.yaml` says so above them."""
        return [line.removeprefix("# ") for line in self.recipe_text().splitlines() if line.startswith("# ")]

    @property
    def evaluations(self) -> Evaluations:
        """The records in `evaluation/`."""
        return Evaluations(self.evaluation)

    def mistake_page(self, name: str, query: int) -> Path:
        """Where the page of a query's mistake in an evaluation stands, if it does."""
        return self.pairs / f"{name}-{query}.html"

    def mistake_pages(self, name: str) -> dict[int, Path]:
        """Those that are there, by query."""
        numbers = {file.stem.removeprefix(f"{name}-"): file for file in self.pairs.glob("*.html")}
        return {int(number): file for number, file in numbers.items() if number.isdecimal()}

    def recipe_text(self) -> str:
        """`recipe.yaml` as it stands, empty where there is none."""
        return read_text(self.recipe, most=MOST_BYTES, otherwise=_RESTORE) if self.recipe.exists() else ""

    def read_protocol(self) -> RunProtocol:
        """`protocol.json`, empty if the run was stopped before it was written.

        Raises:
            KinsightError: it is damaged.
        """
        content = read_json_mapping(self.protocol) if self.protocol.exists() else {}
        return from_plain(RunProtocol, content, str(self.protocol), otherwise=_RESTORE)

    def update_protocol(self, changes: dict[str, Any]) -> None:
        """Merge `changes` into `protocol.json`, one level deep."""
        protocol = to_plain(self.read_protocol())
        for key, value in changes.items():
            known = protocol.get(key)
            protocol[key] = {**known, **value} if isinstance(known, dict) and isinstance(value, dict) else value
        write_json(self.protocol, to_plain(from_plain(RunProtocol, protocol, str(self.protocol), otherwise=_RESTORE)))

    def log(self, record: dict[str, Any]) -> None:
        """Append one line to `metrics.jsonl`."""
        with explained(self.metrics), self.metrics.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(record, ensure_ascii=False) + "\n")

    def history(self) -> list[dict[str, Any]]:
        """The lines of `metrics.jsonl`; a last line cut off by a kill is left out.

        Raises:
            KinsightError: another line is damaged.
        """
        if not self.metrics.exists():
            return []
        path = require_file(self.metrics, otherwise=_RESTORE)
        records = []
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                record = parse_json(line)
            except ValueError:
                if number == len(lines):
                    break
                raise KinsightError(
                    f"{self.metrics} line {number} is not valid JSON; remove the line or restore the file"
                ) from None
            if not (isinstance(record, dict) and type(record.get("step")) is int):
                raise KinsightError(
                    f"{self.metrics} line {number} is no record with a step; remove the line or restore the file"
                )
            records.append(record)
        return records

    def rewind(self, step: int) -> None:
        """Drop what was logged after `step`: those steps are about to be done again."""
        kept = [record for record in self.history() if record["step"] <= step]
        write_text(self.metrics, "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in kept))

    @property
    def _finished(self) -> bool:
        return self.read_protocol().selection is not None


def _plain(settings: TrainingSettings) -> dict[str, Any]:
    """Nested settings as YAML gives them back: tuples become lists."""
    return dict(json.loads(json.dumps(asdict(settings))))
