"""What strangers may read: names of pictures without the folders of this machine."""

from __future__ import annotations

import ntpath
import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

_PATH = re.compile(r"""(?:(?<=[\s'"(=])|^)(?:/(?!api/)|[A-Za-z]:\\)[^\s'"();,]*[/\\](?P<name>[^\s'"();,/\\]*)""")


def shown(text: str) -> str:
    """An id or a value of a column; of an absolute path the last folder and the file."""
    if PurePosixPath(text).is_absolute():
        return "/".join(PurePosixPath(text).parts[1:][-2:])
    if ntpath.splitdrive(text)[0] and ntpath.isabs(text):
        return "/".join(re.split(r"[/\\]+", text)[-2:])
    return text


def shown_columns(columns: Mapping[str, Any]) -> dict[str, Any]:
    """Columns as strangers may read them."""
    return {name: shown(value) if isinstance(value, str) else _finite(value) for name, value in columns.items()}


def without_paths(sentence: str, *paths: str) -> str:
    """A sentence for somebody who must not learn where things lie: `paths` and whatever else looks like one shortened to names."""
    for path in sorted(filter(None, paths), key=len, reverse=True):
        sentence = sentence.replace(path, PurePosixPath(path).name)
    return _PATH.sub(lambda found: found["name"] or "a folder", sentence)


def _finite(value: Any) -> Any:
    """JSON has no infinity."""
    return str(value) if isinstance(value, float) and abs(value) == float("inf") else value
