"""A made-up comparison of four settings."""

from __future__ import annotations

from typing import Any

from kinsight.evaluation import Estimate
from kinsight.show.comparison.result import Comparison, Row

METRICS = ["map_at_r", "nmi", "hubness"]


def row(setting: str, pairs: int = 0, differences: dict[str, Estimate] | None = None) -> Row:
    values = {
        "map_at_r": Estimate(0.3612, 0.3531, 0.3718, "t", 3),
        "nmi": Estimate(0.5),
        "hubness": Estimate(1.23456, 1.1, 1.4, "bootstrap"),
    }
    return Row(setting, 3, values, pairs, differences or {}, 512, 2_879_744, 18.84)


def made(**changes: Any) -> Comparison:
    differences = {
        "map_at_r": Estimate(0.0121, 0.004, 0.0202, "t", 3),
        "nmi": Estimate(-0.02),
        "hubness": Estimate(0.3, 0.1, 0.5, "bootstrap"),
    }
    worse = {key: Estimate(-0.01, -0.03, 0.01, "t", 3) for key in METRICS}
    content: dict[str, Any] = {
        "name": "test",
        "baseline": "n",
        "metrics": METRICS,
        "rows": [row("n"), row("a|4", 3, differences), row("<c>", 3, worse), row("alone")],
        "recipe": {"model.head.groups": {"n": None, "a|4": 4, "<c>": 4, "alone": True}},
        "disagreements": ["similarity is cosine in runs/n-0, but dot in runs/a-0"],
        "notes": ["Without a pair in n: a seed 3; its mean counts them."],
        "runs": [{"setting": "n", "run": "runs/n-0", "seed": 0, "fold": None, "metrics": {"nmi": 0.5}}],
    }
    return Comparison(**content | changes)
