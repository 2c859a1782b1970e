"""The kinds of buildings, trees and landmarks that towns repeat.

Roofs have other colours than walls, and one kind's roof has the colour of another's walls: what is red from the street is
not what is red from above. Which belongs to which has to be learned.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kinsight.data.towns.solids import Ball, Box, Paint, Round, Solid, Thing


@dataclass(frozen=True)
class BuildingKind:
    """A kind of building; ranges in metres."""

    name: str
    walls: str
    roof: str
    pitch: float
    windows: str
    length: tuple[float, float]
    width: tuple[float, float]
    walls_high: tuple[float, float]


BUILDINGS = (
    BuildingKind("villa", "white", "red", 0.75, "few", (9, 12), (7.5, 9), (4, 5.5)),
    BuildingKind("brick house", "red", "slate", 0.75, "few", (9, 13), (7.5, 9), (4.5, 6)),
    BuildingKind("cottage", "ochre", "thatch", 1.0, "few", (8, 10), (6.5, 8), (2.8, 3.4)),
    BuildingKind("timber house", "slate", "ochre", 0.6, "few", (9, 12), (7, 9), (4, 6)),
    BuildingKind("block", "concrete", "gravel", 0.0, "many", (14, 20), (9, 12), (9, 15)),
    BuildingKind("office", "glass", "white", 0.0, "bands", (12, 16), (11, 13), (11, 17)),
    BuildingKind("hall", "green", "glass", 0.0, "ribs", (16, 22), (10, 13), (5, 6.5)),
    BuildingKind("shop", "rose", "green", 0.35, "bands", (11, 14), (9, 11), (4, 6)),
)
LANDMARKS = ("church", "water tower", "silos", "obelisk", "mill", "tent", "gasometer", "chimney")
TREES = ("oak", "poplar", "conifer", "cherry")


def building(kind: BuildingKind, x: float, y: float, angle: float, rng: np.random.Generator) -> Thing:
    """A building of a kind, its long side along `angle`."""
    tints = np.exp(rng.normal(0, 0.06, 2))
    length, width, high = (float(rng.uniform(*limits)) for limits in (kind.length, kind.width, kind.walls_high))
    walls, roof = Paint(kind.walls, float(tints[0])), Paint(kind.roof, float(tints[1]))
    solids: list[Solid] = [Box(x, y, angle, length, width, high, walls, roof, kind.pitch, kind.windows)]
    if kind.pitch and rng.random() < 0.5:  # a chimney, on one side of the ridge
        along, across = Box(x, y, angle, 1, 1, 1, walls, roof).axes
        cx, cy = np.array([x, y]) + along * 0.3 * length + across * 0.12 * width
        top = high + 0.5 * kind.pitch * width + 0.9
        solids.append(Box(float(cx), float(cy), angle, 1.1, 1.0, top, Paint("red"), Paint("dark"), base=high))
    if kind.windows == "many":  # what stands on flat roofs
        solids.append(Box(x, y, angle, 4, 3, high + 2, Paint("concrete", 0.9), Paint("slate"), base=high))
    return Thing(kind.name, x, y, tuple(solids))


def tree(kind: str, x: float, y: float, rng: np.random.Generator) -> Thing:
    """A tree."""
    size, tint = float(rng.uniform(0.75, 1.25)), float(np.exp(rng.normal(0, 0.09)))
    leaf, bark = Paint(kind, tint), Paint("bark")
    solids: tuple[Solid, ...]
    if kind == "conifer":
        stem = Round(x, y, 0.25, 0, 2, bark, bark, 0.25)
        solids = (stem, Round(x, y, 2.1 * size, 1.0, 9.5 * size, leaf, leaf, 0.0))
    else:
        radius, stretch = {"oak": (2.9, 0.95), "poplar": (1.7, 2.6), "cherry": (1.9, 0.9)}[kind]
        radius *= size
        middle = radius * stretch + (1.0 if kind == "poplar" else 2.0) * size
        solids = (Round(x, y, 0.3, 0, middle, bark, bark, 0.2), Ball(x, y, middle, radius, stretch, leaf))
    return Thing(kind, x, y, solids)


def landmark(kind: str, x: float, y: float, angle: float) -> Thing:
    """A landmark; its like stands in other towns, and sometimes a second time in the same."""
    across = np.array([-np.sin(angle), np.cos(angle)])
    along = np.array([np.cos(angle), np.sin(angle)])

    def at(a: float, b: float) -> tuple[float, float]:
        px, py = np.array([x, y]) + a * along + b * across
        return float(px), float(py)

    def drum(a: float, b: float, radius: float, base: float, top: float, sides: str, cap: str, tip: float) -> Round:
        return Round(*at(a, b), radius, base, top, Paint(sides), Paint(cap), tip)

    solids: dict[str, tuple[Solid, ...]] = {
        "church": (
            Box(*at(3, 0), angle, 14, 8, 7, Paint("ochre", 1.1), Paint("slate"), 1.0, "few"),
            Box(*at(-6, 0), angle, 5, 5, 15, Paint("ochre", 1.1), Paint("copper"), windows="few"),
            drum(-6, 0, 3.0, 15, 25, "copper", "copper", 0.0),
        ),
        "water tower": (
            drum(0, 0, 1.4, 0, 13, "concrete", "concrete", 1.2),
            Ball(x, y, 15.5, 4.2, 0.85, Paint("white"), leaves=False),
            drum(0, 0, 1.5, 18.5, 20, "red", "red", 1.0),
        ),
        "silos": (drum(-3.4, 0, 3.1, 0, 13, "steel", "rust", 3.1), drum(3.4, 0, 3.1, 0, 11, "steel", "rust", 3.1)),
        "obelisk": (
            drum(0, 0, 3.6, 0, 1, "concrete", "sand", 3.6),
            drum(0, 0, 1.6, 1, 17, "white", "gold", 0.7),
            drum(0, 0, 0.9, 17, 18.5, "gold", "gold", 0.0),
        ),
        "mill": (
            drum(0, 0, 4.2, 0, 11, "white", "thatch", 3.0),
            drum(0, 0, 3.6, 11, 14.5, "thatch", "thatch", 0.0),
            Box(*at(0, 3.4), angle, 13, 0.3, 10.0, Paint("bark"), Paint("bark"), base=9.0),
            Box(*at(0, 3.4), angle, 1.0, 0.3, 16.0, Paint("bark"), Paint("bark"), base=3.4),
        ),
        "tent": (
            drum(0, 0, 6.5, 0, 3.2, "gold", "red", 6.5),
            drum(0, 0, 7.0, 3.2, 9, "violet", "violet", 0.0),
            drum(0, 0, 2.0, 7.6, 9.6, "gold", "gold", 0.0),
        ),
        "gasometer": (drum(0, 0, 7, 0, 9, "rust", "steel", 7), drum(0, 0, 5.2, 9, 10, "steel", "dark", 5.2)),
        "chimney": (
            Box(*at(-5, 0), angle, 9, 8, 5, Paint("red"), Paint("gravel", 0.9)),
            drum(2, 0, 1.7, 0, 20, "red", "dark", 1.1),
            drum(2, 0, 1.3, 20, 22, "white", "dark", 1.2),
        ),
    }
    return Thing(kind, x, y, solids[kind])
