"""A head of several branches that tell each other what they see ("Deep Relational Metric Learning", ICCV 2021, as in its public code).

N pictures, K branches, c numbers that a branch is given, d numbers of its node. With the lengths of the nodes and the weights of the
relations held fixed (both are gates) the head is affine in the feature map.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from kinsight.errors import KinsightError
from kinsight.models.embedding import Embedding, Kind
from kinsight.models.gates import gate
from kinsight.models.pooling import MAP, VECTORS, make_pooling, pooled_channels

ENCODERS = ("chunks", "whole")
SILENT = 0.01
"""Relations that tell fewer than this share of an epoch's branches anything have gone silent."""
SMALLEST = 1e-12  # what a length or a sum of scores is divided by at least


class RelationalHead(nn.Module):
    """Pooling, K nodes, and what each becomes after it has heard the others:

        h_i = normalize(W_i y_i + b_i)                              the node of branch i, of its share y_i of the pooled vector
        s_ij = relu(w . (U_i y_i + u_i - V_j y_j - v_j) + c)        how much i has to say to j, without gradient into the trunk
        p_ij = s_ij / sum_i s_ij,  g_j = sum_i p_ij h_i             the weights of a branch's sources add up to 1, or all are 0
        z_j = R [h_j ; g_j] + r,  whole = z_1 ... z_K               R begins as [I | 0], so that z_j begins as h_j

    Beside that K decoders reconstruct what the branches were given out of the nodes, both without gradient into the rest; a picture is
    assigned to the branch that is reconstructed best, whose loss alone it trains beside that of the whole. The head brings the term
    `reconstruction`, which trains the decoders and nothing else.

    Extras: `reconstruction` (N, K), the mean squared error of each branch's decoder; `assignment` (N,), its arg-min; with relations in
    eval mode `relations` (N, K, K), p, the source first, and in training `told` (N,), how many branches are told anything.

    Args:
        channels: C of the feature map.
        map_size: height and width of the feature map.
        branches: K.
        dim: the numbers of all branches together; each gets d = dim // branches of them.
        pooling: as of the linear head.
        encoder: chunks gives branch i the i-th of K consecutive parts of the pooled vector, as the public code does; whole gives each
            all of it, as the method's figure draws it.
        relations: false is the ablation without them: nodes as they are, of any length, one after the other, and decoders that reconstruct
            all of the pooled vector.

    Attributes:
        parts: K.
        dim: D = K d, what really comes out.
        reads: what of the map it needs, as of the linear head.

    Raises:
        KinsightError: an option has a value that is not allowed.
    """

    kind: Kind = "nodes"

    def __init__(
        self,
        channels: int,
        map_size: tuple[int, int],
        *,
        branches: int = 4,
        dim: int = 512,
        pooling: str = "avg+max",
        encoder: str = "chunks",
        relations: bool = True,
    ) -> None:
        super().__init__()
        self.pooling = make_pooling(pooling, map_size=map_size)
        self.reads = pooling if pooling in VECTORS else MAP
        width = pooled_channels(pooling, channels, map_size)
        _check(branches, dim, encoder, relations)
        if encoder == "chunks":
            _check_chunks(width, branches)
        self.encoder = encoder
        self.parts = branches
        self.part_dim = dim // branches
        self.dim = branches * self.part_dim
        given = width // branches if encoder == "chunks" else width  # c
        self.encoders = BranchLinear(branches, given, self.part_dim)  # W, b
        self.decoders = BranchLinear(branches, self.part_dim, given if relations else width)  # D, e
        self.relations = Relations(branches, given, self.part_dim) if relations else None

    def forward(self, feature_map: Tensor) -> Embedding:
        """(N, C, h, w) -> parts (N, K, d), the nodes, whole (N, K d) and the extras."""
        return self.from_pooled(self.pooling(feature_map))

    def from_pooled(self, pooled: Tensor) -> Embedding:
        """What the pooling left, (N, C') -> the same."""
        given = self.given(pooled)  # (N, K, c)
        nodes, _ = self.nodes(given)  # (N, K, d)
        target = pooled.unsqueeze(1) if self.relations is None else given  # (N, 1, C') or (N, K, c)
        costs = (target.detach() - self.decoders(nodes.detach())).float().square().mean(2)  # (N, K)
        extras = {"reconstruction": costs, "assignment": costs.detach().argmin(1)}
        if self.relations is None:
            return Embedding(nodes, nodes.flatten(1), extras, self.kind)
        weights = self.relations.weights(given)  # (N, K, K)
        if self.training:
            extras["told"] = (weights.detach().sum(1) > 0).sum(1)
        else:
            extras["relations"] = weights
        return Embedding(nodes, self.relations(nodes, weights).flatten(1), extras, self.kind)

    def given(self, values: Tensor) -> Tensor:
        """What each branch is given of pooled vectors, (..., C') -> (..., K, c)."""
        if self.encoder == "chunks":
            return values.unflatten(-1, (self.parts, -1))
        return values.unsqueeze(-2).expand(*values.shape[:-1], self.parts, -1)

    def nodes(self, given: Tensor) -> tuple[Tensor, Tensor]:
        """(N, K, c) -> the nodes (N, K, d), and what they were divided by (N, K, 1)."""
        nodes = self.encoders(given)
        # Lengths are taken in float32 at least: half precision would round them.
        nodes = nodes.to(torch.promote_types(nodes.dtype, torch.float32))
        if self.relations is None:
            return nodes, torch.ones_like(nodes[..., :1])
        lengths = gate(nodes.norm(dim=2, keepdim=True).clamp_min(SMALLEST))
        return nodes / lengths, lengths

    def terms(self) -> dict[str, nn.Module]:
        """What trains the decoders."""
        return {"reconstruction": Reconstruction()}


