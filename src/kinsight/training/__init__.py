"""Training: the loop, optimizers, checkpoints, validation."""

from kinsight.training.planning import made_up_folder, plan
from kinsight.training.start import train

__all__ = ["made_up_folder", "plan", "train"]
