"""What every place of a feature map contributes to the embedding.

With its gates frozen a head is affine in the feature map, so an embedding is a sum over the places and a bias:

    E = sum_ij c_ij + b,    c_ij = J (A * 1_ij),    J the head's Jacobian at A

(Visual Explanation for Deep Metric Learning, equation 3, for any head). The general way takes one Jacobian-vector product a place, or one
vector-Jacobian product a dimension where that is less; heads of pooling and linear layers have a closed form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import jvp, vjp, vmap

from kinsight.errors import KinsightError
from kinsight.explanation.closed_form import closed_form, has_closed_form
from kinsight.explanation.layout import Layout
from kinsight.explanation.standard_gates import written_out
from kinsight.models import Embedding
from kinsight.models.gates import frozen_gates
from kinsight.models.modes import evaluating

Head = Callable[[Tensor], Any]
GATES = ("declared", "standard")


@dataclass(frozen=True)
class Contributions:
    """The embeddings of N pictures, split over the places of their feature maps.

    Attributes:
        places: (N, h, w, D), the contribution of every place.
        bias: (N, D), what no place contributes.
        whole: (N, D), the embedding before the final normalisation, as the head itself gives it.
        affinity_error: (N,), how far the head with frozen gates is from being affine: the second-order term along the map and along a random
            direction of its size, as a share of the embedding. 0 for exact maps; large where a gate was not declared.
    """

    places: Tensor
    bias: Tensor
    whole: Tensor
    affinity_error: Tensor


def contributions(
    head: Head,
    feature_map: Tensor,
    *,
    layout: Layout | None = None,
    gates: str = "declared",
    chunk: int = 64,
    fast: bool = True,
) -> Contributions:
    """Split the embeddings of N pictures over the places of their feature maps.

    Args:
        head: feature map -> (N, D), or an Embedding, of which `whole` is taken. Modules are put into eval mode for it.
        feature_map: what the head takes, for N pictures; pictures must not influence each other.
        layout: the axes of the feature map; None guesses them from their number.
        gates: which values count as gates: "declared" with `kinsight.gate` in the head; "standard" also those of PyTorch's smooth
            activations, attention and normalisations.
        chunk: how many places (or dimensions) are computed at a time, which bounds the memory.
        fast: whether heads that have a closed form use it.

    Raises:
        KinsightError: the head does not give (N, D), or the map does not fit the layout.
    """
    if gates not in GATES:
        raise KinsightError(f"gates {gates!r} is not known; write declared or standard")
    if chunk < 1:
        raise KinsightError(f"chunk {chunk} is not a number of places; write 1 or more")
    layout = layout or Layout.of(feature_map)
    height, width = layout.size(feature_map)
    feature_map = feature_map.detach()
    with _fixed(head, gates), torch.no_grad():
        whole = whole_of(head(feature_map))
        if whole.ndim != 2 or len(whole) != len(feature_map):
            raise KinsightError(
                f"the head gives {tuple(whole.shape)} for a feature map of {tuple(feature_map.shape)}; it must give one "
                "vector a picture, (N, D)"
            )
        if fast and layout.kind == "NCHW" and has_closed_form(head):
            places, bias = closed_form(head, feature_map)  # type: ignore[arg-type]
        else:
            few_dimensions = whole.shape[1] < height * width
            places = (_by_dimension if few_dimensions else _by_place)(head, feature_map, layout, chunk, whole.shape[1])
            bias = whole - places.sum((1, 2))
        return Contributions(places, bias, whole, _affinity_error(head, feature_map, whole))


def whole_of(answer: Any) -> Tensor:
    """The embedding before normalisation of whatever a head answers."""
    return answer.whole if isinstance(answer, Embedding) else answer


@contextmanager
def _fixed(head: Head, gates: str) -> Iterator[None]:
    with ExitStack() as stack:
        if isinstance(head, nn.Module):
            stack.enter_context(evaluating(head))
        stack.enter_context(frozen_gates())
        stack.enter_context(written_out(hold_gates=gates == "standard"))
        yield


def _by_place(head: Head, feature_map: Tensor, layout: Layout, chunk: int, _: int) -> Tensor:
    height, width = layout.size(feature_map)

    def contribution(mask: Tensor) -> Tensor:
        return jvp(lambda values: whole_of(head(values)), (feature_map,), (feature_map * mask,))[1]  # (N, D)

    numbers = torch.arange(height * width, device=feature_map.device).split(chunk)
    found = [vmap(contribution)(layout.masks(feature_map, some)) for some in numbers]  # (chunk, N, D)
    return torch.cat(found).movedim(0, 1).unflatten(1, (height, width))  # (N, h, w, D)


def _by_dimension(head: Head, feature_map: Tensor, layout: Layout, chunk: int, dimensions: int) -> Tensor:
    whole, pull = vjp(lambda values: whole_of(head(values)), feature_map)

    def rows(direction: Tensor) -> Tensor:
        (gradient,) = pull(direction.expand_as(whole))
        return layout.channel_sums(gradient * feature_map)  # (N, h, w)

    identity = torch.eye(dimensions, device=feature_map.device, dtype=whole.dtype)
    found = [vmap(rows)(some) for some in identity.split(chunk)]  # (chunk, N, h, w)
    return torch.cat(found).movedim(0, -1)  # (N, h, w, D)


def _affinity_error(head: Head, feature_map: Tensor, whole: Tensor) -> Tensor:
    """The larger of two second-order terms, each as a share of |E|.

    Along the map alone a homogeneous head, such as one that normalises, would look affine; a random direction tells.
    """
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(feature_map.shape, generator=generator, dtype=feature_map.dtype).to(feature_map.device)
    errors = []
    for direction in (feature_map, feature_map * noise):

        def slope(values: Tensor, direction: Tensor = direction) -> Tensor:
            return jvp(lambda inner: whole_of(head(inner)), (values,), (direction,))[1]

        bend = jvp(slope, (feature_map,), (direction,))[1] / 2  # (N, D)
        errors.append(bend.norm(dim=1) / whole.norm(dim=1).clamp_min(torch.finfo(whole.dtype).tiny))
    return torch.stack(errors).amax(0)  # (N,)
