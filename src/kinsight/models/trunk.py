"""Any image network of timm, or a class of the user's own, as a trunk: picture -> feature map."""

from __future__ import annotations

import difflib
import inspect
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn
from torch.func import functional_call

import kinsight.models.bn_inception
import kinsight.models.googlenet  # noqa: F401  networks that timm lacks
from kinsight.errors import KinsightError
from kinsight.models.frozen_norm import check_frozen_norm, freeze_affine, freeze_statistics
from kinsight.models.weights import fetch_weights, file_of, load_weights, read_tensors
from kinsight.pictures.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from kinsight.registry import Registry, is_class_path, reason, shown

# What the trunk decides itself; checkpoint_path would also read a pickle.
_RESERVED = (
    "pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "checkpoint_path", "cache_dir", "num_classes",
    "global_pool", "features_only", "in_chans",
)  # fmt: skip

# Networks that are not timm's are given by class path.
TRUNKS = Registry("trunk", {}, call=("images",), example="mine.Trunk")


def is_own_trunk(name: object) -> bool:
    """Whether the name is a class path and no network of timm (resnet50.a1_in1k)."""
    return is_class_path(name) and not timm.is_model(str(name))


class Trunk(nn.Module):
    """A network without its classifier, from a picture to a feature map.

    The map is what timm's `forward_features` gives, in one layout for all families: the class and register tokens of a
    transformer are dropped and its other tokens laid back on their grid, channels come first. Parts that only the
    classifier needs are removed.

    A class of the user's own is given by its path; called with pictures (N, 3, H, W) it returns a map (N, C, h, w).

    Args:
        name: a timm name, with or without tag: resnet50, resnet50.a1_in1k, vit_small_patch16_224; or a class path.
        pretrained: take the weights of that name from the Hugging Face hub; nothing else here reaches the network.
        weights: a local .safetensors file for the same network; its classifier is ignored. Not with `pretrained`.
        options: passed on to `timm.create_model` or to the class, for example `{"pad_type": "same", "drop_path_rate": 0.1}`; but `stage`
            is taken here: 0 gives the last map, 1 stops at the next finer one, whose places see less of the picture (of ViTs at the
            block below, with as many places).
        frozen_norm: batch norm in training: "none" trains it, "statistics" keeps its running statistics, "affine" also
            its weight and bias.
        size: height and width of the pictures; None is the network's own. Transformers are built so that other sizes go
            too, where timm can.
        seed: seed of the initial values; None draws them from torch's global generator.

    Attributes:
        channels: C of the feature map.
        map_size: height and width of the feature map for pictures of `size`.
        input_size: height and width of the pictures that timm's configuration names.
        default_mean: mean per colour channel (RGB, on the scale 0 to 1) that the pretrained weights expect.
        default_std: standard deviation, likewise.

    Raises:
        KinsightError: an unknown name or option, weights that do not fit or cannot be had, or a picture size that the
            network cannot take.
    """

    def __init__(
        self,
        name: str,
        *,
        pretrained: bool = False,
        weights: str | Path | None = None,
        options: Mapping[str, Any] | None = None,
        frozen_norm: str = "statistics",
        size: tuple[int, int] | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        check_frozen_norm(frozen_norm)
        if pretrained and weights is not None:
            raise KinsightError(f"both pretrained and weights ({weights}) are given; keep one of them")
        options = dict(options or {})
        stage = options.pop("stage", 0)
        self.own = is_own_trunk(name)
        if not self.own:
            _check_name(name, options)
        elif pretrained:
            raise KinsightError(
                f"trunk {name} is not timm's and has no pretrained weights there; give a file as weights"
            )
        self.name = name
        self.frozen_norm = frozen_norm
        with seeded(seed):
            self.network: Any = TRUNKS.build({**options, "name": name}) if self.own else _create(name, options, size)
        self.stage = 0
        self._index = self._index_of(stage)
        cfg: Any = (
            {"input_size": (3, 224, 224), "mean": IMAGENET_MEAN, "std": IMAGENET_STD}
            if self.own
            else self.network.pretrained_cfg
        )
        self.input_size: tuple[int, int] = tuple(cfg["input_size"][1:])
        self.default_mean: tuple[float, ...] = tuple(cfg["mean"])
        self.default_std: tuple[float, ...] = tuple(cfg["std"])
        if self.own:
            seen = self._rehearse(size or self.input_size)
        else:
            key = repr((name, options, stage, size))
            seen = _REHEARSED.get(key) or _REHEARSED.setdefault(key, self._rehearse(size or self.input_size))
        self.channels, self.map_size, reached, called = seen.channels, seen.map_size, seen.reached, seen.called
        spare = _spare_parts(self.network, reached, called)
        if pretrained:
            weights = fetch_weights(name, cfg.get("hf_hub_id"))
        if weights is not None:
            load_weights(
                self.network, read_tensors(file_of(weights)), source=f"{weights} (for {name})", not_needed=spare
            )
        for part in spare:
            parent, _, child = part.rpartition(".")
            setattr(self.network.get_submodule(parent), child, nn.Identity())
        for path, parameter in self.network.named_parameters():
            # A parameter that gets no gradient is an error when several processes train.
            parameter.requires_grad_(path in reached)
        if frozen_norm == "affine":
            freeze_affine(self.network)
        self.train()

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, C, h, w)."""
        if self._index is not None:
            return self.network.forward_intermediates(
                images, indices=[self._index], stop_early=True, intermediates_only=True
            )[0]  # (N, C, h, w)
        if self.own:
            return self._own_map(self.network(images), len(images))
        features = self.network.forward_features(images)
        if isinstance(features, list | tuple) and features:
            features = features[-1]  # of several maps the deepest
        if not isinstance(features, Tensor) or features.ndim not in (3, 4):
            raise _NoMapError(self.name)
        if features.ndim == 3:
            return self._grid(features, images.shape[2] / images.shape[3])  # (N, L, C) -> (N, C, h, w)
        if getattr(self.network, "output_fmt", "NCHW") == "NHWC":
            return features.permute(0, 3, 1, 2)  # (N, C, h, w)
        return features  # (N, C, h, w)

    def train(self, mode: bool = True) -> Trunk:
        """As `nn.Module.train`, but frozen batch norm stays in eval mode."""
        super().train(mode)
        if self.frozen_norm != "none":
            freeze_statistics(self.network)
        return self

    def lower_maps(self) -> list[tuple[int, str]]:
        """The maps below the one that this trunk gives, the next one first: their number and the name of their layer.

        They are the finer ones, the deepest of each size. Networks whose maps are all of one size (ViT) have those of lower blocks.
        """
        known = list(getattr(self.network, "feature_info", []))
        last = max((each["reduction"] for each in known), default=0)
        # The deepest layer of each size comes last.
        by_size = {each["reduction"]: number for number, each in enumerate(known) if each["reduction"] < last}
        numbers = [by_size[size] for size in sorted(by_size, reverse=True)] or list(range(len(known) - 1))[::-1]
        return [(number, self._layer_of(number, known[number]["module"])) for number in numbers][self.stage :]

    def _layer_of(self, number: int, module: str) -> str:
        """The layer that gives a map, where what timm names is none that gives a tensor."""
        if (
            getattr(self.network, "incre_modules", None) is not None
        ):  # HRNet's stages give lists; each map is taken by a layer of its own
            return f"incre_modules.{number - 1}" if number else "act1"
        if module == "parallel_blocks":  # CoaT's mix the maps of all sizes; before them each stands alone
            module = f"serial_blocks{number + 1}"
        modules = dict(self.network.named_modules())
        if module not in modules:  # timm calls Twins' stages `block.2`, and they are `blocks.2`
            module = module.replace("block.", "blocks.", 1)
        layer = modules.get(module)
        return f"{module}.{len(layer) - 1}" if isinstance(layer, nn.ModuleList) else module

    def _index_of(self, stage: object) -> int | None:
        """The number of a lower map among those that timm lists; None for the last map."""
        if stage == 0 and not isinstance(stage, bool):
            return None
        lower = self.lower_maps() if hasattr(self.network, "forward_intermediates") else []
        if not lower:
            raise KinsightError(
                f"stage {shown(stage)} does not exist: trunk {self.name} has no map below its last; leave stage out"
            )
        if isinstance(stage, bool) or not isinstance(stage, int) or not 1 <= stage <= len(lower):
            raise KinsightError(
                f"stage {shown(stage)} does not exist: trunk {self.name} has {len(lower)} maps below its last; write a whole "
                f"number from 0 to {len(lower)}"
            )
        self.stage = stage
        return lower[stage - 1][0]

    def _own_map(self, features: Any, count: int) -> Tensor:
        if not isinstance(features, Tensor) or features.ndim != 4 or len(features) != count:
            given = f"a tensor {tuple(features.shape)}" if isinstance(features, Tensor) else type(features).__name__
            raise _OwnTrunkError(
                f"trunk {self.name} gives {given} for {count} pictures; let its forward return a feature map (N, C, h, w)"
            )
        return features

    def _grid(self, tokens: Tensor, aspect: float) -> Tensor:
        # Most transformers say how many tokens stand before the grid; those that do not have at most a class token.
        declared = getattr(self.network, "num_prefix_tokens", None)
        prefixes = (0, 1) if declared is None else (declared,)
        grids = {prefix: _grid_size(tokens.shape[1] - prefix, aspect) for prefix in prefixes}
        prefix = min(grids, key=lambda each: _mismatch(grids[each], aspect))
        # Rounding up to whole patches may change the ratio a little, more on tiny grids.
        if _mismatch(grids[prefix], aspect) > 2:
            raise _NoMapError(self.name)
        return tokens[:, prefix:].transpose(1, 2).unflatten(2, grids[prefix])  # (N, C, h, w)

    def _rehearse(self, size: tuple[int, int]) -> _Rehearsal:
        """One forward pass without values."""
        self.eval()
        called: set[str] = set()
        hooks = [
            module.register_forward_pre_hook(lambda *_, path=path: called.add(path))
            for path, module in self.network.named_modules()
        ]
        try:
            feature_map, parameters = self._dry_run(size)
        except (_NoMapError, _OwnTrunkError):
            raise
        except Exception as problem:
            if self.own:
                raise KinsightError(
                    f"trunk {self.name} fails on pictures of {size[0]}x{size[1]} ({reason(problem)}); correct the class, or "
                    "choose another size"
                ) from problem
            # Networks say in many ways that a size does not suit them: assertions, shape errors.
            raise KinsightError(
                f"trunk {self.name} cannot take pictures of {size[0]}x{size[1]} ({_first_line(problem)}); choose "
                f"another size, its own is {self.input_size[0]}x{self.input_size[1]}"
            ) from None
        finally:
            for hook in hooks:
                hook.remove()
        leaves = _leaves(feature_map)
        reached = {path.removeprefix("network.") for path, value in parameters.items() if id(value) in leaves}
        channels, height, width = feature_map.shape[1:]
        return _Rehearsal(channels, (height, width), reached, called)

    def _dry_run(self, size: tuple[int, int]) -> tuple[Tensor, dict[str, Tensor]]:
        shadows: dict[int, Tensor] = {}
        named: dict[str, Tensor] = {}
        # Every module's own values once, under one name: functional_call would leave what has two names on the meta device.
        for path, module in self.named_modules():
            for name, value in chain(module.named_parameters(recurse=False), module.named_buffers(recurse=False)):
                shadow = shadows.setdefault(id(value), torch.empty_like(value, device="meta"))
                named[f"{path}.{name}" if path else name] = shadow
        parameters = {name: named[name].requires_grad_() for name, _ in self.named_parameters()}
        images = torch.empty(1, 3, *size, device="meta")
        with torch.enable_grad():
            try:
                return functional_call(self, named, images, tie_weights=False), parameters
            except Exception:
                # A network with constants of its own on the CPU: run it with values, or learn the true reason.
                parameters = dict(self.named_parameters())
                return self(torch.zeros(1, 3, *size)), parameters


def source_of(trunk: Trunk) -> str:
    """The text of the file in which a trunk of the user's own stands; empty for networks of timm, whose version tells."""
    file = inspect.getsourcefile(type(trunk.network)) if trunk.own else None
    return Path(file).read_text(encoding="utf-8", errors="replace") if file else ""


