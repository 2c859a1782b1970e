"""What a trunk is fed with, as the settings say it."""

from __future__ import annotations

from collections.abc import Sequence

from kinsight.pictures import Preprocessing
from kinsight.settings.model import ModelSettings


def preprocessing_of(settings: ModelSettings, mean: Sequence[float], std: Sequence[float]) -> Preprocessing:
    """Size, mean and scale of a trunk's input.

    Args:
        mean: used where the settings leave it open; RGB, for a brightest value of 1.
        std: likewise.

    Raises:
        KinsightError: a value that makes no sense.
    """
    own = slice(None, None, -1 if settings.bgr else 1)
    size, scale = settings.size, settings.scale
    return Preprocessing(
        size=size if isinstance(size, int) else tuple(size),  # type: ignore[arg-type]
        resize=settings.resize,
        mean=tuple([scale * each for each in mean[own]] if settings.mean is None else settings.mean),
        std=tuple([scale * each for each in std[own]] if settings.std is None else settings.std),
        bgr=settings.bgr,
        scale=scale,
    )
