"""Where the places of a map stand: guessed where that is safe, refused where there are none."""

from __future__ import annotations

import pytest
import torch

from kinsight.errors import KinsightError
from kinsight.explanation import Layout


@pytest.mark.parametrize(
    ("layout", "shape", "words"),
    [
        (Layout(), (2, 6), "open the model at a layer that still has places"),
        (Layout("tokens"), (2, 23, 6), "23 tokens make no square grid"),
        (Layout("tokens", prefix=1), (2, 16, 6), "16 tokens make no square grid"),
        (Layout("tokens", grid=(4, 5)), (2, 16, 6), "16 tokens are not 0 and a grid of 4 x 5"),
        (Layout("tokens", prefix=1, grid=(4, 4)), (2, 16, 6), "16 tokens are not 1 and a grid of 4 x 4"),
    ],
)
def test_maps_without_places_are_refused(layout: Layout, shape: tuple[int, ...], words: str) -> None:
    with pytest.raises(KinsightError) as caught:
        layout.size(torch.zeros(shape))
    assert words in str(caught.value)


def test_layouts_are_guessed_from_the_map_and_the_picture() -> None:
    assert Layout.of(torch.zeros(1, 6, 3, 4)) == Layout("NCHW")
    assert Layout.of(torch.zeros(1, 768, 7, 7), (224, 224)).kind == "NCHW"
    assert Layout.of(torch.zeros(1, 7, 7, 768), (224, 224)).kind == "NHWC"
    assert Layout.of(torch.zeros(1, 64, 112, 112), (224, 224)).kind == "NCHW"
    assert Layout.of(torch.zeros(1, 128, 16, 8), (256, 128)).kind == "NCHW"
    assert Layout.of(torch.zeros(1, 16, 8, 128), (256, 128)).kind == "NHWC"
    assert Layout.of(torch.zeros(1, 1 + 14 * 7, 8), (224, 112)) == Layout("tokens", 1, (14, 7))
    assert Layout.of(torch.zeros(1, 5 + 49, 8), (224, 224)) == Layout("tokens", 5, (7, 7))
    with pytest.raises(KinsightError, match="layout 'CHW' is not known; write one of NCHW, NHWC, tokens"):
        Layout("CHW")
