"""A model with which pictures and pairs are explained; no picture passes its trunk twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from kinsight.errors import KinsightError
from kinsight.explanation.contributions import Contributions, contributions
from kinsight.explanation.layout import Layout
from kinsight.explanation.opening import Opened, Opening, open_model
from kinsight.explanation.pair import Pair
from kinsight.explanation.stages import Stage, automatic_stage
from kinsight.explanation.view import View
from kinsight.models import Embedder, TwoStreams
from kinsight.pictures import Preprocessing
from kinsight.pictures.decoding import Box, open_picture

Picture = str | Path | Image.Image | np.ndarray | Tensor
TOLERATED = 0.01
SHOWN = 512  # pixels of the longer side of a picture that is kept for display


class Explainer:
    """Explains pictures and pairs with one model.

    Args:
        model: an Embedder, a pair (trunk, head) of callables, or a torch module together with `layer`.
        layer: the layer at which a module is opened.
        stage: of an Embedder: how many stages below its last map; finer maps, exact too. "auto": one below a last map smaller
            than 7 x 7, where that is exact.
        gates: "declared" or "standard", see `contributions`.
        chunk: places computed at a time; bounds the memory.
        layout: the axes of the map where they cannot be guessed.
        preprocessing: what a foreign model is fed with; without it pictures must be tensors that are preprocessed already.
        tolerance: the largest affinity error that is let pass; maps that are further off are refused.

    Raises:
        KinsightError: the model cannot be opened there.
    """

    def __init__(
        self,
        model: Any,
        *,
        layer: str | None = None,
        stage: Stage = 0,
        gates: str = "declared",
        chunk: int = 64,
        layout: Layout | None = None,
        preprocessing: Preprocessing | Callable[[Image.Image], Tensor] | None = None,
        tolerance: float = TOLERATED,
    ) -> None:
        if isinstance(model, TwoStreams):
            one, other = model.names
            raise KinsightError(
                f"a model of two streams is explained by an explainer each: Explainer(model.stream({one!r})) and {other!r} likewise; "
                "`explain` makes both"
            )
        if stage == "auto":
            stage = 0 if layer is not None else automatic_stage(model, gates=gates, tolerance=tolerance)
        self.stage: int = stage
        self.opening: Opening = open_model(model, layer=layer, stage=stage, layout=layout)
        self.preprocessing = model.preprocessing if isinstance(model, Embedder) else preprocessing
        self.shares = model.subspace_shares if isinstance(model, Embedder) else None
        self.gates = gates
        self.chunk = chunk
        self.tolerance = tolerance

    def views(
        self,
        pictures: Sequence[Picture],
        *,
        boxes: Sequence[Box | None] | None = None,
        batch_size: int = 16,
        activations: bool = False,
    ) -> list[View]:
        """The contributions of pictures, each of which passes the network once.

        Args:
            pictures: paths, PIL pictures, uint8 arrays, or preprocessed tensors (3, H, W).
            boxes: the part of each picture that is meant, in pixels of the upright picture, half open.
            batch_size: pictures at a time, all of one size.
            activations: keep the feature map, too.

        Raises:
            KinsightError: a picture cannot be read or has a size that the model cannot take, or the head is not affine
                with its gates frozen.
        """
        if boxes is not None and len(boxes) != len(pictures):
            raise KinsightError(
                f"{len(boxes)} boxes were given for {len(pictures)} pictures; give one each, or None for it"
            )
        found: list[View] = []
        for start in range(0, len(pictures), batch_size):
            rows = range(start, min(start + batch_size, len(pictures)))
            batch = [self.prepare(pictures[row], boxes[row] if boxes else None) for row in rows]
            found += self._explain(batch, activations)
        return found

    def pair(self, query: Picture, other: Picture, *, by: Explainer | None = None) -> Pair:
        """Explain a pair; `by` explains the other picture where it has a stream of its own."""
        return Pair(self.views([query])[0], (by or self).views([other])[0])

    def prepare(self, picture: Picture, box: Box | None = None) -> Prepared:
        """One picture as the network takes it: its tensor, size and window."""
        if isinstance(picture, Tensor):
            return _from_tensor(picture)
        if self.preprocessing is None:
            raise KinsightError(
                f"{_name(picture) or 'a picture'} was given to a foreign model without preprocessing; give "
                "preprocessing=, or the preprocessed tensors (3, H, W) themselves"
            )
        opened = open_picture(picture, box=box)
        if not isinstance(self.preprocessing, Preprocessing):
            # What it cuts away is not known, so what is shown is its result.
            return replace(_from_tensor(self.preprocessing(opened)), name=_name(picture))
        left, top, right, bottom = self.preprocessing.window(opened.height, opened.width)
        shown = _shown(opened.crop((round(left), round(top), round(right), round(bottom))))
        x, y = (max(box[0], 0), max(box[1], 0)) if box else (0, 0)
        window = (left + x, top + y, right + x, bottom + y)
        upright = None if box else (opened.height, opened.width)
        return Prepared(self.preprocessing.transform()(opened), np.asarray(shown), _name(picture), window, upright)

    def opened(self, batch: Sequence[Prepared]) -> Opened:
        """Prepared pictures of one size at the opening."""
        shapes = {tuple(one.tensor.shape) for one in batch}
        if len(shapes) > 1:
            given = ", ".join(map(str, sorted(shapes)))
            raise KinsightError(f"pictures of different sizes ({given}) cannot pass together; use batch_size=1")
        with _fitting(f"the model cannot take pictures of {'x'.join(map(str, batch[0].size))} pixels"):
            return self.opening(torch.stack([one.tensor for one in batch]))

    def contributions(self, opened: Opened) -> Contributions:
        """The contributions of pictures at the opening, refused as in `views` where they would be wrong."""
        with _fitting(f"the head cannot take a feature map of {tuple(opened.feature_map.shape)}"):
            found = contributions(
                opened.head, opened.feature_map, layout=opened.layout, gates=self.gates, chunk=self.chunk
            )
        self._check(found.affinity_error)
        return found

    def _explain(self, batch: list[Prepared], activations: bool) -> list[View]:
        opened = self.opened(batch)
        found = self.contributions(opened)
        places, bias, whole = (_array(values) for values in (found.places, found.bias, found.whole))
        errors = found.affinity_error.tolist()
        attention = None if found.attention is None else _array(found.attention)  # (N, P, h, w)
        relations = None if found.relations is None else _array(found.relations)  # (N, P, P)
        seen = _array(opened.layout.places(opened.feature_map)) if activations else None  # (N, h, w, C)
        shares = None if self.shares is None else _array(self.shares)  # (K, D)
        return [
            View(
                places[n],
                bias[n],
                whole[n],
                one.size,
                errors[n],
                one.picture,
                one.name,
                one.window,
                opened.centres,
                found.groups,
                None if attention is None else attention[n],
                None if seen is None else seen[n],
                self.stage,
                subspaces=shares,
                relations=None if relations is None else relations[n],
                unit_groups=found.unit_groups,
                upright=one.upright,
            )
            for n, one in enumerate(batch)
        ]

    def _check(self, errors: Tensor) -> None:
        worst = float(errors.max())
        if not worst <= self.tolerance:
            raise KinsightError(
                f"the head is not affine with its gates held fixed: its maps would be off by about {worst:.2g} of the "
                f"embedding (affinity error; {self.tolerance:g} is let pass); declare its gates with kinsight.gate, give "
                "gates='standard' for smooth activations, attention and normalisations, or a larger tolerance to see "
                "the maps all the same"
            )


@contextmanager
def _fitting(refusal: str) -> Iterator[None]:
    """Networks say in many ways that a size does not suit them."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, ValueError, AssertionError, IndexError) as problem:
        reason = (str(problem).strip() or type(problem).__name__).splitlines()[0]
        raise KinsightError(f"{refusal} ({reason}); give pictures of the size it was built for") from problem


