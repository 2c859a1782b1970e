from __future__ import annotations

import math
import re

import numpy as np
import pytest

from kinsight.show.charts import Series, line_chart, thinned
from kinsight.show.report.curves import run_charts, series_of, smoothed
from show.made_run import history


def points(svg: str, kind: str = "line c0") -> np.ndarray:
    path = re.search(rf'<path class="{kind}" d="([^"]*)"', svg)
    assert path is not None
    return np.array([[float(x), float(y)] for x, y in re.findall(r"[ML]([\d.-]+) ([\d.-]+)", path[1])])


def test_a_line_is_drawn_to_scale() -> None:
    x = np.array([0.0, 50.0, 100.0])
    drawn = points(line_chart([Series("loss", x, np.array([0.0, 1.0, 4.0]))], "loss"))
    assert drawn[1, 0] - drawn[0, 0] == pytest.approx(drawn[2, 0] - drawn[1, 0], abs=0.2)
    rise = drawn[0, 1] - drawn[:, 1]
    assert rise[1] / rise[2] == pytest.approx(0.25, abs=0.01)


def test_a_logarithmic_line_is_drawn_to_scale() -> None:
    series = [Series("rate", np.arange(3.0), np.array([1e-5, 1e-4, 1e-2]))]
    drawn = points(line_chart(series, "rate", logarithmic=True))
    rise = drawn[0, 1] - drawn[:, 1]
    assert rise[1] / rise[2] == pytest.approx(1 / 3, abs=0.01)


def test_colours_come_from_the_page() -> None:
    svg = line_chart([Series("a", np.arange(3.0), np.arange(3.0))], "<a>")
    assert "#" not in svg
    assert "fill=" not in svg
    assert "stroke=" not in svg
    assert 'aria-label="&lt;a&gt;"' in svg


def test_values_that_are_not_finite_are_gaps() -> None:
    y = np.array([1.0, math.nan, 2.0, math.inf, 3.0])
    svg = line_chart([Series("loss", np.arange(5.0), y)], "loss")
    assert len(points(svg)) == 3
    assert "nan" not in svg
    assert "inf" not in svg


def test_one_point_and_constant_lines_can_be_drawn() -> None:
    for y in ([3.0], [0.0, 0.0], [1e-9, 1e-9]):
        svg = line_chart([Series("a", np.arange(float(len(y))), np.array(y))], "a")
        assert len(points(svg)) == len(y)


def test_smoothing_keeps_constants_and_means() -> None:
    np.testing.assert_allclose(smoothed(np.full(9, 2.0), 4), 2.0)
    np.testing.assert_allclose(smoothed(np.array([1.0, 2.0, 3.0, 4.0]), 3), [1.5, 2.0, 3.0, 3.5])
    np.testing.assert_allclose(smoothed(np.array([1.0, math.nan, 3.0]), 3), [1.0, 2.0, 3.0])


def test_long_series_are_thinned_by_means() -> None:
    made = thinned(Series("a", np.arange(1000.0), np.arange(1000.0)), 100)
    assert len(made.x) == 100
    np.testing.assert_allclose(made.y, made.x)
    assert made.y[0] == pytest.approx(4.5)


def test_a_step_that_was_done_again_counts_once() -> None:
    lines = [{"step": 10, "loss": 5.0}, {"step": 20, "loss": 4.0}, {"step": 10, "loss": 3.0}]
    (series,) = series_of(lines, ["loss", "other"])
    assert series.x.tolist() == [10, 20]
    assert series.y.tolist() == [3.0, 4.0]


def test_charts_of_a_run() -> None:
    lines = history(np.random.default_rng(0))
    charts = {chart.title: chart for chart in run_charts(lines, {"map_at_r": "MAP@R"})}
    assert list(charts) == ["Training loss", "Validation classes", "Learning rates", "Pictures a second"]
    scores = {line["step"]: line["map_at_r"] for line in lines if line["kind"] == "validation"}
    step = max(scores, key=lambda one: scores[one])
    assert charts["Validation classes"].remark == f"Ring: best MAP@R, {100 * scores[step]:.1f} % at step {step:,}."
    assert charts["Validation classes"].legend[0] == ("MAP@R", f"{100 * scores[1000]:.1f} %")
    assert [name for name, _ in charts["Learning rates"].legend] == ["trunk", "head"]
    assert charts["Training loss"].svg.count('class="mark"') == 1
    assert run_charts([]) == []


def test_every_term_of_the_loss_has_its_line() -> None:
    terms = ["loss", "loss_whole", *(f"loss_part_{number}" for number in range(6)), "loss_diversity"]
    lines = [
        {"kind": "train", "step": step, **{name: number + 1 / step for number, name in enumerate(terms)}}
        for step in (10, 20, 30)
    ]
    (chart,) = run_charts(lines)
    assert [name for name, _ in chart.legend] == [
        "total",
        "whole",
        *(f"part {number}" for number in range(6)),
        "diversity",
    ]
    assert chart.svg.count('class="line c') == 9
    assert chart.svg.count("again") == 3  # more terms than colours: the rest dashed


@pytest.mark.parametrize("values", [[1.0], [0.99, 1.0], [0.0], [0.4, 0.97]])
def test_no_axis_goes_beyond_what_is_possible(values: list[float]) -> None:
    svg = line_chart([Series("P@1", np.arange(len(values)), np.array(values))], "P@1", percent=True)
    ticks = [float(tick) for tick in re.findall(r">([\d.-]+) %</text>", svg)]
    assert min(ticks) >= 0
    assert max(ticks) <= 100
    assert len(ticks) > 2


def test_the_pictures_of_each_branch_are_drawn_as_shares() -> None:
    told = [{"kind": "objective", "step": 3 * n, "epoch": n, "assigned": [n, 10 - n]} for n in (1, 2, 4)]
    junk = [{"kind": "objective", "step": 5, "assigned": each} for each in (["a", 1], [0, 0], [3], "ab", None)]
    (chart,) = run_charts([*told, *junk])
    assert chart.legend == [("branch 0", "40.0 %"), ("branch 1", "60.0 %")]
    assert len(points(chart.svg)) == 3
    assert run_charts(junk) == []
