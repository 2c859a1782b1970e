"""Where panoramas and aerial pictures look: zero, the way angles grow, and what rolling and turning do to them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from kinsight.pictures.directions import (
    aerial_angle,
    around,
    difference,
    direction,
    heading,
    panorama_angle,
    panorama_position,
    rolled,
    turned,
)


def test_zero_is_up_and_angles_grow_clockwise() -> None:
    x, y = np.array([50, 100, 50, 0]), np.array([0, 50, 100, 50])  # up, right, down, left of (50, 50)
    np.testing.assert_allclose(aerial_angle(x, y, 100, 100), [0, 90, 180, 270])
    np.testing.assert_allclose(direction(np.array([0, 90, 180, 270])), [[0, 1, 0, -1], [-1, 0, 1, 0]], atol=1e-12)


def test_a_panorama_begins_at_its_left_border_and_ends_where_it_began() -> None:
    assert panorama_angle(0, 256) == panorama_angle(256, 256) == 0
    assert panorama_angle(64, 256) == 90
    np.testing.assert_allclose(panorama_angle(np.arange(8) + 0.5, 8), 22.5 + 45 * np.arange(8))
    assert panorama_position(-90, 256) == panorama_position(270, 256) == 192


@pytest.mark.parametrize("size", [(96, 96), (128, 64)])
def test_a_direction_is_the_step_to_where_its_angle_is_found(size: tuple[int, int]) -> None:
    angles = np.linspace(0, 359, 73)
    x, y = direction(angles)
    found = aerial_angle(size[0] / 2 + 20 * x, size[1] / 2 + 20 * y, *size)
    np.testing.assert_allclose(difference(found, angles), 0, atol=1e-9)


def test_differences_go_the_shorter_way() -> None:
    pairs = [(10, 350, 20), (350, 10, -20), (180, 0, 180), (0, 180, 180), (0, 0, 0), (725, 5, 0), (-30, 30, -60)]
    for one, other, wanted in pairs:
        assert difference(one, other) == wanted
    assert around(-1e-20) == 0
    assert around(360) == 0


def test_the_example_of_the_paper() -> None:
    assert heading(122.1, 90.2) == pytest.approx(31.9)
    assert difference(heading(302.1, 90.2), 0) == pytest.approx(-148.1)


@pytest.mark.parametrize("columns", [1, 5, -3, 31])
def test_rolling_a_panorama_turns_the_answer_by_exactly_as_many_columns(columns: int) -> None:
    panorama = np.zeros((4, 32, 3))
    panorama[:, 7] = 1

    def answer(pixels: np.ndarray) -> float:
        return float(heading(200.0, panorama_angle(pixels[0, :, 0].argmax() + 0.5, 32)))

    assert difference(answer(rolled(panorama, columns)), answer(panorama)) == difference(-columns * 360 / 32, 0)


@pytest.mark.parametrize("degrees", [30.0, 137.0, -75.0])
def test_turning_an_aerial_picture_turns_the_answer_as_far(degrees: float) -> None:
    pixels = np.zeros((97, 97), np.uint8)
    pixels[18:23, 58:63] = 255

    def answer(image: Image.Image) -> float:
        rows, columns = np.nonzero(np.asarray(image) > 127)
        return float(heading(aerial_angle(columns.mean() + 0.5, rows.mean() + 0.5, 97, 97), 10.0))

    picture = Image.fromarray(pixels)
    assert difference(answer(turned(picture, degrees)), answer(picture)) == pytest.approx(degrees, abs=0.5)
