"""What a cosine means: how likely the same, and whether anything like the query is there."""

from __future__ import annotations

from typing import Any

import pytest

from kinsight.evaluation.likelihood import Likelihood
from kinsight.retrieval.hits import Found, Hit
from kinsight.runs.calibration import Calibration, OperatingPoint
from kinsight.server.meaning import Meaning

SEARCH = [
    OperatingPoint(0.001, 0.9, 0.001, 0.2),
    OperatingPoint(0.01, 0.8, 0.01, 0.6),
    OperatingPoint(0.1, 0.6, 0.1, 0.9),
]


def meaning(search: list[OperatingPoint]) -> Meaning:
    curve = Likelihood(10.0, -7.0)
    return Meaning(Calibration("digest", "data", None, "test", 100, 10, 50, 500, [], search, 99, curve, 0.1))


def found(best: float, searched: int = 99) -> Any:
    return Found([Hit("a", "/a", best)], None, [], None, searched, 99)  # type: ignore[arg-type]


def test_without_a_calibration_a_cosine_stays_one() -> None:
    silent = Meaning(None)
    assert silent.same(0.9) is silent.anything(found(0.9)) is silent.plain() is None


def test_a_cosine_becomes_a_probability() -> None:
    assert meaning(SEARCH).same(0.7) == 0.5
    assert meaning(SEARCH).same(0.9) == pytest.approx(0.8808, abs=1e-4)


@pytest.mark.parametrize(
    ("best", "searched", "expected"),
    [
        (0.81, 99, {"anything": True, "threshold": 0.8, "rate": 0.01, "finds": 0.6}),
        (0.79, 99, {"anything": False, "threshold": 0.8, "rate": 0.01, "finds": 0.6}),
        (0.81, 990, {"anything": False, "threshold": 0.9, "rate": 0.01, "finds": 0.2}),  # ten times the chances
        (0.7, 9, {"anything": True, "threshold": 0.6, "rate": 0.01, "finds": 0.9}),
        (0.7, 99_000, None),  # so little was never told
    ],
)
def test_whether_anything_like_it_is_there(best: float, searched: int, expected: dict[str, Any] | None) -> None:
    assert meaning(SEARCH).anything(found(best, searched)) == expected


def test_where_little_cannot_be_promised_more_is_said() -> None:
    assert meaning(SEARCH[2:]).anything(found(0.7)) == {"anything": True, "threshold": 0.6, "rate": 0.1, "finds": 0.9}
    assert meaning([]).anything(found(0.7)) is None
    assert meaning(SEARCH).anything(found(0.9, 0)) is None
