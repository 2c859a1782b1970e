"""Losses and miners by name, the objective that a training minimises, and a watch over it."""

from kinsight.objectives.deviance import BinomialDeviance
from kinsight.objectives.diversity import DiversityLoss
from kinsight.objectives.losses import LOSSES
from kinsight.objectives.miners import MINERS
from kinsight.objectives.objective import Losses, Objective, complete_objective
from kinsight.objectives.terms import Term
from kinsight.objectives.watch import CollapseWatch, check_finite
from kinsight.settings.objective import ObjectiveSettings

__all__ = [
    "LOSSES",
    "MINERS",
    "BinomialDeviance",
    "CollapseWatch",
    "DiversityLoss",
    "Losses",
    "Objective",
    "ObjectiveSettings",
    "Term",
    "check_finite",
    "complete_objective",
]
