"""Maxima over places whose ties share the credit.

Where several places are equally the maximum of a channel, as in networks that saturate (ReLU6), PyTorch's `max` and max
poolings give the whole derivative to the first one in reading order, which would move every map up and left. `amax`
shares it evenly, which is just as exact: any convex combination of the tied places' derivatives sums to the same
maximum. While explanations are made, maxima over whole maps are therefore computed as `amax`. Training is not touched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode


class SharedMaxima(TorchFunctionMode):
    """Inside the block the derivative of a maximum goes to all tied places in equal parts.

    Of `torch.max` along one axis, and of max poolings whose window is the whole map. Poolings of smaller windows stay as
    they are; of maxima taken one axis after the other each shares among its own ties.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Run a function, or what shares its ties."""
        shared = _RULES.get(func)
        found = None if shared is None else shared(func, *args, **(kwargs or {}))
        return func(*args, **(kwargs or {})) if found is None else found


def even_shares(values: Tensor) -> Tensor:
    """How much of each channel's maximum belongs to each place: 1 / t for the t tied ones, else 0; (..., h, w)."""
    tied = (values == values.amax((-2, -1), keepdim=True)).to(values.dtype)
    return tied / tied.sum((-2, -1), keepdim=True)


def _along_axis(func: Any, source: Tensor, *args: Any, **kwargs: Any) -> Any:
    given = dict(zip(("dim", "keepdim"), args, strict=False)) | kwargs
    if not isinstance(given.get("dim"), int) or set(given) - {"dim", "keepdim"}:
        return None  # over everything, or of two tensors
    values = torch.amax(source, given["dim"], given.get("keepdim", False))
    return torch.return_types.max((values, func(source.detach(), *args, **kwargs)[1]))


def _adaptive(func: Any, source: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    axes = _AXES[func]
    if any(size != 1 for size in _each(output_size, axes)):
        return None
    values = torch.amax(source, _last(axes), keepdim=True)
    return (values, func(source.detach(), output_size, True)[1]) if return_indices else values


def _windowed(
    func: Any,
    source: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    axes = _AXES[func]
    whole = _each(kernel_size, axes) == list(source.shape[-axes:])
    if not whole or any(_each(padding, axes)) or return_indices:
        return None
    return torch.amax(source, _last(axes), keepdim=True)


def _each(value: Any, axes: int) -> list[Any]:
    values = list(value) if isinstance(value, (tuple, list)) else [value]
    return values * axes if len(values) == 1 else values


def _last(axes: int) -> tuple[int, ...]:
    return tuple(range(-axes, 0))


_ADAPTIVE: dict[Any, int] = {functional.adaptive_max_pool1d: 1, functional.adaptive_max_pool2d: 2}
_ADAPTIVE |= {functional.adaptive_max_pool1d_with_indices: 1, functional.adaptive_max_pool2d_with_indices: 2}
_WINDOWED: dict[Any, int] = {
    functional.max_pool1d: 1,
    functional.max_pool2d: 2,
    torch.max_pool1d: 1,
    torch.max_pool2d: 2,
}
_AXES: dict[Any, int] = _ADAPTIVE | _WINDOWED
_RULES: dict[Any, Callable[..., Any]] = {
    torch.max: _along_axis,
    Tensor.max: _along_axis,
    **dict.fromkeys(_ADAPTIVE, _adaptive),
    **dict.fromkeys(_WINDOWED, _windowed),
}
