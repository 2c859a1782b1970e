"""Pictures that somebody sends: held against bounds of bytes, kinds and pixels before anything of them is unpacked."""

from __future__ import annotations

import io

from PIL import Image, UnidentifiedImageError

from kinsight.errors import KinsightError
from kinsight.pictures.decoding import UnreadablePicture, open_picture

MOST_BYTES = 32 * 2**20
MOST_PIXELS = 80_000_000
KINDS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
TYPES = ("image/jpeg", "image/png", "image/webp", "image/gif", "image/bmp", "image/tiff")


def uploaded_picture(data: bytes) -> Image.Image:
    """Bytes from a stranger as an upright RGB picture.

    Raises:
        KinsightError: they are no picture of a known kind, too large, or damaged.
    """
    try:
        picture = Image.open(io.BytesIO(data), formats=KINDS)  # reads the header alone
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise KinsightError(_TOO_LARGE) from None
    except UnidentifiedImageError:
        raise KinsightError(
            "this is no picture that can be read here; send a JPEG, PNG, WebP, GIF, BMP or TIFF"
        ) from None
    except Exception:  # headers that lie make decoders fail in every way
        raise KinsightError("this picture is damaged; send it again, or save it anew as JPEG or PNG") from None
    if picture.width * picture.height > MOST_PIXELS:
        raise KinsightError(_TOO_LARGE)
    try:
        return open_picture(picture)
    except UnreadablePicture as problem:
        raise KinsightError(f"this picture {problem.reason}; send it again, or save it anew as JPEG or PNG") from None


def jpeg(picture: Image.Image, side: int, quality: int = 84) -> bytes:
    """A picture as JPEG, its longer side at most `side` pixels."""
    small = picture.convert("RGB")
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=quality, optimize=True)
    return stream.getvalue()


Image.init()  # all decoders are there: asked for by name, Pillow looks for none
_TOO_LARGE = f"this picture has more than {MOST_PIXELS // 10**6} million pixels; send a smaller one"
