"""Groups of one picture moved about: one that follows the content, and one that stays where it looks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from kinsight.explanation import Explainer
from kinsight.explanation.centres import Centres
from kinsight.explanation.measuring.groups import Groups
from kinsight.explanation.measuring.moved_groups import PLACES, MovedGroups, read_moved
from kinsight.models import Embedding
from kinsight.models.gates import gate
from kinsight.pictures import Preprocessing

CORNERS = np.array([[[15.0, 15], [0, 0], [30, 0], [0, 30], [30, 30]]])  # of windows of 70 in a picture of 100
POINT = np.array([50.0, 50])


def test_what_follows_and_what_stays() -> None:
    centres = Centres.even((70, 70), (7, 7))
    looks = np.empty((5, 2, 7, 7))
    for row, corner in enumerate(CORNERS[0]):
        x, y = POINT - corner - 0.5  # pixels count from their centres
        looks[row] = centres.weights(y, x), centres.weights(19.5, 19.5)
    groups = Groups(np.zeros((5, 2, 3)), looks, "attention", looks, centres, np.tile([0.0, 0, 70, 70], (5, 1)))
    found = MovedGroups(groups, CORNERS, np.array([[70.0, 70]]), [])
    assert (found.followed(0), found.stayed(0)) == ((4, 4), (0, 4))
    assert (found.followed(1), found.stayed(1)) == ((0, 4), (4, 4))


class Bright(nn.Module):
    """Looks where the picture is bright, in its one group, and everywhere in the other."""

    kind = "groups"

    def forward(self, feature_map: torch.Tensor) -> Embedding:
        light = feature_map.sum(1).flatten(1) ** 4
        attention = gate(torch.stack([light / light.sum(1, keepdim=True), torch.ones_like(light) / light.shape[1]], 1))
        parts = attention @ feature_map.flatten(2).transpose(1, 2)  # (N, 2, C)
        parts = parts / gate(parts.norm(dim=2, keepdim=True))
        maps = attention.unflatten(2, feature_map.shape[2:])
        return Embedding(parts, parts.flatten(1), {"attention": maps}, "groups")


@pytest.mark.parametrize("size", [(140, 140), (200, 120)])
def test_windows_move_the_content_of_a_file(tmp_path: Path, size: tuple[int, int]) -> None:
    pixels = np.full((size[1], size[0], 3), 30, np.uint8)
    x, y = size[0] // 2, size[1] // 2
    pixels[y - 6 : y + 6, x - 6 : x + 6] = 255
    Image.fromarray(pixels).save(tmp_path / "spot.png")
    trunk = nn.AvgPool2d(8)
    preprocessing = Preprocessing(size=56, resize=56, mean=(0.0,) * 3, std=(1.0,) * 3)
    found = read_moved(Explainer((trunk, Bright()), preprocessing=preprocessing), [str(tmp_path / "spot.png")])
    assert len(found.pictures) == len(PLACES) == 5
    assert found.corners.shape == (1, 5, 2)
    # The spot lies in all windows, on the side away from their corner, and the first group goes with it.
    assert found.corners[0, -1].tolist() == [size[0] - found.sizes[0, 0], size[1] - found.sizes[0, 1]]
    followed, of = found.followed(0)
    assert followed == of == 4
    assert found.stayed(0) == (0, 4)
