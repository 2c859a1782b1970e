"""The closed form of pooling and linear layers: one matrix product (Visual Explanation, section 2 and equation 3).

The pooling spreads the map over the places, a maximum in equal parts over those that reach it; what follows is a chain of
matrices, diagonal for batch norm and for ReLU with the signs it had.
"""

from __future__ import annotations

from typing import Any, TypeGuard

import torch
from torch import Tensor, nn
from torch.nn import functional

from kinsight.explanation.grouped_closed_form import KNOWN, grouped_closed_form
from kinsight.explanation.relational_closed_form import relational_closed_form
from kinsight.explanation.tied_maxima import even_shares
from kinsight.models import LinearHead
from kinsight.models.coordinated import CoordinatedHead
from kinsight.models.grouping import GroupingHead
from kinsight.models.pooling import Average, AverageAndMaximum, Flatten, GeneralisedMean, Maximum
from kinsight.models.relational import RelationalHead
from kinsight.models.subspaces import OneSubspace, SubspacesHead

ClosedForm = LinearHead | CoordinatedHead | RelationalHead | GroupingHead | SubspacesHead | OneSubspace


def has_closed_form(head: object) -> TypeGuard[ClosedForm]:
    """Whether `closed_form` knows the head."""
    # A subclass may compute something else.
    if type(head) in (SubspacesHead, OneSubspace):
        return has_closed_form(head.head)  # type: ignore[attr-defined]
    if type(head) in KNOWN:
        return True
    if type(head) is CoordinatedHead or type(head) is RelationalHead:
        return type(head.pooling) in _POOLINGS
    if type(head) is not LinearHead or not all(type(layer) in _LAYERS for layer in head.layers):
        return False
    if type(head.pooling) is Flatten:
        return len(head.layers) > 0 and isinstance(head.layers[0], nn.Linear)
    return type(head.pooling) in _POOLINGS


def closed_form(head: ClosedForm, feature_map: Tensor) -> tuple[Tensor, Tensor]:
    """The contributions of the places (N, h, w, D) and the bias (N, D), which is computed on its own, not as the rest.

    Args:
        head: in eval mode, one for which `has_closed_form` holds.
        feature_map: (N, C, h, w).
    """
    if isinstance(head, SubspacesHead | OneSubspace):
        return _masked(head, feature_map)
    if isinstance(head, GroupingHead):
        return grouped_closed_form(head, feature_map)
    if isinstance(head, RelationalHead):
        return relational_closed_form(head, *spread_pooling(head.pooling, feature_map))
    if isinstance(head, CoordinatedHead):
        return _coordinated(head, feature_map)
    values = head.pooling(feature_map)  # (N, C')
    layers = list(head.layers)
    if isinstance(head.pooling, Flatten):
        first = layers.pop(0)
        weight = first.get_parameter("weight").unflatten(1, feature_map.shape[1:])  # (D', C, h, w)
        places = torch.einsum("ochw,nchw->nhwo", weight, feature_map)  # (N, h, w, D')
        bias = first(torch.zeros_like(values))
        values = first(values)
    else:
        spread, bias = spread_pooling(head.pooling, feature_map)
        places = spread.permute(0, 2, 3, 1)  # (N, h, w, C)
    for layer in layers:
        if isinstance(layer, nn.Linear):
            places, bias = functional.linear(places, layer.weight), layer(bias)
        elif isinstance(layer, nn.BatchNorm1d):
            scale = layer.weight / torch.sqrt(layer.running_var + layer.eps)  # type: ignore[arg-type, operator]
            places, bias = places * scale, layer(bias)
        else:
            passes = (values > 0).to(values.dtype)  # (N, D')
            places, bias = places * passes[:, None, None], bias * passes
        values = layer(values)
    return places, bias


def _masked(head: SubspacesHead | OneSubspace, feature_map: Tensor) -> tuple[Tensor, Tensor]:
    """Every number weighed, and the groups' lengths taken anew."""
    inner: Any = head.head
    places, bias = closed_form(inner, feature_map)
    weights = head.weights
    if weights is None:
        return places, bias
    if isinstance(inner, GroupingHead):
        vectors = (inner(feature_map).whole * weights).unflatten(1, (head.parts, head.part_dim))  # (N, P, d)
        lengths = vectors.norm(dim=2).clamp_min(1e-12).repeat_interleave(head.part_dim, dim=1)  # (N, D)
        return places * (weights / lengths)[:, None, None], bias * weights / lengths
    return places * weights, bias * weights


def _coordinated(head: CoordinatedHead, feature_map: Tensor) -> tuple[Tensor, Tensor]:
    """One matrix a picture: that of its components, each weighed by how far the picture is of it."""
    assignment = head.assignment(head.projected(head.pooling(feature_map)))  # (N, K)
    matrices = torch.einsum("nk,kod,dc->noc", assignment, head.projections, head.directions)  # (N, D, C)
    spread, floor = spread_pooling(head.pooling, feature_map)
    bias = torch.einsum("noc,nc->no", matrices, floor - head.centre) + assignment @ head.biases
    return torch.einsum("noc,nchw->nhwo", matrices, spread), bias


def spread_pooling(pooling: nn.Module, feature_map: Tensor) -> tuple[Tensor, Tensor]:
    """The share of every place in the pooled vector (N, C, h, w), and what no place contributes (N, C)."""
    nothing = feature_map.new_zeros(feature_map.shape[:2])
    if isinstance(pooling, Average):
        return feature_map / (feature_map.shape[2] * feature_map.shape[3]), nothing
    if isinstance(pooling, Maximum):
        return feature_map * even_shares(feature_map), nothing
    if isinstance(pooling, AverageAndMaximum):
        average, maximum = (spread_pooling(each, feature_map)[0] for each in (pooling.average, pooling.maximum))
        return average + maximum, nothing
    if isinstance(pooling, GeneralisedMean):
        # A value below the floor counts as the floor, whatever it is: that share belongs to no place.
        wide = feature_map.to(torch.promote_types(feature_map.dtype, torch.float32))
        values = wide.clamp(min=pooling.eps)
        shares = (pooling.weights(values) * values).to(feature_map.dtype)
        floored = wide < pooling.eps
        return shares.masked_fill(floored, 0), (shares * floored).sum((2, 3))
    raise TypeError(f"{type(pooling).__name__} has no closed form")


_POOLINGS = (Average, Maximum, AverageAndMaximum, GeneralisedMean)
_LAYERS = (nn.Linear, nn.BatchNorm1d, nn.ReLU)
