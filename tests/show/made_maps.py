"""Made-up measurements of maps: localization, correspondence and faithfulness, with pictures that fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from kinsight.explanation.centres import Centres
from kinsight.explanation.measuring.correspondence import ROWS, Correspondence
from kinsight.explanation.measuring.faithfulness import Faithfulness
from kinsight.explanation.measuring.localization import score_maps
from kinsight.explanation.measuring.localization_result import Localization
from kinsight.explanation.measuring.method_maps import MethodMaps

COUNT, SIZE = 24, (48, 60)
METHODS = ("decomposition", "grad-cam")


def drawn(count: int, methods: tuple[str, ...] = METHODS) -> MethodMaps:
    """Maps and pictures of noise, by any methods."""
    random = np.random.default_rng(1)
    return MethodMaps(
        {method: random.normal(size=(count, 4, 5)) for method in methods},
        [f"a picture with a rather long name {number}.jpg" for number in range(count)],
        [f"b{number}.jpg" for number in range(count)],
        np.linspace(0.9, 0.1, count),
        [random.integers(0, 256, (*SIZE, 3)).astype(np.uint8) for _ in range(count)],
        Centres.even(SIZE, (4, 5)),
        np.tile([0.0, 0, SIZE[1], SIZE[0]], (count, 1)),
    )


def localization(*, corner: bool = True) -> Localization:
    """Maps that find boxes in the corner; where these stand in the middle, nothing does but the centred box."""
    maps = np.zeros((COUNT, 4, 5))
    maps[:, :2, :2] = 1
    found = score_maps(
        {"decomposition": maps, "grad-cam": maps[:, ::-1, ::-1]},
        size=SIZE,
        windows=np.tile([0.0, 0, SIZE[1], SIZE[0]], (COUNT, 1)),
        labels=np.arange(COUNT) // 4,
        boxes=np.tile([0.0, 0, 24, 20] if corner else [18.0, 14, 42, 34], (COUNT, 1)),
        partners="best match",
    )
    return replace(found, pairs=np.stack([np.arange(COUNT), np.roll(np.arange(COUNT), 1)], axis=1))


def correspondence(partial: float = 0.8, overall: float = 0.1, position: float = 0.1) -> Correspondence:
    """Shares of right answers, the same in each of 6 pairs with 10 points."""
    count, random = 60, np.random.default_rng(2)
    given = {"partial map": partial, "overall map": overall, "same position": position, "nearest place": 0.9}
    right = {row: np.tile((np.arange(count) % 10 < 10 * given.get(row, 0.1))[:, None], 2).astype(float) for row in ROWS}
    pairs = np.stack([np.arange(count) // 10, np.arange(count) // 10 + 1], axis=1)
    names = np.array([f"part {number % 10}" for number in range(count)])
    points = random.random((count, 3, 2)) * [SIZE[1], SIZE[0]]
    radii = np.tile([5.0, 10.0], (count, 1))
    return Correspondence((0.1, 0.2), right, names, np.arange(count) // 10, pairs, points, radii, 0)


def faithfulness(deletion: float = -0.2, insertion: float = 0.1) -> Faithfulness:
    """Curves that lie so far from those of random orders in the middle."""
    base = np.tile(np.linspace(0.9, 0.3, 5), (12, 1)) + np.arange(12)[:, None] * 1e-3
    bump = np.array([0, 1, 1, 1, 0]) * np.linspace(0.9, 1.1, 12)[:, None]
    back = base[:, ::-1]
    pairs = np.stack([np.arange(12), np.roll(np.arange(12), 1)], axis=1)
    return Faithfulness(
        np.linspace(0, 1, 5),
        {
            "deletion": {"decomposition": base + deletion * bump, "random order": base},
            "insertion": {"decomposition": back + insertion * bump, "random order": back},
        },
        np.arange(12) // 2,
        "blurred",
        pairs,
    )


def files(folder: Path, count: int = 12) -> list[str]:
    """Pictures of noise as files."""
    random = np.random.default_rng(3)
    paths = [folder / f"{number}.jpg" for number in range(count)]
    for path in paths:
        Image.fromarray(random.integers(0, 256, (*SIZE, 3)).astype(np.uint8)).save(path)
    return [str(path) for path in paths]
