"""What every place of a feature map contributes to the embedding.

With its gates frozen a head is affine in the feature map, so an embedding is a sum over the places and a bias:

    E = sum_ij c_ij + b,    c_ij = J (A * 1_ij),    J the head's Jacobian at A

(Visual Explanation for Deep Metric Learning, equation 3, for any head.) Places that tie for a maximum share it evenly. The
general way takes one Jacobian-vector
product a place, or one vector-Jacobian product a dimension where those are fewer; heads of pooling and linear layers
have a closed form.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import jvp, vjp, vmap

from kinsight.errors import KinsightError
from kinsight.explanation.closed_form import closed_form, has_closed_form
from kinsight.explanation.layout import Layout
from kinsight.explanation.standard_gates import written_out
from kinsight.explanation.tied_maxima import SharedMaxima
from kinsight.models import Embedding
from kinsight.models.gates import frozen_gates
from kinsight.models.modes import evaluating

Head = Callable[[Tensor], Any]
GATES = ("declared", "standard")


@dataclass(frozen=True, eq=False)
class Contributions:
    """The embeddings of N pictures, split over the places of their feature maps.

    Attributes:
        places: (N, h, w, D), the contribution of every place.
        bias: (N, D), what no place contributes.
        whole: (N, D), the embedding before the final normalisation, as the head itself gives it.
        affinity_error: (N,), how far the head with frozen gates is from affine: its second-order term along the map and
            along a random direction of the map's size, as a share of the embedding. 0 for exact maps; large where a
            gate was not declared.
        groups: P of an embedding that is P vectors one after the other, else 1.
        attention: (N, P, h, w), where each group looks, if the head says so.
        relations: (N, P, P), how much each group tells each other one (the source first), if the head says so.
        unit_groups: whether these vectors have length 1.
    """

    places: Tensor
    bias: Tensor
    whole: Tensor
    affinity_error: Tensor
    groups: int = 1
    attention: Tensor | None = None
    relations: Tensor | None = None
    unit_groups: bool = True


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
        head: feature map -> (N, D), or an Embedding, of which `whole` is taken. A module is in eval mode meanwhile.
        feature_map: what the head takes, for N pictures; pictures must not influence each other.
        layout: the axes of the feature map; None guesses them from their number.
        gates: which values count as gates: "declared" with `kinsight.gate` in the head; "standard" also those of
            PyTorch's smooth activations, attention and normalisations.
        chunk: how many places (or dimensions) are computed at a time, which bounds the memory. 1 goes without
            `torch.func.vmap`, which a few heads cannot pass.
        fast: whether heads that have a closed form use it.

    Raises:
        KinsightError: the head does not give (N, D), gives it differently each time or cannot be differentiated, or the
            map does not fit the layout.
    """
    if gates not in GATES:
        raise KinsightError(f"gates {gates!r} is not known; write declared or standard")
    if not isinstance(chunk, int) or chunk < 1:
        raise KinsightError(f"chunk {chunk!r} is not a number of places; write a whole number above 0")
    layout = layout or Layout.of(feature_map)
    layout.size(feature_map)  # complains where there are no places
    feature_map = feature_map.detach().clone()  # trunks may give views whose values share their memory
    with _evaluating(head), torch.no_grad():
        answer = head(feature_map.clone())
        whole = _checked(whole_of(answer), feature_map)
    with _fixed(head, gates), torch.no_grad():
        _compare(whole, whole_of(head(feature_map.clone())))
        if fast and layout.kind == "NCHW" and has_closed_form(head):
            places, bias = closed_form(head, feature_map)
        else:
            places = _places(head, feature_map, layout, chunk, whole.shape[1])
            bias = whole - places.sum((1, 2))
        error = _affinity_error(head, feature_map, whole)
        nodes = isinstance(answer, Embedding) and answer.kind == "nodes"
        return Contributions(
            places,
            bias,
            whole,
            error,
            groups_of(answer),
            _extra(answer, "attention"),
            _extra(answer, "relations") if nodes else None,
            not nodes,
        )


def affinity_error(head: Head, feature_map: Tensor, *, gates: str = "declared") -> Tensor:
    """(N,), how far the head with frozen gates is from affine (see `Contributions`), without the contributions themselves."""
    with _fixed(head, gates), torch.no_grad():
        return _affinity_error(head, feature_map, whole_of(head(feature_map.clone())))


def whole_of(answer: Any) -> Any:
    """The embedding before normalisation of whatever a head answers."""
    return answer.whole if isinstance(answer, Embedding) else answer


def groups_of(answer: Any) -> int:
    """P of an answer whose whole is P vectors one after the other (`Kind` groups or nodes), else 1."""
    return answer.parts.shape[1] if isinstance(answer, Embedding) and answer.kind in ("groups", "nodes") else 1


def _extra(answer: Any, name: str) -> Tensor | None:
    return answer.extras.get(name) if isinstance(answer, Embedding) else None


