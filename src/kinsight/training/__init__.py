"""Training: the loop, optimizers, checkpoints, validation."""

from kinsight.training.start import train

__all__ = ["train"]
