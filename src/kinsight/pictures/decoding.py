"""From whatever picture the user has to an upright RGB picture."""

from __future__ import annotations

import io
import math
import os
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from kinsight.pictures.archive import UnreadableFile, read_bytes

Source = str | Path | Image.Image | np.ndarray
Box = tuple[int, int, int, int]

BACKGROUND = (255, 255, 255)
"""What shows through the transparent places of a picture: white, as on most pages and in most shops."""

_ORIENTATION = 0x0112  # EXIF tag: how the stored picture must be turned to stand upright
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class UnreadablePicture(UnreadableFile):
    """Something cannot be used as a picture; the message names the path, the reason and the repair."""


def open_picture(source: Source, *, shorter_side: int | None = None, box: Box | None = None) -> Image.Image:
    """Open a picture as upright 8-bit RGB.

    The EXIF orientation is applied; transparent places show `BACKGROUND`; 16-bit grey is scaled to 8 bits; of an
    animated picture the first frame is taken. Colour profiles are not applied.

    Args:
        source: a path (it may lead into a zip), a PIL picture, or a uint8 array (H, W, 3) or (H, W). A PIL picture
            that is already upright RGB is returned itself, not a copy.
        shorter_side: what the caller will at most use, in pixels. A JPEG is then decoded at 1/2, 1/4 or 1/8 of its
            size where its shorter side (that of the box, if one is given) stays at least this long, which is several
            times faster.
        box: the part to cut out, `(x_1, y_1, x_2, y_2)` in pixels of the upright picture at its full size, half open.
            A box that sticks out is clipped to the picture. With a reduced JPEG its borders are rounded to the reduced
            pixels.

    Raises:
        UnreadablePicture: the file is missing, empty, cut off, damaged or not a picture, its values cannot be shown in
            8 bits without guessing, it is too large to be decoded safely, or the box lies outside of it.
    """
    name = _name(source)
    try:
        return _open(source, name, shorter_side, box)
    except UnreadablePicture:
        raise
    except UnreadableFile as problem:
        raise UnreadablePicture(name, problem.reason, problem.repair) from None
    except UnidentifiedImageError:
        reason, repair = "is not a picture in a known format", "convert it to JPEG or PNG, or remove it"
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as problem:
        reason, repair = f"is too large to be decoded safely ({problem})", "store it with fewer pixels"
    except MemoryError:
        reason, repair = "does not fit into memory", "store it with fewer pixels"
    except Exception as problem:  # decoders meet damaged bytes with every kind of error: SyntaxError, struct.error, ...
        reason, repair = (
            f"cannot be decoded ({problem or type(problem).__name__})",
            "restore it from its source, or remove it",
        )
    raise UnreadablePicture(name, reason, repair) from None


def _open(source: Source, name: str, shorter_side: int | None, box: Box | None) -> Image.Image:
    scale = 1.0
    if isinstance(source, np.ndarray):
        picture = _from_array(source, name)
    elif isinstance(source, Image.Image):
        picture = source
    else:
        data = read_bytes(source)
        if not data:
            raise UnreadablePicture(name, "is empty", "restore it from its source, or remove it")
        picture = Image.open(io.BytesIO(data))
        if shorter_side is not None:
            scale = _reduce(picture, shorter_side, box)
    picture.load()
    if not picture.width or not picture.height:
        raise UnreadablePicture(name, f"has no pixels ({picture.width} x {picture.height})", "remove it")
    picture = _rgb(_upright(picture), name)
    return picture if box is None else picture.crop(_clipped(box, scale, picture, name))


def _reduce(picture: Image.Image, shorter_side: int, box: Box | None) -> float:
    """Make a JPEG decode at a reduced scale; gives reduced pixels per stored pixel (1 for all other files)."""
    side = min(picture.size) if box is None else min(box[2] - box[0], box[3] - box[1])
    if not isinstance(picture, JpegImageFile) or side < 2 * shorter_side:
        return 1.0
    full = picture.width
    least = [math.ceil(length * shorter_side / side) for length in picture.size]
    drafted = picture.draft(None, (least[0], least[1]))
    return 1.0 if drafted is None else drafted[1][2] / full


def _upright(picture: Image.Image) -> Image.Image:
    orientation = 1
    # Damaged EXIF data say nothing about the pixels: the picture is then taken as it is stored.
    with suppress(Exception):
        orientation = picture.getexif().get(_ORIENTATION, 1)
    return picture.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else picture


def _rgb(picture: Image.Image, name: str) -> Image.Image:
    if picture.mode == "I" or picture.mode.startswith("I;16"):
        picture = _from_16_bits(picture, name)
    if picture.has_transparency_data:
        coloured = picture.convert("RGBA")
        below = Image.new("RGBA", picture.size, (*BACKGROUND, 255))
        return Image.alpha_composite(below, coloured).convert("RGB")
    if picture.mode == "RGB":
        return picture
    if picture.mode == "F":
        raise UnreadablePicture(name, "holds floating-point values", "store it with 8 or 16 bits per channel")
    return picture.convert("RGB")


def _from_16_bits(picture: Image.Image, name: str) -> Image.Image:
    # Pillow's own conversion clips at 255, which turns almost every 16-bit picture white.
    values = np.asarray(picture).astype(np.int64)  # (H, W)
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65535:
        reason = f"holds 32-bit values from {low} to {high}, and how bright they are meant is unknown"
        raise UnreadablePicture(name, reason, "store it with 8 or 16 bits per channel")
    return Image.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8))


def _from_array(array: np.ndarray, name: str) -> Image.Image:
    if array.dtype != np.uint8 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)):
        reason = "is not a picture: an array must be uint8 (0 to 255) of shape (H, W, 3) or (H, W)"
        repair = "convert it, for values from 0 to 1 by (255 * array).round().astype(numpy.uint8)"
        raise UnreadablePicture(name, reason, repair)
    if not array.size:
        raise UnreadablePicture(name, "has no pixels", "remove it")
    return Image.fromarray(np.ascontiguousarray(array))


def _clipped(box: Box, scale: float, picture: Image.Image, name: str) -> Box:
    x_1, y_1, x_2, y_2 = (round(edge * scale) for edge in box)
    inside = max(x_1, 0), max(y_1, 0), min(x_2, picture.width), min(y_2, picture.height)
    if inside[0] >= inside[2] or inside[1] >= inside[3]:
        width, height = round(picture.width / scale), round(picture.height / scale)
        reason = f"has no pixels inside the box {tuple(box)}: it is {width} pixels wide and {height} high"
        raise UnreadablePicture(name, reason, "give x_1 < x_2 and y_1 < y_2 inside the picture")
    return inside


def _name(source: Source) -> str:
    if isinstance(source, np.ndarray):
        return f"an array of shape {source.shape} and type {source.dtype}"
    if isinstance(source, Image.Image):
        return str(getattr(source, "filename", "") or f"a picture of mode {source.mode}")
    return os.fspath(source)