@dataclass(frozen=True)
class _Rehearsal:
    channels: int
    map_size: tuple[int, int]
    reached: set[str]  # parameters that the map depends on
    called: set[str]  # modules that run


_REHEARSED: dict[str, _Rehearsal] = {}
"""Of networks of timm: the same name, options and size rehearse alike, as often as they are built."""


class _OwnTrunkError(KinsightError):
    """A class of the user's own gives something else than a map."""


class _NoMapError(KinsightError):
    def __init__(self, name: str) -> None:
        super().__init__(
            f"trunk {name} gives no feature map (it pools its places, or keeps several maps); choose another network, "
            "for example resnet50"
        )


@contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Draw initial values from `seed` inside the block, then put torch's generator back; None changes nothing."""
    if seed is None:
        yield
        return
    with torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed: it would also reset the generators of all accelerators, which are not restored here.
        torch.default_generator.manual_seed(seed)
        yield


def _check_name(name: str, options: Mapping[str, Any]) -> None:
    if not timm.is_model(name):
        close = difflib.get_close_matches(name.split(".")[0], timm.list_models(), n=3, cutoff=0.5)
        hint = f"did you mean {', '.join(close)}" if close else "`timm.list_models()` lists them"
        raise KinsightError(f"trunk {shown(name)} is not a network of timm; {hint}")
    try:
        timm.models.get_pretrained_cfg(name)
    except RuntimeError:
        network = name.split(".")[0]
        tags = [known.partition(".")[2] for known in timm.list_pretrained(f"{network}.*")]
        raise KinsightError(
            f"trunk {shown(name)} has a tag that timm does not know; write one of {', '.join(tags)}, or only {network}"
        ) from None
    for option in options:
        if option in _RESERVED:
            raise KinsightError(f"trunk option {option!r} is decided by Kinsight; remove it from trunk_options")


