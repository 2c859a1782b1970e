"""A page read back: its references, texts and elements."""

from __future__ import annotations

from html.parser import HTMLParser

REFERENCES = ("src", "href", "xlink:href", "srcset", "poster", "action", "data", "background")


class Page(HTMLParser):
    """What a parsed page holds: every element with its attributes, every reference, the visible text, ids."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.references: list[str] = []
        self.ids: set[str] = set()
        self.classes: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        self.elements.append((tag, named))
        self.references += [value for name, value in named.items() if name in REFERENCES]
        self.classes += named.get("class", "").split()
        if "id" in named:
            self.ids.add(named["id"])
        if tag in ("style", "script"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._open and tag == self._open[-1]:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if not self._open and data.strip():
            self.text += " ".join(data.split()) + " "

    def count(self, tag: str, **attributes: str) -> int:
        """How many elements have this tag and these attributes."""
        return sum(
            name == tag and all(found.get(key.strip("_")) == value for key, value in attributes.items())
            for name, found in self.elements
        )
