"""How well maps find the object: the weakly supervised protocol (Visual Explanation, section 4.1) and figures without a threshold.

A map is up-sampled to the network's input; its box is the tight one round the largest connected component above a share
of the maximum, and is right when it overlaps with the true one by IoU >= 0.5, in pixels of the upright picture. Which
share is best differs between methods by a factor of 4, so the whole curve belongs to a result, and one number needs a
choice:

- held out (ours): the classes are halved, every second one in sorted order; the best threshold of each half is applied to
  the other half, so that every picture counts once, at a threshold that its class had no part in;
- same pictures (the paper's): the best threshold is taken from the pictures that are reported, which flatters every method.

Without a threshold: the share of the map's positive part inside the box or mask, and whether its peak lies inside (the
pointing game, without the tolerance of 15 pixels that others allow).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from kinsight.errors import KinsightError
from kinsight.explanation.centres import Centres
from kinsight.explanation.explainer import Explainer, Picture
from kinsight.explanation.measuring.boxes import (
    CONNECTIVITY,
    Window,
    component_boxes,
    coverage,
    mask_on_input,
    overlaps,
    peak_of,
    point_to_input,
    to_input,
    to_picture,
)
from kinsight.explanation.measuring.collection import Collection
from kinsight.explanation.measuring.drawing import CENTRED, drawing_of
from kinsight.explanation.measuring.localization_result import Localization, Scores
from kinsight.explanation.measuring.partners import BEST, choose_partners
from kinsight.explanation.methods import chosen_methods

THRESHOLDS = (0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
WHOLE, CENTRE = "whole picture", "centre"


class Masks(Protocol):
    """A sequence of masks, True where the object is, or None; it may read them one by one."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> np.ndarray | None: ...


def localize(
    explainer: Explainer,
    pictures: Sequence[Picture],
    labels: Sequence[object] | np.ndarray,
    boxes: np.ndarray,
    masks: Masks | None = None,
    *,
    partners: str | np.ndarray = BEST,
    methods: str | Sequence[str] = "all",
    class_weights: np.ndarray | None = None,
    thresholds: Sequence[float] = THRESHOLDS,
    iou: float = 0.5,
    connectivity: int = 8,
    batch_size: int = 16,
    memory_mb: float = 1024,
    seed: int = 0,
    drawing: str = CENTRED,
) -> Localization:
    """Draw the overall map of every picture against its partner by each method, and hold it against box and mask.

    Args:
        explainer: the model.
        pictures: N pictures, whole; those without a box serve as partners only.
        labels: (N,), their classes.
        boxes: (N, 4), left, top, right, bottom in pixels of the upright picture; NaN for none.
        masks: for each picture True where the object is, as high and wide as the upright picture, or None. A sequence that reads its masks
            one by one is asked for one at a time.
        partners: "best match", "itself", "random same class", or rows (N,).
        methods: names out of `METHODS`, or "all".
        class_weights: (N, C), a linear classifier's row for the class of each picture, for the method cam.
        thresholds: shares of the map's maximum.
        iou: the overlap that counts as right.
        connectivity: 4 or 8 neighbours make a component.
        batch_size: pictures at a time.
        memory_mb: how much of the contributions is kept between choosing partners and drawing.
        seed: of random partners.
        drawing: a name out of `DRAWINGS`: `centred` draws places where they look; `even` in the middle of their cells; `clipped` sets
            negative values to 0 before the map is drawn out and not after; `even-clipped` does both, as the paper's authors.

    Raises:
        KinsightError: what was given does not fit, a picture cannot be read or explained, or no picture has a box.
    """
    chosen = chosen_methods(methods, class_weights=class_weights is not None)
    labels = np.asarray(labels)
    rows = _check(len(pictures), labels, boxes, masks, class_weights)
    _check_protocol(thresholds, iou, connectivity)
    drawing_of(drawing)
    nearest = isinstance(partners, str) and partners == BEST
    # Whatever can be refused is refused before the pictures pass the network.
    partner = None if nearest else choose_partners(partners, np.empty((0, 0)), labels, seed=seed)
    collection = Collection(explainer, pictures, chosen, batch_size=batch_size, memory_mb=memory_mb)
    partner = choose_partners(BEST, collection.whole, labels) if partner is None else partner
    weights = None if class_weights is None else np.asarray(class_weights)[rows]
    pairs = np.stack([rows, partner[rows]], axis=1)  # (N, 2)
    maps = collection.maps(pairs, class_weights=weights)
    found = score_maps(
        maps,
        size=collection.size,
        windows=collection.windows[rows],
        labels=labels[rows],
        boxes=np.asarray(boxes)[rows],
        masks=None if masks is None else _Chosen(masks, rows),
        thresholds=thresholds,
        iou=iou,
        connectivity=connectivity,
        partners=partners if isinstance(partners, str) else "given",
        centres=collection.centres,
        drawing=drawing,
    )
    return replace(found, pairs=pairs)


