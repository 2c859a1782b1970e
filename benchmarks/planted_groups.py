"""Rendered birds in planted super-groups: families of shapes times families of colours, each with species of its own.

Species of a group share the outlines of body, head, beak and tail and the colours of all parts; what tells them apart is the patterns of
body, head, wing and tail. Every group has as many species in the training half as in the test half. The column `category` names the
group, so that `clusters: category` divides by it, and a division can be held against what was planted.

    python benchmarks/planted_groups.py FOLDER [--shapes 4] [--colours 4] [--species 8] [--per-class 24] [--size 96] [--seed 0]
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from kinsight.data.scenes.drawing import render
from kinsight.data.scenes.species import PARTS, Species, pools


def planted(seed: int, shapes: int, colours: int, count: int) -> list[tuple[Species, str]]:
    """The species, `count` of each group, and the name of their group."""
    pool, random = pools(seed), np.random.default_rng((seed, 7))
    found: list[tuple[Species, str]] = []
    for shape, colour in product(range(shapes), range(colours)):
        looks: set[tuple[int, ...]] = set()
        while len(looks) < count:
            looks.add(tuple(random.integers(8, size=4).tolist()))
        for look in sorted(looks):
            patterns = dict(zip(("body", "head", "wing", "tail"), look, strict=True))
            parts = {
                part: replace(
                    pool[part][shape if part != "wing" else 0],
                    word=f"{part}{look[min(place, 3)]}",
                    pattern=pool[part][patterns.get(part, 0)].pattern,
                    colours=pool[part if part != "beak" else "body"][colour].colours,
                )
                for place, part in enumerate(PARTS)
            }
            found.append((Species(len(found), **parts), f"shape-{shape}-colour-{colour}"))
    return found


def write_planted(
    folder: Path,
    *,
    shapes: int = 4,
    colours: int = 4,
    count: int = 8,
    per_class: int = 24,
    size: int = 96,
    seed: int = 0,
) -> Path:
    """Render the pictures and their table; gives the table."""
    rows = []
    for species, group in planted(seed, shapes, colours, count):
        place = folder / f"{species.number:04d}"
        place.mkdir(parents=True, exist_ok=True)
        half = "train" if species.number % 2 == 0 else "test"
        for index in range(per_class):
            file = place / f"{index:03d}.jpg"
            render(species, seed, index, size).image.save(file, quality=92)
            rows.append(
                {
                    "path": str(file.relative_to(folder)),
                    "label": species.number,
                    "split": half,
                    "category": group,
                    "source": "rendered",
                }
            )
    pd.DataFrame(rows).to_csv(folder / "metadata.csv", index=False)
    return folder / "metadata.csv"


def main() -> None:
    """Render."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shapes", type=int, default=4)
    parser.add_argument("--colours", type=int, default=4)
    parser.add_argument("--species", type=int, default=8)
    parser.add_argument("--per-class", type=int, default=24)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    print(
        write_planted(
            options.folder, shapes=options.shapes, colours=options.colours, count=options.species,
            per_class=options.per_class, size=options.size, seed=options.seed,
        )
    )  # fmt: skip


if __name__ == "__main__":
    main()
