"""Local projections that share one space ("Coordinated Local Metric Learning", Saxena and Verbeek, ICCV workshops 2015).

In the form in which "Improving Deep Metric Learning by Divide and Conquer" (appendix C.3) compares with it: behind a trunk that trains,
too.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from kinsight.errors import KinsightError
from kinsight.models.embedding import Embedding, Kind
from kinsight.models.gates import gate
from kinsight.models.pooling import MAP, VECTORS, make_pooling, pooled_channels

VARIANCE_FLOOR = 1e-3
"""Added to variances, as a share of the mean variance of the projected vectors: no component closes in on a few pictures."""


class CoordinatedHead(nn.Module):
    """Pooling, a principal component analysis, a mixture of Gaussians in it, and a linear map for each of its components:

        z = V (pooled - m),    embedding = sum_k p(k | z) (L_k z + b_k)

    V, m and the mixture are fitted to the training pictures before the first step and stay; L_k and b_k train, with the trunk, and
    the soft assignments p(k | z) pass their gradient on to it. All L_k begin as the same part of the identity, so that the embedding
    begins as that of the leading principal components, whatever the assignments are. With the assignments held fixed (they are gates)
    the head is affine in the map. Not fitted yet, it takes random orthogonal directions for V and one Gaussian for all components.

    Extras: `assignment` (N, K), p(k | z).

    Args:
        channels: C of the feature map.
        map_size: height and width of the feature map.
        dim: D, the length of the embedding.
        components: K.
        projected: d, the numbers of z; null: D, or C' where that is less.
        pooling: as of the linear head.
        dropout: probability with which pooled values are dropped in training.

    Attributes:
        dim: D.
        reads: what of the map it needs, as of the linear head.
        pictures_to_fit: how many pictures the head must be fitted to at least.

    Raises:
        KinsightError: an option has a value that is not allowed.
    """

    kind: Kind = "single"
    parts = 1

    directions: Tensor
    centre: Tensor
    means: Tensor
    precisions: Tensor
    priors: Tensor

    def __init__(
        self,
        channels: int,
        map_size: tuple[int, int],
        *,
        dim: int = 512,
        components: int = 4,
        projected: int | None = None,
        pooling: str = "avg",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.pooling = make_pooling(pooling, map_size=map_size)
        self.reads = pooling if pooling in VECTORS else MAP
        width = pooled_channels(pooling, channels, map_size)
        _check(width, dim, components, projected, dropout)
        between = min(dim, width) if projected is None else projected
        self.dropout = nn.Dropout(dropout)
        self.dim = dim
        self.pictures_to_fit = max(components, between)
        self.register_buffer("directions", nn.init.orthogonal_(torch.empty(between, width)))  # V, (d, C')
        self.register_buffer("centre", torch.zeros(width))  # m
        self.register_buffer("means", torch.zeros(components, between))
        self.register_buffer("precisions", torch.ones(components, between))  # 1 / variance, a number each
        self.register_buffer("priors", torch.full((components,), 1 / components))
        self.projections = nn.Parameter(self._first())  # L, (K, D, d)
        self.biases = nn.Parameter(torch.zeros(components, dim))

    def _first(self) -> Tensor:
        components, between = self.means.shape
        return torch.eye(self.dim, between).repeat(components, 1, 1)

    def forward(self, feature_map: Tensor) -> Embedding:
        """(N, C, h, w) -> the embedding, whole (N, D), with the extra `assignment` (N, K)."""
        return self.from_pooled(self.pooling(feature_map))

    def from_pooled(self, pooled: Tensor) -> Embedding:
        """What the pooling left, (N, C') -> the same."""
        projected = self.projected(self.dropout(pooled))  # (N, d)
        assignment = gate(self.assignment(projected))  # (N, K)
        local = torch.einsum("kod,nd->nko", self.projections, projected) + self.biases  # (N, K, D)
        return Embedding.single((assignment.to(local.dtype).unsqueeze(2) * local).sum(1), assignment=assignment)

    def projected(self, pooled: Tensor) -> Tensor:
        """(N, C') -> z (N, d), in float32 at least: half precision would blur the assignments."""
        with torch.autocast(pooled.device.type, enabled=False):
            wide = pooled.to(torch.promote_types(pooled.dtype, self.directions.dtype))
            return functional.linear(wide - self.centre, self.directions)

    def assignment(self, projected: Tensor) -> Tensor:
        """z (N, d) -> p(k | z), (N, K), of Gaussians with diagonal covariances."""
        apart = projected.unsqueeze(1) - self.means  # (N, K, d)
        logarithms = self.priors.log() + 0.5 * (self.precisions.log() - apart.square() * self.precisions).sum(
            2
        )  # (N, K)
        return logarithms.softmax(1)

    @property
    def fitted(self) -> bool:
        """Whether it is fitted."""
        return bool(self.means.any())

    def fit(self, pooled: np.ndarray, labels: np.ndarray, seed: int) -> None:
        """Fit V, m and the mixture to the pooled vectors (N, C') of the training pictures; classes do not count.

        Projections that have learned, as of a model that a training starts from, keep the space that they learned in.
        """
        components, between = self.means.shape
        if not torch.equal(self.projections, self._first().to(self.projections)):
            return
        # Imported where it is needed: it takes memory and a second that most can spare.
        from sklearn.decomposition import PCA
        from sklearn.mixture import GaussianMixture

        found = PCA(between, svd_solver="full").fit(pooled)
        projected = found.transform(pooled)  # (N, d)
        floor = VARIANCE_FLOOR * float(projected.var(0).mean()) + np.finfo(np.float32).tiny
        mixture = GaussianMixture(components, covariance_type="diag", reg_covar=floor, random_state=seed).fit(projected)
        values = {
            "directions": found.components_, "centre": found.mean_, "means": mixture.means_,
            "precisions": mixture.precisions_, "priors": mixture.weights_,
        }  # fmt: skip
        for name, value in values.items():
            self.get_buffer(name).copy_(torch.from_numpy(np.asarray(value)))


def _check(width: int, dim: object, components: object, projected: object, dropout: object) -> None:
    given = {"dim": dim, "components": components} | ({} if projected is None else {"projected": projected})
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise KinsightError(f"head option {name} is {value!r}; write a whole number above 0")
    if projected is not None and projected > width:  # type: ignore[operator]
        raise KinsightError(
            f"head option projected is {projected} but only {width} numbers are pooled; write at most that"
        )
    if isinstance(dropout, bool) or not isinstance(dropout, int | float) or not 0 <= dropout < 1 or math.isnan(dropout):
        raise KinsightError(f"head option dropout is {dropout!r}; write a probability from 0 up to, not including, 1")
