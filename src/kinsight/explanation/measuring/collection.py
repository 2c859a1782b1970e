"""Pictures that pass the network once, and their overall maps against each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from kinsight.errors import KinsightError
from kinsight.explanation.centres import Centres
from kinsight.explanation.contributions import Contributions, whole_of
from kinsight.explanation.explainer import Explainer, Picture
from kinsight.explanation.measuring.partners import classes_of
from kinsight.explanation.methods import Batch, Method, Partners, needs_of
from kinsight.explanation.opening import Opened
from kinsight.models.modes import evaluating


class Collection:
    """N pictures of which overall maps are drawn by several methods.

    Every picture passes the network once when the collection is made. The contributions of its places are kept as long as `memory_mb`
    lasts; those of the others are computed again when a map asks for them. Methods of gradients open their pictures again.

    Args:
        explainer: the model.
        pictures: as `Explainer.views` takes them; all give inputs of one size.
        methods: what will be drawn, which decides what is computed.
        batch_size: pictures at a time.
        memory_mb: how much of the contributions is kept.

    Attributes:
        whole: (N, D), the embeddings before normalisation.
        size: height and width of the network's input.
        centres: where the places of the maps stand in it.
        windows: (N, 4), left, top, right, bottom of what the network sees of each picture, in pixels of the upright picture; of a
            preprocessed tensor in its own pixels; NaN where a foreign preprocessing does not say.

    Raises:
        KinsightError: no picture, inputs of several sizes, and all that `Explainer.views` raises.
    """

    def __init__(
        self,
        explainer: Explainer,
        pictures: Sequence[Picture],
        methods: Sequence[Method],
        *,
        batch_size: int = 16,
        memory_mb: float = 1024,
    ) -> None:
        if not len(pictures) or batch_size < 1:
            raise KinsightError(f"{len(pictures)} pictures in batches of {batch_size}; give at least 1 of both")
        self.explainer = explainer
        self.pictures = pictures
        self.methods = list(methods)
        self.batch_size = batch_size
        self._needs = needs_of(methods)
        self._room = memory_mb * 2**20
        self._kept: dict[int, Tensor] = {}
        self.windows = np.full((len(pictures), 4), np.nan)
        self.size: tuple[int, int] = (0, 0)
        self.centres: Centres | None = None
        whole, bias = [], []
        for rows in _batches(np.arange(len(pictures)), batch_size):
            opened = self._open(rows)
            if "contributions" in self._needs:
                found = explainer.contributions(opened)
                self._keep(rows, found.places)
                bias.append(found.bias.cpu())
                whole.append(found.whole.cpu())
            else:
                whole.append(embeddings(explainer, opened).cpu())
        self._whole = torch.cat(whole)  # (N, D)
        self._bias = torch.cat(bias) if bias else None  # (N, D)

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def whole(self) -> np.ndarray:
        return self._whole.numpy()

    def maps(self, pairs: np.ndarray, *, class_weights: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """The overall maps of queries against their partners.

        Args:
            pairs: (M, 2), the rows of each query and its partner.
            class_weights: (M, C), a linear classifier's row for the class of each query; only cam needs it.

        Returns:
            For each method (M, h, w), float64, signed.

        Raises:
            KinsightError: rows that do not exist, weights that do not fit, or an embedding that is zero.
        """
        pairs = np.asarray(pairs)
        classes_of(pairs, None, len(self))  # complains of rows that do not exist
        if class_weights is not None and len(class_weights) != len(pairs):
            raise KinsightError(
                f"{len(class_weights)} class weights do not fit {len(pairs)} pairs; give one row for each"
            )
        drawn: dict[str, list[np.ndarray]] = {method.name: [] for method in self.methods}
        for numbers in _batches(np.arange(len(pairs)), self.batch_size):
            weights = None if class_weights is None else class_weights[numbers]
            batch = self._batch(pairs[numbers, 0], pairs[numbers, 1], weights)
            for method in self.methods:
                drawn[method.name].append(method.maps(batch).detach().double().cpu().numpy())
        return {name: np.concatenate(maps) for name, maps in drawn.items()}

    def _batch(self, queries: np.ndarray, partners: np.ndarray, class_weights: np.ndarray | None) -> Batch:
        opened = self._open(queries) if "opened" in self._needs else None
        device = self._whole.device if opened is None else opened.feature_map.device
        weights = None
        if class_weights is not None and opened is not None:
            weights = torch.as_tensor(class_weights, dtype=opened.feature_map.dtype, device=device)
        theirs = Partners(
            self._whole[partners].to(device),
            None if self._bias is None else self._bias[partners].to(device),
            self._places(partners) if "partner places" in self._needs else None,
        )
        mine = None
        if self._bias is not None:
            places = torch.stack([each.to(device) for each in self._places(queries, opened)])  # (n, h, w, D)
            bias, whole = self._bias[queries].to(device), self._whole[queries].to(device)
            affinity_error = torch.zeros(len(queries))  # it was checked when the pictures first passed
            mine = Contributions(places, bias, whole, affinity_error)
        return Batch(theirs, contributions=mine, opened=opened, class_weights=weights)

    def _places(self, rows: np.ndarray, opened: Opened | None = None) -> list[Tensor]:
        """(h, w, D) of each row: kept, or computed again."""
        fresh: dict[int, Tensor] = {}
        missing = np.array([row for row in dict.fromkeys(rows.tolist()) if row not in self._kept])
        if len(missing):
            found = self.explainer.contributions(opened or self._open(missing))
            fresh = dict(zip(rows.tolist() if opened else missing.tolist(), found.places, strict=True))
        return [self._kept.get(row, fresh.get(row)) for row in rows.tolist()]  # type: ignore[misc]

    def _keep(self, rows: np.ndarray, places: Tensor) -> None:
        bytes_needed = places.numel() * places.element_size()
        if bytes_needed <= self._room:
            self._room -= bytes_needed
            self._kept.update(zip(rows.tolist(), places.cpu(), strict=True))

    def _open(self, rows: np.ndarray) -> Opened:
        prepared = [self.explainer.prepare(self.pictures[row]) for row in rows.tolist()]
        for row, one in zip(rows.tolist(), prepared, strict=True):
            self.size = self.size if any(self.size) else one.size
            if one.size != self.size:
                raise KinsightError(
                    f"picture {row} gives an input of {one.size[0]} x {one.size[1]} pixels, those before {self.size[0]} x "
                    f"{self.size[1]}; give pictures of one size, or a preprocessing that makes them so"
                )
            if one.window is not None:
                self.windows[row] = one.window
            elif isinstance(self.pictures[row], Tensor):
                self.windows[row] = (0, 0, one.size[1], one.size[0])
        opened = self.explainer.opened(prepared)
        self.centres = opened.centres
        return opened


def embeddings(explainer: Explainer, opened: Opened) -> Tensor:
    """The embeddings of pictures at the opening before normalisation, (N, D)."""
    with torch.no_grad(), evaluating(*explainer.opening.modules):
        return whole_of(opened.head(opened.feature_map))


def _batches(rows: np.ndarray, size: int) -> list[np.ndarray]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]