class Relations(nn.Module):
    """How much each branch of a picture tells each other one, and what that makes of it; all share the scorer and the update."""

    def __init__(self, branches: int, given: int, part_dim: int) -> None:
        super().__init__()
        self.sources = BranchLinear(branches, given, part_dim)  # U, u
        self.targets = BranchLinear(branches, given, part_dim)  # V, v
        self.scorer = nn.Linear(part_dim, 1)  # w, c
        nn.init.kaiming_normal_(self.scorer.weight, mode="fan_out")
        nn.init.zeros_(self.scorer.bias)
        self.update = nn.Linear(2 * part_dim, part_dim)  # R, r
        nn.init.eye_(self.update.weight)
        nn.init.zeros_(self.update.bias)

    def weights(self, given: Tensor) -> Tensor:
        """What the branches are given (N, K, c) -> p (N, K, K), the source first; each column adds up to 1, or is 0 altogether."""
        given = given.detach()
        direction = self.scorer.weight[0]  # (d,)
        # The scorer is linear, so the K^2 differences of vectors are differences of K numbers each.
        source, target = self.sources(given) @ direction, self.targets(given) @ direction  # (N, K)
        source, target = (each.to(torch.promote_types(each.dtype, torch.float32)) for each in (source, target))
        scores = functional.relu(source.unsqueeze(2) - target.unsqueeze(1) + self.scorer.bias)  # (N, K, K)
        return gate(scores / scores.sum(1, keepdim=True).clamp_min(SMALLEST))

    def forward(self, nodes: Tensor, weights: Tensor) -> Tensor:
        """h (N, K, d) and p (N, K, K) -> z (N, K, d)."""
        messages = torch.einsum("nij,nid->njd", weights.to(nodes.dtype), nodes)  # (N, K, d)
        return self.update(torch.cat([nodes, messages], dim=2))


class BranchLinear(nn.Module):
    """A linear layer for each of K branches, side by side: (N, K, before) -> (N, K, after). Kaiming normal by fan out, zero bias."""

    def __init__(self, branches: int, before: int, after: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(branches, after, before))
        self.bias = nn.Parameter(torch.zeros(branches, after))
        nn.init.normal_(self.weight, std=math.sqrt(2 / after))

    def forward(self, values: Tensor) -> Tensor:
        return torch.einsum("nkc,koc->nko", values, self.weight) + self.bias


class Reconstruction(nn.Module):
    """A term of the objective: the mean cost of all branches' decoders, over the batch, whichever branch a picture is assigned to.

    It sees every batch, so it also counts how many branches are told anything, and says when relations have gone silent.
    """

    weight = 1.0
    counts: Tensor
    said: Tensor

    def __init__(self) -> None:
        super().__init__()
        # Of this epoch: branches that were told anything, and all branches; then whether a silence was said.
        self.register_buffer("counts", torch.zeros(2, dtype=torch.int64))
        self.register_buffer("said", torch.zeros((), dtype=torch.bool))

    def forward(self, embedding: Embedding, labels: Tensor, *, subset: int) -> Tensor:
        """See `kinsight.objectives.Term`."""
        costs = embedding.extras["reconstruction"]  # (N, K)
        if "told" in embedding.extras:
            self.counts[0] += embedding.extras["told"].sum()
            self.counts[1] += costs.numel()
        return costs.mean()

    def end_epoch(self) -> tuple[dict[str, Any], str | None]:
        """See `kinsight.objectives.Term`."""
        told, branches = self.counts.tolist()
        self.counts.zero_()
        if not branches:
            return {}, None
        share, said = told / branches, bool(self.said)
        self.said.fill_(share < SILENT)
        if said or share >= SILENT:
            return {"told": share}, None
        return {"told": share}, (
            f"the relations have gone silent: {share:.1%} of the branches of this epoch's pictures were told anything, and scores of 0 "
            "pass no gradient; train with another seed or a lower rate of head.relations, or leave them out (--model.head.relations false)"
        )


def _check(branches: object, dim: object, encoder: object, relations: object) -> None:
    for name, value, least in (("branches", branches, 1), ("dim", dim, branches)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:  # type: ignore[operator]
            because = f" ({branches} branches need a number each)" if name == "dim" else ""
            raise KinsightError(f"head option {name} is {value!r}; write a whole number of at least {least}{because}")
    if encoder not in ENCODERS:
        raise KinsightError(f"head option encoder is {encoder!r}; write one of {', '.join(ENCODERS)}")
    if not isinstance(relations, bool):
        raise KinsightError(f"head option relations is {relations!r}; write true or false")


def _check_chunks(width: int, branches: int) -> None:
    if width % branches:
        fits = max(each for each in range(1, min(branches, width) + 1) if width % each == 0)
        raise KinsightError(
            f"head option branches is {branches} but the {width} pooled numbers do not split into so many chunks; write {fits} or another "
            "divisor, or give every branch all of them with encoder whole"
        )
