"""What a network is fed with: against plain numpy, and what may be asked for."""

import json
import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from kinsight.errors import KinsightError
from kinsight.pictures.preprocessing import Preprocessing

CAFFE = Preprocessing(size=32, resize=40, mean=(104, 117, 128), std=(1, 1, 1), bgr=True, scale=255)


def picture(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(width).integers(0, 255, (height, width, 3), np.uint8))


def test_resize_crop_and_normalisation_against_plain_numpy() -> None:
    image = picture(90, 60)
    resized = np.asarray(image.resize((60, 40), Image.Resampling.BILINEAR)).astype(np.float64)  # (40, 60, 3)
    crop = resized[4:36, 14:46]  # (32, 32, 3)
    got = Preprocessing(size=32, resize=40).transform()(image)
    wanted = (crop / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    assert got.dtype == torch.float32
    assert np.abs(got.numpy() - wanted.transpose(2, 0, 1)).max() < 1e-5
    got = CAFFE.transform()(image)
    wanted = crop[..., ::-1] - [104, 117, 128]
    assert np.abs(got.numpy() - wanted.transpose(2, 0, 1)).max() < 1e-4


def test_downscaling_is_antialiased() -> None:
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::2] = 255
    tensor = Preprocessing(size=32, resize=32, mean=(0, 0, 0), std=(1, 1, 1)).transform()(Image.fromarray(stripes))
    assert tensor[:, :, 2:-2].sub(0.5).abs().max() < 0.02


def test_no_resize_squashes_the_whole_picture() -> None:
    image = picture(90, 60)
    squashed = np.asarray(image.resize((20, 30), Image.Resampling.BILINEAR)).astype(np.float64) / 255
    got = Preprocessing(size=(30, 20), resize=None, mean=(0, 0, 0), std=(1, 1, 1)).transform()(image)
    assert np.abs(got.numpy() - squashed.transpose(2, 0, 1)).max() < 1e-6


@given(
    width=st.integers(1, 70),
    height=st.integers(1, 70),
    size=st.tuples(st.integers(1, 24), st.integers(1, 24)),
    more=st.one_of(st.none(), st.integers(0, 9)),
)
def test_every_picture_fills_the_whole_input(width: int, height: int, size: tuple[int, int], more: int | None) -> None:
    """Also pictures smaller than the crop or very long ones: enlarged, never padded."""
    resize = None if more is None else max(size) + more
    settings = Preprocessing(size=size, resize=resize, mean=(0, 0, 0), std=(1, 1, 1))
    tensor = settings.transform()(Image.new("RGB", (width, height), (255, 255, 255)))
    assert tensor.shape == (3, *size)
    assert tensor.min() == 1


@pytest.mark.parametrize(
    "settings", [Preprocessing(size=32, resize=32), replace(CAFFE, resize=32), replace(CAFFE, bgr=False)]
)
def test_undo_gives_the_shown_pixels_back(settings: Preprocessing) -> None:
    images = [picture(32, 32), picture(32, 32).transpose(Image.Transpose.ROTATE_90)]
    tensors = torch.stack([settings.tensor(image) for image in images])
    shown = settings.undo(tensors)
    assert shown.dtype == np.uint8
    assert shown.tolist() == np.stack([np.asarray(image) for image in images]).tolist()
    assert settings.undo(tensors[0]).shape == (32, 32, 3)
    assert settings.undo(1000 * torch.ones(3, 2, 2)).min() == 255


def test_sizes() -> None:
    assert Preprocessing().height_width == (224, 224)
    assert Preprocessing().shorter_side == 256
    assert Preprocessing().square
    person = Preprocessing(size=(256, 128), resize=None)
    assert person.height_width == (256, 128)
    assert person.shorter_side == 256
    assert not person.square
    assert Preprocessing(size=(64, 64), resize=70) == Preprocessing(size=64, resize=70)


