"""Training transforms by name.

All randomness comes from torch's CPU generator, so one seed decides a whole augmentation. Everything up to the last
step works on PIL pictures, which was measured no slower than uint8 tensors for crops and clearly faster for colours
and rotations.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import Image
from torch import Tensor
from torchvision.transforms import v2

from kinsight.errors import KinsightError
from kinsight.pictures.distortions import (
    BoxBlur,
    BrightnessContrast,
    CoarseDropout,
    RelativeCrop,
    Roll,
    ShiftRotate,
    Turn,
)
from kinsight.pictures.preprocessing import Preprocessing

Step = Callable[[Image.Image], Image.Image]
RATIO = (3 / 4, 4 / 3)


@dataclass(frozen=True)
class Augmentation:
    """A training transform: upright RGB picture to tensor (3, H, W), random.

    Attributes:
        name: the preset.
        steps: what happens to the picture, in order.
        preprocessing: its last step, the same as at test time.
        shorter_side: how long the shorter side of a picture must be, in pixels, so that even the smallest random crop
            is not enlarged: what `open_picture` may reduce a large JPEG to.
    """

    name: str
    steps: tuple[Step, ...]
    preprocessing: Preprocessing
    shorter_side: int

    def __call__(self, image: Image.Image) -> Tensor:
        for step in self.steps:
            image = step(image)
        return self.preprocessing.tensor(image)  # (3, H, W)


def augmentation(name: str, preprocessing: Preprocessing) -> Augmentation:
    """The training transform called `name`, at the size and with the range, mean and deviation of `preprocessing`.

    `standard`, `geom`, `geom+color`, `color-heavy`: the presets of "Improving Deep Metric Learning by Divide and
    Conquer" (arXiv 2109.04003), as its code defines them. `reality-check`: that of "A Metric Learning Reality Check"
    (ECCV 2020). `mild`: ours. `turn`, `roll`, `color`: for pairs of views, aerial pictures turned by any angle, panoramas
    that begin at any column, light colour changes alone, and both together. `none`: the test transform.
    Lengths that were given for 224 pixels are scaled to the smaller side.

    Raises:
        KinsightError: no such preset; the message lists them.
    """
    if name not in _PRESETS:
        raise KinsightError(f"augmentation {name!r} is not known; choose one of {', '.join(AUGMENTATIONS)}")
    return _PRESETS[name](preprocessing)


def _standard(preprocessing: Preprocessing) -> Augmentation:
    """Divide and conquer, `Standard`: a crop of 8 to 100 % of the picture, and the flip."""
    return _cropping("standard", preprocessing, lowest=0.08, after=[v2.RandomHorizontalFlip()])


def _geom(preprocessing: Preprocessing) -> Augmentation:
    """Divide and conquer, `Geom`: shift and rotation before the crop, then holes and blur."""
    return _cropping(
        "geom",
        preprocessing,
        lowest=0.08,
        before=[v2.RandomApply([ShiftRotate(shift=0.0625, degrees=45)])],
        after=[v2.RandomHorizontalFlip(), *_holes_and_blur(preprocessing)],
    )


def _geom_and_color(preprocessing: Preprocessing) -> Augmentation:
    """Divide and conquer, `Geom+Color`: brightness and contrast, and the shift and rotation after the crop."""
    return _cropping(
        "geom+color",
        preprocessing,
        lowest=0.08,
        after=[
            v2.RandomApply([BrightnessContrast(brightness=0.2, contrast=0.2)]),
            v2.RandomHorizontalFlip(),
            v2.RandomApply([ShiftRotate(shift=0.0625, degrees=45)]),
            *_holes_and_blur(preprocessing),
        ],
    )


def _color_heavy(preprocessing: Preprocessing) -> Augmentation:
    """Divide and conquer, `Color Heavy`: strong colour changes, and one picture in five in grey."""
    return _cropping(
        "color-heavy",
        preprocessing,
        lowest=0.08,
        after=[
            v2.RandomHorizontalFlip(),
            v2.RandomApply([v2.ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)], p=0.8),
            v2.RandomGrayscale(p=0.2),
        ],
    )


def _reality_check(preprocessing: Preprocessing) -> Augmentation:
    """Reality Check: resize as at test time (256 for 227), a crop of 16 to 100 %, and the flip."""
    resize = [] if preprocessing.resize is None else [v2.Resize(preprocessing.resize)]
    return _cropping(
        "reality-check",
        preprocessing,
        lowest=0.16,
        ratio=(0.75, 1.33),
        before=resize,
        after=[v2.RandomHorizontalFlip()],
        shorter_side=preprocessing.resize,
    )


def _mild(preprocessing: Preprocessing) -> Augmentation:
    """For small data and short trainings: at least half of the picture, the flip, and light colour changes."""
    return _cropping(
        "mild",
        preprocessing,
        lowest=0.5,
        ratio=(0.75, 1.33),
        after=[v2.RandomHorizontalFlip(), v2.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2)],
    )


def _color(preprocessing: Preprocessing) -> Augmentation:
    """The whole picture as at test time, in light colour changes: what neither turns nor moves, for panoramas."""
    return _whole("color", preprocessing, after=[_light()])


def _roll(preprocessing: Preprocessing) -> Augmentation:
    """A panorama that begins at any column."""
    return _whole("roll", preprocessing, before=[Roll()])


def _roll_and_color(preprocessing: Preprocessing) -> Augmentation:
    return _whole("roll+color", preprocessing, before=[Roll()], after=[_light()])


def _turn(preprocessing: Preprocessing) -> Augmentation:
    """An aerial picture turned by any angle, cut as at test time to what no corner from outside reaches ("Visual Explanation for Deep
    Metric Learning", cross-view)."""
    return _turning("turn", preprocessing)


def _turn_and_color(preprocessing: Preprocessing) -> Augmentation:
    return _turning("turn+color", preprocessing, after=[_light()])


def _none(preprocessing: Preprocessing) -> Augmentation:
    """The test transform."""
    return Augmentation("none", tuple(preprocessing.steps()), preprocessing, preprocessing.shorter_side)


def _light() -> Step:
    return v2.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2)


