"""Training: settings and recipes, the loop, checkpoints, the run folder."""

from kinsight.training.loop import train
from kinsight.training.run import RunFolder
from kinsight.training.settings import TrainingSettings

__all__ = ["RunFolder", "TrainingSettings", "train"]
