"""Conditions on columns, such as `camera != 3 and (label in ('wren', 'robin') or not seen)`, read, and as SQL with parameters.

    condition  = both {"or" both}
    both       = one {"and" one}
    one        = "not" one | "(" condition ")" | column comparison
    comparison = ("=" | "==" | "!=" | "<>" | "<" | "<=" | ">" | ">=" | ["not"] "like") value
               | ["not"] "in" "(" value {"," value} ")" | "is" ["not"] "null" | nothing: the column is neither empty nor 0
    value      = a number | 'a text' | true | false
    column     = a word | "any name"

What is written never becomes SQL: names are looked up, values are parameters, operators come from the list above. As in SQL a picture whose
column is empty meets no comparison, neither `= 3` nor `!= 3`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from kinsight.errors import KinsightError

LONGEST = 10_000  # characters of a condition
DEEPEST = 50  # brackets and nots inside each other
EXAMPLE = "write one such as: camera != 3 and label in ('wren', 'robin')"

Value = int | float | str

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<number>[-+]?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][-+]?\d+)?(?![\w.]))
      | (?P<text>'(?:[^']|'')*')
      | (?P<quoted>"(?:[^"]|"")*")
      | (?P<sign>==|!=|<>|<=|>=|[=<>(),])
      | (?P<word>[^\W\d]\w*)
    )""",
    re.VERBOSE,
)
_COMPARISONS = {"=": "=", "==": "=", "!=": "!=", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_WORDS = {"and", "or", "not", "in", "like", "is", "null", "true", "false"}


@dataclass(frozen=True)
class Comparison:
    """A column compared with values.

    Attributes:
        column: as SQL, or whoever else searches, calls it.
        sign: =, !=, <, <=, >, >=, like, in, null or given (neither empty nor 0).
        values: one; of `in` several; of `null` and `given` none.
        negated: of like, in and null: not.
    """

    column: str
    sign: str
    values: tuple[Value, ...] = ()
    negated: bool = False


@dataclass(frozen=True)
class Not:
    """What must not be met."""

    one: Tree


@dataclass(frozen=True)
class Joined:
    """Several, all of which (and) or one of which (or) must be met."""

    by: str
    several: tuple[Tree, ...]


Tree = Comparison | Not | Joined


class Condition(NamedTuple):
    """A condition as SQL.

    Attributes:
        sql: of names of columns, operators and `?` alone.
        values: what the question marks stand for.
    """

    sql: str
    values: list[Value]


def parse_condition(text: str, columns: Mapping[str, str]) -> Condition:
    """Read a condition as SQL; see `parse_tree`."""
    values: list[Value] = []
    return Condition(_sql(parse_tree(text, columns), values), values)


def parse_tree(text: str, columns: Mapping[str, str]) -> Tree:
    """Read a condition.

    Args:
        text: what somebody wrote.
        columns: the names that may stand in it, and what they are called where the condition is used.

    Raises:
        KinsightError: it cannot be read, or names a column that is not there.
    """
    return _Reader(text, columns).condition()


def _sql(tree: Tree, values: list[Value]) -> str:
    """A condition as SQL; its values are appended."""
    if isinstance(tree, Joined):
        return f"({f' {tree.by.upper()} '.join(_sql(one, values) for one in tree.several)})"
    if isinstance(tree, Not):
        return f"(NOT {_sql(tree.one, values)})"
    values += tree.values
    column, negated = tree.column, "NOT " if tree.negated else ""
    if tree.sign == "null":
        return f"({column} IS {negated}NULL)"
    if tree.sign == "given":
        return f"({column} IS NOT NULL AND {column} NOT IN (0, ''))"
    if tree.sign == "in":
        return f"({column} {negated}IN ({', '.join('?' * len(tree.values))}))"
    return f"({column} {negated}{tree.sign.upper()} ?)"


class _Token(NamedTuple):
    kind: str
    text: str


class _Reader:
    def __init__(self, text: str, columns: Mapping[str, str]) -> None:
        if len(text) > LONGEST:
            raise KinsightError(f"a condition of {len(text):,} characters is too long; {EXAMPLE}")
        self.text, self.columns = text, columns
        self.tokens = self._tokens()
        self.at = self.depth = 0

    def condition(self) -> Tree:
        tree = self._either()
        if self.at < len(self.tokens):
            raise self._wrong(f"{self.tokens[self.at].text} cannot follow there")
        return tree

    def _tokens(self) -> list[_Token]:
        found, at, text = [], 0, self.text.rstrip()
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                raise self._wrong(f"{text[at:].strip()[:20]!r} cannot be read")
            kind = match.lastgroup or ""
            word = match[kind]
            if kind == "word" and word.lower() in _WORDS:
                kind, word = "keyword", word.lower()
            found.append(_Token(kind, word))
            at = match.end()
        if not found:
            raise self._wrong("it is empty")
        return found

    def _either(self) -> Tree:
        found = [self._both()]
        while self._take("or"):
            found.append(self._both())
        return found[0] if len(found) == 1 else Joined("or", tuple(found))

    def _both(self) -> Tree:
        found = [self._one()]
        while self._take("and"):
            found.append(self._one())
        return found[0] if len(found) == 1 else Joined("and", tuple(found))

    def _one(self) -> Tree:
        self.depth += 1
        if self.depth > DEEPEST:
            raise self._wrong(f"more than {DEEPEST} brackets stand inside each other")
        tree: Tree
        if self._take("not"):
            tree = Not(self._one())
        elif self._take("("):
            tree = self._either()
            self._need(")")
        else:
            tree = self._comparison(self._column())
        self.depth -= 1
        return tree

    def _comparison(self, column: str) -> Comparison:
        if self._take("is"):
            negated = self._take("not")
            self._need("null")
            return Comparison(column, "null", negated=negated)
        negated = self._take("not")
        if self._take("in"):
            return Comparison(column, "in", self._list(), negated)
        if self._take("like"):
            return Comparison(column, "like", (self._value(),), negated)
        if negated:
            raise self._wrong("after a column and not, in or like is missing")
        token = self._peek()
        if token is not None and token.kind == "sign" and token.text in _COMPARISONS:
            self.at += 1
            return Comparison(column, _COMPARISONS[token.text], (self._value(),))
        return Comparison(column, "given")

    def _list(self) -> tuple[Value, ...]:
        self._need("(")
        found = [self._value()]
        while self._take(","):
            found.append(self._value())
        self._need(")")
        return tuple(found)

    def _value(self) -> Value:
        token = self._next("a value")
        if token.kind == "number":
            whole = re.fullmatch(r"[-+]?\d{1,18}", token.text)
            return int(token.text) if whole else float(token.text)
        if token.kind == "text":
            return token.text[1:-1].replace("''", "'")
        if token.text in ("true", "false") and token.kind == "keyword":
            return int(token.text == "true")
        raise self._wrong(
            f"{token.text} is no value; write a number, or a text in single quotes ('{token.text.strip(chr(34))}')"
        )

    def _column(self) -> str:
        token = self._next("a column")
        name = token.text[1:-1].replace('""', '"') if token.kind == "quoted" else token.text
        if token.kind not in ("word", "quoted"):
            raise self._wrong(f"{token.text} stands where the name of a column belongs")
        if name not in self.columns:
            known = ", ".join(sorted(self.columns))
            raise KinsightError(f"the condition names {name!r}, which is no column of this index; it has: {known}")
        return self.columns[name]

    def _peek(self) -> _Token | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def _next(self, what: str) -> _Token:
        token = self._peek()
        if token is None:
            raise self._wrong(f"{what} is missing at its end")
        self.at += 1
        return token

    def _take(self, text: str) -> bool:
        token = self._peek()
        if token is None or token.kind not in ("keyword", "sign") or token.text != text:
            return False
        self.at += 1
        return True

    def _need(self, text: str) -> None:
        if not self._take(text):
            token = self._peek()
            raise self._wrong(f"{text} is missing {f'before {token.text}' if token else 'at its end'}")

    def _wrong(self, why: str) -> KinsightError:
        return KinsightError(f"the condition {self.text[:200]!r} cannot be read: {why}; {EXAMPLE}")
