"""A comparison of settings: what is shown as text, Markdown, CSV, JSON and a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kinsight.errors import KinsightError
from kinsight.evaluation.comparison import Estimate
from kinsight.files import write_json, write_text
from kinsight.show.comparison.page import comparison_html
from kinsight.show.comparison.table import comparison_csv, comparison_markdown, comparison_text
from kinsight.show.numbers import described, title_of

FORMATS = (".md", ".csv", ".json", ".html")


@dataclass(frozen=True)
class Row:
    """One setting.

    Attributes:
        setting: its name.
        n: independent runs; runs of one and the same model count once.
        values: each metric over the runs.
        pairs: pairs with the baseline, of the same seed and fold; 0 for the baseline itself.
        differences: each metric less the baseline's, over the pairs; empty without any.
        dimension: of the embedding.
        parameters: of the trained embedder; None where another model was evaluated.
        minutes: mean time of training; None where another model was evaluated.
    """

    setting: str
    n: int
    values: Mapping[str, Estimate]
    pairs: int
    differences: Mapping[str, Estimate]
    dimension: int | None
    parameters: int | None
    minutes: float | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        estimates = {
            part: {key: estimate.to_dict() for key, estimate in getattr(self, part).items()}
            for part in ("values", "differences")
        }
        return {**asdict(self), **estimates}


@dataclass(frozen=True)
class Comparison:
    """Settings side by side.

    Attributes:
        name: of the evaluation.
        baseline: the setting that the others are compared with, the first row.
        metrics: keys of metrics, in the order of their columns.
        rows: one of each setting.
        recipe: the recipe keys that differ, each with its value by setting; None: not set.
        disagreements: what the protocols of the runs do not share; empty unless compared anyway.
        notes: what else a reader must know of the numbers, in sentences.
        runs: one of each run: setting, run, seed, fold, metrics.
    """

    name: str
    baseline: str
    metrics: Sequence[str]
    rows: Sequence[Row]
    recipe: Mapping[str, Mapping[str, Any]]
    disagreements: Sequence[str]
    notes: Sequence[str]
    runs: Sequence[Mapping[str, Any]]

    def table(self, width: int = 120) -> str:
        """Plain text for a terminal of so many characters."""
        return comparison_text(self, width)

    def write(self, path: str | Path) -> None:
        """Write a file: `.md`, `.csv` (fractions), `.json` (everything) or `.html` (one page that needs nothing else).

        Raises:
            KinsightError: the name has another ending, or the file cannot be written.
        """
        check_format(path)
        suffix = Path(path).suffix.lower()
        if suffix == ".json":
            write_json(path, self.to_dict())
        else:
            makers = {".md": comparison_markdown, ".csv": comparison_csv, ".html": comparison_html}
            write_text(path, makers[suffix](self))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; fractions, not percent."""
        return {
            "name": self.name,
            "baseline": self.baseline,
            "metrics": {key: {"title": title_of(key), "definition": definition_of(key)} for key in self.metrics},
            "rows": [row.to_dict() for row in self.rows],
            "recipe": {key: dict(values) for key, values in self.recipe.items()},
            "disagreements": list(self.disagreements),
            "notes": list(self.notes),
            "runs": [dict(run) for run in self.runs],
        }

    def __str__(self) -> str:
        return self.table()


def check_format(path: str | Path) -> None:
    """Whether a comparison can be written to a file of that name.

    Raises:
        KinsightError: it cannot.
    """
    if Path(path).suffix.lower() not in FORMATS:
        raise KinsightError(f"'{path}' says no known format; end it in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")


def definition_of(key: str) -> str:
    """What a metric means, in one sentence."""
    metric = described(key)
    return "" if metric is None else metric.definition
