"""Headings read by several trainings on the same places: how much more often one way is right than another, over all trainings.

    python benchmarks/town_trainings.py runs/towns-0 runs/towns-1 runs/towns-2

Each run was measured by `kinsight orient` before. Differences are averaged over the trainings, place by place; the intervals
(95 %, bootstrap) are over places: what other places would give with these trainings.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from kinsight.pictures.directions import difference

WITHIN = 3.5
PAIRS = (
    ("point", "overall"),
    ("point, clipped", "overall, clipped"),
    ("strongest pair", "overall"),
    ("votes", "point"),
    ("votes", "strongest pair"),
)


def main() -> None:
    """Print rates, medians, differences, and what confidence tells."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path)
    runs = parser.parse_args().runs
    tables = [pd.read_csv(run / "maps" / "orientation-test.csv") for run in runs]
    ways = list(dict.fromkeys(way for pair in PAIRS for way in pair))
    errors = {
        way: np.abs([difference(table[way].to_numpy(), table["heading"].to_numpy()) for table in tables])
        for way in ways
    }  # (trainings, places)
    for way in ways:
        rates = ", ".join(f"{100 * rate:.1f}" for rate in (errors[way] <= WITHIN).mean(1))
        print(f"{way}: within {WITHIN} degrees {rates} %; median {np.median(errors[way], axis=1).round(1).tolist()}")
    for way, other in PAIRS:
        more = (errors[way] <= WITHIN).astype(float) - (errors[other] <= WITHIN)
        print(f"{way} - {other}: {_interval(more.mean(0))}; each {', '.join(map(_interval, more))}")
    for within in (WITHIN, 10.0, 20.0):
        halves = [_halves(table, found <= within) for table, found in zip(tables, errors["votes"], strict=True)]
        print(f"votes within {within} degrees, surer half and other half: {', '.join(halves)}")


def _interval(values: np.ndarray) -> str:
    picks = np.random.default_rng(0).integers(len(values), size=(10_000, len(values)))
    low, high = np.quantile(values[picks].mean(1), [0.025, 0.975])
    return f"{100 * values.mean():+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"


def _halves(table: pd.DataFrame, right: np.ndarray) -> str:
    order = np.argsort(-table["probability"].to_numpy(), kind="stable")
    surer, other = np.array_split(right[order], 2)
    return f"{100 * surer.mean():.1f} and {100 * other.mean():.1f} %"


if __name__ == "__main__":
    main()
