"""YAML that anybody may have written, read as plain nested values: nothing that it names is made, and nothing in it grows without bound."""

from __future__ import annotations

import re
from typing import Any

import yaml

MOST_VALUES = 5_000  # with every alias written out; a recipe has about a hundred
MOST_DEPTH = 50
MOST_DIGITS = 18


class UnboundedError(ValueError):
    """A text that stands for more than anybody writes: too many values, too deep, inside itself, numbers without end."""


def yaml_mapping(text: str) -> dict[str, Any]:
    """The mapping that a YAML text holds: texts, numbers, true, false, null, lists and mappings with texts as keys.

    Raises:
        ValueError: it is no YAML, no mapping, or holds something else; the message says what, on one line.
    """
    content = yaml_value(text)
    if not isinstance(content, dict):
        kind = {list: "a list", str: "a text", type(None): "nothing"}.get(type(content), "a number")
        raise ValueError(f"{kind}, not a mapping of settings such as `epochs: 20`")
    return content


def yaml_value(text: str) -> Any:
    """As `yaml_mapping`, but any value, as on a command line.

    Raises:
        ValueError: it is no YAML, or holds something else.
    """
    try:
        return yaml.load(text, Loader=_PlainLoader)  # a SafeLoader
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ValueError(f"{' '.join(str(problem.problem or problem.context).split())}{where}") from None
    except UnboundedError:
        raise
    except (yaml.YAMLError, ValueError, KeyError, TypeError, AttributeError) as problem:
        # A value that is not what its tag says it is: PyYAML leaves these as they come.
        raise ValueError(" ".join(str(problem).split())) from None


class _PlainLoader(yaml.SafeLoader):
    """Safe YAML that counts what aliases stand for, and reads `1e-4` as the number it is meant to be (in YAML 1.1 it is a text)."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._values = 0
        self._sizes: dict[str, int] = {}  # of what an anchor stands for
        self._open: set[str] = set()
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: Any = self.peek_event()
        alias = isinstance(event, yaml.AliasEvent)
        before = self._values
        self._values += self._sizes.get(event.anchor, 1) if alias else 1
        for wrong, what in (
            (alias and event.anchor in self._open, f"*{event.anchor} stands inside itself"),
            (self._values > MOST_VALUES, f"more than {MOST_VALUES:,} values"),
            (self._depth > MOST_DEPTH, f"more than {MOST_DEPTH} values inside one another"),
        ):
            if wrong:
                raise UnboundedError(f"{what} in line {event.start_mark.line + 1}")
        self._depth += 1
        if not alias and event.anchor is not None:
            self._open.add(event.anchor)
        node = super().compose_node(parent, index)
        if not alias and event.anchor is not None:
            self._open.discard(event.anchor)
            self._sizes[event.anchor] = self._values - before
        self._depth -= 1
        return node

    def construct_plain_int(self, node: yaml.ScalarNode) -> int:
        """A whole number of a reasonable size."""
        if len(node.value) > MOST_DIGITS:
            raise UnboundedError(f"a number of {len(node.value):,} digits in line {node.start_mark.line + 1}")
        return int(self.construct_yaml_int(node))

    def construct_plain_text(self, node: yaml.ScalarNode) -> str:
        """A text that can be written again and that a file name may hold."""
        text = str(self.construct_scalar(node))
        try:
            text.encode()
        except UnicodeEncodeError:
            raise yaml.constructor.ConstructorError(None, None, "half a character", node.start_mark) from None
        if "\0" in text:
            raise yaml.constructor.ConstructorError(None, None, "a text with a NUL", node.start_mark)
        return text

    def construct_plain_map(self, node: yaml.MappingNode) -> dict[str, Any]:
        """A mapping whose keys are texts."""
        found: dict[Any, Any] = self.construct_mapping(node, deep=True)
        for key in found:
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} is no text", node.start_mark)
        return found

    def refuse(self, node: yaml.Node) -> None:
        """What is neither text, number, true, false, null, list nor mapping."""
        raise yaml.constructor.ConstructorError(None, None, f"the tag {node.tag!r} is not allowed", node.start_mark)


_KINDS = ("null", "bool", "int", "float", "str", "seq", "map", "merge")
# Dates stay the texts that they are written as: no setting is one, and names of files may look like one.
_PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in known if tag.rpartition(":")[2] in _KINDS]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_PlainLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)
_PlainLoader.yaml_constructors = {
    tag: make
    for tag, make in yaml.SafeLoader.yaml_constructors.items()
    if tag is not None and tag.rpartition(":")[2] in _KINDS
}
_PlainLoader.add_constructor("tag:yaml.org,2002:int", _PlainLoader.construct_plain_int)
_PlainLoader.add_constructor("tag:yaml.org,2002:str", _PlainLoader.construct_plain_text)
_PlainLoader.add_constructor("tag:yaml.org,2002:map", _PlainLoader.construct_plain_map)
_PlainLoader.add_constructor(None, _PlainLoader.refuse)
