"""Whether a map names the pixels that the similarity of a pair rests on: deletion and insertion curves.

Deletion replaces the query's pixels, most important first, and watches the similarity to the partner fall; insertion
starts from the replaced picture and puts them back (Petsiuk et al., RISE, BMVC 2018, here for pairs). A good map has a
small area under the first curve and a large one under the second. The baseline is a random order of regions as large as a
map's places: maps of random values on the same grid, up-sampled alike, because single random pixels would harm a picture
in quite another way than regions do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from scipy import ndimage
from scipy.integrate import trapezoid
from torch import Tensor

from kinsight.errors import KinsightError
from kinsight.evaluation.estimate import Estimate
from kinsight.evaluation.statistics import mean_over_classes
from kinsight.explanation.centres import Centres
from kinsight.explanation.explainer import Explainer, Picture
from kinsight.explanation.measuring.collection import Collection, embeddings
from kinsight.explanation.measuring.partners import classes_of
from kinsight.explanation.measuring.sanity import SanityCheck
from kinsight.explanation.methods import chosen_methods

Kind = Literal["deletion", "insertion"]
RANDOM = "random order"
BLUR = 0.1  # standard deviation of the blur, as a share of the longer side


@dataclass(frozen=True)
class Faithfulness:
    """Deletion and insertion curves of M pairs.

    Attributes:
        fractions: (S + 1,), the share of the pixels that is replaced (deletion) or put back (insertion), 0 to 1.
        curves: by kind and method (M, S + 1), the similarity of the pair; `random order` is the mean over the random orders.
        labels: (M,), what intervals are drawn over: the class of the query, or the pair itself.
        replacement: what pixels are replaced by.
        pairs: (M, 2), the rows of query and partner, where known.
        sanity: whether maps change when weights are randomised, where that was asked for.
    """

    fractions: np.ndarray
    curves: dict[Kind, dict[str, np.ndarray]]
    labels: np.ndarray
    replacement: str
    pairs: np.ndarray | None = None
    sanity: SanityCheck | None = None

    def areas(self, kind: Kind, method: str) -> np.ndarray:
        """(M,), the area under the curve of each pair: its mean similarity."""
        if method not in self.curves.get(kind, {}):
            raise KinsightError(
                f"{kind} of {method!r} was not measured; write deletion or insertion, and one of {', '.join(self.curves['deletion'])}"
            )
        return trapezoid(self.curves[kind][method], self.fractions, axis=1)

    def area(self, kind: Kind, method: str) -> Estimate:
        """The mean area and its 95 % interval; small is good for deletion, large for insertion."""
        return mean_over_classes(self.areas(kind, method), self.labels)

    def difference(self, kind: Kind, method: str, other: str = RANDOM) -> Estimate:
        """Area of a method less that of another, pair by pair; good is below 0 for deletion, above 0 for insertion."""
        return mean_over_classes(self.areas(kind, method) - self.areas(kind, other), self.labels)

    def rows(self) -> list[dict[str, Any]]:
        """One flat row a method."""
        rows = []
        for method in self.curves["deletion"]:
            row: dict[str, Any] = {"method": method, "pairs": len(self.labels)}
            for kind in self.curves:
                row |= self.area(kind, method).columns(kind)
                row |= self.difference(kind, method).columns(f"{kind}_minus_random")
            rows.append(row)
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, with the mean curves."""
        return {
            "pairs": len(self.labels),
            "replacement": self.replacement,
            "fractions": self.fractions.tolist(),
            "curves": {
                kind: {method: values.mean(0).tolist() for method, values in by_method.items()}
                for kind, by_method in self.curves.items()
            },
            "rows": self.rows(),
            **({"sanity": self.sanity.to_dict()} if self.sanity else {}),
        }


