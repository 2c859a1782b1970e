"""The methods that draw overall maps, by name, for a batch of pictures and their partners.

Every map is signed and on the grid of the feature map. Each method says what it needs, so that nothing is computed in vain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeVar

import torch
from torch import Tensor

from kinsight.errors import KinsightError
from kinsight.explanation.contributions import Contributions
from kinsight.explanation.gradients import (
    class_activation_map,
    grad_cam,
    gradient_times_activation,
    similarity_gradient,
)
from kinsight.explanation.opening import Opened

T = TypeVar("T")
Need = Literal["opened", "contributions", "partner places", "class weights"]


@dataclass(frozen=True)
class Partners:
    """What is known of the pictures that N queries are compared with.

    Attributes:
        whole: (N, D), their embeddings before normalisation.
        bias: (N, D), what none of their places contributes; None where no method asks.
        places: what each of their places contributes, (h', w', D) for each; None where no method asks.
    """

    whole: Tensor
    bias: Tensor | None = None
    places: Sequence[Tensor] | None = None


class Batch:
    """N queries with their partners, and whatever of them the methods need.

    Args:
        partners: the pictures that the queries are compared with.
        contributions: of the queries.
        opened: the queries at the opening, for gradients.
        class_weights: (N, C), a linear classifier's row for the class of each query.
    """

    def __init__(
        self,
        partners: Partners,
        *,
        contributions: Contributions | None = None,
        opened: Opened | None = None,
        class_weights: Tensor | None = None,
    ) -> None:
        self.partners = partners
        self._contributions = contributions
        self._opened = opened
        self._class_weights = class_weights

    @property
    def contributions(self) -> Contributions:
        """The contributions of the queries' places."""
        return _given(self._contributions, "the contributions of the queries")

    @property
    def opened(self) -> Opened:
        """The queries at the opening."""
        return _given(self._opened, "the queries at the opening")

    @property
    def class_weights(self) -> Tensor:
        """(N, C)."""
        return _given(self._class_weights, "the classifier's weights for the class of each query (class_weights)")

    @cached_property
    def cosine_gradient(self) -> Tensor:
        """The gradient of each cosine, like the feature map; computed once for all methods."""
        return similarity_gradient(self.opened, self.partners.whole)

    @cached_property
    def product_gradient(self) -> Tensor:
        """The gradient of each inner product, like the feature map."""
        return similarity_gradient(self.opened, self.partners.whole, normalized=False)

    @cached_property
    def norms(self) -> Tensor:
        """|E_q| |E_r|, (N,).

        Raises:
            KinsightError: an embedding is zero.
        """
        found = self.contributions.whole.double().norm(dim=1) * self.partners.whole.double().norm(dim=1)
        if not bool((found > 0).all()):
            raise KinsightError(
                f"{int((found == 0).sum())} of {len(found)} pairs have an embedding that is zero, which has no direction; look "
                "whether the model has collapsed, or the pictures are blank"
            )
        return found


@dataclass(frozen=True)
class Method:
    """One way to draw overall maps.

    Attributes:
        name: its name in tables.
        maps: a batch of N queries -> (N, h, w), signed.
        needs: what of the batch it uses.
        meaning: a sentence for tables and pages.
    """

    name: str
    maps: Callable[[Batch], Tensor]
    needs: frozenset[Need]
    meaning: str


def decomposition(batch: Batch) -> Tensor:
    """c_q . (E_r - b_r) / Z: adds up to the places' own term of the similarity (equation 3)."""
    bias = _given(batch.partners.bias, "the bias of the partners")
    return _against(batch, batch.partners.whole.double() - bias.double())


def decomposition_with_bias(batch: Batch) -> Tensor:
    """c_q . E_r / Z: also what the query's places say to the partner's bias."""
    return _against(batch, batch.partners.whole.double())


