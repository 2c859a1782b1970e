"""What light and the camera do to a finished drawing."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter


def illuminated(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Brightness, a colour cast, contrast, and a shadow that falls across the picture."""
    pixels = np.asarray(image, dtype=np.float32)  # (h, w, 3)
    angle = rng.uniform(0, 2 * np.pi)
    y, x = (np.linspace(-0.5, 0.5, n, dtype=np.float32) for n in pixels.shape[:2])
    slope = np.cos(angle) * x[None, :] + np.sin(angle) * y[:, None]
    gain = np.exp(rng.normal(0, 0.13) + rng.uniform(0, 0.7) * slope)[..., None]
    cast = np.exp(rng.normal(0, 0.06, 3)).astype(np.float32)
    contrast, middle = rng.uniform(0.75, 1.15), pixels.mean()
    lit = ((pixels - middle) * contrast + middle) * (gain * cast).astype(np.float32)
    return Image.fromarray(np.clip(lit, 0, 255).astype(np.uint8))


def photographed(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A little blur and the noise of a sensor."""
    side = image.width
    if rng.random() < 0.5:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.8) * side / 96))
    noise = rng.standard_normal((side, side, 3), dtype=np.float32) * np.float32(rng.uniform(1, 7))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))