def score_maps(
    maps: dict[str, np.ndarray],
    *,
    size: tuple[int, int],
    windows: np.ndarray,
    labels: np.ndarray,
    boxes: np.ndarray,
    masks: Masks | None = None,
    thresholds: Sequence[float] = THRESHOLDS,
    iou: float = 0.5,
    connectivity: int = 8,
    partners: str = "given",
    centres: Centres | None = None,
    drawing: str = CENTRED,
) -> Localization:
    """Hold maps, however they were drawn, against boxes and masks.

    Two rows come along that look at no picture: `whole picture`, whose box is all that the network sees, and `centre`, a pyramid about
    the centre, whose thresholds are centred boxes of several sizes, chosen as those of the methods are.

    Args:
        maps: for each method (N, h, w), signed; negative values count as 0.
        size: height and width of the network's input.
        windows: (N, 4), what the network saw of each picture, in pixels of the upright picture.
        labels, boxes, masks, thresholds, iou, connectivity: as in `localize`; every picture has a box.
        partners: how the partners were chosen, for the record.
        centres: where the places of the maps stand in the network's input; None puts each in the middle of its cell.
        drawing: as in `localize`.

    Raises:
        KinsightError: what was given does not fit.
    """
    thresholds = _check_protocol(thresholds, iou, connectivity)
    if np.isnan(windows).any():
        raise KinsightError(
            "what the network sees of a picture is not known for a foreign preprocessing, so that boxes cannot be compared; give a "
            "kinsight Preprocessing, or preprocessed tensors with boxes in their pixels"
        )
    names = [*maps, WHOLE, CENTRE]
    scores = {name: Scores.empty(len(labels), len(thresholds)) for name in names}
    fixed = {WHOLE: np.ones(size), CENTRE: _pyramid(size)}
    cut = {name: component_boxes(pixels, thresholds, connectivity) for name, pixels in fixed.items()}
    grid = next((values.shape[1:] for values in maps.values()), (1, 1))
    drawn = drawing_of(drawing)
    centres = drawn.centres(centres, size, grid)
    for row in range(len(labels)):
        window: Window = tuple(windows[row].tolist())
        truth = _Truth(boxes[row], None if masks is None else masks[row], window, size, row)
        for name, values in maps.items():
            pixels = drawn.positive(values[row], centres)  # (H, W)
            found = component_boxes(pixels, thresholds, connectivity)
            _note(scores[name], row, truth, pixels, found, peak_of(values[row], window, centres))
        for name, pixels in fixed.items():
            middle = ((window[0] + window[2]) / 2, (window[1] + window[3]) / 2)
            _note(scores[name], row, truth, pixels, cut[name], middle)
    # A constant map has no peak: what it is worth in the pointing game is the chance that any pixel lies inside.
    scores[WHOLE].box_peak[:] = scores[WHOLE].box_energy
    scores[WHOLE].mask_peak[:] = scores[WHOLE].mask_energy
    return Localization(scores, labels, thresholds, iou, connectivity, partners, drawing, truths=boxes)


