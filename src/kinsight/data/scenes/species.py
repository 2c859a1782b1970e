"""What a species is: one variant of every part, taken from a pool that all species share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from kinsight.data.scenes.shapes import BEAKS, BODIES, TAILS, WINGS
from kinsight.errors import KinsightError

PartName = Literal["body", "head", "beak", "wing", "tail"]
PARTS: tuple[PartName, ...] = get_args(PartName)
Colour = tuple[int, int, int]

VARIANTS_PER_PART = 8
MOST_SPECIES = VARIANTS_PER_PART ** len(PARTS) // 4  # beyond, unused combinations become hard to find

PLUMAGE: dict[str, Colour] = {
    "ruddy": (186, 82, 48),
    "golden": (232, 184, 64),
    "azure": (66, 140, 204),
    "mossy": (108, 138, 62),
    "slate": (104, 116, 134),
    "ivory": (240, 230, 206),
    "plum": (136, 84, 156),
    "sooty": (58, 54, 62),
}
_HORN: tuple[Colour, ...] = (
    (240, 148, 40),
    (60, 56, 60),
    (214, 70, 58),
    (236, 206, 92),
    (134, 140, 146),
    (226, 214, 190),
)
_HEADS = ("smooth", "capped", "masked", "collared", "cheeked", "ringed", "crested", "tufted")
_WING_PATTERNS = ("plain", "barred", "striped", "spotted", "checked", "scaled", "banded", "shaded")
_TAIL_PATTERNS = ("plain", "barred", "tipped", "plain", "striped", "shaded", "tipped", "barred")
_BODY_PATTERNS = ("plain", "bellied", "bibbed", "rumped", "speckled", "girdled", "barred", "spotted")


@dataclass(frozen=True)
class Variant:
    """One way that a part can look; two species that share a variant share this part exactly.

    `word` names it among the variants of its part, `shape` is a key (bodies: a number as text) of the part's outlines.
    """

    part: PartName
    word: str
    shape: str
    pattern: str
    colours: tuple[Colour, Colour]
    size: float


@dataclass(frozen=True)
class Species:
    """One class: its number, and its variant of every part. Two species of a seed never agree in all five."""

    number: int
    body: Variant
    head: Variant
    beak: Variant
    wing: Variant
    tail: Variant

    @property
    def name(self) -> str:
        """Words of the five variants, unique among the species of a seed; fit for a folder name."""
        return "-".join(variant.word for variant in (self.body, self.head, self.wing, self.tail, self.beak))

    @property
    def variants(self) -> dict[PartName, Variant]:
        """The variant of every part, by part."""
        return {part: getattr(self, part) for part in PARTS}

    def differing_parts(self, other: Species) -> tuple[PartName, ...]:
        """The parts that tell this species from another one of the same seed."""
        return tuple(part for part in PARTS if getattr(self, part) != getattr(other, part))


def pools(seed: int) -> dict[PartName, tuple[Variant, ...]]:
    """The eight variants of every part in the world of a seed: kinds are the same in all worlds, looks are not."""
    rng = np.random.default_rng(np.random.SeedSequence((seed, 0)))
    names = list(PLUMAGE)

    def colours(order: np.ndarray) -> list[tuple[Colour, Colour]]:
        # Every colour leads once in every part, so no colour belongs to one part or one species.
        shift = int(rng.integers(1, len(names)))
        return [(PLUMAGE[names[i]], PLUMAGE[names[(i + shift) % len(names)]]) for i in order]

    def shuffled(values: tuple[str, ...] | list[str]) -> list[str]:
        return [values[i % len(values)] for i in rng.permutation(VARIANTS_PER_PART)]

    def pool(
        part: PartName, words: list[str], shapes: list[str], patterns: list[str], paints: list[tuple[Colour, Colour]]
    ) -> tuple[Variant, ...]:
        sizes = rng.uniform(0.92, 1.08, VARIANTS_PER_PART).round(3).tolist()
        return tuple(Variant(part, *looks) for looks in zip(words, shapes, patterns, paints, sizes, strict=True))

    horn = [
        (_HORN[i % len(_HORN)], _HORN[(i + 1 + i // len(_HORN)) % len(_HORN)])
        for i in rng.permutation(VARIANTS_PER_PART)
    ]
    numbers = [str(i) for i in range(len(BODIES))]
    order = np.arange(VARIANTS_PER_PART)
    return {
        "body": pool("body", names, shuffled(numbers), shuffled(_BODY_PATTERNS), colours(order)),
        "head": pool("head", list(_HEADS), shuffled(["round", "long"]), list(_HEADS), colours(rng.permutation(order))),
        "beak": pool("beak", list(BEAKS), list(BEAKS), shuffled(["plain", "plain", "tipped", "edged"]), horn),
        "wing": pool(
            "wing", list(_WING_PATTERNS), shuffled(list(WINGS)), list(_WING_PATTERNS), colours(rng.permutation(order))
        ),
        "tail": pool("tail", list(TAILS), list(TAILS), shuffled(_TAIL_PATTERNS), colours(rng.permutation(order))),
    }


def species(seed: int, count: int) -> list[Species]:
    """The first `count` species in the world of a seed; asking for more never changes the ones before.

    The first eight use every variant of every part once, so from 16 species on each variant met in the second half is
    also in the first. After them every second species is a sister of the one before: the same but for one or two parts.

    Raises:
        KinsightError: the seed is negative, or the count is not between 1 and `MOST_SPECIES`.
    """
    if seed < 0:
        raise KinsightError(f"seed {seed} is negative; give 0 or more")
    if not 1 <= count <= MOST_SPECIES:
        raise KinsightError(f"{count} species cannot be made; ask for 1 to {MOST_SPECIES}")
    rng = np.random.default_rng(np.random.SeedSequence((seed, 1)))
    combinations = [
        tuple(row) for row in np.stack([rng.permutation(VARIANTS_PER_PART) for _ in PARTS], axis=1).tolist()
    ]
    taken = set(combinations)
    while len(combinations) < count:
        sister = len(combinations) % 2 == 1
        while True:
            one = rng.integers(VARIANTS_PER_PART, size=len(PARTS))  # (5,)
            if sister:
                kept = rng.permutation(len(PARTS))[rng.integers(1, 3) :]
                one[kept] = np.array(combinations[-1])[kept]
            chosen = tuple(one.tolist())
            if chosen not in taken:
                break
        taken.add(chosen)
        combinations.append(chosen)
    pool = pools(seed)
    return [
        Species(number, **{part: pool[part][i] for part, i in zip(PARTS, row, strict=True)})
        for number, row in enumerate(combinations[:count])
    ]
