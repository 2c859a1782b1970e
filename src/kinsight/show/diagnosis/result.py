"""What was found of several runs: of each on each split, and of the pairs that they judge most differently."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kinsight.explanation.measuring.localization_result import Localization
from kinsight.explanation.pair import Pair


@dataclass(frozen=True)
class Measured:
    """One run on one split.

    Attributes:
        run: its name.
        split: train, test, ...
        pictures: how many.
        metrics: what `evaluate` gave.
        localization: where its maps look, if the data have boxes.
    """

    run: str
    split: str
    pictures: int
    metrics: dict[str, float]
    localization: Localization | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        found = None if self.localization is None else self.localization.to_dict()
        return {
            "run": self.run,
            "split": self.split,
            "pictures": self.pictures,
            "metrics": self.metrics,
            "localization": found,
        }


@dataclass(frozen=True)
class Explained:
    """A pair of pictures that two runs judge differently, explained by both.

    Attributes:
        runs: their names.
        pairs: the same pictures, explained by the one and by the other.
        standard: their similarities in standard deviations above the mean of random pairs.
        same_class: whether the pictures are of one class.
        classes: what a person calls the classes of both pictures.
    """

    runs: tuple[str, str]
    pairs: tuple[Pair, Pair]
    standard: tuple[float, float]
    same_class: bool
    classes: tuple[str, str] = ("", "")

    @property
    def keen(self) -> int:
        """The run that finds them more alike."""
        return 0 if self.standard[0] > self.standard[1] else 1

    @property
    def verdict(self) -> str:
        """`same class: auklet`, `different classes: auklet and grebe`."""
        named = " and ".join(dict.fromkeys(filter(None, self.classes)))
        return ("same class" if self.same_class else "different classes") + (f": {named}" if named else "")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "runs": list(self.runs),
            "pictures": [self.pairs[0].query.name, self.pairs[0].other.name],
            "same_class": self.same_class,
            "classes": list(self.classes),
            "similarities": [pair.similarity for pair in self.pairs],
            "standard_deviations": list(self.standard),
            "terms": [pair.terms._asdict() for pair in self.pairs],
            "completeness_errors": [pair.completeness_error for pair in self.pairs],
        }
