"""What relations cost: training steps of the relational head against the linear head of the same width, in one run.

Both have the same trunk, batch, Proxy-Anchor loss (four of them more for the branches) and 512 numbers; their steps alternate.

    python benchmarks/relational.py [--trunk resnet50] [--size 224] [--batch 32] [--rounds 7] [--precision bf16]
"""

from __future__ import annotations

from typing import Any

from kinsight.objectives import ObjectiveSettings
from training_steps import Steps, print_times, step_options

HEADS: dict[str, dict[str, Any]] = {
    "linear head": {"name": "linear", "dim": 512, "pooling": "avg+max"},
    "relational head": {"name": "relational", "branches": 4, "dim": 512},
}


def main() -> None:
    """Print the ratio."""
    options = step_options(__doc__.splitlines()[0]).parse_args()
    objective = ObjectiveSettings(loss={"name": "proxy-anchor"}, miner={"name": "none"})
    print_times([*HEADS], [Steps(head, objective, options) for head in HEADS.values()], options, bar=1.10)


if __name__ == "__main__":
    main()