def _checked(whole: Any, feature_map: Tensor) -> Tensor:
    if isinstance(whole, Tensor) and whole.ndim == 2 and len(whole) == len(feature_map):
        return whole
    given = tuple(whole.shape) if isinstance(whole, Tensor) else f"a {type(whole).__name__}"
    raise KinsightError(
        f"the head gives {given} for a feature map of {tuple(feature_map.shape)}; it must give one vector a picture, (N, D)"
    )


def differs(whole: Tensor, again: Tensor) -> bool:
    """Whether two results that should be the same differ by more than rounding."""
    tolerance = max(0.01, 8 * torch.finfo(whole.dtype).eps)
    return whole.shape != again.shape or bool((whole - again).norm() > tolerance * whole.norm())


def _compare(whole: Tensor, again: Tensor) -> None:
    if differs(whole, again):
        raise KinsightError(
            "the head gives another embedding for the same feature map (it draws at random, keeps a state, or changes "
            "tensors in place that it goes on to use); put it into eval mode, or write it without"
        )


def _evaluating(head: Head) -> AbstractContextManager[None]:
    return evaluating(*[head] if isinstance(head, nn.Module) else [])


@contextmanager
def _fixed(head: Head, gates: str) -> Iterator[None]:
    written = written_out(hold_gates=gates == "standard")
    with _evaluating(head), frozen_gates(), SharedMaxima(), written, warnings.catch_warnings():
        # PyTorch's own forward derivatives still use it.
        warnings.filterwarnings("ignore", message=r"`torch\.jit\.script` is deprecated", category=FutureWarning)
        yield


def _places(head: Head, feature_map: Tensor, layout: Layout, chunk: int, dimensions: int) -> Tensor:
    height, width = layout.size(feature_map)
    with _derivatives():
        if dimensions < height * width:
            return _by_dimension(head, feature_map, layout, chunk, dimensions)
        return _by_place(head, feature_map, layout, chunk)


def _by_place(head: Head, feature_map: Tensor, layout: Layout, chunk: int) -> Tensor:
    height, width = layout.size(feature_map)

    def contribution(place: Tensor) -> Tensor:
        return _slope(head, feature_map, feature_map * layout.mask(feature_map, place))  # (N, D)

    found = _mapped(contribution, torch.arange(height * width, device=feature_map.device), chunk)  # (h w, N, D)
    return found.movedim(0, 1).unflatten(1, (height, width))  # (N, h, w, D)


def _by_dimension(head: Head, feature_map: Tensor, layout: Layout, chunk: int, dimensions: int) -> Tensor:
    whole, pull, *_ = vjp(lambda values: whole_of(head(values.clone())), feature_map)

    def row(direction: Tensor) -> Tensor:
        return layout.channel_sums(pull(direction.expand_as(whole))[0] * feature_map)  # (N, h, w)

    identity = torch.eye(dimensions, device=feature_map.device, dtype=whole.dtype)
    return _mapped(row, identity, chunk).movedim(0, -1)  # (N, h, w, D)


def _slope(head: Head, feature_map: Tensor, direction: Tensor) -> Tensor:
    # Heads may change their input in place: they get a copy.
    return jvp(lambda values: whole_of(head(values.clone())), (feature_map,), (direction,))[1]  # (N, D)


def _mapped(function: Callable[[Tensor], Tensor], rows: Tensor, chunk: int) -> Tensor:
    if chunk == 1:
        return torch.stack([function(row) for row in rows])
    return torch.cat([vmap(function)(some) for some in rows.split(chunk)])


def _affinity_error(head: Head, feature_map: Tensor, whole: Tensor) -> Tensor:
    """The larger of two second-order terms, each as a share of |E|.

    Along the map alone a head that normalizes would look affine; a random direction tells.
    """
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(feature_map.shape[1:], generator=generator).to(feature_map)  # the same for all pictures
    errors = []
    for direction in (feature_map, feature_map * noise):
        with _derivatives():
            bend = jvp(lambda values, way=direction: _slope(head, values, way), (feature_map,), (direction,))[1] / 2
        errors.append(bend.norm(dim=1) / whole.norm(dim=1).clamp_min(torch.finfo(whole.dtype).tiny))
    return torch.stack(errors).amax(0)  # (N,)


@contextmanager
def _derivatives() -> Iterator[None]:
    """What PyTorch says of heads that it cannot differentiate, in a sentence."""
    try:
        yield
    except RuntimeError as problem:
        reason = str(problem).strip().splitlines()[0]
        if not any(word in str(problem) for word in ("vmap", "forward AD", "functorch")):
            raise
        raise KinsightError(
            f"the head cannot be differentiated place by place ({reason}); give chunk=1, which goes without "
            "torch.func.vmap, or write the head in plain PyTorch functions"
        ) from problem
