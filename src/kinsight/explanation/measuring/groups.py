"""What the groups of a head do: where each looks, how alike they are, and which parts of objects they stand for.

"Attentive Grouping", section 4.4 and Figures 3 to 5; the figures that the paper shows as pictures are measured here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from tqdm import tqdm

from kinsight.errors import KinsightError
from kinsight.evaluation.estimate import Estimate
from kinsight.evaluation.statistics import mean_over_classes
from kinsight.explanation.centres import Centres
from kinsight.explanation.explainer import Explainer, Picture
from kinsight.explanation.measuring.boxes import Window, peak_of
from kinsight.explanation.measuring.localization import Masks
from kinsight.models import Embedding
from kinsight.models.modes import evaluating

LOOKS = ("attention", "response", "contributions")
ELSEWHERE = "elsewhere"
NO_GROUPS = (
    "this model has a single embedding a picture; train one with --model.head attentive, multi-linear, gate or channel and "
    "--model.head.groups 2 or more, or with --model.head relational"
)
REACH = 0.2  # of the longer side of the box: how near a peak must be to a part
Parts = Mapping[str, tuple[float, float]]


@dataclass(frozen=True, eq=False)
class Groups:
    """The P groups of a head on N pictures.

    Attributes:
        vectors: (N, P, d), of length 1.
        looks: (N, P, h, w), where each group looks, as `kind` says.
        kind: "attention" of an attentive head; "response", the weighed channel that says most to a group, of the heads
            that weigh channels; "contributions" of heads that expose nothing.
        contributions: (N, P, h, w), what each place adds to the group's own embedding, as a share of it: c . E / |E|^2. With
            the bias these add up to 1.
        centres: where the places stand in the network's input.
        windows: (N, 4), left, top, right, bottom of what the network saw, in pixels of the upright picture.
        lengths: (N, P), of the groups within the embedding, whose length counts as 1; None: they are all the same.
        relations: (N, P, P), how much each group tells each other one, the source first, of a head that says so.
        assigned: (N,), the group to which such a head assigns each picture.
    """

    vectors: np.ndarray
    looks: np.ndarray
    kind: str
    contributions: np.ndarray
    centres: Centres
    windows: np.ndarray
    lengths: np.ndarray | None = None
    relations: np.ndarray | None = None
    assigned: np.ndarray | None = None

    @property
    def whole(self) -> np.ndarray:
        """(N, P d), the embeddings, of one length."""
        vectors = self.vectors if self.lengths is None else self.vectors * self.lengths[..., None]
        return vectors.reshape(len(vectors), -1)

    @property
    def count(self) -> int:
        """P."""
        return self.vectors.shape[1]

    def strongest(self, group: int, count: int = 12) -> np.ndarray:
        """The rows of the pictures whose map holds the largest single values of this group, the largest first."""
        peaks = self.looks[:, group].max((1, 2))
        return np.argsort(-peaks, kind="stable")[:count]

    @cached_property
    def similarity(self) -> np.ndarray:
        """(P, P), the mean cosine between two groups of the same picture: what the diversity loss keeps small."""
        return np.einsum("npd,nqd->pq", self.vectors, self.vectors, dtype=np.float64) / len(self.vectors)

    @cached_property
    def overlap(self) -> np.ndarray:
        """(P, P), the mean share of what two groups look at that they have in common, 0 to 1; only positive values count."""
        seen = np.maximum(self.looks, 0).reshape(*self.looks.shape[:2], -1).astype(np.float64)  # (N, P, h w)
        total = seen.sum(2, keepdims=True)
        seen = seen / np.where(total > 0, total, 1)
        common = [np.minimum(seen, seen[:, [group]]).sum(2).mean(0) for group in range(self.count)]
        return np.stack(common)

    @cached_property
    def peaks(self) -> np.ndarray:
        """(N, P, 2), where each group looks most, as x, y of the upright picture."""
        found = np.empty((*self.looks.shape[:2], 2))
        for row, maps in enumerate(self.looks):
            window: Window = tuple(self.windows[row].tolist())
            found[row] = [peak_of(values, window, self.centres) for values in maps]
        return found


def read_groups(
    explainer: Explainer, pictures: Sequence[Picture], *, batch_size: int = 16, progress: bool = False
) -> Groups:
    """Pass pictures through a model with groups and keep where each group looks.

    Args:
        explainer: the model.
        pictures: N pictures that give inputs of one size.
        batch_size: pictures at a time.
        progress: show a bar.

    Raises:
        KinsightError: the model's head has no groups, or a picture cannot be used.
    """
    vectors, responses, attention, contributions, windows = [], [], [], [], []
    lengths, relations, assigned = [], [], []
    centres: Centres | None = None
    starts = range(0, len(pictures), batch_size)
    for start in tqdm(starts, unit="batch", desc="groups", disable=None if progress else True):
        some = pictures[start : start + batch_size]
        prepared = [explainer.prepare(picture) for picture in some]
        opened = explainer.opened(prepared)
        found = explainer.contributions(opened)
        if found.groups < 2:
            raise KinsightError(NO_GROUPS)
        with torch.no_grad(), evaluating(*explainer.opening.modules):
            answer = opened.head(opened.feature_map)
        vectors.append(_unit(found.whole.unflatten(1, (found.groups, -1))))  # (n, P, d)
        contributions.append(_own(found.places.unflatten(3, (found.groups, -1)), found.whole))  # (n, P, h, w)
        if not found.unit_groups:
            unit = torch.nn.functional.normalize(found.whole.float(), dim=1).unflatten(1, (found.groups, -1))
            lengths.append(unit.norm(dim=2).cpu().numpy())
        if found.relations is not None:
            relations.append(found.relations.float().cpu().numpy())
        if not found.unit_groups and "assignment" in answer.extras:
            assigned.append(answer.extras["assignment"].cpu().numpy())
        if found.attention is not None:
            attention.append(found.attention.float().cpu().numpy())
        if isinstance(answer, Embedding) and "response" in answer.extras:
            responses.append(answer.extras["response"].float().cpu().numpy())
        centres = opened.centres or Centres.even(prepared[0].size, (found.places.shape[1], found.places.shape[2]))
        windows += [one.window or (0, 0, one.size[1], one.size[0]) for one in prepared]
    if centres is None:
        raise KinsightError("no picture was given, so that there is nothing to look at; give at least one")
    looks, kind = next(
        (maps, kind) for maps, kind in zip((attention, responses, contributions), LOOKS, strict=True) if maps
    )
    return Groups(
        np.concatenate(vectors),
        np.concatenate(looks),
        kind,
        np.concatenate(contributions),
        centres,
        np.array(windows, np.float64),
        *(np.concatenate(each) if each else None for each in (lengths, relations, assigned)),
    )


def _unit(parts: torch.Tensor) -> np.ndarray:
    return torch.nn.functional.normalize(parts.float(), dim=2).cpu().numpy()


def _own(places: torch.Tensor, whole: torch.Tensor) -> np.ndarray:
    """(n, h, w, P, d), (n, P d) -> (n, P, h, w): each place's share of its group's embedding."""
    parts = whole.unflatten(1, places.shape[3:])  # (n, P, d)
    squares = parts.square().sum(2).clamp_min(torch.finfo(parts.dtype).tiny)
    shares = torch.einsum("nhwpd,npd->nphw", places, parts) / squares[:, :, None, None]
    return shares.float().cpu().numpy()


@dataclass(frozen=True, eq=False)
class PartConfusion:
    """Which annotated part each group's peak falls on, over the M of N pictures of which that can be told.

    Attributes:
        parts: the names of the parts, and "elsewhere".
        shares: (P, parts), of these pictures how many have the group's peak there.
        distinct: (M,), on how many different parts the groups of a picture fall, elsewhere not counted.
        labels: (M,), the class of each of these pictures.
        reach: how near a peak must be to a part's point, as a share of the longer side of the object's box; None where part masks
            tell what it lies on.
        measured: (N,), which of all pictures these are.
        fallen: (N, P), the part of each picture and group, as its place in `parts`; -1 where it was not measured.
    """

    parts: list[str]
    shares: np.ndarray
    distinct: np.ndarray
    labels: np.ndarray
    reach: float | None
    measured: np.ndarray
    fallen: np.ndarray

    def at_least(self, count: int) -> Estimate:
        """How many of the pictures have peaks on at least so many different parts, resampled over classes."""
        return mean_over_classes((self.distinct >= count).astype(float), self.labels)


def part_confusion(
    groups: Groups, parts: Sequence[Parts], boxes: np.ndarray, labels: np.ndarray, *, reach: float = REACH
) -> PartConfusion:
    """Hold the peaks of groups against annotated parts: a peak falls on the nearest part within reach, or elsewhere.

    Pictures without a visible part, or without a box, cannot be measured and are left out.

    Args:
        groups: of N pictures.
        parts: for each picture its parts as points x, y of the upright picture; NaN where not visible.
        boxes: (N, 4), the object's box in the same pixels; NaN where there is none.
        labels: (N,).
        reach: as a share of the longer side of the box.

    Raises:
        KinsightError: what was given does not fit, or no picture has both a part and a box.
    """
    boxes = np.asarray(boxes, np.float64)
    if not len(groups.vectors) == len(parts) == len(labels) == len(boxes):
        raise KinsightError(
            f"{len(parts)} parts, {len(boxes)} boxes and {len(labels)} labels do not fit {len(groups.vectors)} pictures; give "
            "one of each for every picture"
        )
    names = sorted({name for each in parts for name, (x, _) in each.items() if not np.isnan(x)})
    visible = np.array([any(not np.isnan(x) for x, _ in each.values()) for each in parts], dtype=bool)
    measured = visible & ~np.isnan(boxes).any(1)  # (N,)
    if not measured.any():
        raise KinsightError("no picture has both a visible part and a box to measure by; give pictures with both")
    fallen = np.full(groups.peaks.shape[:2], -1)  # (N, P)
    fallen[measured] = len(names)
    for row in np.flatnonzero(measured).tolist():
        points = np.array([parts[row].get(name, (np.nan, np.nan)) for name in names])  # (parts, 2)
        far = np.linalg.norm(groups.peaks[row][:, None] - points[None], axis=2)  # (P, parts)
        far = np.where(np.isnan(far), np.inf, far)
        longest = max(boxes[row, 2] - boxes[row, 0], boxes[row, 3] - boxes[row, 1])
        near = far.min(1) <= reach * longest
        fallen[row, near] = far[near].argmin(1)
    return _confusion(names, fallen, measured, labels, reach)


def part_confusion_on_masks(
    groups: Groups, masks: Masks, names: Mapping[int, str], labels: np.ndarray
) -> PartConfusion:
    """Hold the peaks of groups against part masks: a peak falls on the part that its pixel shows, or elsewhere.

    Nothing is in reach of a part that does not lie on it, and no large part is cut to a circle about its centre. Pictures without a
    mask, or with one that shows no part, are left out.

    Args:
        groups: of N pictures.
        masks: for each picture the number of the part at every pixel of the upright picture, (H, W), or None; read one by one.
        names: what the numbers stand for; others are elsewhere.
        labels: (N,).

    Raises:
        KinsightError: what was given does not fit, or no mask shows a part.
    """
    if not len(groups.vectors) == len(masks) == len(labels):
        raise KinsightError(
            f"{len(masks)} masks and {len(labels)} labels do not fit {len(groups.vectors)} pictures; give one of each for every picture"
        )
    parts = sorted(set(names.values()))
    fallen = np.full(groups.peaks.shape[:2], -1)  # (N, P)
    for row in range(len(masks)):
        mask = masks[row]
        if mask is None or not np.isin(mask, list(names)).any():
            continue
        for group, (x, y) in enumerate(groups.peaks[row]):
            # Peaks stay within the picture; its last edge belongs to its last pixel.
            number = int(mask[min(int(y), mask.shape[0] - 1), min(int(x), mask.shape[1] - 1)])
            fallen[row, group] = parts.index(names[number]) if number in names else len(parts)
    measured: np.ndarray = np.all(fallen >= 0, axis=1)  # (N,)
    if not measured.any():
        raise KinsightError("no picture has a mask that shows a part; give pictures with part masks")
    return _confusion(parts, fallen, measured, labels, None)


def _confusion(
    names: list[str], fallen: np.ndarray, measured: np.ndarray, labels: np.ndarray, reach: float | None
) -> PartConfusion:
    shares = np.stack([(fallen[measured] == part).mean(0) for part in range(len(names) + 1)], axis=1)
    distinct = np.array([len(set(row[row < len(names)].tolist())) for row in fallen[measured]])
    return PartConfusion([*names, ELSEWHERE], shares, distinct, np.asarray(labels)[measured], reach, measured, fallen)
