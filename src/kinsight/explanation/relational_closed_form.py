"""The closed form of the relational head: with its gates held fixed, matrices of the branches, messages, and the update."""

from __future__ import annotations

import torch
from torch import Tensor

from kinsight.models.relational import RelationalHead


def relational_closed_form(head: RelationalHead, spread: Tensor, floor: Tensor) -> tuple[Tensor, Tensor]:
    """The contributions of the places (N, h, w, K d) and the bias (N, K d).

    Args:
        head: in eval mode.
        spread: (N, C, h, w), the share of every place in the pooled vector.
        floor: (N, C), what of the pooled vector no place contributes.
    """
    given = head.given(spread.sum((2, 3)) + floor)  # (N, K, c)
    _, lengths = head.nodes(given)  # (N, K, 1)
    shares = head.given(spread.permute(0, 2, 3, 1))  # (N, h, w, K, c)
    places = torch.einsum("nhwkc,koc->nhwko", shares, head.encoders.weight) / lengths[:, None, None]
    bias = head.encoders(head.given(floor)) / lengths  # (N, K, d)
    if head.relations is not None:
        weights = head.relations.weights(given)  # (N, K, K)
        own, told = head.relations.update.weight.chunk(2, dim=1)  # (d, d) each
        messages = torch.einsum("nij,nhwid->nhwjd", weights, places)
        places = places @ own.T + messages @ told.T
        bias = head.relations(bias, weights)
    return places.flatten(3), bias.flatten(1)
