"""Tables I and II of "Improving Deep Metric Learning by Divide and Conquer" on one's own data: the plain loss and variants of division.

Same data, trunk, steps and rates; every variant with every seed, evaluated on the unseen classes; differences from the plain run are paired
by seed. With `--folds` each seed holds out another fold of the training classes, which choose the step. Runs that were evaluated are not
trained again, and what was killed goes on.

    python benchmarks/division_table.py --data TABLE --out FOLDER [--settings RECIPE.yaml] [--seeds 3] [--subspaces 4 ...] [--every 2]
        [--folds 4] [--variants plain fix learn ...] [--pages] [--set optimizer.trunk_lr=1e-4 epochs=40 ...]

With clusters planted in the data (benchmarks/planted_groups.py) take `--subspaces 16`, or several numbers to see whether more help, and
add the variant `category`.
Rates are to be chosen for the plain run on validation classes first: `--variants plain --seeds 1 --set optimizer.trunk_lr=...`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import kinsight
from kinsight.settings.parsing import settings_from
from kinsight.settings.recipe_table import nested
from kinsight.settings.yaml_mapping import yaml_value

# Rows of Tables I and II by the options that they change.
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "fix": {"masks": "fix"},
    "learn": {"masks": "learn"},
    "no-subspaces": {"masks": "none"},
    "not-progressive": {"masks": "fix", "progressive": False},
    "random": {"masks": "fix", "clusters": "random"},
    "trunk": {"masks": "fix", "clusters": "trunk"},
    "running": {"masks": "fix", "features": "running"},
    "inverse": {"masks": "fix", "inverse_matching": True},
    "category": {"masks": "fix", "clusters": "category"},
}
DEFAULT = ["plain", "fix", "learn", "no-subspaces", "not-progressive", "random"]


def main() -> None:
    """Train, evaluate, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--settings", default="margin-resnet50", help="a recipe or a file of settings")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--subspaces", type=int, nargs="+", default=[4])
    parser.add_argument("--every", type=int, default=2)
    parser.add_argument(
        "--folds", type=int, metavar="N", help="seed s holds out fold s modulo N, which chooses the step"
    )
    parser.add_argument("--variants", nargs="+", default=DEFAULT, choices=list(VARIANTS))
    parser.add_argument("--pages", action="store_true", help="write division.html beside the divided runs of seed 0")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="settings of all runs")
    options = parser.parse_args()
    given = (each.split("=", 1) for each in options.set)
    shared = nested({name: yaml_value(text) for name, text in given})
    runs = []
    rows = [
        (variant, subspaces)
        for variant in options.variants
        for subspaces in (options.subspaces[:1] if variant == "plain" else options.subspaces)
    ]
    for seed in range(options.seeds):
        for variant, subspaces in rows:
            method = {"name": "division", "subspaces": subspaces, "every": options.every, **VARIANTS[variant]}
            fold = {} if options.folds is None else {"folds": options.folds, "fold": seed % options.folds}
            data = {"path": options.data, **fold}
            own = {"data": data, "seed": seed, **({} if variant == "plain" else {"method": method})}
            out = options.out / (f"plain-{seed}" if variant == "plain" else f"{variant}-{subspaces}-{seed}")
            runs.append(out)
            if (out / "evaluation" / "test.json").exists():
                continue
            kinsight.train(settings_from(options.settings, shared, own), out)
            found = kinsight.evaluate(out, untrained=variant == "plain", mistakes=0)
            print(f"{out.name}: P@1 {found['precision_at_1']:.4f}, MAP@R {found['map_at_r']:.4f}", flush=True)
            if options.pages and variant != "plain" and not seed:
                kinsight.division(out, out=out / "division.html")
    table = options.out / "table.md"
    metrics = ["recall_at_1", "recall_at_2", "recall_at_4", "map_at_r", "map_hits", "nmi"]
    kinsight.compare(runs, metrics=metrics, baseline=str(runs[0]), out=table)
    print(table.read_text())


if __name__ == "__main__":
    main()
