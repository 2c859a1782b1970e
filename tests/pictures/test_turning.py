"""Augmentation of pairs of views: aerial pictures turn without a corner from outside, panoramas roll."""

import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from kinsight.errors import KinsightError
from kinsight.pictures.augmentation import augmentation
from kinsight.pictures.directions import rolled
from kinsight.pictures.preprocessing import Preprocessing

RAW = {"mean": (0, 0, 0), "std": (1, 1, 1), "scale": 255}
AERIAL = Preprocessing(size=32, resize=46, **RAW)  # 46 > 32 * sqrt(2)
STREET = Preprocessing(size=(16, 64), resize=None, **RAW)


def drawn(name: str, preprocessing: Preprocessing, image: Image.Image, seed: int) -> torch.Tensor:
    torch.manual_seed(seed)
    return pickle.loads(pickle.dumps(augmentation(name, preprocessing)))(image)


@pytest.mark.parametrize("size", [(46, 46), (90, 70), (70, 91), (20, 20)])
def test_no_corner_tells_that_a_picture_was_turned(size: tuple[int, int]):
    white = Image.new("RGB", size, (255, 255, 255))
    for seed in range(24):
        assert drawn("turn", AERIAL, white, seed).min() >= 254


@pytest.mark.long
def test_any_angle_comes_about_the_centre():
    pixels = np.zeros((92, 92, 3), np.uint8)
    pixels[20:30, 41:51] = 255  # a mark above the centre
    angles = []
    for seed in range(300):
        seen = drawn("turn", AERIAL, Image.fromarray(pixels), seed)[0].numpy()
        y, x = ((np.arange(32) + 0.5 - 16) * seen.sum(axis)[:] for axis in (1, 0))
        angles.append(np.degrees(np.arctan2(x.sum(), -y.sum())) % 360)
        radius = np.hypot(x.sum(), y.sum()) / seen.sum()
        assert radius == pytest.approx(21 / 2, abs=1.5)
    counts = np.histogram(angles, bins=6, range=(0, 360))[0]
    assert counts.min() > 25  # 50 each are expected


def test_a_panorama_begins_anywhere_and_loses_nothing():
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (16, 64, 3), np.uint8))
    begun = {torch.as_tensor(rolled(np.asarray(image), column).copy()).numpy().tobytes() for column in range(64)}
    seen = [drawn("roll", STREET, image, seed).movedim(0, -1).byte().numpy().tobytes() for seed in range(40)]
    assert set(seen) <= begun
    assert len(set(seen)) > 20


def test_colours_change_and_nothing_moves():
    image = Image.new("RGB", (64, 16))
    image.paste((200, 90, 30), (10, 4, 30, 12))
    seen = drawn("color", STREET, image, 3)
    where = np.asarray(image).sum(2) > 0
    assert (seen.sum(0).numpy()[~where] < 1).all()
    assert seen[0].numpy()[where].std() == 0 != seen[0].numpy()[where][0] - 200


def test_a_seed_decides_all_of_it():
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 60, 3), np.uint8))
    for name, fed in {"turn": AERIAL, "turn+color": AERIAL, "roll+color": STREET}.items():
        assert torch.equal(drawn(name, fed, image, 5), drawn(name, fed, image, 5))
        assert not torch.equal(drawn(name, fed, image, 5), drawn(name, fed, image, 6))


@pytest.mark.parametrize("fed", [Preprocessing(size=32, resize=45), Preprocessing(size=32, resize=None)])
def test_what_would_show_a_corner_is_refused(fed: Preprocessing):
    with pytest.raises(KinsightError, match="write resize 46 or more"):
        augmentation("turn", fed)