@pytest.mark.parametrize("settings", [Preprocessing(), CAFFE, Preprocessing(size=(64, 32), resize=None)])
def test_settings_survive_json_and_pickle(settings: Preprocessing) -> None:
    assert Preprocessing.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings
    image = picture(80, 60)
    again = pickle.loads(pickle.dumps(settings.transform()))
    assert torch.equal(again(image), settings.transform()(image))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"size": 0}, "size 0"),
        ({"size": 22.5}, "size 22.5"),
        ({"size": True}, "size True"),
        ({"size": (1, 2, 3)}, "size (1, 2, 3)"),
        ({"size": (32, -1)}, "size -1"),
        ({"resize": 0}, "resize 0"),
        ({"resize": "256"}, "resize '256'"),
        ({"size": 256, "resize": 224}, "write resize 256 or more"),
        ({"size": (256, 128), "resize": 128}, "write resize 256 or more"),
        ({"mean": (0.5, 0.5)}, "mean (0.5, 0.5)"),
        ({"mean": 0.5}, "mean 0.5"),
        ({"mean": (0, 0, float("nan"))}, "three finite numbers"),
        ({"std": (1, 1, 0)}, "above 0"),
        ({"std": ("a", 1, 1)}, "std"),
        ({"bgr": 1}, "bgr 1"),
        ({"scale": 2}, "write 1 or 255"),
        ({"scale": True}, "write 1 or 255"),
        ({"colour": 1}, "'colour' is not known; the names are size, resize, mean, std, bgr, scale"),
    ],
)
def test_senseless_values_are_refused_with_the_repair(values: dict[str, Any], words: str) -> None:
    with pytest.raises(KinsightError) as caught:
        Preprocessing.from_dict(values)
    assert words in str(caught.value)
    assert str(caught.value).startswith("preprocessing: ")


@pytest.mark.parametrize(
    "settings",
    [
        Preprocessing(size=64, resize=80),
        Preprocessing(size=(48, 64), resize=64),
        Preprocessing(size=(64, 33), resize=71),
        Preprocessing(size=64, resize=None),
        Preprocessing(size=(90, 40), resize=None),
    ],
)
@pytest.mark.parametrize(("height", "width"), [(200, 250), (250, 130), (97, 203), (173, 151)])
def test_the_window_is_what_the_network_sees(settings: Preprocessing, height: int, width: int) -> None:
    """Pictures whose values are their own coordinates show where each pixel of the input comes from."""
    settings = replace(settings, mean=(0, 0, 0), std=(1, 1, 1), scale=255)
    rows, columns = np.mgrid[:height, :width]
    coordinates = np.stack([rows, columns, 0 * rows], 2).astype(np.uint8)  # in pixels; centres at whole numbers
    seen = settings.transform()(Image.fromarray(coordinates)).numpy()
    left, top, right, bottom = settings.window(height, width)
    ranges = ((seen[0].mean(1), top, bottom), (seen[1].mean(0), left, right))
    for (along, start, end), pixels in zip(ranges, settings.height_width, strict=True):
        wanted = start + (np.arange(pixels) + 0.5) * (end - start) / pixels - 0.5
        # Resampling cuts its filter at the border, and pictures hold whole numbers.
        assert np.abs(along - wanted)[4:-4].max() < 0.6
        slope, offset = np.polyfit(np.arange(4, pixels - 4), along[4:-4], 1)
        assert slope == pytest.approx((end - start) / pixels, abs=0.015)
        assert offset == pytest.approx(wanted[0], abs=0.3)


def test_the_window_follows_the_rounding_of_odd_margins() -> None:
    """The crop of 32 of 45 columns starts at 6 (6.5 to the nearest even), as torchvision does it."""
    settings = Preprocessing(size=32, resize=33, mean=(0, 0, 0), std=(1, 1, 1), scale=255)
    image = Image.fromarray(np.tile(np.arange(45, dtype=np.uint8)[None, :, None], (33, 1, 3)))  # resized to itself
    seen = settings.transform()(image)
    left, top, right, bottom = settings.window(33, 45)
    assert (left, right) == (seen[0, 0, 0], seen[0, 0, -1] + 1) == (6, 38)
    assert (top, bottom) == (0, 32)
