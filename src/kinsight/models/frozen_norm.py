"""Batch norm that does not move: small batches of few classes make poor batch statistics.

"statistics" keeps every batch norm in eval mode while the rest trains (Musgrave et al., ECCV 2020; the authors of the
multi-similarity loss gain about 2 points of recall@1 on CUB by it); "affine" also stops the training of its weight and
bias; "none" trains it as any layer.
"""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from kinsight.errors import KinsightError
from kinsight.registry import shown

FROZEN_NORM = ("none", "statistics", "affine")


def check_frozen_norm(choice: str) -> None:
    """Refuse a word that is none of `FROZEN_NORM`."""
    if choice not in FROZEN_NORM:
        raise KinsightError(f"frozen_norm {shown(choice)} is not known; write one of {', '.join(FROZEN_NORM)}")


def batch_norms(module: nn.Module) -> list[_BatchNorm]:
    """Every batch norm in `module`, also the kinds derived from it (timm's norm with activation, synchronised norm)."""
    return [each for each in module.modules() if isinstance(each, _BatchNorm)]


def freeze_affine(module: nn.Module) -> None:
    """Stop the training of weight and bias of every batch norm in `module`."""
    for norm in batch_norms(module):
        for parameter in norm.parameters(recurse=False):
            parameter.requires_grad_(False)


def freeze_statistics(module: nn.Module) -> None:
    """Put every batch norm in `module` into eval mode; to be called again after each `train()`."""
    for norm in batch_norms(module):
        # Not norm.eval(): in timm a batch norm holds its activation as a child, whose mode is not ours to change.
        norm.training = False
