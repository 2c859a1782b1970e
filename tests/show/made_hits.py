"""Hits of a search, made of random views."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from kinsight.explanation.part_query import answering_box, answers, part_vector
from kinsight.explanation.regions import Region
from kinsight.retrieval.hits import Found, Hit
from show import made_pair

HOSTILE = "<script>alert(1)</script>\"'&.jpg"


def made(folder: Path, count: int = 5, regions: list[Region] | None = None) -> Found:
    """Hits of two regions and a painted one; the last hit's picture is missing, and one has a hostile name."""
    query = replace(
        made_pair.view((4, 6), (48, 60), seed=0, name="birds/query one.jpg"), window=(0, 0, 120, 96), upright=(96, 120)
    )
    mask = np.zeros((48, 60))
    mask[10:30, 5:25] = 1
    if regions is None:
        regions = [Region((20, 10, 70, 60)), Region(mask, 0.5), Region((90.0, 0, 120, 96), -1.0)]
    vector = part_vector(query, regions)
    hits = []
    for number in range(count):
        name = HOSTILE if number == 1 else f"a folder with a long name/match {number}.png"
        view = made_pair.view((5, 3), (40, 32), seed=10 + number, name=name, picture=(50 + 30 * number, 50))
        values = answers(vector, view)
        box = answering_box(values, view)
        columns = {"camera": number, "label": "a bird with a rather long name", "seen": None, HOSTILE: HOSTILE}
        hits.append(Hit(name, f"/none/{name}", float(values.sum()), columns, None, box, values, view))
    hits.append(Hit("gone.jpg", str(folder / "gone.jpg"), -0.25, problem="its picture does not exist"))
    hits.sort(key=lambda hit: -hit.score)
    return Found(hits, query, regions, vector, 1234, 5678, "camera != 3", "birds.kin")