class _Truth:
    """The object of one picture, in pixels of the upright picture and of the network's input."""

    def __init__(
        self, box: np.ndarray, mask: np.ndarray | None, window: Window, size: tuple[int, int], row: int
    ) -> None:
        self.box, self.window, self.size = np.asarray(box, np.float64), window, size
        self.inside_box = coverage(to_input(self.box, window, size), size)  # (H, W)
        self.mask = None if mask is None else np.asarray(mask)
        if self.mask is not None and (self.mask.ndim != 2 or self.mask.dtype != bool):
            raise KinsightError(
                f"mask {row} is of type {self.mask.dtype} and shape {self.mask.shape}; give (H, W) that is True where the object is"
            )
        if self.mask is not None and (window[2] > self.mask.shape[1] + 0.5 or window[3] > self.mask.shape[0] + 0.5):
            raise KinsightError(
                f"mask {row} of {self.mask.shape[0]} x {self.mask.shape[1]} pixels is smaller than its picture; give masks in pixels of "
                "the upright picture"
            )
        self.inside_mask = None if self.mask is None else mask_on_input(self.mask, window, size)  # (H, W)

    def box_holds(self, x: float, y: float) -> bool:
        return bool(self.box[0] <= x < self.box[2] and self.box[1] <= y < self.box[3])

    def mask_holds(self, x: float, y: float) -> bool:
        column, row = point_to_input(x, y, self.window, self.size)
        return self.inside_mask is not None and bool(
            self.inside_mask[min(int(row), self.size[0] - 1), min(int(column), self.size[1] - 1)]
        )


def _note(
    scores: Scores, row: int, truth: _Truth, pixels: np.ndarray, found: np.ndarray, peak: tuple[float, float]
) -> None:
    total = float(pixels.sum())
    boxes = to_picture(found, truth.window, truth.size)  # (T, 4)
    if scores.boxes is not None:
        scores.boxes[row] = boxes
    scores.overlaps[row] = overlaps(boxes, truth.box)
    # A map without a positive value does not say where the object is: it gets nothing.
    heard = total > 0
    scores.silent[row] = not heard
    scores.box_energy[row] = (pixels * truth.inside_box).sum() / total if heard else 0
    scores.box_peak[row] = heard and truth.box_holds(*peak)
    if truth.inside_mask is not None:
        scores.mask_energy[row] = pixels[truth.inside_mask].sum() / total if heard else 0
        scores.mask_peak[row] = heard and truth.mask_holds(*peak)


@dataclass(frozen=True)
class _Chosen:
    """Some rows of a sequence, read one by one."""

    items: Masks
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> np.ndarray | None:
        return self.items[int(self.rows[index])]


def _pyramid(size: tuple[int, int]) -> np.ndarray:
    """(H, W): 1 in the centre, 0 at the border; above a threshold t lies the centred box of side 1 - t."""
    down, across = (np.abs(2 * (np.arange(pixels) + 0.5) / pixels - 1) for pixels in size)
    return 1 - np.maximum(down[:, None], across[None])


def _check(
    count: int,
    labels: np.ndarray,
    boxes: np.ndarray,
    masks: Masks | None,
    class_weights: np.ndarray | None,
) -> np.ndarray:
    """The rows that have a box."""
    given = np.asarray(boxes, np.float64)
    lengths = {"labels": len(labels), "boxes": len(given)}
    lengths |= {} if masks is None else {"masks": len(masks)}
    lengths |= {} if class_weights is None else {"class_weights": len(class_weights)}
    for name, length in lengths.items():
        if length != count:
            raise KinsightError(f"{length} {name} do not fit {count} pictures; give one for each")
    if given.shape != (count, 4):
        raise KinsightError(f"boxes of shape {given.shape} are none; give left, top, right, bottom for each picture")
    rows = np.flatnonzero(~np.isnan(given).any(1))
    if not len(rows):
        raise KinsightError("no picture has a box, so that nothing can be held against the maps; give boxes")
    wrong = rows[(given[rows, 2:] <= given[rows, :2]).any(1)]
    if len(wrong):
        raise KinsightError(f"box {wrong[0]}, {given[wrong[0]].tolist()}, is empty; give left < right and top < bottom")
    return rows


def _check_protocol(thresholds: Sequence[float], iou: float, connectivity: int) -> tuple[float, ...]:
    values = tuple(float(value) for value in thresholds)
    if not values or not all(0 < value <= 1 for value in values) or list(values) != sorted(set(values)):
        raise KinsightError(
            f"thresholds {list(values)} are not rising shares of the maximum; give numbers above 0 up to 1"
        )
    if not 0 < iou <= 1 or connectivity not in CONNECTIVITY:
        raise KinsightError(
            f"iou {iou} and connectivity {connectivity}: give an overlap above 0 up to 1, and 4 or 8 neighbours"
        )
    return values
