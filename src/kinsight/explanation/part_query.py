"""Asking with a part of a picture, and where another one answers ("Interactive retrieval" of Visual Explanation).

    f_R = sum_ij w_ij p_ij,    p_ij = c_ij + b / hw,    cos(f_R, E_r) = sum_xy f_R . p_r,xy / |f_R| |E_r|

The weights w say how much each place belongs to the regions. The paper leaves the bias b out of the query. Here every place takes an equal
share of it by default: regions that make up a picture then add up to its embedding, and the answers of places to the score, exactly. It
also matters where what a head adds belongs to what it multiplies, as in a batch norm, which subtracts a mean: without its share every
region of every picture would look like that mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy import ndimage

from kinsight.errors import KinsightError
from kinsight.explanation.peaks import Place
from kinsight.explanation.regions import Region, place_weights
from kinsight.explanation.view import View
from kinsight.explanation.window import to_picture

Bias = Literal["shared", "none"]
HALF = 0.5  # of the highest value: what belongs to the answer
_TOUCHING = np.ones((3, 3))


def part_vector(view: View, regions: Sequence[Region] = (), *, bias: Bias = "shared") -> np.ndarray:
    """What a picture is searched with: the sum over its regions, or its embedding where there are none. float64 (D,), not normalized.

    Args:
        regions: what counts, and with negative weights what must not (see `place_weights`).
        bias: what of the embedding's bias belongs to a region: the share of its places, or "none" of it as in the paper.

    Raises:
        KinsightError: a region cannot be used, or its places contribute nothing.
    """
    if bias not in ("shared", "none"):
        raise KinsightError(f"bias {bias!r} is not known; write shared or none")
    if not regions:
        return view.whole.astype(np.float64)
    weights = place_weights(view, regions)
    vector = np.tensordot(weights, view.places.astype(np.float64), 2)  # (D,)
    if bias == "shared":
        vector = vector + weights.mean() * view.bias.astype(np.float64)
    if not np.linalg.norm(vector) > 1e-9 * np.linalg.norm(view.whole.astype(np.float64)):
        raise KinsightError("the places of this region contribute nothing to the embedding; choose a larger region")
    return vector


def answers(vector: np.ndarray, view: View, *, bias: Bias = "shared") -> np.ndarray:
    """What each place of a picture answers to a query, (h, w), as parts of their cosine.

    With shared bias the answers add up to the cosine of the query and the picture's embedding.

    Raises:
        KinsightError: the query is of another space, or one of the two is zero.
    """
    if vector.shape != view.whole.shape:
        raise KinsightError(
            f"the query has {len(vector)} dimensions and the picture's embedding {len(view.whole)}; give two of one model"
        )
    lengths = np.linalg.norm(vector) * np.linalg.norm(view.whole.astype(np.float64))
    if not lengths > 0:
        raise KinsightError("an embedding is zero, so that it has no direction; look whether the model has collapsed")
    return own_places(view, bias=bias) @ vector / lengths


def own_places(view: View, *, bias: Bias = "shared") -> np.ndarray:
    """What each place says, with its share of the bias; with it they add up to the embedding. float64 (h, w, D)"""
    places = view.places.astype(np.float64)
    if bias == "none":
        return places
    return places + view.bias.astype(np.float64) / (places.shape[0] * places.shape[1])


def answering_box(
    values: np.ndarray, view: View, *, level: float = HALF, floor: float = 0.0
) -> tuple[float, float, float, float] | None:
    """The box round the strongest answer: left, top, right, bottom in pixels of the upright picture.

    It is the tight box of the connected part of the map, drawn out to pixels, that holds its highest value and stays at `level` of it or
    above; None where no place answers.

    Args:
        values: (h, w), of `answers`.
        floor: the value that levels are counted from. Cosines of places need one: all places of a picture are alike, so that most of them
            stay above half of the highest.
    """
    pixels = view.drawn_at.upsample(values)  # (H, W)
    highest = pixels.max()
    if not highest > 0:
        return None
    numbers, _ = ndimage.label(pixels >= floor + level * (highest - floor), structure=_TOUCHING)
    peak: Place = np.unravel_index(int(pixels.argmax()), pixels.shape)  # type: ignore[assignment]
    inside = numbers == numbers[peak]
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    box = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float64)
    height, width = view.size
    found = to_picture(box, view.window or (0.0, 0.0, float(width), float(height)), view.size)
    left, top, right, bottom = found.tolist()
    return left, top, right, bottom