def faithfulness(
    explainer: Explainer,
    pictures: Sequence[Picture],
    pairs: np.ndarray,
    *,
    labels: Sequence[object] | np.ndarray | None = None,
    methods: str | Sequence[str] = "all",
    class_weights: np.ndarray | None = None,
    replacement: str = "blurred",
    steps: int = 16,
    random_orders: int = 3,
    batch_size: int = 16,
    seed: int = 0,
) -> Faithfulness:
    """Draw deletion and insertion curves of pairs by the up-sampled signed maps of each method, the largest values first.

    Every pair passes the network 2 (methods + random_orders) (steps - 1) + 2 times.

    Args:
        explainer: the model.
        pictures: N pictures.
        pairs: (M, 2), rows of query and partner; the query is changed, the partner stays.
        labels: (N,), classes, over which intervals are drawn; None draws them over pairs.
        methods: names out of `METHODS`, or "all".
        class_weights: (M, C), for the method cam.
        replacement: "blurred", or "grey": the mean colour of the preprocessing, which the network sees as 0.
        steps: how many equal portions the pixels are replaced in.
        random_orders: how many random orders the baseline is the mean of.
        batch_size: pictures at a time.
        seed: of random orders, and of the order among equal values.

    Raises:
        KinsightError: what was given does not fit, or a picture cannot be read or explained.
    """
    if replacement not in REPLACEMENTS:
        raise KinsightError(f"replacement {replacement!r} is not known; write one of {', '.join(REPLACEMENTS)}")
    if steps < 2 or random_orders < 1:
        raise KinsightError(
            f"steps {steps} and random_orders {random_orders}: write at least 2 steps and 1 random order"
        )
    chosen = chosen_methods(methods, class_weights=class_weights is not None)
    collection = Collection(explainer, pictures, chosen, batch_size=batch_size)
    pairs = np.asarray(pairs)
    over = classes_of(pairs, labels, len(pictures))
    maps = collection.maps(pairs, class_weights=class_weights)
    grid = next(iter(maps.values())).shape[1:]
    centres = collection.centres or Centres.even(collection.size, grid)
    names = [method.name for method in chosen]
    found: dict[Kind, dict[str, list[np.ndarray]]] = {
        kind: {name: [] for name in (*names, RANDOM)} for kind in ("deletion", "insertion")
    }
    for number, (query, partner) in enumerate(pairs):
        generator = np.random.default_rng([seed, number])
        ties = generator.permutation(collection.size[0] * collection.size[1])
        drawn = [maps[name][number] for name in names] + list(generator.random((random_orders, *grid)))
        ranks = [_ranks(centres.upsample(values), ties) for values in drawn]
        watched = _Watched(explainer, pictures[query], collection.whole[partner], REPLACEMENTS[replacement], batch_size)
        for kind, curves in watched.curves(ranks, steps).items():
            for name, curve in zip(names, curves, strict=False):
                found[kind][name].append(curve)
            found[kind][RANDOM].append(np.mean(curves[len(names) :], axis=0))
    curves_of = {
        kind: {name: np.stack(curves) for name, curves in by_method.items()} for kind, by_method in found.items()
    }
    return Faithfulness(np.linspace(0, 1, steps + 1), curves_of, over, replacement, pairs)


class _Watched:
    """The similarity of one query to its partner while its pixels are exchanged."""

    def __init__(
        self,
        explainer: Explainer,
        picture: Picture,
        partner: np.ndarray,
        replace: Callable[[Tensor], Tensor],
        batch_size: int,
    ) -> None:
        self.explainer = explainer
        self.original = explainer.prepare(picture).tensor  # (3, H, W)
        self.replaced = replace(self.original)  # (3, H, W)
        self.partner = partner.astype(np.float64)
        self.batch_size = batch_size

    def curves(self, ranks: list[np.ndarray], steps: int) -> dict[Kind, list[np.ndarray]]:
        """For each order the similarity after every step, (steps + 1,), by kind."""
        pixels = ranks[0].size
        counts = np.round(np.linspace(0, pixels, steps + 1)[1:-1])
        # Changed pixels: the first ones (deletion), or all but the first ones (insertion).
        changed = [each < count for each in ranks for count in counts] + [
            each >= count for each in ranks for count in counts
        ]
        ends = [np.zeros_like(ranks[0], bool), np.ones_like(ranks[0], bool)]
        values = self._similarities([*ends, *changed])
        untouched, replaced = values[:2]
        inner = values[2:].reshape(2, len(ranks), steps - 1)
        return {
            "deletion": [np.array([untouched, *curve, replaced]) for curve in inner[0]],
            "insertion": [np.array([replaced, *curve, untouched]) for curve in inner[1]],
        }

    def _similarities(self, changed: list[np.ndarray]) -> np.ndarray:
        found = []
        for start in range(0, len(changed), self.batch_size):
            masks = torch.from_numpy(np.stack(changed[start : start + self.batch_size]))[:, None]  # (n, 1, H, W)
            images = torch.where(masks, self.replaced, self.original)  # (n, 3, H, W)
            whole = embeddings(self.explainer, self.explainer.opening(images)).double().cpu().numpy()  # (n, D)
            norms = np.linalg.norm(whole, axis=1) * np.linalg.norm(self.partner)
            # A picture without any content may have an embedding of 0: then it is similar to nothing.
            found.append(whole @ self.partner / np.where(norms > 0, norms, 1))
        return np.concatenate(found)


def _ranks(pixels: np.ndarray, ties: np.ndarray) -> np.ndarray:
    """(H, W), the place of each pixel in the order of falling values; equal ones in a random order, not the reading order."""
    order = np.lexsort((ties, -pixels.ravel()))
    ranks = np.empty(pixels.size, np.int64)
    ranks[order] = np.arange(pixels.size)
    return ranks.reshape(pixels.shape)


def _blurred(image: Tensor) -> Tensor:
    sigma = BLUR * max(image.shape[1:])
    pixels = image.cpu().numpy()
    return torch.from_numpy(ndimage.gaussian_filter(pixels, (0, sigma, sigma), mode="nearest")).to(image)


REPLACEMENTS: dict[str, Callable[[Tensor], Tensor]] = {"blurred": _blurred, "grey": torch.zeros_like}