def _turning(name: str, preprocessing: Preprocessing, *, after: Sequence[Step] = ()) -> Augmentation:
    height, width = preprocessing.height_width
    least = math.ceil(math.hypot(height, width))  # a circle of it holds the crop, however it is turned
    if preprocessing.resize is None or preprocessing.resize < least:
        now = "null" if preprocessing.resize is None else preprocessing.resize
        raise KinsightError(
            f"augmentation turn cuts {height} x {width} out of a picture that is turned by any angle, and with resize {now} its corners "
            f"would come from outside; write resize {least} or more"
        )
    resize, crop = preprocessing.steps()
    return Augmentation(name, (resize, Turn(), crop, *after), preprocessing, preprocessing.shorter_side)


def _whole(
    name: str, preprocessing: Preprocessing, *, before: Sequence[Step] = (), after: Sequence[Step] = ()
) -> Augmentation:
    """A preset around what the test transform does to the picture."""
    steps = (*before, *preprocessing.steps(), *after)
    return Augmentation(name, steps, preprocessing, preprocessing.shorter_side)


def _holes_and_blur(preprocessing: Preprocessing) -> list[Step]:
    unit = min(preprocessing.height_width) / 224
    return [
        v2.RandomApply([CoarseDropout(holes=5, side=max(1, round(40 * unit)))]),
        v2.RandomApply([BoxBlur(kernels=(3, 5, 7), unit=unit)]),
    ]


def _cropping(
    name: str,
    preprocessing: Preprocessing,
    *,
    lowest: float,
    ratio: tuple[float, float] = RATIO,
    before: Sequence[Step] = (),
    after: Sequence[Step] = (),
    shorter_side: int | None = None,
) -> Augmentation:
    """A preset around a random crop of `lowest` to 1 of the picture's area, resized to the network's input."""
    size = preprocessing.height_width
    crop: Step
    if preprocessing.resize is None:
        crop = RelativeCrop(size, lowest, ratio)
    else:
        crop = v2.RandomResizedCrop(size, scale=(lowest, 1.0), ratio=ratio)
    # The narrowest crop of a square picture with side s is s * sqrt(lowest * ratio) wide.
    smallest = math.ceil(max(size) / math.sqrt(lowest * min(ratio[0], 1 / ratio[1])))
    return Augmentation(name, (*before, crop, *after), preprocessing, shorter_side or smallest)


_PRESETS: dict[str, Callable[[Preprocessing], Augmentation]] = {
    "standard": _standard,
    "geom": _geom,
    "geom+color": _geom_and_color,
    "color-heavy": _color_heavy,
    "reality-check": _reality_check,
    "mild": _mild,
    "color": _color,
    "turn": _turn,
    "turn+color": _turn_and_color,
    "roll": _roll,
    "roll+color": _roll_and_color,
    "none": _none,
}
AUGMENTATIONS = tuple(_PRESETS)
"""The names of all presets."""
