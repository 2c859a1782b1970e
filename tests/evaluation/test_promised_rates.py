"""On people that they were not chosen on, thresholds give a rate of false accepts within the interval that was promised: two real networks.

Pictures of people are read where they stand and never written.
"""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from foreign.mobilefacenet import load_mobilefacenet
from foreign.osnet import load_osnet
from kinsight.evaluation import verification
from kinsight.evaluation.verification import Comparisons, compare
from kinsight.pictures import PictureSet, Preprocessing, load
from kinsight.runs.calibration import calibration_of
from shared_data import shared

FACES = Preprocessing(size=112, resize=None, mean=(127.5,) * 3, std=(128,) * 3, scale=255)
PERSONS = Preprocessing(size=(256, 128), resize=None)


def rows_of(archive: Path) -> list[dict[str, str]]:
    with zipfile.ZipFile(archive) as opened:
        return list(csv.DictReader(io.TextIOWrapper(opened.open(f"{archive.stem}/metadata.csv"), "utf-8")))


def compared(
    archive: Path, rows: list[dict[str, str]], network: nn.Module, fed: Preprocessing, box: tuple[int, ...] | None
) -> Comparisons:
    pictures = PictureSet(
        [f"{archive}/{archive.stem}/{row['path']}" for row in rows],
        fed.transform(),
        boxes=None if box is None else np.tile(np.array(box, float), (len(rows), 1)),
    )
    with torch.inference_mode():
        vectors = np.concatenate([network(batch.images).numpy() for batch in load(pictures, batch_size=50)])
    return compare(vectors, np.array([row["label"] for row in rows]))


def faces() -> tuple[Comparisons, Comparisons]:
    archive = shared("data/orl_faces.zip")
    weights = shared("weights/mobilefacenet_128d.safetensors")
    network = load_mobilefacenet(weights, shared("weights/mobilefacenet_128d.layers.json")).eval()
    rows = rows_of(archive)
    halves = [[row for row in rows if row["split"] == split] for split in ("train", "test")]
    chosen, other = (compared(archive, half, network, FACES, (0, 10, 92, 102)) for half in halves)
    return chosen, other


def persons() -> tuple[Comparisons, Comparisons]:
    archive = shared("data/cuhk03_labeled_64x128.zip")
    network = load_osnet(shared("weights/osnet_x0_25_msmt17_bnfolded.safetensors")).eval()
    rows = rows_of(archive)
    people = list(dict.fromkeys(row["label"] for row in rows if row["split"] == "test"))
    halves = [[row for row in rows if row["label"] in set(people[side::2])] for side in (0, 1)]
    chosen, other = (compared(archive, half, network, PERSONS, None) for half in halves)
    return chosen, other


@pytest.mark.long
@pytest.mark.parametrize(
    "people", [faces, pytest.param(persons, marks=pytest.mark.slow)], ids=lambda each: each.__name__
)
def test_promised_rates_hold_on_people_that_nobody_has_seen(people) -> None:
    chosen, other = people()
    promised = calibration_of(chosen, [0.001, 0.01, 0.1], model="", data="", data_digest=None, split="validation")
    measured = verification.accepted_pairs(other, [point.threshold for point in promised.pairs])
    assert len(promised.pairs) == 3
    for point, (false, true) in zip(promised.pairs, measured, strict=True):
        print(
            f"promised {point.rate:g} at {point.threshold:.3f} ({100 * point.false_low:.2g} to {100 * point.false_high:.2g} %): "
            f"false {false.text()}, true {true.text()} (promised {100 * point.true:.1f})"
        )
        assert point.false_low <= false.value <= point.false_high
