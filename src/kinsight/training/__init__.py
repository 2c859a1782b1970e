"""Training: the loop, optimizers, checkpoints, validation."""

from kinsight.training.loop import train

__all__ = ["train"]
