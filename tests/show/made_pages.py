"""Every page that Kinsight makes, made of small made-up results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from kinsight.explanation.centres import Centres
from kinsight.explanation.measuring.method_maps import MethodMaps
from kinsight.show.atlas.page import atlas_html
from kinsight.show.calibration.page import calibration_html
from kinsight.show.comparison.page import comparison_html
from kinsight.show.diagnosis.page import diagnosis_html
from kinsight.show.division.page import division_html
from kinsight.show.groups.beside import groups_beside_html
from kinsight.show.groups.page import groups_html
from kinsight.show.hits.page import hits_html
from kinsight.show.maps.correspondence import correspondence_html
from kinsight.show.maps.faithfulness import faithfulness_html, shown_pairs
from kinsight.show.maps.localization import localization_html, shown_pictures
from kinsight.show.method_grid.page import method_grid_html
from kinsight.show.orientation.page import orientation_html
from kinsight.show.pair.page import pair_html
from kinsight.show.report.page import write_report
from kinsight.show.study.page import study_html
from kinsight.studies.published import read_published
from kinsight.studies.tables import study_table_of
from show import (
    made_atlas,
    made_calibration,
    made_comparison,
    made_diagnosis,
    made_division,
    made_groups,
    made_hits,
    made_maps,
    made_orientation,
    made_pair,
    made_study,
)
from show.made_run import make_run

Tap = tuple[str, str]  # what a finger taps, and what must be in view then: CSS selectors


@dataclass(frozen=True)
class MadePage:
    """A page as its text, or as a file among others.

    Attributes:
        taps: what a finger may tap on it, with the answer to it.
        strips: what is meant to be pushed sideways.
    """

    html: str | Path
    taps: tuple[Tap, ...] = ()
    strips: str = "pre"


POINT: Tap = ("[data-side=query] .surface", "[data-side=other] .surface")


def _report(folder: Path) -> MadePage:
    run = make_run(folder / "birds", ["auklet", "bobolink", "a bird with a rather long name"], 8, noise=0.8)
    return MadePage(write_report(run), ((".plane .pt", ".shown h3"),))


def _pair(folder: Path) -> MadePage:
    return MadePage(pair_html(made_pair.pair()), (POINT,))


def _calibration(folder: Path) -> MadePage:
    return MadePage(calibration_html(made_calibration.made()), strips=".table")


def _matches(folder: Path) -> MadePage:
    return MadePage(pair_html(made_pair.matches(5)), (POINT,), strips=".matches")


def _hits(folder: Path) -> MadePage:
    return MadePage(hits_html(made_hits.made(folder)), (("button.open", "#why iframe"),))


def _groups(folder: Path) -> MadePage:
    return MadePage(groups_html(made_groups.made(), made_groups.grey))


def _groups_beside(folder: Path) -> MadePage:
    found = [made_groups.made(), replace(made_groups.of_kind("response"), run="another run with a long name")]
    return MadePage(groups_beside_html(found, [made_groups.grey] * 2))


def _comparison(folder: Path) -> MadePage:
    return MadePage(comparison_html(made_comparison.made()))


def _study(folder: Path) -> MadePage:
    state = made_study.state(22)
    return MadePage(study_html(study_table_of(made_study.STUDY, state.finished), state, [read_published("drml-cub")]))


def _diagnosis(folder: Path) -> MadePage:
    return MadePage(diagnosis_html(made_diagnosis.measured(), made_diagnosis.explained()))


def _division(folder: Path) -> MadePage:
    return MadePage(division_html(made_division.made(folder)), strips=".scroll")


def _method_grid(folder: Path) -> MadePage:
    random = np.random.default_rng(0)
    found = MethodMaps(
        {method: random.normal(size=(2, 4, 4)) for method in ("decomposition", "grad-cam", "gradient x activation")},
        ["a picture with a rather long name.jpg", "b.jpg"],
        ["b.jpg", "a.jpg"],
        np.array([0.5, 0.25]),
        [random.integers(0, 256, (48, 48, 3)).astype(np.uint8) for _ in range(2)],
        Centres.even((48, 48), (4, 4)),
        np.full((2, 4), np.nan),
    )
    return MadePage(method_grid_html(found))


def _localization(folder: Path) -> MadePage:
    found = made_maps.localization()
    drawn = made_maps.drawn(len(shown_pictures(found)))
    return MadePage(localization_html(found, drawn, masks=None, record={"run": "a/long/path/of/" * 9}), strips=".table")


def _correspondence(folder: Path) -> MadePage:
    found = correspondence_html(made_maps.correspondence(), made_maps.files(folder), record={"run": "birds"})
    return MadePage(found, strips=".table")


def _faithfulness(folder: Path) -> MadePage:
    found = made_maps.faithfulness()
    drawn = made_maps.drawn(len(shown_pairs(found)), ("decomposition",))
    return MadePage(faithfulness_html(found, drawn, made_maps.files(folder), record={}), strips=".table")


def _orientation(folder: Path) -> MadePage:
    html = orientation_html(made_orientation.orientation(), *made_orientation.files(folder), record={"run": "towns"})
    return MadePage(html, strips=".table")


def _atlas(folder: Path) -> MadePage:
    return MadePage(atlas_html(made_atlas.made(folder)), (("canvas", ".tip strong"),), strips=".stage")


PAGES: dict[str, Callable[[Path], MadePage]] = {
    "atlas": _atlas,
    "report": _report,
    "pair": _pair,
    "matches": _matches,
    "hits": _hits,
    "groups": _groups,
    "groups beside": _groups_beside,
    "calibration": _calibration,
    "comparison": _comparison,
    "study": _study,
    "diagnosis": _diagnosis,
    "division": _division,
    "methods": _method_grid,
    "localization": _localization,
    "correspondence": _correspondence,
    "faithfulness": _faithfulness,
    "orientation": _orientation,
}
