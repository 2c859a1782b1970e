"""What every page of Kinsight shares: the template environment and the style sheet, put inside the page."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import jinja2
from markupsafe import Markup

_ROOM = files("kinsight.show")


@cache
def environment() -> jinja2.Environment:
    """The templates of all pages; everything put into them is escaped, an undefined name is an error."""
    sources = {name: text for name, text in _texts().items() if name.endswith(".html")}
    made = jinja2.Environment(
        loader=jinja2.DictLoader(sources),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["style"] = _inlined
    made.globals["script"] = _inlined
    return made


def _inlined(name: str) -> Markup:
    return Markup(_texts()[name])


@cache
def _texts() -> dict[str, str]:
    """Templates, scripts and styles by file name, those of every page and those of a sub-room; no name stands twice."""
    found: dict[str, str] = {}
    folders = [_ROOM, *(entry for entry in _ROOM.iterdir() if entry.is_dir())]
    for entry in (entry for folder in folders for entry in folder.iterdir()):
        if entry.name.endswith((".html", ".js", ".css")):
            assert entry.name not in found
            found[entry.name] = entry.read_text(encoding="utf-8")
    return found
