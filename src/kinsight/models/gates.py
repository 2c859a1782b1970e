"""Gates: what a head holds fixed when its embedding is split over the places.

A head multiplies places by values that depend on the picture: attention weights, normalizers, the weights of a generalised mean. With those
values held fixed it is affine in the feature map. Signs of ReLUs and the arg-max of a maximum need no declaration: their derivative holds
them fixed already.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from torch import Tensor

_frozen: ContextVar[bool] = ContextVar("frozen", default=False)


def gate(value: Tensor) -> Tensor:
    """Declare a value to be a gate: itself, but without derivative while `frozen_gates` holds.

    A head calls it where it computes the value: `(gate(weights) * feature_map).sum(dim=(2, 3))`. Training is not touched.
    """
    return value.detach() if _frozen.get() else value


@contextmanager
def frozen_gates() -> Iterator[None]:
    """Hold all gates fixed: derivatives of any order and mode do not see them."""
    before = _frozen.set(True)
    try:
        yield
    finally:
        _frozen.reset(before)
