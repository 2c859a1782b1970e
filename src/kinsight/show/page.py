"""What every page of Kinsight shares: the template environment and the style sheet, put inside the page."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import jinja2
from markupsafe import Markup

_ROOM = files("kinsight.show")


@cache
def environment() -> jinja2.Environment:
    """Templates of this room; everything put into them is escaped, an undefined name is an error."""
    names = [entry.name for entry in _ROOM.joinpath("templates").iterdir() if entry.name.endswith(".html")]
    sources = {name: _ROOM.joinpath("templates", name).read_text(encoding="utf-8") for name in names}
    made = jinja2.Environment(
        loader=jinja2.DictLoader(sources),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["style"] = _inlined
    made.globals["script"] = lambda name: Markup(_ROOM.joinpath("templates", name).read_text(encoding="utf-8"))
    return made


def _inlined(name: str) -> Markup:
    return Markup(_ROOM.joinpath("styles", name).read_text(encoding="utf-8"))
