"""A number with its 95 % interval, and the one way in which both are printed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

Method = Literal["t", "bootstrap"]

NO_INTERVAL = "[none]"
_ROUNDING = 1e-12  # intervals of values that are equal but for rounding are not wider


@dataclass(frozen=True)
class Notation:
    """How numbers are written: times `scale`, by the format `spec` of Python."""

    scale: float
    spec: str

    def __call__(self, value: float, *, signed: bool = False) -> str:
        text = f"{self.scale * value:{'+' if signed else ''}{self.spec}}"
        # What rounds to nothing has no direction.
        return text.replace("-", "+" if signed else "", 1) if float(text) == 0 and text.startswith("-") else text


PERCENT = Notation(100, ".1f")
DECIMALS = Notation(1, ".3f")
DIGITS = Notation(1, ".4g")


@dataclass(frozen=True)
class Estimate:
    """A number, and its 95 % interval where there is one.

    Attributes:
        value: the number, usually a mean; NaN where nothing is known.
        low, high: the ends of the interval; None without one.
        method: how an interval was sought: `t` (Student's t over repeated runs: other seeds and folds), `bootstrap` (over classes and what
            is within them: other pictures of the same kind); None where none was. A method without ends found values that are all
            alike: an interval without width would claim a certainty that nobody has.
        n: independent runs, or pairs of runs, behind it.
        deviation: the standard deviation over repetitions, where only that is known.
    """

    value: float
    low: float | None = None
    high: float | None = None
    method: Method | None = None
    n: int = 1
    deviation: float | None = None

    @classmethod
    def between(cls, value: float, low: float, high: float, method: Method, n: int = 1) -> Estimate:
        """With the ends of an interval that was just made; without them where it has no width."""
        if not high - low > _ROUNDING:  # nor where the ends are NaN
            return cls(value, method=None if math.isnan(value) else method, n=n)
        return cls(value, low, high, method, n)

    @classmethod
    def of(cls, metrics: Mapping[str, float], key: str) -> Estimate:
        """A metric among the flat ones of an evaluation: `<key>`, and where they are there `<key>_low`, `<key>_high`, `<key>_sd`.

        Raises:
            KeyError: it is not among them.
        """
        low, high = metrics.get(f"{key}_low"), metrics.get(f"{key}_high")
        if low is not None and high is not None:
            return cls.between(metrics[key], low, high, "bootstrap")
        return cls(metrics[key], deviation=metrics.get(f"{key}_sd"))

    def within(self, least: float, most: float) -> Estimate:
        """The same with an interval that ends where what is possible ends."""
        if self.low is None or self.high is None:
            return self
        return replace(self, low=max(self.low, least), high=min(self.high, most))

    @property
    def known(self) -> bool:
        """Whether there is a number."""
        return not math.isnan(self.value)

    @property
    def ends(self) -> tuple[float, float] | None:
        """The interval, where there is one."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    @property
    def excludes_zero(self) -> bool:
        """Whether there is an interval and zero lies outside it."""
        return self.ends is not None and (self.ends[0] > 0 or self.ends[1] < 0)

    def number(self, notation: Notation = PERCENT, *, signed: bool = False) -> str:
        """`41.2`; `-` where nothing is known."""
        return notation(self.value, signed=signed) if self.known else "-"

    def interval(self, notation: Notation = PERCENT, *, signed: bool = False) -> str:
        """`[40.1, 42.3]`; `[none]` where values are all alike; `± 0.4` where only a deviation is known; nothing where none was sought, or
        where both ends are written alike, which would look like a certainty.
        """
        if self.ends is not None:
            low, high = (notation(end, signed=signed) for end in self.ends)
            return f"[{low}, {high}]" if low != high else ""
        if self.deviation is not None:
            return f"± {notation(self.deviation)}"
        return "" if self.method is None else NO_INTERVAL

    def text(self, notation: Notation = PERCENT, *, signed: bool = False, unit: str = "") -> str:
        """`41.2 [40.1, 42.3]`: the number, its unit and its interval."""
        words = [
            self.number(notation, signed=signed),
            unit if self.known else "",
            self.interval(notation, signed=signed),
        ]
        return " ".join(filter(None, words))

    def columns(self, name: str) -> dict[str, float | None]:
        """Its value and ends as columns of a table: `<name>`, `<name>_low`, `<name>_high`; None for what there is not."""
        return {name: self.value if self.known else None, f"{name}_low": self.low, f"{name}_high": self.high}

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, which has no NaN."""
        found = {**self.columns("value"), "method": self.method, "n": self.n}
        return {key.removeprefix("value_"): value for key, value in found.items()}
