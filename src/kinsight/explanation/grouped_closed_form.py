"""The closed form of heads with groups: each group is a weighted pooling and a matrix ("Attentive Grouping", section 3).

With attention, masks, channel weights and lengths held fixed, place ij gives group p the vector W (w_p,ij * x_ij) / |f_p|.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kinsight.models.grouping import AttentiveHead, ChannelHead, GateHead, GroupingHead, MultiLinearHead

KNOWN = (AttentiveHead, ChannelHead, GateHead, MultiLinearHead)


def grouped_closed_form(head: GroupingHead, feature_map: Tensor) -> tuple[Tensor, Tensor]:
    """The contributions of the places (N, h, w, P d) and the bias (N, P d).

    Args:
        head: in eval mode, one of the types in `KNOWN`.
        feature_map: (N, C, h, w).
    """
    vectors, _ = head.vectors(feature_map)  # (N, P, d)
    lengths = vectors.norm(dim=2).clamp_min(1e-12)  # (N, P)
    places = _places(head, feature_map) / lengths[:, None, None, :, None]  # (N, h, w, P, d)
    bias = torch.zeros_like(vectors)
    if isinstance(head, ChannelHead):
        bias = bias + head.linear.bias
    return places.flatten(3), (bias / lengths.unsqueeze(2)).flatten(1)


def _places(head: GroupingHead, feature_map: Tensor) -> Tensor:
    """Before each group is brought to length 1: (N, h, w, P, d)."""
    count = feature_map.shape[2] * feature_map.shape[3]
    if isinstance(head, AttentiveHead):
        attention = head.queries(head.keys(feature_map)).flatten(2).softmax(2)  # (N, P, h w)
        values = head.values(feature_map).flatten(2)  # (N, d, h w)
        if isinstance(head.shared, nn.Linear):
            values = torch.einsum("ed,ndx->nex", head.shared.weight, values)
        return torch.einsum("npx,ndx->nxpd", attention, values).unflatten(1, feature_map.shape[2:])
    if isinstance(head, MultiLinearHead):
        weight = head.linear.weight.unflatten(0, (head.parts, head.part_dim))  # (P, d, C)
        return torch.einsum("pdc,nchw->nhwpd", weight, feature_map) / count
    if isinstance(head, GateHead):
        masks = head.masks(head.reduce(feature_map)).unflatten(1, (head.parts, head.channels))  # (N, P, C, h, w)
        return torch.einsum("dc,npchw->nhwpd", head.linear.weight, masks * feature_map.unsqueeze(1)) / count
    if isinstance(head, ChannelHead):
        pooled = feature_map.mean((2, 3))  # (N, C)
        weights = torch.stack([weigh(pooled) for weigh in head.weights], dim=1)  # (N, P, C)
        weighed = torch.einsum("dc,npc->npdc", head.linear.weight, weights)  # (N, P, d, C)
        return torch.einsum("npdc,nchw->nhwpd", weighed, feature_map) / count
    raise TypeError(f"{type(head).__name__} has no closed form")
