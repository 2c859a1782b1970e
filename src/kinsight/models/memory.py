"""A bound on what building a network may take, so that a number with too many digits is refused before memory is taken."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from kinsight.errors import KinsightError

MEGABYTE = 2**20


class Bounded(TorchDispatchMode):
    """Inside the block every tensor that is made anew is counted before it is made.

    Args:
        largest: bytes of one tensor.
        total: bytes of all tensors.
        count: how many tensors.
        bound: what the bound follows from; the end of the sentence.

    Raises:
        KinsightError: inside the block, before a tensor beyond the bound is made.
    """

    def __init__(self, *, largest: float, total: float, count: float, bound: str) -> None:
        super().__init__()
        self.largest, self.total, self.count, self.bound = largest, total, count, bound
        self.taken, self.made = 0, 0

    @classmethod
    def by_tensors(cls, tensors: Mapping[str, Tensor]) -> Bounded:
        """For a model that shall hold these tensors; some room is left for what is made and thrown away on the way."""
        size = sum(tensor.numel() * max(tensor.element_size(), 4) for tensor in tensors.values())
        return cls(
            largest=2 * size + 64 * MEGABYTE,
            total=8 * size + 512 * MEGABYTE,
            count=10 * len(tensors) + 2_000,
            bound=f"its tensors have {size / MEGABYTE:,.1f} MB in all",
        )

    @classmethod
    def by_memory(cls) -> Bounded:
        """For a model that shall fit into this machine."""
        pages = {"SC_PHYS_PAGES", "SC_PAGE_SIZE"} <= set(getattr(os, "sysconf_names", ()))
        size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if pages else math.inf
        bound = f"this machine has {size / MEGABYTE:,.0f} MB of memory; write smaller numbers"
        return cls(largest=size, total=math.inf, count=math.inf, bound=bound)

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if _makes_anew(func, args) and str(kwargs.get("device")) != "meta":
            self._check(func, args, kwargs)
        return func(*args, **kwargs)

    def _check(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        claimed = func(*args, **{**kwargs, "device": "meta", "pin_memory": False})
        if not isinstance(claimed, Tensor):
            return
        size = claimed.numel() * claimed.element_size()
        self.taken, self.made = self.taken + size, self.made + 1
        if size > self.largest or self.taken > self.total or self.made > self.count:
            what = f"a tensor of {' x '.join(map(str, claimed.shape))} numbers ({size / MEGABYTE:,.0f} MB)"
            if size <= self.largest:
                what = f"{self.made:,} tensors of {self.taken / MEGABYTE:,.0f} MB"
            raise KinsightError(f"what the settings describe needs {what}, but {self.bound}")


def _makes_anew(func: Any, args: tuple[Any, ...]) -> bool:
    """Whether an operation is one such as zeros and arange: it reads no tensor and says where its result shall stand."""
    schema = getattr(func, "_schema", None)
    if schema is None or any(isinstance(arg, Tensor) for arg in args):
        return False
    return any(argument.name == "device" for argument in schema.arguments)
