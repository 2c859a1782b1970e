"""Whether a part in one picture is answered by the same part in the other: point-to-point maps held against annotated parts.

For a pair of pictures of a class and each part visible in both, the partial map of the part's point is drawn on the other
picture. It is right when its peak, refined between the places, lies within alpha x max(box height, box width) of the same
part there: the percentage of correct keypoints, PCK. No paper has this figure; it makes measurable what partial maps are said
to do.

Rows beside the partial map, on the same points:

- overall map: the peak of the other picture's overall map, which knows of no point;
- cosine of centred activations: the peak of the cosines between the feature map at the point and at the other's places, each
  less the mean of its own picture: what the network sees alike, whatever it makes of it;
- same position: the point at the same relative position of the other view;
- nearest place: the centre of the place nearest to the true point, which names the right place and nothing between places;
- chance: the share of the view's pixels that would count as right; chance in the box: of the box's pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from kinsight.errors import KinsightError
from kinsight.evaluation.estimate import Estimate
from kinsight.evaluation.statistics import mean_over_classes
from kinsight.explanation.centres import Centres
from kinsight.explanation.explainer import Explainer, Picture
from kinsight.explanation.measuring.boxes import Window, peak_of, place_in_picture, point_to_input
from kinsight.explanation.measuring.partners import classes_of
from kinsight.explanation.pair import Pair
from kinsight.explanation.view import View

ALPHAS = (0.1, 0.2)
PARTIAL, OVERALL, CENTRED = "partial map", "overall map", "cosine of centred activations"
SAME_POSITION, NEAREST = "same position", "nearest place"
CHANCE, CHANCE_IN_BOX = "chance", "chance in the box"
ROWS = (PARTIAL, OVERALL, CENTRED, SAME_POSITION, NEAREST, CHANCE, CHANCE_IN_BOX)
Parts = Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Correspondence:
    """How often a part is answered by the same part, over M points of pairs.

    Attributes:
        alphas: the radii, as shares of the longer side of the other picture's box.
        right: by row (`ROWS`) an array (M, alphas): 1 where right; of the chances their probability.
        part: (M,), the name of each point's part.
        labels: (M,), the class of each point's pair.
        pairs: (M, 2), rows of the query and the other picture.
        points: (M, 3, 2), x, y in pixels of the upright pictures: the part in the query, the part in the other picture, and where the
            partial map peaks there.
        radii: (M, alphas), what counts as near, in pixels of the other picture.
        out_of_view: points left out because what the network sees does not hold the part in both pictures.
    """

    alphas: tuple[float, ...]
    right: dict[str, np.ndarray]
    part: np.ndarray
    labels: np.ndarray
    pairs: np.ndarray
    points: np.ndarray
    radii: np.ndarray
    out_of_view: int

    def pck(self, row: str, alpha: float, *, part: str | None = None) -> Estimate:
        """The share of right points with its 95 % interval over classes; of one part where named."""
        chosen = self._chosen(part)
        return mean_over_classes(self._column(row, alpha)[chosen], self.labels[chosen])

    def difference(self, row: str, other: str, alpha: float, *, part: str | None = None) -> Estimate:
        """How much more often one row is right than another, on the same points."""
        chosen = self._chosen(part)
        return mean_over_classes((self._column(row, alpha) - self._column(other, alpha))[chosen], self.labels[chosen])

    @cached_property
    def parts(self) -> list[str]:
        """The names of the parts, sorted."""
        return sorted(set(self.part.tolist()))

    def rows(self) -> list[dict[str, Any]]:
        """One flat row for all parts together and one for each part, per alpha."""
        rows = []
        for part in (None, *self.parts):
            for alpha in self.alphas:
                row: dict[str, Any] = {"part": part or "all", "alpha": alpha, "points": int(self._chosen(part).sum())}
                for name in ROWS:
                    row |= self.pck(name, alpha, part=part).columns(name)
                rows.append(row)
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "pairs": len(np.unique(self.pairs, axis=0)),
            "points": len(self.part),
            "classes": len(np.unique(self.labels)),
            "out_of_view": self.out_of_view,
            "partial_minus_overall": {
                f"{alpha:g}": self.difference(PARTIAL, OVERALL, alpha).to_dict() for alpha in self.alphas
            },
            "rows": self.rows(),
        }

    def _column(self, row: str, alpha: float) -> np.ndarray:
        if row not in self.right or alpha not in self.alphas:
            raise KinsightError(
                f"{row!r} at {alpha} was not measured; write one of {', '.join(self.right)}, and one of {list(self.alphas)}"
            )
        return self.right[row][:, self.alphas.index(alpha)]

    def _chosen(self, part: str | None) -> np.ndarray:
        if part is None:
            return np.ones(len(self.part), bool)
        if part not in self.parts:
            raise KinsightError(f"part {part!r} was not measured; write one of {', '.join(self.parts)}")
        return self.part == part


def same_class_pairs(labels: Sequence[object] | np.ndarray, *, per_class: int = 50, seed: int = 0) -> np.ndarray:
    """Ordered pairs of different pictures of a class, drawn from the seed without repetition: rows (M, 2).

    Args:
        labels: (N,).
        per_class: at most so many of each class.

    Raises:
        KinsightError: no class has two pictures.
    """
    labels = np.asarray(labels)
    generator = np.random.default_rng(seed)
    found = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        count = len(members)
        # Numbers of pairs instead of a list of them: classes may be large.
        numbers = generator.choice(count * (count - 1), size=min(per_class, count * (count - 1)), replace=False)
        first, second = np.divmod(numbers, max(count - 1, 1))
        found.append(np.stack([members[first], members[second + (second >= first)]], axis=1))
    pairs = np.concatenate(found) if found else np.empty((0, 2), np.int64)
    if not len(pairs):
        raise KinsightError("no class has two pictures, so that there are no pairs; give more pictures of a class")
    return pairs


def correspondence(
    explainer: Explainer,
    pictures: Sequence[Picture],
    labels: Sequence[object] | np.ndarray,
    parts: Sequence[Parts],
    boxes: np.ndarray | None,
    *,
    pairs: np.ndarray | None = None,
    per_class: int = 50,
    alphas: Sequence[float] = ALPHAS,
    batch_size: int = 16,
    seed: int = 0,
) -> Correspondence:
    """Measure part correspondence over pairs; each picture passes the network once for each class whose pairs it is in.

    Args:
        explainer: the model.
        pictures: N pictures.
        labels: (N,), their classes.
        parts: for each picture its parts as points x, y in pixels of the upright picture; NaN where not visible.
        boxes: (N, 4), left, top, right, bottom in the same pixels; None where pictures are cut to their objects: what the
            network sees then counts as the box.
        pairs: rows (M, 2) of query and other picture; None draws them with `same_class_pairs`.
        per_class: pairs of each class, when they are drawn.
        alphas: radii, as shares of the longer side of the other picture's box.
        batch_size: pictures at a time; the contributions of one class at a time are held.
        seed: of the drawn pairs.

    Raises:
        KinsightError: what was given does not fit, or no part is in view in both pictures of a pair.
    """
    labels = np.asarray(labels)
    given = np.zeros((len(pictures), 4)) if boxes is None else np.asarray(boxes, np.float64)
    if not len(pictures) == len(labels) == len(parts) or given.shape != (len(pictures), 4):
        raise KinsightError(
            f"{len(pictures)} pictures, {len(labels)} labels, {len(parts)} parts and boxes of shape {given.shape} do not fit; give "
            "one of each for every picture"
        )
    if not alphas or min(alphas) <= 0:
        raise KinsightError(f"alphas {list(alphas)} are no shares of a box; give numbers above 0, such as 0.1")
    pairs = same_class_pairs(labels, per_class=per_class, seed=seed) if pairs is None else np.asarray(pairs)
    classes_of(pairs, labels, len(pictures))  # complains of rows that do not exist
    points = _Points(tuple(float(alpha) for alpha in alphas))
    for label in np.unique(labels[pairs[:, 0]]):
        mine = pairs[labels[pairs[:, 0]] == label]
        members = np.unique(mine)
        drawn = explainer.views([pictures[row] for row in members], batch_size=batch_size, activations=True)
        views = dict(zip(members, drawn, strict=True))
        for query, other in mine:
            pair = Pair(views[query], views[other])
            box = np.array(_window(pair.other)) if boxes is None else given[other]
            points.add(pair, (query, other), label, parts[query], parts[other], box)
    return points.result()


class _Points:
    """The measured points, one after the other."""

    def __init__(self, alphas: tuple[float, ...]) -> None:
        self.alphas = alphas
        self.right: dict[str, list[np.ndarray]] = {row: [] for row in ROWS}
        self.about: list[tuple[str, object, tuple[int, int], list[tuple[float, float]], np.ndarray]] = []
        self.out_of_view = 0

    def add(
        self, pair: Pair, rows: tuple[int, int], label: object, query_parts: Parts, parts: Parts, box: np.ndarray
    ) -> None:
        query_window, window = _window(pair.query), _window(pair.other)
        radii = np.array(self.alphas) * max(box[2] - box[0], box[3] - box[1])  # (alphas,)
        if not np.isfinite(radii).all():
            raise KinsightError(
                f"picture {rows[1]} has parts but no box, which the radius is measured by; give boxes for all pictures"
            )
        centres = pair.other.drawn_at
        overall = peak_of(pair.overall("other"), window, centres)
        pixels = _pixel_centres(pair.other)  # (H, 1), (1, W)
        in_box = (pixels[0] >= box[1]) & (pixels[0] < box[3]) & (pixels[1] >= box[0]) & (pixels[1] < box[2])
        for part, (x, y) in query_parts.items():
            truth = parts.get(part, (np.nan, np.nan))
            if np.isnan([x, y, *truth]).any():
                continue
            if not (_holds(query_window, x, y) and _holds(window, *truth)):
                self.out_of_view += 1
                continue
            column, row = point_to_input(x, y, query_window, pair.query.size)
            partial = pair.point("query", row - 0.5, column - 0.5)
            across, down = (column / pair.query.size[1], row / pair.query.size[0])
            guesses = {
                PARTIAL: peak_of(partial, window, centres),
                OVERALL: overall,
                CENTRED: peak_of(_likeness(pair, row - 0.5, column - 0.5), window, centres),
                SAME_POSITION: (
                    window[0] + across * (window[2] - window[0]),
                    window[1] + down * (window[3] - window[1]),
                ),
                NEAREST: _nearest(truth, window, centres),
            }
            for name, guess in guesses.items():
                self.right[name].append((np.hypot(guess[0] - truth[0], guess[1] - truth[1]) <= radii).astype(float))
            squares = (pixels[0] - truth[1]) ** 2 + (pixels[1] - truth[0]) ** 2  # (H, W)
            near = [squares <= radius**2 for radius in radii]
            self.right[CHANCE].append(np.array([each.mean() for each in near]))
            self.right[CHANCE_IN_BOX].append(np.array([each[in_box].mean() if in_box.any() else 0.0 for each in near]))
            self.about.append((part, label, rows, [(x, y), truth, guesses[PARTIAL]], radii))

    def result(self) -> Correspondence:
        if not self.about:
            raise KinsightError(
                "no part is visible in both pictures of any pair; give more pairs, or parts that are annotated"
            )
        part, labels, pairs, points, radii = map(np.array, zip(*self.about, strict=True))
        right = {row: np.stack(values) for row, values in self.right.items()}
        return Correspondence(self.alphas, right, part, labels, pairs, points, radii, self.out_of_view)


def _likeness(pair: Pair, y: float, x: float) -> np.ndarray:
    """(h', w'), the cosines of the query's centred activations at a pixel and those of the other picture's places."""
    mine, yours = (_centred(view) for view in (pair.query, pair.other))
    at = np.tensordot(pair.query.drawn_at.weights(y, x), mine, 2)  # (C,)
    lengths = np.linalg.norm(at) * np.linalg.norm(yours, axis=2)  # (h', w')
    return yours @ at / np.where(lengths > 0, lengths, 1)


def _centred(view: View) -> np.ndarray:
    assert view.activations is not None  # asked for above
    return view.activations - view.activations.mean((0, 1), dtype=np.float64)  # (h, w, C)


def _window(view: View) -> Window:
    if view.window is not None:
        return view.window
    return (0.0, 0.0, float(view.size[1]), float(view.size[0]))


def _pixel_centres(view: View) -> tuple[np.ndarray, np.ndarray]:
    left, top, right, bottom = _window(view)
    height, width = view.size
    rows = top + (np.arange(height) + 0.5) / height * (bottom - top)
    columns = left + (np.arange(width) + 0.5) / width * (right - left)
    return rows[:, None], columns[None]


def _nearest(point: tuple[float, float], window: Window, centres: Centres) -> tuple[float, float]:
    column, row = point_to_input(*point, window, (centres.rows.pixels, centres.columns.pixels))
    return place_in_picture(*centres.nearest(row - 0.5, column - 0.5), window, centres)


def _holds(window: Window, x: float, y: float) -> bool:
    return window[0] <= x <= window[2] and window[1] <= y <= window[3]
