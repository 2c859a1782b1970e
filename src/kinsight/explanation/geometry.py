"""What the places of a feature map look at, read off the convolutions and poolings that a picture passes on its way there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

from kinsight.explanation.centres import Axis, Centres

aten = torch.ops.aten


@dataclass(frozen=True)
class _Grid:
    """Along both sides the centre of the first place, and pixels from one to the next."""

    first: tuple[float, float]
    step: tuple[float, float]


class Geometry(TorchDispatchMode):
    """While pictures pass a network, follows where the places of every tensor stand in them.

    Windows (convolutions, poolings), padding and resizing move places; where several maps meet, the mean of their centres is taken; what
    has no places any more (a mean over all of them) is forgotten; all else leaves places where they are. Zeros at the border are taken to
    be seen like pixels.

    Args:
        images: (N, 3, H, W).
    """

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        self.size = (images.shape[2], images.shape[3])
        self._grids = WeakTensorKeyDictionary()
        self._grids[images] = _Grid((0.0, 0.0), (1.0, 1.0))

    def centres(self, feature_map: Tensor, grid: tuple[int, int]) -> Centres:
        """The centres of the (h, w) places of a map that was made meanwhile; in the middle of their cells where nothing is known."""
        found: _Grid | None = self._grids.get(feature_map)
        if found is None:
            return Centres.even(self.size, grid)
        return Centres(*(_axis(*side) for side in zip(self.size, grid, found.first, found.step, strict=True)))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and note where the places of its results stand."""
        results = func(*args, **(kwargs or {}))
        known = [grid for each in _tensors(args) if (grid := self._grids.get(each)) is not None]
        grid = _moved(func.overloadpacket, args, results, known) if known else None
        for each in _tensors([results]):
            if grid is not None:
                self._grids[each] = grid
        return results


def _axis(pixels: int, places: int, first: float, step: float) -> Axis:
    even = Axis.even(pixels, places)
    if 2 / 3 < step / even.step < 3 / 2:
        return Axis(pixels, places, first, step)
    # Places were merged by moving numbers about (as Swin does), which leaves the middle of all of them where it was.
    before = max(round(pixels / step), 1)
    aside = first + (before - 1) / 2 * step - (pixels - 1) / 2
    return Axis(pixels, places, even.first + aside, even.step)


def _moved(operation: Any, args: Sequence[Any], results: Any, known: list[_Grid]) -> _Grid | None:
    if operation in _WITHOUT_PLACES:
        return None
    rule = _RULES.get(operation)
    if rule is not None and args[0].ndim == 4:
        return rule(known[0], args, results)
    alike = [grid for grid in known if grid.step == known[0].step]
    first = tuple(sum(grid.first[side] for grid in alike) / len(alike) for side in (0, 1))
    return _Grid((first[0], first[1]), known[0].step)


def _convolution(grid: _Grid, args: Sequence[Any], results: Any) -> _Grid:
    _, weight, _, stride, padding, dilation, transposed = args[:7]
    stride, padding, dilation = map(_both, (stride, padding, dilation))
    kernel = (weight.shape[2], weight.shape[3])
    if not transposed:
        return _window(grid, kernel, stride, padding, dilation)
    finer = (grid.step[0] / stride[0], grid.step[1] / stride[1])
    aside = [finer[side] * (padding[side] - (kernel[side] - 1) * dilation[side] / 2) for side in (0, 1)]
    return _Grid((grid.first[0] + aside[0], grid.first[1] + aside[1]), finer)


def _max_pooling(grid: _Grid, args: Sequence[Any], results: Any) -> _Grid:
    kernel, stride, padding, dilation = map(_both, [*args[1:5], *((), 0, 1)[len(args[1:5]) - 1 :]])
    return _window(grid, kernel, stride, padding, dilation)


def _avg_pooling(grid: _Grid, args: Sequence[Any], results: Any) -> _Grid:
    kernel, stride, padding = map(_both, [*args[1:4], *((), 0)[len(args[1:4]) - 1 :]])
    return _window(grid, kernel, stride, padding, (1, 1))


def _window(
    grid: _Grid,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
) -> _Grid:
    stride = stride or kernel  # poolings without one
    middle = [(kernel[side] - 1) * dilation[side] / 2 - padding[side] for side in (0, 1)]
    return _Grid(
        (grid.first[0] + middle[0] * grid.step[0], grid.first[1] + middle[1] * grid.step[1]),
        (grid.step[0] * stride[0], grid.step[1] * stride[1]),
    )


def _padding(grid: _Grid, args: Sequence[Any], results: Any) -> _Grid:
    left, top = args[1][0], args[1][2] if len(args[1]) > 2 else 0
    return _Grid((grid.first[0] - top * grid.step[0], grid.first[1] - left * grid.step[1]), grid.step)


def _resizing(grid: _Grid, args: Sequence[Any], results: Any) -> _Grid:
    by = [args[0].shape[2 + side] / results.shape[2 + side] for side in (0, 1)]  # old places a new one
    aside = [(by[side] / 2 - 0.5) * grid.step[side] for side in (0, 1)]
    step = (grid.step[0] * by[0], grid.step[1] * by[1])
    return _Grid((grid.first[0] + aside[0], grid.first[1] + aside[1]), step)


_RULES: dict[Any, Callable[[_Grid, Sequence[Any], Any], _Grid]] = {
    aten.convolution: _convolution,
    aten.max_pool2d_with_indices: _max_pooling,
    aten.avg_pool2d: _avg_pooling,
    aten.constant_pad_nd: _padding,
    aten.reflection_pad2d: _padding,
    aten.replication_pad2d: _padding,
    aten.upsample_nearest2d: _resizing,
    aten.upsample_bilinear2d: _resizing,
    aten.upsample_bicubic2d: _resizing,
}
_WITHOUT_PLACES = frozenset(
    {
        aten.mean,
        aten.sum,
        aten.amax,
        aten.amin,
        aten.var_mean,
        aten.linalg_vector_norm,
        aten.adaptive_max_pool2d,
        aten._adaptive_avg_pool2d,
    }
)


def _both(value: Any) -> tuple[int, ...]:
    """One number for both sides, or one each; none where nothing was said."""
    values = list(value) if isinstance(value, (tuple, list)) else [value]
    return (values[0], values[-1]) if values else ()


def _tensors(values: Any) -> list[Tensor]:
    """The tensors among values and lists of them."""
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, (tuple, list)):
            found += _tensors(value)
    return found
