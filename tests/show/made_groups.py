"""Groups of a made-up head that look at known places."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from kinsight.explanation.centres import Axis, Centres
from kinsight.explanation.measuring.groups import Groups, part_confusion
from kinsight.show.groups.result import GroupsResult

COUNT, GROUPS, GRID, SIZE = 9, 3, (4, 5), (80, 100)
NASTY = "<script>alert(1)</script>"
WINDOW = (20.0, 10.0, 220.0, 170.0)  # twice the network's size


def made(**changes: Any) -> GroupsResult:
    """Group g of picture n looks at the place (g, n % 5) alone, more strongly the later the picture."""
    looks = np.zeros((COUNT, GROUPS, *GRID))
    for row in range(COUNT):
        looks[row, range(GROUPS), range(GROUPS), row % 5] = 0.1 + row / 10
    random = np.random.default_rng(0)
    vectors = random.normal(size=(COUNT, GROUPS, 4))
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    centres = Centres(Axis(80, 4, 9.5, 20.0), Axis(100, 5, 9.5, 20.0))
    groups = Groups(vectors, looks, "attention", random.normal(size=looks.shape), centres, np.tile(WINDOW, (COUNT, 1)))
    labels = np.array([f"{NASTY}_{row // 3}" for row in range(COUNT)])
    # The crown is where group 0 looks in the first picture, the tail where group 1 does.
    parts = [{"crown": (40.0, 30.0), "tail": (40.0, 70.0)}] * COUNT
    found = part_confusion(groups, parts, np.tile([0.0, 0.0, 100.0, 100.0], (COUNT, 1)), labels)
    values = {"recall_at_1": 0.5, "recall_at_1_low": 0.4, "recall_at_1_high": 0.625, "map_at_r": 0.25}
    metrics = {**values, "map_at_r_low": 0.2, "map_at_r_high": 0.3, "classes": 3.0, "gallery": 9.0}
    alone = [{**metrics, "recall_at_1": 0.1 * (number + 1)} for number in range(GROUPS)]
    ids = [f"pictures/{row}.jpg" for row in range(COUNT)]
    protocol = {"data": {"rendered": True}, "drawn_from": COUNT, "seed": 0}
    given: dict[str, Any] = {
        "run": "birds & co", "head": "attentive", "split": "test", "groups": groups, "ids": ids, "labels": labels,
        "whole": metrics, "alone": alone, "parts": found, "reach_of": "the object's box", "shown": [0, 4], "top": 2,
        "protocol": protocol,
    }  # fmt: skip
    return GroupsResult(**(given | changes))


def of_kind(kind: str) -> GroupsResult:
    found = made()
    return replace(found, groups=replace(found.groups, kind=kind))


def grey(row: int) -> np.ndarray:
    return np.full((80, 100, 3), 100 + row, np.uint8)
