"""What the networks that timm lacks have in common for `timm.create_model`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from timm.models import DefaultCfg
from torch import nn

_PASSED = ("num_classes", "pretrained_cfg", "pretrained_cfg_overlay", "cache_dir")
"""What timm passes to every network."""


def built(
    name: str, make: Callable[[], nn.Module], known: Mapping[str, DefaultCfg], options: Mapping[str, Any]
) -> nn.Module:
    """The network of that name, which has no options, with its configuration.

    Raises:
        TypeError: an option was given.
    """
    own = [each for each in options if each not in _PASSED]
    if own:
        raise TypeError(f"{name} has no options, but {', '.join(map(repr, own))} came with an unexpected keyword")
    network = make()
    network.pretrained_cfg = known[name].default.to_dict()
    return network
