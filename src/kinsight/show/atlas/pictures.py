"""The pictures of an atlas, twice: tiny ones side by side on sheets, and larger ones that a page decodes when it needs them."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from PIL import Image
from tqdm import tqdm

from kinsight.pictures.decoding import Box, UnreadablePicture, open_picture

SIDE = 32  # of a tiny picture
COLUMNS = 32  # of a sheet, and its rows
LARGEST, SMALLEST = 160, 64  # sides of the larger pictures
BUDGET = 20_000_000  # bytes of all larger pictures together: with the sheets a page stays below 40 MB
QUALITIES = (78, 66, 52, 38, 24, 10, 1)  # at the last, even noise keeps to its bytes
TINY_BYTES = 800  # of a tiny picture, on the average of a sheet
THREADS = 2


@dataclass(frozen=True)
class AtlasPictures:
    """Pictures as texts (base64 of WebP).

    Attributes:
        sheets: `COLUMNS` x `COLUMNS` tiny pictures each, row by row.
        larger: a picture each, its longer side at most `side` pixels; empty text where it cannot be read.
        side: of the larger pictures.
    """

    sheets: list[str]
    larger: list[str]
    side: int


def atlas_pictures(
    paths: Sequence[str], boxes: Sequence[Box | None] | None = None, *, progress: bool = False
) -> AtlasPictures:
    """Read every picture once; the more there are, the fewer pixels and bytes has each, so that the page stays below 40 MB."""
    bytes_each = BUDGET // max(len(paths), 1)
    # 2 kB are enough for 96 pixels.
    side = max(SMALLEST, min(LARGEST, int(96 * (bytes_each / 2_000) ** 0.5)))
    a_sheet = COLUMNS * COLUMNS
    sheets, larger = [], []
    with (
        ThreadPoolExecutor(THREADS) as pool,
        tqdm(total=len(paths), desc="pictures", unit="", disable=not progress, leave=False) as bar,
    ):
        for start in range(0, len(paths), a_sheet):
            rows = range(start, min(start + a_sheet, len(paths)))
            sheet = Image.new("RGB", (COLUMNS * SIDE, -(-len(rows) // COLUMNS) * SIDE), (128, 128, 128))
            read = pool.map(lambda row: _both(paths[row], boxes[row] if boxes else None, side, bytes_each), rows)
            for number, (tiny, text) in enumerate(read):
                if tiny is not None:
                    sheet.paste(tiny, (number % COLUMNS * SIDE, number // COLUMNS * SIDE))
                larger.append(text)
                bar.update()
            sheets.append(_webp(sheet, TINY_BYTES * a_sheet))
    return AtlasPictures(sheets, larger, side)


def opened(path: str, side: int, box: Box | None = None) -> Image.Image | None:
    """A picture, no larger than is needed to be shown `side` pixels square; None where there is none or it cannot be read."""
    if not path:
        return None
    try:
        return open_picture(path, shorter_side=side, box=box)
    except UnreadablePicture:
        return None


def squared(picture: Image.Image, side: int) -> Image.Image:
    """The middle of a picture, `side` pixels square."""
    shorter = min(picture.size)
    left, top = (picture.width - shorter) // 2, (picture.height - shorter) // 2
    return picture.resize((side, side), Image.Resampling.LANCZOS, (left, top, left + shorter, top + shorter))


def _both(path: str, box: Box | None, side: int, limit: int) -> tuple[Image.Image | None, str]:
    picture = opened(path, side, box)
    if picture is None:
        return None, ""
    picture = picture.copy()
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    return squared(picture, SIDE), _webp(picture, limit)


def _webp(picture: Image.Image, limit: int) -> str:
    for quality in QUALITIES:
        stream = io.BytesIO()
        picture.save(stream, "WEBP", quality=quality, method=2)
        if stream.tell() <= limit:
            break
    return base64.b64encode(stream.getvalue()).decode()
