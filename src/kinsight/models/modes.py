"""Modules in eval mode for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluating(*modules: nn.Module) -> Iterator[None]:
    """Put modules into eval mode inside the block; afterwards every part of them has its own mode again."""
    modes = [(part, part.training) for module in modules for part in module.modules()]
    if any(training for _, training in modes):  # else there is nothing to do, and walking a deep network takes its time
        for module in modules:
            module.eval()
    try:
        yield
    finally:
        for part, mode in modes:
            if part.training != mode:
                part.training = mode
