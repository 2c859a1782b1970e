"""A made-up atlas of a few drawn pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from kinsight.show.atlas.result import Atlas
from show.made_run import draw


def made(folder: Path, classes: int = 3, per_class: int = 4, **changes: Any) -> Atlas:
    """Pictures round the middle, each with one opposite, so that the first lies in the middle of the map, for who points there."""
    random = np.random.default_rng(2)
    kinds = np.repeat(np.arange(classes), per_class)
    places = random.uniform(-1, 1, (len(kinds), 2))
    half = (len(kinds) - 1) // 2
    places[-half:] = -places[1 : half + 1]
    places[0] = 0
    if len(kinds) % 2 == 0:
        places[half + 1] = 0.2
    values: dict[str, Any] = {
        "source": "birds",
        "ids": np.array([f"pictures/{number}.png" for number in range(len(kinds))]),
        "labels": np.array([f"class {kind}" for kind in kinds]),
        "places": places,
        "paths": [str(draw(folder, kind, number, random)) for number, kind in enumerate(kinds.tolist())],
        "boxes": None,
        "layout": "t-SNE",
        "split": "unseen classes",
        "drawn_from": len(kinds),
        "classes_drawn_from": classes,
    }
    return Atlas(**{**values, **changes})
