"""Opening a model at one of its feature maps: what lies below gives the map, what lies above is the head.

Kinsight's own models stand open at their last map; any other is given as two callables, or as one module and the name of a layer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from kinsight.errors import KinsightError
from kinsight.explanation.contributions import Head
from kinsight.explanation.layout import Layout
from kinsight.models import Embedder
from kinsight.models.modes import evaluating


@dataclass(frozen=True)
class Opened:
    """A batch of pictures at the opening.

    Attributes:
        feature_map: the map of N pictures, in the model's own axes.
        head: from such a map (of these same pictures) to the embedding.
        layout: the axes of the map.
    """

    feature_map: Tensor
    head: Head
    layout: Layout


class Opening:
    """A model open at a map. Made by `open_model`.

    Attributes:
        modules: the torch modules it consists of; they are in eval mode while pictures pass.
    """

    def __init__(self, run: Callable[[Tensor], Opened], modules: list[nn.Module]) -> None:
        self._run = run
        self.modules = modules

    def __call__(self, images: Tensor) -> Opened:
        """(N, 3, H, W) -> the pictures at the opening."""
        first = next((value for module in self.modules for value in module.parameters()), None)
        if first is not None:
            images = images.to(first.device, first.dtype)
        with evaluating(*self.modules), torch.no_grad():
            return self._run(images)


def open_model(model: Any, *, layer: str | None = None, stage: int = 0, layout: Layout | None = None) -> Opening:
    """Open a model at a feature map.

    Args:
        model: an Embedder, a pair (trunk, head) of callables, or a module together with `layer`.
        layer: the module whose output is the map, by its dotted name.
        stage: of an Embedder: 0 is its last map; 1 the finer map before (twice as many places a side), 2 the next.
        layout: the axes of the map where they cannot be guessed.

    Raises:
        KinsightError: no such layer or stage, or nothing that can be opened.
    """
    if stage and layer is not None:
        raise KinsightError(f"both stage {stage} and layer {layer} are given; keep one of them")
    if isinstance(model, Embedder):
        if layer is None and stage == 0:
            return Opening(lambda images: _opened(model.trunk(images), model.head, layout or Layout()), [model])
        layer = layer or finer_layer(model, stage)
        return _at_layer(model, layer, layout or _layout_of(model))
    if isinstance(model, (tuple, list)) and len(model) == 2 and all(map(callable, model)):
        trunk, head = model
        modules = [part for part in model if isinstance(part, nn.Module)]
        return Opening(lambda images: _opened(trunk(images), head, layout), modules)
    if isinstance(model, nn.Module):
        if layer is None:
            last = ", ".join([name for name, _ in model.named_modules() if name][-5:])
            raise KinsightError(
                f"where {type(model).__name__} shall be opened is not known: name the layer whose output still has places "
                f"(layer='...'; its last modules are {last}), or give trunk and head as two callables"
            )
        return _at_layer(model, layer, layout)
    raise KinsightError(
        f"{type(model).__name__} cannot be opened; give a Kinsight model, trunk and head as two callables, or a torch "
        "module and the name of a layer"
    )


def finer_layer(model: Embedder, stage: int) -> str:
    """The name of the layer whose output is the `stage`-th finer map of an Embedder.

    Raises:
        KinsightError: the trunk has no such map.
    """
    known = list(getattr(model.trunk.network, "feature_info", []))
    last = max((each["reduction"] for each in known), default=0)
    by_size = {
        each["reduction"]: each["module"] for each in known if each["reduction"] < last
    }  # the deepest of each size
    names = [by_size[size] for size in sorted(by_size, reverse=True)]
    if not isinstance(stage, int) or not 1 <= stage <= len(names):
        raise KinsightError(
            f"stage {stage} does not exist: trunk {model.trunk.name} has {len(names)} finer maps than its last; write a "
            f"stage from 0 to {len(names)}, or name a layer"
        )
    return f"trunk.network.{names[stage - 1]}"


def _opened(feature_map: Tensor, head: Head, layout: Layout | None) -> Opened:
    layout = layout or Layout.of(feature_map)
    layout.size(feature_map)  # complains where there are no places
    return Opened(feature_map, head, layout)


def _layout_of(model: Embedder) -> Layout | None:
    network = model.trunk.network
    if getattr(network, "output_fmt", "NCHW") == "NHWC":
        return Layout("NHWC")
    prefix = getattr(network, "num_prefix_tokens", None)
    return None if prefix is None else Layout("tokens", prefix, model.trunk.map_size)


def _at_layer(model: nn.Module, layer: str, layout: Layout | None) -> Opening:
    known = dict(model.named_modules())
    if layer not in known or not layer:
        close = [name for name in known if name.endswith(layer.split(".")[-1])] or [
            name for name, _ in model.named_children()
        ]
        raise KinsightError(f"{type(model).__name__} has no layer {layer!r}; its layers include {', '.join(close[:8])}")

    def run(images: Tensor) -> Opened:
        record = _Record(layer)
        with record.taken(model):
            model(images)
        if not isinstance(record.feature_map, Tensor):
            raise KinsightError(
                f"layer {layer} gave no tensor when the model ran; name a layer that runs and gives one"
            )
        return _opened(record.feature_map, _Rest(model, images, record), layout)

    return Opening(run, [model])


@dataclass
class _Record:
    """What every module gave that had ended when the layer ended, in the order of its calls."""

    layer: str
    feature_map: Any = None
    outputs: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))

    @contextmanager
    def taken(self, model: nn.Module) -> Iterator[None]:
        handles = [
            module.register_forward_hook(lambda _, __, output, name=name: self._note(name, output))
            for name, module in model.named_modules()
            if name
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _note(self, name: str, output: Any) -> None:
        if self.feature_map is not None:
            return
        # A module that has ended speaks for all of its parts.
        for part in [known for known in self.outputs if known.startswith(f"{name}.")]:
            del self.outputs[part]
        # Networks change tensors in place: what is kept must be a copy.
        kept = output.clone() if isinstance(output, Tensor) else output
        if name == self.layer:
            self.feature_map = kept
        self.outputs[name].append(kept)


class _Rest:
    """A model above one of its layers: what lies below is not run again but answers from the record."""

    def __init__(self, model: nn.Module, images: Tensor, record: _Record) -> None:
        self.model = model
        self.images = images
        self.record = record

    def __call__(self, feature_map: Tensor) -> Any:
        with self._replayed(feature_map), evaluating(self.model):
            return self.model(self.images)

    @contextmanager
    def _replayed(self, feature_map: Tensor) -> Iterator[None]:
        modules = {name: self.model.get_submodule(name) for name in self.record.outputs}
        try:
            for name, module in modules.items():
                answers = self.record.outputs[name]
                if name == self.record.layer:
                    answers = [*answers[:-1], feature_map]
                module.forward = _Replay(answers, module.forward)  # type: ignore[method-assign]
            yield
        finally:
            for module in modules.values():
                module.__dict__.pop("forward", None)


class _Replay:
    """The recorded answers one after the other; calls after them run as they are."""

    def __init__(self, answers: list[Any], forward: Callable[..., Any]) -> None:
        self.answers = iter(answers)
        self.forward = forward

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        for answer in self.answers:
            return answer.clone() if isinstance(answer, Tensor) else answer
        return self.forward(*args, **kwargs)
