"""A signed map laid over its picture, as a picture."""

from __future__ import annotations

import numpy as np
from PIL import Image

from kinsight.explanation.centres import Centres
from kinsight.show.signed_colours import signed_colours


def overlay(picture: np.ndarray, values: np.ndarray, centres: Centres) -> Image.Image:
    """A map (h, w) in colour over its picture (H, W, 3) in grey; full colour is the map's own largest value."""
    ground = Image.fromarray(picture).convert("L").convert("RGBA")
    size = ground.height, ground.width
    colours = signed_colours(centres.scaled(size).upsample(values), float(np.abs(values).max()))  # (H, W, 4)
    return Image.alpha_composite(ground, Image.fromarray(colours, "RGBA")).convert("RGB")
