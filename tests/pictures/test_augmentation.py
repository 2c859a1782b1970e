"""The training presets: what each does to a picture, and that one seed decides all of it."""

import pickle
import random

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from torchvision.transforms import v2

from kinsight.errors import KinsightError
from kinsight.pictures.augmentation import AUGMENTATIONS, augmentation
from kinsight.pictures.distortions import BoxBlur, BrightnessContrast, CoarseDropout, RelativeCrop, ShiftRotate
from kinsight.pictures.preprocessing import Preprocessing

PLAIN = Preprocessing(size=56, resize=64, mean=(0, 0, 0), std=(1, 1, 1), scale=255)
# Those that turn want a large enough picture around the crop; tests/pictures/test_turning.py has them.
FOR_ANY = [name for name in AUGMENTATIONS if not name.startswith("turn")]


def photograph(width: int = 90, height: int = 70) -> Image.Image:
    small = np.random.default_rng(0).integers(0, 255, (7, 9, 3), np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("name", FOR_ANY)
@pytest.mark.parametrize(
    "settings", [PLAIN, Preprocessing(size=(48, 24), resize=None), Preprocessing(size=32, resize=32, bgr=True)]
)
def test_one_seed_decides_everything(name: str, settings: Preprocessing) -> None:
    transform = augmentation(name, settings)
    copied = pickle.loads(pickle.dumps(transform))
    seen = []
    for seed in range(6):
        torch.manual_seed(seed)
        one = transform(photograph())
        random.seed(seed + 9)
        np.random.seed(seed + 9)
        torch.manual_seed(seed)
        assert torch.equal(copied(photograph()), one)
        assert one.shape == (3, *settings.height_width)
        assert one.dtype == torch.float32
        assert one.isfinite().all()
        seen.append(one)
    different = sum(not torch.equal(one, other) for i, one in enumerate(seen) for other in seen[:i])
    assert different == 0 if name == "none" else different > 10


@pytest.mark.parametrize("name", FOR_ANY)
@pytest.mark.parametrize("shape", [(1, 1), (2, 300), (300, 2), (9, 9)])
def test_odd_pictures_pass(name: str, shape: tuple[int, int]) -> None:
    transform = augmentation(name, PLAIN)
    for seed in range(8):
        torch.manual_seed(seed)
        assert transform(Image.new("RGB", shape, (9, 200, 90))).shape == (3, 56, 56)


def test_the_given_picture_is_not_changed() -> None:
    image = photograph(56, 56)
    before = np.asarray(image).copy()
    for name in FOR_ANY:
        transform = augmentation(name, PLAIN)
        for seed in range(20):
            torch.manual_seed(seed)
            transform(image)
    assert np.array_equal(np.asarray(image), before)


def test_none_is_the_test_transform() -> None:
    image = photograph()
    assert torch.equal(augmentation("none", PLAIN)(image), PLAIN.transform()(image))
    assert augmentation("none", PLAIN).shorter_side == PLAIN.shorter_side == 64


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(
        KinsightError, match=r"'heavy' is not known; choose one of standard, geom, geom\+color, color-heavy"
    ):
        augmentation("heavy", PLAIN)


def _crop(name: str) -> v2.RandomResizedCrop:
    transform = augmentation(name, PLAIN)
    return next(step for step in transform.steps if isinstance(step, v2.RandomResizedCrop))


def test_the_crops_are_those_of_the_papers() -> None:
    for name in ("standard", "geom", "geom+color", "color-heavy"):
        assert list(_crop(name).scale) == [0.08, 1.0]
        assert np.allclose(_crop(name).ratio, [3 / 4, 4 / 3])
    assert list(_crop("reality-check").scale) == [0.16, 1.0]
    assert list(_crop("reality-check").ratio) == [0.75, 1.33]
    assert list(_crop("mild").scale) == [0.5, 1.0]


def test_the_order_of_the_steps_is_that_of_the_papers() -> None:
    def order(name: str) -> list[str]:
        transform = augmentation(name, PLAIN)
        inner = [step.transforms[0] if isinstance(step, v2.RandomApply) else step for step in transform.steps]
        return [type(step).__name__ for step in inner]

    crop, flip, turn = "RandomResizedCrop", "RandomHorizontalFlip", "ShiftRotate"
    holes, blur = "CoarseDropout", "BoxBlur"
    assert order("standard") == [crop, flip]
    assert order("geom") == [turn, crop, flip, holes, blur]
    assert order("geom+color") == [crop, "BrightnessContrast", flip, turn, holes, blur]
    assert order("color-heavy") == [crop, flip, "ColorJitter", "RandomGrayscale"]
    assert order("reality-check") == ["Resize", crop, flip]
    assert order("mild") == [crop, flip, "ColorJitter"]


def test_reality_check_resizes_first_unless_the_whole_picture_is_squashed() -> None:
    published = augmentation("reality-check", Preprocessing(size=227, resize=256))
    assert published.steps[0].size == [256]
    assert published.shorter_side == 256
    squashed = augmentation("reality-check", Preprocessing(size=64, resize=None))
    assert [type(step) for step in squashed.steps] == [RelativeCrop, v2.RandomHorizontalFlip]


@pytest.mark.parametrize("name", ["standard", "mild", "geom+color"])
def test_no_crop_of_a_picture_of_the_shorter_side_is_enlarged(name: str) -> None:
    transform = augmentation(name, PLAIN)
    image = Image.new("RGB", (transform.shorter_side, transform.shorter_side))
    crop = _crop(name)
    torch.manual_seed(0)
    sizes = [crop.make_params([image]) for _ in range(2000)]
    smallest = min(min(size["height"], size["width"]) for size in sizes)
    assert 55 <= smallest <= 75  # 56 up to rounding, and not needlessly larger


def test_half_of_the_pictures_are_flipped() -> None:
    half = Image.new("RGB", (60, 60), (0, 0, 0))
    half.paste((250, 250, 250), (30, 0, 60, 60))
    transform = augmentation("standard", PLAIN)
    torch.manual_seed(0)
    flipped = [bool(t[..., 0].mean() > t[..., -1].mean()) for t in (transform(half) for _ in range(300))]
    straight = [bool(t[..., 0].mean() < t[..., -1].mean()) for t in (transform(half) for _ in range(300))]
    assert 0.3 < sum(flipped) / 300 < 0.6
    assert 0.3 < sum(straight) / 300 < 0.6


def test_color_heavy_turns_one_in_five_grey() -> None:
    transform = augmentation("color-heavy", PLAIN)
    torch.manual_seed(0)
    image = photograph()
    grey = sum(bool((t[0] == t[1]).all() and (t[1] == t[2]).all()) for t in (transform(image) for _ in range(300)))
    assert 40 <= grey <= 80


def test_rotation_turns_around_the_centre_and_mirrors_the_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against a plain pixel loop with mirrored coordinates."""
    import kinsight.pictures.distortions as distortions

    image = photograph(31, 24)
    pixels = np.asarray(image).astype(float)  # (24, 31, 3)
    for fractions in [(0.0, 0.5, 0.0), (0.0, 0.0, -1.0), (1.0, 0.0, 0.0), (-0.7, 0.4, 0.9), (0.3, -1.0, 1.0)]:
        numbers = iter(fractions)
        monkeypatch.setattr(distortions, "_uniform", lambda limit, numbers=numbers: next(numbers) * limit)
        got = np.asarray(ShiftRotate(shift=0.25, degrees=45)(image)).astype(float)
        angle, right, down = np.radians(45 * fractions[0]), 0.25 * 31 * fractions[1], 0.25 * 24 * fractions[2]
        wanted = np.empty_like(pixels)
        for row in range(24):
            for column in range(31):
                u, v = column + 0.5 - 15.5 - right, row + 0.5 - 12 - down
                x = np.cos(angle) * u + np.sin(angle) * v + 15.5 - 0.5
                y = -np.sin(angle) * u + np.cos(angle) * v + 12 - 0.5
                x0, y0 = int(np.floor(x)), int(np.floor(y))
                value = np.zeros(3)
                for yy, wy in ((y0, 1 - (y - y0)), (y0 + 1, y - y0)):
                    for xx, wx in ((x0, 1 - (x - x0)), (x0 + 1, x - x0)):
                        value += wy * wx * pixels[_mirrored(yy, 24), _mirrored(xx, 31)]
                wanted[row, column] = value
        assert got.shape == wanted.shape
        assert np.abs(got - wanted).max() <= 1.5


def _mirrored(place: int, length: int) -> int:
    """..., 2, 1, 0, 1, 2, ..., length - 1, length - 2, ...: the border itself is not repeated."""
    place %= 2 * (length - 1)
    return min(place, 2 * (length - 1) - place)


def test_brightness_and_contrast() -> None:
    ramp = Image.fromarray(np.stack([np.arange(256, dtype=np.uint8).reshape(16, 16)] * 3, -1))
    torch.manual_seed(3)
    out = np.asarray(BrightnessContrast(brightness=0.2, contrast=0.2)(ramp)).astype(float)
    torch.manual_seed(3)
    factor, offset = (1 + 0.2 * (2 * torch.rand(()).item() - 1), 51 * (2 * torch.rand(()).item() - 1))
    assert np.abs(out - np.clip(np.asarray(ramp) * factor + offset, 0, 255)).max() <= 0.5
    seen = []
    for seed in range(200):
        torch.manual_seed(seed)
        seen.append(np.asarray(BrightnessContrast(brightness=0.2, contrast=0)(ramp))[8, 0, 0] - 128.0)
    assert -52 < min(seen) < -40
    assert 40 < max(seen) < 52


def test_coarse_dropout_covers_one_to_five_rectangles() -> None:
    white = Image.new("RGB", (224, 224), (255, 255, 255))
    covered = []
    for seed in range(300):
        torch.manual_seed(seed)
        black = np.asarray(CoarseDropout(holes=5, side=40)(white))[..., 0] == 0
        covered.append(int(black.sum()))
        torch.manual_seed(seed)
        one = np.asarray(CoarseDropout(holes=1, side=40)(white))[..., 0] == 0
        height, width = one.any(1).sum(), one.any(0).sum()
        assert one.sum() == height * width  # a full rectangle
        assert 1 <= height <= 40
        assert 1 <= width <= 40
    assert max(covered) <= 5 * 40 * 40
    assert max(covered) > 2 * 40 * 40
    assert abs(np.mean(covered) - 3 * 20.5**2) < 200  # 3 holes of 20.5 x 20.5 on average


def test_holes_and_blur_scale_with_the_input() -> None:
    for size, side in ((224, 40), (112, 20), (448, 80)):
        transform = augmentation("geom", Preprocessing(size=size, resize=size))
        holes, blur = (step.transforms[0] for step in transform.steps[-2:])
        assert holes.side == side
        assert blur.unit == size / 224


def test_blur_is_the_mean_over_a_window() -> None:
    image = photograph()
    seen = set()
    for seed in range(30):
        torch.manual_seed(seed)
        out = np.asarray(BoxBlur(kernels=(3, 5, 7), unit=1)(image)).astype(float)
        for kernel in (3, 5, 7):
            half = kernel // 2
            pixels = np.pad(np.asarray(image).astype(float), ((half, half), (half, half), (0, 0)), mode="edge")
            windows = np.lib.stride_tricks.sliding_window_view(pixels, (kernel, kernel), (0, 1))
            if np.abs(windows.mean((-1, -2)) - out).max() <= 1:
                seen.add(kernel)
    assert seen == {3, 5, 7}
    assert np.array_equal(np.asarray(BoxBlur((3,), 0.5)(image)), np.asarray(image.filter(ImageFilter.BoxBlur(0.5))))


@pytest.mark.long
@pytest.mark.parametrize("name", ["standard", "mild"])
@pytest.mark.parametrize(("width", "height"), [(200, 100), (60, 180)])
def test_crops_follow_the_picture_where_the_whole_of_it_is_squashed(name: str, width: int, height: int):
    """A crop of a given share covers as much of the width as of the height, as the squashed test picture does."""
    across, down = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    image = Image.fromarray(np.stack([across, down, np.zeros_like(across)], -1).astype(np.uint8))

    def covered(resize: int | None) -> np.ndarray:
        preprocessing = Preprocessing(size=32, resize=resize, mean=(0, 0, 0), std=(1, 1, 1))
        train = augmentation(name, preprocessing)
        crop = next(step for step in train.steps if "Crop" in type(step).__name__)
        spans = []
        for seed in range(200):
            torch.manual_seed(seed)
            red, green, _ = np.asarray(crop(image), dtype=float).transpose(2, 0, 1)
            spans.append((np.ptp(red) / 255, np.ptp(green) / 255))
        return np.array(spans)

    squashed, cropped = covered(None), covered(32)
    assert abs(np.log(squashed[:, 0] / squashed[:, 1]).mean()) < 0.1
    assert abs(np.log(cropped[:, 0] / cropped[:, 1]).mean()) > 0.4
    lowest = 0.5 if name == "mild" else 0.08
    assert (squashed.prod(axis=1) > 0.8 * lowest).all()
