"""Places of coloured sectors, and networks that see nothing but colours: headings are exactly known, and exactly found."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from kinsight.explanation import Explainer
from kinsight.explanation.measuring.orientation import Streams
from kinsight.pictures import Preprocessing
from kinsight.pictures.directions import aerial_angle, around, panorama_angle

WIDTH, HEIGHT, SIDE = 256, 64, 192


class MeanColours(nn.Module):
    """The mean colour of cells of 8 pixels, and every product of two of its channels: no padding, nothing that tells left from right."""

    def forward(self, images: Tensor) -> Tensor:
        means = nn.functional.avg_pool2d(images, 8)  # (N, 3, h, w)
        products = means[:, :, None] * means[:, None]  # (N, 3, 3, h, w)
        return torch.cat([means, products.flatten(1, 2)], 1)  # (N, 12, h, w)


class Mean(nn.Module):
    """The mean over all places: a head."""

    def forward(self, feature_map: Tensor) -> Tensor:
        return feature_map.mean((2, 3))


def streams() -> Streams:
    """One network, fed with panoramas and with aerial pictures."""

    def fed(size: tuple[int, int]) -> Explainer:
        preprocessing = Preprocessing(size=size, resize=None, mean=(0.5,) * 3, std=(0.5,) * 3)
        return Explainer((MeanColours(), Mean()), preprocessing=preprocessing)

    return Streams(fed((HEIGHT, WIDTH)), fed((SIDE, SIDE)))


def place(seed: int, heading: float, sectors: int = 12) -> tuple[Image.Image, Image.Image]:
    """A panorama and an aerial picture of one place: sectors of colours about the camera."""
    random = np.random.default_rng(seed)
    colours = random.integers(0, 256, (sectors, 3)).astype(np.uint8)
    borders = np.sort(random.uniform(0, 360, sectors))

    def at(angles: np.ndarray) -> np.ndarray:
        return colours[np.searchsorted(borders, angles) % sectors]

    columns = around(heading + panorama_angle(np.arange(WIDTH) + 0.5, WIDTH))
    panorama = np.broadcast_to(at(columns), (HEIGHT, WIDTH, 3))
    middle = np.arange(SIDE) + 0.5
    aerial = at(np.asarray(aerial_angle(middle[None], middle[:, None], SIDE, SIDE)))
    return Image.fromarray(np.ascontiguousarray(panorama)), Image.fromarray(aerial)
