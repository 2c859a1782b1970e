"""kinsight.localize: how well the maps of a run find objects."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kinsight.api.class_weights import class_weights_of, names_cam
from kinsight.api.columns import columns_of
from kinsight.api.opened_run import open_run, require_page, result_name
from kinsight.data import MaskFiles
from kinsight.explanation.measuring import localization
from kinsight.explanation.measuring.drawing import CENTRED
from kinsight.explanation.measuring.localization_result import Localization
from kinsight.explanation.measuring.method_maps import maps_of_pairs
from kinsight.explanation.measuring.partners import BEST
from kinsight.explanation.methods import USUAL
from kinsight.files import write_text
from kinsight.show.maps.localization import localization_html, shown_methods, shown_pictures


def localize(
    run: str | Path,
    *,
    methods: str | Sequence[str] = USUAL,
    partners: str = BEST,
    thresholds: Sequence[float] | None = None,
    split: str = "test",
    data: str | Path | None = None,
    split_by: str | None = None,
    root: str | Path | None = None,
    path_column: str | None = None,
    label_column: str | None = None,
    stage: int = 0,
    limit: int | None = None,
    seed: int = 0,
    which: str = "best",
    drawing: str = CENTRED,
    out: str | Path | None = None,
) -> Localization:
    """How well the maps of a run find the objects of a split (Visual Explanation, section 4.1); writes `maps/localization-SPLIT.json`.

    Args:
        run: the run folder.
        methods: "all", or names out of `kinsight.explanation.methods.METHODS`; `cam`, by name only, needs a loss with class weights.
        partners: "best match", "itself" or "random same class": what each picture is explained against.
        thresholds: shares of the map's maximum at which it is cut; None takes the paper's.
        split: test, validation, train or all.
        data: another table, folder or zip than the run's own; `split_by` names its split.
        root, path_column, label_column: of `data`: where its relative paths begin, and its columns under names of their own.
        stage: 0 explains on the last map, 1 on the next finer one.
        limit: at most so many pictures, drawn from the seed.
        which: the `best` model, or the `last`.
        drawing: `centred` draws the places of a map where they look, `even` in the middle of their cells; `clipped` sets negative values
            to 0 before the map is drawn out; `even-clipped` does both, as the paper's authors.
        out: a page `.html` to write as well: the conclusion, and a few pictures with true boxes, boxes of maps, and masks.

    Raises:
        KinsightError: there is no run, its data have no boxes, or what was given is not known.
    """
    if out is not None:
        require_page(out)
    columns = columns_of(data, root=root, path_column=path_column, label_column=label_column)
    subject = open_run(
        run,
        data=data,
        split=split,
        split_by=split_by,
        stage=stage,
        limit=limit,
        seed=seed,
        which=which,
        columns=columns,
    )
    masks = MaskFiles(subject.table["mask_path"].tolist()) if "mask_path" in subject.table else None
    weights = class_weights_of(run, subject.model, subject.pictures, stage=stage) if names_cam(methods) else None
    found = localization.localize(
        subject.explainer,
        subject.pictures,
        subject.labels,
        subject.boxes,
        masks,
        partners=partners,
        methods=methods,
        thresholds=localization.THRESHOLDS if thresholds is None else thresholds,
        seed=seed,
        class_weights=weights,
        drawing=drawing,
    )
    name = result_name("localization", split, stage, partners)
    subject.write(name if drawing == CENTRED else f"{name}-{drawing}", found.to_dict())
    if out is not None:
        assert found.pairs is not None
        shown = found.pairs[shown_pictures(found)]  # (n, 2)
        mine = None if weights is None else weights[shown[:, 0]]
        drawn = maps_of_pairs(
            subject.explainer, subject.pictures, shown, methods=shown_methods(found), class_weights=mine
        )
        record = subject.record(partners=partners, drawing=drawing)
        write_text(out, localization_html(found, drawn, masks=masks, record=record))
    return found
