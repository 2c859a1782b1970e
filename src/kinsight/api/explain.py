"""kinsight.explain: pictures and pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from kinsight.api.embed import embed, pictures_table
from kinsight.api.load import load
from kinsight.api.one_group import check_group, group_vectors
from kinsight.errors import KinsightError
from kinsight.evaluation.neighbours import neighbours
from kinsight.explanation import Explainer, Layout, Pair
from kinsight.explanation.explainer import Picture
from kinsight.models import Embedder
from kinsight.pictures import Preprocessing
from kinsight.processes import device
from kinsight.show import attach

attach()  # a pair that an explanation returns shows itself in a notebook

Feeding = Preprocessing | Callable[[Image.Image], Tensor]


def explain(
    model: Any,
    *pictures: Any,
    other: Any = None,
    layer: str | None = None,
    stage: int = 0,
    gates: str = "declared",
    chunk: int = 64,
    layout: Layout | None = None,
    preprocessing: Feeding | None = None,
    tolerance: float | None = None,
    group: int | None = None,
) -> Pair:
    """Split the similarity of two pictures exactly over their places.

    `explain(model, a, b)` with a Kinsight model or the folder of a run; `explain(trunk, head, a, b)` with any two torch callables;
    `explain(module, a, b, layer="layer4")` with any torch module.

    Args:
        model: what embeds the pictures.
        pictures: two pictures: paths, PIL pictures, uint8 arrays, or preprocessed tensors (3, H, W); before them the head, where `model` is
            a trunk.
        other: the model of the second picture where it has a stream of its own: a model, or a tuple (trunk, head).
        layer: where a module is opened: the dotted name of the layer whose output is the feature map.
        stage: of a Kinsight model: 0 explains on its last map, 1 on the next finer one, and so on; all are exact.
        gates: "declared" (with `kinsight.gate` in the head) or "standard": also those of PyTorch's smooth functions.
        chunk: places computed at a time, which bounds the memory.
        layout: the axes of the feature map, where they cannot be guessed.
        preprocessing: what a foreign model is fed with, a `Preprocessing` or a callable from a PIL picture to a tensor.
        tolerance: the largest affinity error that is let pass.
        group: of a model with groups: explain with this group alone; without it `pair.groups` has them all.

    Raises:
        KinsightError: a picture cannot be used, the model cannot be opened, its head has gates that were not declared, or no such group.
    """
    if len(pictures) == 3:
        model, pictures = (model, pictures[0]), pictures[1:]
    if len(pictures) != 2:
        raise KinsightError(
            f"{len(pictures)} pictures were given; explain takes two, after the model or after trunk and head"
        )
    options: dict[str, Any] = {
        "layer": layer, "stage": stage, "gates": gates, "chunk": chunk, "layout": layout, "preprocessing": preprocessing,
    }  # fmt: skip
    if tolerance is not None:
        options["tolerance"] = tolerance
    opened = _model(model)
    if group is not None and isinstance(opened, Embedder):
        check_group(opened, group)
    explainer = Explainer(opened, **options)
    pair = explainer.pair(*pictures, by=None if other is None else Explainer(_model(other), **options))
    return pair if group is None else Pair(pair.query.group(group), pair.other.group(group))


def explain_matches(
    model: Embedder | str | Path,
    query: Picture,
    gallery: str | Path | Sequence[str | Path],
    *,
    top: int = 5,
    group: int | None = None,
    workers: int = 2,
    progress: bool = False,
    **options: Any,
) -> list[Pair]:
    """The best matches of a picture in a gallery, best first, each explained.

    Args:
        model: a model, or the folder of a run.
        query: a picture; where the gallery holds the same file it is left out.
        gallery: a table, a folder, a zip or a list of pictures.
        top: how many matches.
        group: of a model with groups: search and explain with this group alone.
        options: as those of `explain`.

    Raises:
        KinsightError: nothing is in the gallery, a picture cannot be used, or the model has no such group.
    """
    if top < 1:
        raise KinsightError(f"top {top} is not a number of matches; write 1 or more")
    embedder = _model(model)
    if group is not None:
        check_group(embedder, group)
    table = pictures_table(gallery)
    if isinstance(query, (str, Path)):
        same = str(Path(query).resolve())
        table = table[[str(Path(path).resolve()) != same for path in table["path"]]].reset_index(drop=True)
    if not len(table):
        raise KinsightError("the gallery holds no picture beside the query; give a folder, table or zip with more")
    embeddings = embed(embedder, table["path"].tolist(), workers=workers, progress=progress, group=group)
    asked = embedder.encode(query)  # (1, D)
    if group is not None:
        asked = group_vectors(asked, embedder.groups)[:, group]
    found = neighbours(asked, embeddings.vectors, k=min(top, len(table)))
    explainer = Explainer(embedder, **options)
    views = explainer.views([query, *(embeddings.ids[row] for row in found.indices[0])])
    if group is not None:
        views = [view.group(group) for view in views]
    return [Pair(views[0], view) for view in views[1:]]


def _model(model: Any) -> Any:
    return load(model, device=device()) if isinstance(model, (str, Path)) else model
