"""A threshold on the cosine and what it promises."""

from __future__ import annotations

from dataclasses import dataclass

from kinsight.evaluation.estimate import Estimate


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold and what it promises; shares, with the ends of their 95 % intervals where they are known.

    Attributes:
        rate: of false accepts that was asked for.
        threshold: on the cosine; at least so much is accepted.
        false, false_low, false_high: of what must be refused, the share that is accepted.
        true, true_low, true_high: of what must be accepted, the share that is.
    """

    rate: float
    threshold: float
    false: float
    true: float
    false_low: float | None = None
    false_high: float | None = None
    true_low: float | None = None
    true_high: float | None = None

    @classmethod
    def measured(cls, rate: float, threshold: float, false: Estimate, true: Estimate) -> OperatingPoint:
        """From what was measured there."""
        return cls(
            rate, threshold, false.value, true.value, *(false.ends or (None, None)), *(true.ends or (None, None))
        )