def _create(name: str, options: dict[str, Any], size: tuple[int, int] | None) -> nn.Module:
    cfg = timm.models.get_pretrained_cfg(name, allow_unregistered=True)
    # Ways to take other picture sizes: ViTs resample their position table, Swin-like networks lift the check, others
    # must know the size. A way that the architecture does not have is an unexpected keyword.
    ways: list[dict[str, Any]] = [{}]
    if cfg is not None and cfg.fixed_input_size and "img_size" not in options:
        ways = [{"dynamic_img_size": True}, {"strict_img_size": False}, *([{"img_size": size}] if size else []), {}]
    return next(network for way in ways if (network := _try_way(name, options, way)) is not None)


def _try_way(name: str, options: dict[str, Any], way: dict[str, Any]) -> nn.Module | None:
    try:
        return timm.create_model(name, pretrained=False, num_classes=0, **{**way, **options})
    except Exception as problem:
        if isinstance(problem, TypeError) and any(repr(key) in str(problem) for key in way if key not in options):
            return None
        size = way.get("img_size")
        given = [f"options {shown(options)}"] * bool(options) + [f"pictures of {size}"] * bool(size)
        raise KinsightError(
            f"trunk {name} cannot be built with {' and '.join(given) or 'its defaults'} ({_first_line(problem)}); "
            "change trunk_options or size"
        ) from None


