"""Opening a model at one of its feature maps: what lies below gives the map, what lies above is the head.

Kinsight's own models stand open at their last map; any other is given as two callables, or as one module and the name
of a layer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from kinsight.errors import KinsightError
from kinsight.explanation.centres import Centres
from kinsight.explanation.contributions import Head, differs, whole_of
from kinsight.explanation.geometry import Geometry
from kinsight.explanation.layout import Layout
from kinsight.models import Embedder
from kinsight.models.modes import evaluating


@dataclass(frozen=True, eq=False)
class Opened:
    """A batch of pictures at the opening.

    Attributes:
        feature_map: the map of N pictures, in the model's own axes.
        head: from such a map (of these same pictures) to the embedding.
        layout: the axes of the map.
        centres: where its places stand in the pictures; None where nobody looked.
    """

    feature_map: Tensor
    head: Head
    layout: Layout
    centres: Centres | None = None


_Place = tuple[str, Layout | None]
_FOLLOWED: WeakKeyDictionary[nn.Module, dict[_Place, dict[tuple[int, ...], Centres]]] = WeakKeyDictionary()


class Opening:
    """A model open at a map. Made by `open_model`.

    Attributes:
        modules: the torch modules it consists of; they are in eval mode while pictures pass.
    """

    def __init__(
        self,
        run: Callable[[Tensor], Opened],
        modules: list[nn.Module],
        below: object,
        layer: str = "",
        layout: Layout | None = None,
    ) -> None:
        self._run = run
        self.modules = modules
        # Following what lies below costs as much as a tenth of a pass: it is done once for a module, not for each opening.
        known = _FOLLOWED.setdefault(below, {}) if isinstance(below, nn.Module) else {}
        self._centres = known.setdefault((layer, layout), {})

    def __call__(self, images: Tensor) -> Opened:
        """(N, 3, H, W) -> the pictures at the opening."""
        first = next((value for module in self.modules for value in module.parameters()), None)
        if first is not None:
            images = images.to(first.device, first.dtype)
        with evaluating(*self.modules), torch.no_grad():
            size = tuple(images.shape[1:])
            if images.ndim != 4 or size in self._centres:
                return replace(self._run(images), centres=self._centres.get(size))
            # Pictures of a size that is new show the way that all others of it go.
            with Geometry(images) as geometry:
                opened = self._run(images)
            found = geometry.centres(opened.feature_map, opened.layout.size(opened.feature_map))
            self._centres[size] = found
            return replace(opened, centres=found)


def open_model(model: Any, *, layer: str | None = None, stage: int = 0, layout: Layout | None = None) -> Opening:
    """Open a model at a feature map.

    Args:
        model: an Embedder, a pair (trunk, head) of callables, or a module together with `layer`.
        layer: the module whose output is the map, by its dotted name; where it runs several times, its first output.
        stage: of an Embedder: 0 is its last map; 1 the finer map before (twice as many places a side), 2 the next; of ViTs the block below.
        layout: the axes of the map where they cannot be guessed.

    Raises:
        KinsightError: no such layer or stage, or nothing that can be opened.
    """
    if stage and layer is not None:
        raise KinsightError(f"both stage {stage} and layer {layer} are given; keep one of them")
    if isinstance(model, Embedder):
        if layer is None and stage == 0:
            return Opening(
                lambda images: _opened(model.trunk(images), model.head, layout or Layout()),
                [model],
                model.trunk,
                layout=layout,
            )
        return _at_layer(model, lower_layer(model, stage) if layer is None else layer, layout)
    if stage:
        raise KinsightError(f"stage {stage} was given for a model that is not Kinsight's; name a finer layer= instead")
    if isinstance(model, (tuple, list)) and len(model) == 2 and all(map(callable, model)):
        if layer is not None:
            raise KinsightError(f"layer {layer} was given with trunk and head, which are open already; leave it out")
        trunk, head = model
        modules = [part for part in model if isinstance(part, nn.Module)]
        return Opening(lambda images: _opened(trunk(images), head, layout, images), modules, trunk, layout=layout)
    if isinstance(model, nn.Module):
        if layer is None:
            last = ", ".join([name for name, _ in model.named_modules() if name][-5:])
            raise KinsightError(
                f"where {type(model).__name__} shall be opened is not known; name the layer whose output still has "
                f"places (layer='...'; its last modules are {last}), or give trunk and head as two callables"
            )
        return _at_layer(model, layer, layout)
    raise KinsightError(
        f"{type(model).__name__} cannot be opened; give a Kinsight model, trunk and head as two callables, or a torch "
        "module and the name of a layer"
    )


def lower_layer(model: Embedder, stage: int) -> str:
    """The name of the layer whose output is the `stage`-th map below an Embedder's last.

    Raises:
        KinsightError: the trunk has no such map.
    """
    names = [layer for _, layer in model.trunk.lower_maps()]
    if not names:
        raise KinsightError(
            f"stage {stage} does not exist: trunk {model.trunk.name} has no map below its last; leave it out, or name a layer"
        )
    if any(isinstance(module, nn.RNNBase) for module in model.trunk.modules()):
        raise KinsightError(
            f"trunk {model.trunk.name} is explained on its last map only: what it does above a lower one is recurrent, and not affine with "
            "any gates held fixed; give stage 0"
        )
    if not isinstance(stage, int) or not 1 <= stage <= len(names):
        raise KinsightError(
            f"stage {stage} does not exist: trunk {model.trunk.name} has {len(names)} maps below its last; write a "
            f"stage from 0 to {len(names)}, or name a layer"
        )
    layer = f"trunk.network.{names[stage - 1]}"
    if layer not in dict(model.named_modules()):
        raise KinsightError(
            f"trunk {model.trunk.name} is explained on its last map only: no layer of it gives a lower one alone; give stage 0"
        )
    return layer


def _opened(feature_map: Any, head: Head, layout: Layout | None, images: Tensor | None = None) -> Opened:
    if not isinstance(feature_map, Tensor):
        raise KinsightError(
            f"the trunk gives a {type(feature_map).__name__} where a feature map is needed; give one that returns a tensor"
        )
    picture = None if images is None or images.ndim != 4 else (images.shape[2], images.shape[3])
    layout = layout or Layout.of(feature_map, picture)
    layout.size(feature_map)  # complains where there are no places
    return Opened(feature_map, head, layout)


def _at_layer(model: nn.Module, layer: str, layout: Layout | None) -> Opening:
    known = [name for name, _ in model.named_modules() if name]
    if layer not in known:
        close = [name for name in known if name.endswith(layer.split(".")[-1])] if layer else []
        close = close or [name for name, _ in model.named_children()]
        raise KinsightError(f"{type(model).__name__} has no layer {layer!r}; its layers include {', '.join(close[:8])}")

    def run(images: Tensor) -> Opened:
        record = _Record(layer)
        with record.taken(model):
            whole = whole_of(model(images))
        if not isinstance(record.feature_map, Tensor):
            raise KinsightError(
                f"layer {layer} gave no tensor when the model ran; name another layer, or explain on the last map, stage 0"
            )
        rest = _Rest(model, images, record)
        opened = _opened(record.feature_map, rest, layout, images)
        _check_rest(whole, whole_of(rest(record.feature_map)), layer)
        return opened

    return Opening(run, [model], model, layer, layout)


def _check_rest(whole: Any, again: Any, layer: str) -> None:
    """A model that keeps a state, draws at random or changes what its layers took would be explained wrongly."""
    if not isinstance(whole, Tensor) or not isinstance(again, Tensor):
        return  # what it gives instead is said where the embedding is needed
    if differs(whole, again):
        raise KinsightError(
            f"the model gives other embeddings when it is run on from layer {layer} than as a whole (it keeps a state, "
            "draws at random, or changes the inputs of its layers in place); name another layer, or give trunk and head "
            "as two callables"
        )


@dataclass
class _Record:
    """What every module gave that had ended when the layer ended, in the order of its calls."""

    layer: str
    feature_map: Any = None
    events: list[tuple[str, Any]] = field(default_factory=list)
    begun: list[int] = field(default_factory=list)

    @property
    def outputs(self) -> dict[str, list[Any]]:
        """The answers of each module, by its name."""
        found: dict[str, list[Any]] = defaultdict(list)
        for name, output in self.events:
            found[name].append(output)
        return found

    @contextmanager
    def taken(self, model: nn.Module) -> Iterator[None]:
        named = [(name, module) for name, module in model.named_modules() if name]
        handles = [
            module.register_forward_pre_hook(lambda *_: self.begun.append(len(self.events))) for _, module in named
        ]
        # Before other hooks: those run again on what is replayed.
        handles += [
            module.register_forward_hook(lambda _, __, output, name=name: self._note(name, output), prepend=True)
            for name, module in named
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _note(self, name: str, output: Any) -> None:
        begun = self.begun.pop()
        if self.feature_map is not None:
            return
        # A module that has ended speaks for all that ran inside it, also for modules that it shares with others.
        del self.events[begun:]
        kept = _copied(output)
        if name == self.layer:
            self.feature_map = kept
        self.events.append((name, kept))


class _Rest:
    """A model above one of its layers: what lies below is not run again but answers from the record."""

    def __init__(self, model: nn.Module, images: Tensor, record: _Record) -> None:
        self.model = model
        self.images = images
        self.record = record

    def __call__(self, feature_map: Tensor) -> Any:
        with self._replayed(feature_map), evaluating(self.model):
            return self.model(self.images.clone())

    @contextmanager
    def _replayed(self, feature_map: Tensor) -> Iterator[None]:
        patched: list[tuple[nn.Module, Any]] = []
        try:
            for name, answers in self.record.outputs.items():
                module = self.model.get_submodule(name)
                if name == self.record.layer:
                    answers = [feature_map]
                patched.append((module, vars(module).get("forward")))
                module.forward = _Replay(answers, module.forward)
            yield
        finally:
            for module, before in patched:
                del module.forward
                if before is not None:  # somebody else has patched it, too
                    module.forward = before


class _Replay:
    """The recorded answers one after the other; calls after them run as they are."""

    def __init__(self, answers: list[Any], forward: Callable[..., Any]) -> None:
        self.answers = iter(answers)
        self.forward = forward

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        for answer in self.answers:
            return _copied(answer)
        return self.forward(*args, **kwargs)


def _copied(output: Any) -> Any:
    """A copy that stays as it is when networks change tensors in place."""
    if isinstance(output, Tensor):
        return output.clone()
    if type(output) is dict:
        return {key: _copied(value) for key, value in output.items()}
    if type(output) in (tuple, list):
        return type(output)(_copied(value) for value in output)
    return output
