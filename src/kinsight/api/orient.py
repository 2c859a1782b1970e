"""kinsight.orient: which way the camera of a panorama looked, and how often that is right over the pairs of a run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np
import pandas as pd
from torch import Tensor

from kinsight.api.columns import columns_of
from kinsight.api.load import load
from kinsight.api.numbers import require_whole
from kinsight.api.opened_pairs import OpenedPairs, ViewPairs, explainers, open_pairs
from kinsight.api.opened_run import require_page, result_name
from kinsight.errors import KinsightError
from kinsight.explanation.explainer import Picture
from kinsight.explanation.measuring import orientation as measuring
from kinsight.explanation.measuring.orientation import Readings, Streams
from kinsight.explanation.measuring.orientation_result import Orientation, held
from kinsight.explanation.orientation.confidence import Calibration
from kinsight.explanation.orientation.estimates import VOTES
from kinsight.explanation.orientation.votes import ONCE, Voting
from kinsight.files import write_json, write_text
from kinsight.processes import device
from kinsight.reading import read_json_mapping
from kinsight.runs.folder import RunFolder
from kinsight.show.orientation.page import orientation_html

CALIBRATION = "orientation-calibration"


@dataclass(frozen=True)
class Oriented:
    """Which way a camera looked.

    Attributes:
        angle: the heading: where the panorama's left border looks, degrees clockwise from up in the aerial picture.
        confidence: the probability that it is right within `within` degrees; None where nothing was calibrated.
        within: degrees; None without confidence.
        street, aerial: x, y of the two places whose vote counted most, in pixels of the two pictures.
        headings: the answer of every way by its name.
        height, lead: how far the peak of the votes stands above their mean, and above the next peak, in standard deviations.
        similarity: the cosine of the two embeddings.
    """

    angle: float
    confidence: float | None
    within: float | None
    street: tuple[float, float]
    aerial: tuple[float, float]
    headings: dict[str, float]
    height: float
    lead: float
    similarity: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


# fmt: off
@overload
def orient(
    run: Any, street: Picture, aerial: Picture, *, stage: int = 0, once: bool = False, voting: Voting | None = None,
    which: str = "best",
) -> Oriented: ...
@overload
def orient(
    run: str | Path, street: None = None, aerial: None = None, *, split: str = "test", data: str | Path | None = None,
    split_by: str | None = None, root: str | Path | None = None, path_column: str | None = None, label_column: str | None = None,
    stage: int = 0, limit: int | None = None, turn: bool = True, once: bool = False, voting: Voting | None = None,
    seed: int = 0, which: str = "best", out: str | Path | None = None,
) -> Orientation: ...
# fmt: on
def orient(
    run: Any,
    street: Picture | None = None,
    aerial: Picture | None = None,
    *,
    split: str = "test",
    data: str | Path | None = None,
    split_by: str | None = None,
    root: str | Path | None = None,
    path_column: str | None = None,
    label_column: str | None = None,
    stage: int = 0,
    limit: int | None = None,
    turn: bool = True,
    once: bool = False,
    voting: Voting | None = None,
    seed: int = 0,
    which: str = "best",
    out: str | Path | None = None,
) -> Oriented | Orientation:
    """Which way the camera of a panorama looked on an aerial picture, or over the pairs of a run how often that is read off right.

    With two pictures the answer of these, with a confidence where the run was measured before, on this stage and by this voting. Without
    them every pair of a split, held against the column `heading` (Visual Explanation, section 5.3); writes `maps/orientation-SPLIT.json`
    and `.csv` (every pair). Confidence is calibrated on the validation pairs, and kept in `maps/orientation-calibration.json`. Without the
    column there are answers alone, and no claim.

    Args:
        run: a run folder of a model with two streams; with two pictures also a model folder, or what `kinsight.load` gives.
        street: the panorama, all around.
        aerial: the aerial picture, the camera in its middle; up is 0 degrees.
        split: test, validation, train or all.
        data: another table, folder or zip than the run's own; `split_by` names its split.
        root, path_column, label_column: of `data`: where its relative paths begin, and its columns under names of their own.
        stage: 0 explains on the last maps, 1 on the next finer ones.
        limit: at most so many pairs, drawn from the seed.
        turn: turn every aerial picture of a table by an angle drawn from the seed, and cut it to a circle, so that no habit helps.
        once: look at every pair once instead of 24 times, turned and mirrored: faster, and less exact.
        voting: how places vote, and how often is looked; the usual way if None.
        seed: of everything drawn.
        which: the `best` model, or the `last`.
        out: a page `.html` to write as well: the conclusion, errors as circular histograms, and examples with both rays.

    Raises:
        KinsightError: there is no model, its data have no pairs, or a picture cannot be used.
    """
    require_whole(0, stage=stage)
    if once and voting is not None:
        raise KinsightError("once and voting both say how often is looked; leave one of them out")
    voting = voting or (ONCE if once else Voting())
    if street is not None and aerial is not None:
        if out is not None:
            raise KinsightError("out writes the page of many pairs; leave it out, or leave out the two pictures")
        return _one(run, street, aerial, stage=stage, voting=voting, which=which)
    if street is not None or aerial is not None:
        raise KinsightError(
            "one picture was given; give a panorama and an aerial picture, or none for the pairs of the run"
        )
    if out is not None:
        require_page(out)
    columns = columns_of(data, root=root, path_column=path_column, label_column=label_column)
    subject = open_pairs(
        run, data=data, split=split, split_by=split_by, limit=limit, seed=seed, which=which, columns=columns
    )
    found = _measured(subject, explainers(subject.model, stage), turn=turn, voting=voting, seed=seed)
    _keep(subject, found, result_name("orientation", split, stage), stage=stage, turn=turn)
    if data is None and found.calibration is not None:  # of the pictures that the run is for
        fitted = {"digest": subject.model.digest(), "stage": stage, "voting": asdict(voting)}
        calibration = {**fitted, "calibration": found.calibration.to_dict()}
        write_json(subject.folder.maps / f"{CALIBRATION}.json", calibration)
    if out is not None:
        record = _record(subject, found, stage=stage, turn=turn)
        page = orientation_html(found, subject.pairs.names, subject.pairs.street, subject.pairs.aerial, record=record)
        write_text(out, page)
    return found


def _one(run: Any, street: Picture, aerial: Picture, *, stage: int, voting: Voting, which: str) -> Oriented:
    named = isinstance(run, str | Path)
    if named:
        folder = RunFolder(run)
        model = load(folder.trained_model(which) if folder.exists else run, device=device())
    else:
        model = run
    streams = explainers(model, stage)
    if isinstance(street, Tensor) or isinstance(aerial, Tensor):
        raise KinsightError("tensors can't be turned and mirrored; give pictures: paths, PIL pictures or uint8 arrays")
    pair, found = measuring.looked_at(streams, street, aerial, voting=voting)
    known = _calibration(run, model, stage, voting) if named else None
    return Oriented(
        found.headings[VOTES],
        None if known is None else float(known.probability(found.height, found.lead)),
        None if known is None else known.within,
        found.street,
        found.aerial,
        dict(found.headings),
        found.height,
        found.lead,
        pair.similarity,
    )


def _keep(subject: OpenedPairs, found: Orientation, name: str, *, stage: int, turn: bool) -> None:
    """Write what was measured into `maps/`."""
    subject.write(name, {"stage": stage, "turned": turn, "cut": "circle" if turn else "none", **found.to_dict()})
    rows = [{"pair": pair, **row} for pair, row in zip(subject.pairs.names, found.pairs(), strict=True)]
    write_text(subject.folder.maps / f"{name}.csv", pd.DataFrame(rows).to_csv(index=False))


def _measured(subject: OpenedPairs, streams: Streams, *, turn: bool, voting: Voting, seed: int) -> Orientation:
    def of(pairs: ViewPairs, *, colours: bool) -> Readings:
        return measuring.readings(
            streams, pairs.street, pairs.aerial, turn=turn, voting=voting, colours=colours, seed=seed
        )

    known = None
    if subject.validation is not None:
        assert subject.validation.headings is not None  # as it is opened
        known = of(subject.validation, colours=False), subject.validation.headings
    return held(of(subject.pairs, colours=True), subject.pairs.headings, known=known, voting=voting)


def _calibration(run: str | Path, model: Any, stage: int, voting: Voting) -> Calibration | None:
    """What was fitted for this model, stage and voting; None where nothing was."""
    path = RunFolder(run).maps / f"{CALIBRATION}.json"
    if not path.is_file():
        return None
    known = read_json_mapping(path)
    if (known.get("digest"), known.get("stage"), known.get("voting")) != (model.digest(), stage, asdict(voting)):
        return None
    fitted = known.get("calibration")
    if not isinstance(fitted, dict):
        raise KinsightError(f"{path} holds no calibration; measure the run again with kinsight orient")
    return Calibration.from_dict(fitted)


def _looks(voting: Voting) -> str:
    count = voting.turns * (1 + voting.mirrored)
    if count == 1:
        return "one look"
    return f"{count} looks, the aerial picture turned" + (", both mirrored" if voting.mirrored else "")


def _record(subject: OpenedPairs, found: Orientation, *, stage: int, turn: bool) -> dict[str, str]:
    known, voting, read_ = subject.protocol, found.voting, found.readings
    fitted = found.calibration
    return {
        "run": str(subject.folder.path),
        "data": str(known["data"]["source"]),
        "pairs": f"{known['pairs']} of {known['drawn_from']} ({known['split']})",
        "aerial pictures": "turned by an angle drawn for each, and cut to a circle" if turn else "as they lie",
        "map": "the model's last" if not stage else f"{stage} stages below the model's last",
        "a column of places": f"{read_.column:.2f} degrees",
        "voting": f"{_looks(voting)}, smoothed by {voting.smoothing:g} degrees"
        + (", centred" if voting.centred else "")
        + (", every place counting alike" if voting.scaled else "")
        + (", what speaks for the similarity alone" if voting.positive else ", for and against"),
        "confidence": f"fitted to {fitted.pairs} {fitted.source}, {fitted.right} of them right"
        if fitted
        else "not calibrated",
        "exactness": f"terms add up to {np.format_float_scientific(read_.completeness, 0)} of the similarity, heads are affine to "
        f"{np.format_float_scientific(read_.affinity, 0)}",
        "angles": "clockwise; 0 is up in the aerial picture and the left border of the panorama",
        "model": f"{known['model']['dim']} dimensions, digest {known['model']['digest']}",
    }