def _spare_parts(network: nn.Module, reached: set[str], called: set[str]) -> list[str]:
    """The topmost modules with parameters of which none is reached and no part ever runs."""
    alive = {path for path, _ in network.named_parameters() if path in reached} | called
    spare: list[str] = []
    for path, module in network.named_modules():
        known = any(path.startswith(f"{other}.") for other in spare)
        lives = any(each == path or each.startswith(f"{path}.") for each in alive)
        if path and not known and not lives and any(True for _ in module.parameters()):
            spare.append(path)
    return spare


def _leaves(result: Tensor) -> set[int]:
    """The identities of the tensors that a backward pass from `result` would give a gradient."""
    seen, waiting, leaves = set(), [result.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            leaves.add(id(node.variable))
        waiting += [before for before, _ in node.next_functions]
    return leaves


def _grid_size(places: int, aspect: float) -> tuple[int, int]:
    """Height and width with that product and the ratio nearest to `aspect`; 0, 0 for a single place: no grid."""
    fits = [(height, places // height) for height in range(1, places + 1) if places % height == 0]
    return min(fits, key=lambda grid: _mismatch(grid, aspect)) if places > 1 else (0, 0)


def _mismatch(grid: tuple[int, int], aspect: float) -> float:
    if 0 in grid:
        return math.inf
    ratio = grid[0] / grid[1] / aspect
    return max(ratio, 1 / ratio)


def _first_line(problem: Exception) -> str:
    return (str(problem).strip() or type(problem).__name__).splitlines()[0][:200]
