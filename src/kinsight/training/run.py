"""The run folder: enough to go on, to evaluate, to explain.

recipe.yaml  protocol.json  metrics.jsonl  model/  model-last/  checkpoints/  evaluation/  report.html
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from kinsight.errors import KinsightError
from kinsight.files import explained, read_json, write_json, write_text
from kinsight.training.recipe import differences
from kinsight.training.settings import TrainingSettings


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
        self.evaluation = self.path / "evaluation"
        self.report = self.path / "report.html"

    @property
    def exists(self) -> bool:
        """Whether a run has been started here."""
        return self.recipe.is_file()

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

    def settings(self) -> dict[str, Any]:
        """The stored settings as nested plain values."""
        self.require()
        return dict(yaml.safe_load(self.recipe.read_text(encoding="utf-8")))

    def claim(self, settings: TrainingSettings) -> None:
        """Store the settings of a new run, or check that a run found here has the same.

        Raises:
            KinsightError: the folder holds something else, or a run with other settings.
        """
        wanted = json.loads(json.dumps(asdict(settings)))  # tuples become lists, as in the file
        if self.exists:
            changes = differences(self.settings(), wanted)
            if changes:
                raise KinsightError(
                    f"{self.path} holds a run with other settings ({'; '.join(changes[:4])}); "
                    "repeat its settings (or give only --out) to go on with it, or choose another --out"
                )
            return
        if self.path.exists() and not self.path.is_dir():
            raise KinsightError(f"{self.path} is a file; give a folder as --out")
        if self.path.is_dir() and any(entry for entry in self.path.iterdir() if not entry.name.startswith(".")):
            raise KinsightError(f"{self.path} is not empty and holds no run; give a new or empty folder as --out")
        write_text(self.recipe, yaml.safe_dump(wanted, sort_keys=False, allow_unicode=True))

    def read_protocol(self) -> dict[str, Any]:
        """`protocol.json`, empty if the run was stopped before it was written."""
        return dict(read_json(self.protocol)) if self.protocol.is_file() else {}

    def update_protocol(self, changes: dict[str, Any]) -> None:
        """Merge `changes` into `protocol.json`, one level deep."""
        protocol = self.read_protocol()
        for key, value in changes.items():
            known = protocol.get(key)
            protocol[key] = {**known, **value} if isinstance(known, dict) and isinstance(value, dict) else value
        write_json(self.protocol, protocol)

    def log(self, record: dict[str, Any]) -> None:
        """Append one line to `metrics.jsonl`."""
        with explained(self.metrics), self.metrics.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(record, ensure_ascii=False) + "\n")

    def history(self) -> list[dict[str, Any]]:
        """The lines of `metrics.jsonl`; a last line cut off by a kill is left out."""
        records = []
        for line in self.metrics.read_text(encoding="utf-8").splitlines() if self.metrics.is_file() else []:
            try:
                records.append(json.loads(line))
            except ValueError:
                break
        return records

    def rewind(self, step: int) -> None:
        """Drop what was logged after `step`: those steps are about to be done again."""
        kept = [record for record in self.history() if record["step"] <= step]
        write_text(self.metrics, "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in kept))
