"""The bytes of a CSV as text, in whatever encoding a spreadsheet wrote it."""

from __future__ import annotations

import codecs
import re

from kinsight.errors import KinsightError

_NO_TEXT = re.compile("[\0-\x08\x0e-\x1f]")  # no table holds these


def decoded(data: bytes, name: str) -> tuple[str, list[str]]:
    """The text, and what is worth knowing about its encoding.

    Raises:
        KinsightError: it is no text.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            text = data.decode("utf-16")
        except UnicodeDecodeError:
            text = "\0"
        notes = [f"{name} is UTF-16 text; it was read, and UTF-8 is safer for other programs"]
    else:
        try:
            text, notes = data.decode("utf-8-sig"), []
        except UnicodeDecodeError:
            text = data.decode("cp1252", errors="replace")
            notes = [
                f"{name} is not UTF-8 text and was read as Latin-1; see that names with accents are right, or save it in UTF-8"
            ]
    if _NO_TEXT.search(text):
        raise KinsightError(f"{name} is no text; save it as CSV in UTF-8")
    return text, notes
