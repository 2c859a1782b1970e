"""Small pictures inside a page: JPEG data URIs of bounded size, and a placeholder for what cannot be read."""

from __future__ import annotations

import base64
import io
from urllib.parse import quote

from PIL import Image

from kinsight.pictures.decoding import UnreadablePicture, open_picture

# Each step costs some sharpness; a picture takes the first that keeps it within its bytes.
QUALITIES = (82, 72, 60, 45, 30, 15)

PLACEHOLDER = "data:image/svg+xml," + quote(
    "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 60 60'><rect width='60' height='60' fill='#8884'/>"
    "<path d='M20 20L40 40M40 20L20 40' stroke='#8889' stroke-width='3' stroke-linecap='round'/></svg>"
)


def thumbnail(path: str, side: int = 128, limit: int = 8_000) -> str:
    """The picture as a data URI: its longer side at most `side` pixels, its JPEG at most `limit` bytes.

    A picture that cannot be read gives `PLACEHOLDER`: a report must not fail because a data set has moved.
    """
    try:
        picture = open_picture(path, shorter_side=side)
    except UnreadablePicture:
        return PLACEHOLDER
    return data_uri(picture, side, limit)


def opened_or_blank(path: str) -> Image.Image:
    """The picture, or a grey one where it cannot be read."""
    try:
        return open_picture(path)
    except UnreadablePicture:
        return Image.new("RGB", (64, 64), (128, 128, 128))


def data_uri(picture: Image.Image, side: int, limit: int) -> str:
    """As `thumbnail`, for an open picture."""
    small = picture.convert("RGB")
    while True:
        small.thumbnail((side, side), Image.Resampling.LANCZOS)
        for quality in QUALITIES:
            stream = io.BytesIO()
            small.save(stream, "JPEG", quality=quality, optimize=True)
            if stream.tell() <= limit or side <= 16:
                return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()
        side //= 2
