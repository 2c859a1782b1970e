"""One number with its interval, printed in one way."""

from __future__ import annotations

import json
import math

import pytest

from kinsight.evaluation import Estimate
from kinsight.evaluation.estimate import DECIMALS, DIGITS, PERCENT


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (Estimate(0.412, 0.4011, 0.4239, "bootstrap"), "41.2 [40.1, 42.4]"),
        (Estimate(0.412, deviation=0.0123), "41.2 ± 1.2"),
        (Estimate(0.412), "41.2"),
        (Estimate(1.0, method="bootstrap"), "100.0 [none]"),
        (Estimate(math.nan), "-"),
    ],
)
def test_every_kind_has_one_text(estimate: Estimate, text: str) -> None:
    assert estimate.text() == text


def test_notations() -> None:
    estimate = Estimate(-0.00004, -0.25, 1234.5678, "t", 3)
    assert estimate.text(DECIMALS, signed=True) == "+0.000 [-0.250, +1234.568]"
    assert estimate.text(DIGITS) == "-4e-05 [-0.25, 1235]"
    assert estimate.text(unit="%") == "0.0 % [-25.0, 123456.8]"
    assert Estimate(math.nan).text(unit="%") == "-"
    assert (PERCENT(-0.0004), PERCENT(-0.0006)) == ("0.0", "-0.1")


def test_an_interval_without_width_is_none() -> None:
    assert Estimate.between(0.3, 0.3, 0.3 + 1e-15, "bootstrap") == Estimate(0.3, method="bootstrap")
    assert Estimate.between(0.3, 0.3, 0.30001, "t", 4).ends == (0.3, 0.30001)
    assert not Estimate.between(0.3, 0.3, 0.3, "t").excludes_zero
    assert Estimate.between(math.nan, math.nan, math.nan, "t").interval() == ""


def test_read_from_the_numbers_of_an_evaluation() -> None:
    metrics = {"map_at_r": 0.5, "map_at_r_low": 0.4, "map_at_r_high": 0.6, "nmi": 0.7, "nmi_sd": 0.01, "f1": 1.0}
    metrics |= {"recall_at_1": 1.0, "recall_at_1_low": 1.0, "recall_at_1_high": 1.0}
    assert Estimate.of(metrics, "map_at_r") == Estimate(0.5, 0.4, 0.6, "bootstrap")
    assert [Estimate.of(metrics, key).text() for key in ("nmi", "f1", "recall_at_1")] == [
        "70.0 ± 1.0",
        "100.0",
        "100.0 [none]",
    ]


def test_json_has_no_nan() -> None:
    found = json.loads(json.dumps(Estimate(math.nan).to_dict(), allow_nan=False))
    assert found == {"value": None, "low": None, "high": None, "method": None, "n": 1}
    assert Estimate(0.5, 0.4, 0.6, "t", 3).columns("a") == {"a": 0.5, "a_low": 0.4, "a_high": 0.6}
