"""kinsight.explain: why two pictures are alike, or why a picture's best matches are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
import pandas as pd
from PIL import Image
from torch import Tensor

from kinsight.api.class_weights import class_weights_of, names_cam
from kinsight.api.columns import columns_of
from kinsight.api.embed import Pictures
from kinsight.api.load import load
from kinsight.api.matches import best_matches, gallery_table, rows_met
from kinsight.api.numbers import require_whole
from kinsight.api.one_group import check_group
from kinsight.errors import KinsightError
from kinsight.explanation import Explainer, Layout
from kinsight.explanation.measuring.drawing import CENTRED, drawing_of
from kinsight.explanation.measuring.groups import NO_GROUPS
from kinsight.explanation.measuring.method_maps import MethodMaps, method_maps
from kinsight.explanation.stages import Stage
from kinsight.files import require_writable
from kinsight.models import Embedder, TwoStreams
from kinsight.models.subspaces import ONLY_ONE
from kinsight.pictures import Preprocessing
from kinsight.processes import device
from kinsight.show import ShownPair, ShownPairs, write_pair
from kinsight.show.method_grid.files import check_grid_format, write_method_grid
from kinsight.show.pair.files import check_kind

Feeding = Preprocessing | Callable[[Image.Image], Tensor]


# fmt: off
@overload
def explain(
    model: Any, *pictures: Any, gallery: None = None, out: str | Path | None = None, stage: Stage = "auto", layer: str | None = None,
    gates: str = "declared", chunk: int = 64, groups: bool = False, group: int | None = None, subspaces: bool = False,
    other: Any = None, layout: Layout | None = None, preprocessing: Feeding | None = None, tolerance: float | None = None,
) -> ShownPair: ...
@overload
def explain(
    model: Any, *pictures: Any, gallery: Pictures, split: str | None = None, split_by: str | None = None,
    root: str | Path | None = None, path_column: str | None = None, label_column: str | None = None, top: int = 5,
    out: str | Path | None = None, stage: Stage = "auto", layer: str | None = None, gates: str = "declared", chunk: int = 64,
    groups: bool = False, group: int | None = None, subspaces: bool = False, layout: Layout | None = None,
    preprocessing: Feeding | None = None, tolerance: float | None = None, workers: int = 2, progress: bool = False,
) -> ShownPairs: ...
@overload
def explain(
    model: Any, *pictures: Any, methods: str | Sequence[str], gallery: Pictures | None = None, split: str | None = None,
    split_by: str | None = None, root: str | Path | None = None, path_column: str | None = None, label_column: str | None = None,
    out: str | Path | None = None, stage: Stage = "auto", layer: str | None = None, gates: str = "declared", chunk: int = 64,
    layout: Layout | None = None, preprocessing: Feeding | None = None, tolerance: float | None = None, drawing: str = CENTRED,
) -> MethodMaps: ...
# fmt: on
def explain(
    model: Any,
    *pictures: Any,
    gallery: Pictures | None = None,
    split: str | None = None,
    split_by: str | None = None,
    root: str | Path | None = None,
    path_column: str | None = None,
    label_column: str | None = None,
    top: int = 5,
    out: str | Path | None = None,
    stage: Stage = "auto",
    layer: str | None = None,
    gates: str = "declared",
    chunk: int = 64,
    groups: bool = False,
    group: int | None = None,
    subspaces: bool = False,
    other: Any = None,
    layout: Layout | None = None,
    preprocessing: Feeding | None = None,
    tolerance: float | None = None,
    workers: int = 2,
    progress: bool = False,
    methods: str | Sequence[str] | None = None,
    drawing: str = CENTRED,
) -> ShownPair | ShownPairs | MethodMaps:
    """Split the similarity of two pictures exactly over their places.

    - `explain(model, a, b)` with a Kinsight model or the folder of a run or model; one of two streams takes a picture of each view, in
      the order of its streams.
    - `explain(model, query, gallery="birds.csv")`: the best matches of a picture in a gallery, best first, each explained.
    - `explain(model, a, b, c, methods="all")`: the maps of each picture against its best match among the others, or in the gallery, by
      every method beside one another.
    - `explain(trunk, head, a, b)` with any two torch callables; `explain(module, a, b, layer="layer4")` with any torch module.

    Args:
        model: what embeds the pictures.
        pictures: two pictures, or one with `gallery`: paths, PIL pictures, uint8 arrays, or preprocessed tensors (3, H, W); before
            them the head, where `model` is a trunk.
        gallery: a table, folder, zip or list of pictures in which matches are looked for; what an evaluation would not let the
            query find (itself, its own camera and class, its own sequence, what is not marked as gallery) is left out.
        split: of the gallery: only its pictures of this split are found; `split_by` names the column of the split.
        root, path_column, label_column: of the gallery: where its relative paths begin, and its columns under names of their own.
        top: how many matches.
        out: a page `.html`, a figure `.png` or arrays `.npz` to write as well.
        stage: of a Kinsight model: 0 explains on its last map, 1 on the next finer one, and so on; all are exact. "auto": 1 where the
            last map is smaller than 7 x 7, and too coarse to show parts, and the finer one is exact; `pair.stage` says which it was; with
            `methods` it is 0.
        layer: where a module is opened: the dotted name of the layer whose output is the feature map.
        gates: "declared" (with `kinsight.gate` in the head) or "standard": also those of PyTorch's smooth functions.
        chunk: places computed at a time, which bounds the memory.
        groups: `out` also shows each pair as every group of the model sees it.
        group: of a model with groups: search and explain with this group alone; without it `pair.groups` has them all.
        subspaces: `out` also shows each pair in every subspace of a divided model, what carries most of the similarity first;
            `pair.subspaces` and `pair.carried` have them.
        other: the model of the second picture where it has a stream of its own: a model, or a tuple (trunk, head).
        layout: the axes of the feature map, where they cannot be guessed.
        preprocessing: what a foreign model is fed with, a `Preprocessing` or a callable from a PIL picture to a tensor.
        tolerance: the largest affinity error that is let pass.
        workers: processes that decode the gallery; 0: none beside the main one.
        progress: show a bar while the gallery is embedded.
        methods: "all", or names out of `kinsight.explanation.methods.METHODS`; `cam`, by name only, needs a run whose loss has class
            weights. `out` is then a page `.html` or a figure `.png`.
        drawing: of the maps of `methods`, as for `localize`: `centred`, `even`, `clipped` or `even-clipped`.

    Returns:
        A pair, which shows itself in a notebook and has `save`; with `gallery` a list of such pairs; with `methods` their maps.

    Raises:
        KinsightError: a picture cannot be used, the model cannot be opened, its head has gates that were not declared, no such group, or
            nothing is in the gallery.
    """
    require_whole(0, stage=None if stage == "auto" else stage, workers=workers)
    require_whole(1, chunk=chunk, top=top)
    if out is not None:
        require_writable(out)
        (check_kind if methods is None else check_grid_format)(out)
    drawing_of(drawing)
    if methods is None and drawing != CENTRED:
        raise KinsightError(f"drawing {drawing} was given without methods, whose maps it is of; add --methods all")
    if methods is not None and stage == "auto":
        stage = 0  # methods are compared on the map that they were made for
    columns = columns_of(gallery, root=root, path_column=path_column, label_column=label_column, what="gallery")
    if gallery is None and (split or split_by):
        raise KinsightError(
            "split says which pictures of a gallery are found; add --gallery with a table, folder or zip"
        )
    others = None if gallery is None else gallery_table(gallery, split=split, split_by=split_by, columns=columns)
    options: dict[str, Any] = {
        "layer": layer, "stage": stage, "gates": gates, "chunk": chunk, "layout": layout, "preprocessing": preprocessing,
    }  # fmt: skip
    if tolerance is not None:
        options["tolerance"] = tolerance
    if methods is not None:
        drawn = _methods(model, pictures, others, methods, options).drawn(drawing)
        if out is not None:
            write_method_grid(out, drawn)
        return drawn
    found: ShownPair | ShownPairs
    if others is None:
        found = _pair(model, pictures, other, group, options)
    else:
        if len(pictures) != 1 or other is not None:
            raise KinsightError(
                "a gallery was given with a model of the second picture; leave out one of them"
                if other is not None
                else f"{len(pictures)} pictures were given with a gallery; give one, whose matches are looked for there"
            )
        search: dict[str, Any] = {"top": top, "group": group, "workers": workers, "progress": progress}
        asks = _model(model)
        if isinstance(asks, TwoStreams):
            (_, asks), search["answers"] = asks.streams.items()
        found = ShownPairs(best_matches(asks, pictures[0], others, **search, options=options))
    if out is not None:
        _write(out, [found] if isinstance(found, ShownPair) else found, groups=groups, subspaces=subspaces)
    return found


def _pair(model: Any, pictures: Sequence[Any], other: Any, group: int | None, options: dict[str, Any]) -> ShownPair:
    if len(pictures) == 3 and not isinstance(model, str | Path):
        model, pictures = (model, pictures[0]), pictures[1:]
    if len(pictures) != 2:
        raise KinsightError(
            f"{len(pictures)} pictures were given; give two, after the model or after trunk and head, or one and a gallery: "
            "a table, folder or zip"
        )
    opened = _model(model)
    if isinstance(opened, TwoStreams):
        if other is not None:
            raise KinsightError("a model of the second picture was given beside a model of two streams; leave it out")
        opened, other = opened.streams.values()
    if group is not None and isinstance(opened, Embedder):
        check_group(opened, group)
    explainer = Explainer(opened, **options)
    pair = explainer.pair(*pictures, by=None if other is None else Explainer(_model(other), **options))
    query, seen = pair.query, pair.other
    return ShownPair(query, seen) if group is None else ShownPair(query.group(group), seen.group(group))


def _methods(
    model: Any,
    pictures: Sequence[Any],
    gallery: pd.DataFrame | None,
    methods: str | Sequence[str],
    options: dict[str, Any],
) -> MethodMaps:
    met = None if gallery is None else [rows_met(gallery, picture) for picture in pictures]
    others = None if gallery is None else gallery["path"].tolist()
    opened = _model(model)
    if isinstance(opened, TwoStreams):
        raise KinsightError(
            "methods are compared on models of one stream; leave out methods, or give kinsight.load(RUN).stream(NAME)"
        )
    weights = None
    if names_cam(methods):
        if not isinstance(model, str | Path):
            raise KinsightError(
                "cam needs the class weights of a run's loss; give the folder of a run, or leave out cam"
            )
        weights = class_weights_of(model, opened, pictures, stage=options["stage"])
    return method_maps(Explainer(opened, **options), pictures, others, met=met, methods=methods, class_weights=weights)


def _write(out: str | Path, pairs: Sequence[ShownPair], *, groups: bool, subspaces: bool) -> None:
    if not (groups or subspaces):
        write_pair(out, pairs)
        return
    named = {}
    for rank, pair in enumerate(pairs, start=1):
        match = f"match {rank}" if len(pairs) > 1 else ""
        named[match or f"all {'subspaces' if subspaces else 'groups'}"] = pair
        parts = _subspaces(pair) if subspaces else _groups(pair)
        named |= {f"{match} {name}".strip(): each for name, each in parts.items()}
    write_pair(out, list(named.values()), names=list(named))


def _groups(pair: ShownPair) -> dict[str, ShownPair]:
    if len(pair.groups) < 2:
        raise KinsightError(NO_GROUPS)
    if pair.query.unit_groups:
        return {f"group {number}": each for number, each in enumerate(pair.groups)}
    return {
        f"group {number}, carries {pair.group_shares[number]:+.3f}": each for number, each in enumerate(pair.groups)
    }


def _subspaces(pair: ShownPair) -> dict[str, ShownPair]:
    """What carries most of the similarity first."""
    if len(pair.subspaces) == 1:
        raise KinsightError(ONLY_ONE)
    order = np.argsort(-pair.carried, kind="stable").tolist()
    return {f"subspace {number}, carries {pair.carried[number]:+.3f}": pair.subspaces[number] for number in order}


def _model(model: Any) -> Any:
    return load(model, device=device()) if isinstance(model, (str, Path)) else model