def decomposition_clipped(batch: Batch) -> Tensor:
    """As in the authors' published code: negative point-to-point terms are set to 0 before they are summed."""
    theirs = _given(batch.partners.places, "the contributions of the partners' places")
    found = []
    for mine, yours in zip(batch.contributions.places, theirs, strict=True):
        tensor = mine.double().flatten(0, 1) @ yours.to(mine.device).double().flatten(0, 1).T  # (h w, h' w')
        found.append(tensor.clamp(min=0).sum(1).view(mine.shape[:2]))
    return torch.stack(found) / batch.norms[:, None, None]  # (N, h, w)


def _against(batch: Batch, target: Tensor) -> Tensor:
    found = torch.einsum("nhwd,nd->nhw", batch.contributions.places.double(), target)
    return found / batch.norms[:, None, None]  # (N, h, w)


def _given(value: T | None, name: str) -> T:
    if value is None:
        raise KinsightError(f"a method needs {name}, which this batch does not hold; give it, or leave the method out")
    return value


_LIST = (
    Method(
        "decomposition",
        decomposition,
        frozenset({"contributions"}),
        "what each place says to all places of the partner",
    ),
    Method(
        "decomposition+bias",
        decomposition_with_bias,
        frozenset({"contributions"}),
        "what each place says to the whole embedding of the partner",
    ),
    Method(
        "decomposition clipped",
        decomposition_clipped,
        frozenset({"contributions", "partner places"}),
        "as decomposition, but negative point-to-point terms do not count (the authors' published map)",
    ),
    Method(
        "grad-cam",
        lambda batch: grad_cam(batch.opened, batch.cosine_gradient),
        frozenset({"opened"}),
        "channels weighted by the mean gradient of the cosine",
    ),
    Method(
        "grad-cam no norm",
        lambda batch: grad_cam(batch.opened, batch.product_gradient),
        frozenset({"opened"}),
        "channels weighted by the mean gradient of the inner product",
    ),
    Method(
        "gradient x activation",
        lambda batch: gradient_times_activation(batch.opened, batch.cosine_gradient),
        frozenset({"opened"}),
        "gradient of the cosine times the feature map, place by place",
    ),
    Method(
        "gradient x activation no norm",
        lambda batch: gradient_times_activation(batch.opened, batch.product_gradient),
        frozenset({"opened"}),
        "gradient of the inner product times the feature map, place by place",
    ),
    Method(
        "cam",
        lambda batch: class_activation_map(batch.opened, batch.class_weights),
        frozenset({"opened", "class weights"}),
        "channels weighted for the picture's class by a linear classifier",
    ),
)
METHODS: dict[str, Method] = {method.name: method for method in _LIST}


# What is measured unless others are asked for: the exact maps, and the best known ones.
USUAL = ("decomposition", "grad-cam")


def chosen_methods(names: str | Sequence[str] = "all", *, class_weights: bool = False) -> list[Method]:
    """Methods by name.

    Args:
        names: names out of `METHODS`, one of them, or "all", which is every one that can be drawn.
        class_weights: whether a classifier's weights are at hand, which cam needs.

    Raises:
        KinsightError: a name that is not known or comes twice, or cam without weights.
    """
    drawable = [name for name, method in METHODS.items() if class_weights or "class weights" not in method.needs]
    given = drawable if names == "all" else [names] if isinstance(names, str) else list(names)
    if not given or len(set(given)) < len(given):
        raise KinsightError(
            f"methods {given} are none or name one twice; write all, or each of {', '.join(METHODS)} once"
        )
    for name in given:
        if name not in METHODS:
            raise KinsightError(f"method {name!r} is not known; write all, or some of {', '.join(METHODS)}")
        if name not in drawable:
            raise KinsightError(f"method {name} needs a linear classifier; give class_weights, or leave the method out")
    return [METHODS[name] for name in given]


def needs_of(methods: Sequence[Method]) -> frozenset[Need]:
    """What several methods need together."""
    return frozenset().union(*(method.needs for method in methods))