@dataclass(frozen=True)
class Prepared:
    """One picture ready for the network, and what is shown of it.

    Attributes:
        tensor: (3, H, W).
        picture: (H, W, 3) uint8.
        name: where it comes from, if known.
        window: left, top, right, bottom of what the network sees, in pixels of the upright picture, where known.
        upright: height and width of the whole upright picture, where known.
    """

    tensor: Tensor
    picture: np.ndarray
    name: str
    window: tuple[float, float, float, float] | None
    upright: tuple[int, int] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """H, W."""
        return self.tensor.shape[1], self.tensor.shape[2]


def _from_tensor(tensor: Tensor) -> Prepared:
    if tensor.ndim == 4 and len(tensor) == 1:
        tensor = tensor[0]
    if tensor.ndim != 3 or not tensor.is_floating_point():
        raise KinsightError(
            f"a {tensor.dtype} tensor of shape {tuple(tensor.shape)} is not a preprocessed picture; give floats (3, H, W)"
        )
    low, high = tensor.amin(), tensor.amax()
    scaled = (tensor - low) / (high - low).clamp_min(1e-12) * 255
    shown = scaled.round().to(torch.uint8)[:3].movedim(0, -1).cpu().numpy()
    return Prepared(tensor, shown if shown.shape[2] == 3 else shown[..., :1].repeat(3, 2), "", None)


def _array(values: Tensor) -> np.ndarray:
    # numpy has no bfloat16
    return values.to("cpu", torch.promote_types(values.dtype, torch.float32)).numpy()


def _shown(picture: Image.Image) -> Image.Image:
    small = picture.copy()
    small.thumbnail((SHOWN, SHOWN), Image.Resampling.LANCZOS)
    return small


def _name(picture: Picture) -> str:
    return str(picture) if isinstance(picture, (str, Path)) else ""
