"""Numbers from embeddings: neighbours, ranking metrics, clustering, intervals, diagnosis."""

from kinsight.evaluation.estimate import Estimate
from kinsight.evaluation.evaluate import Evaluation, evaluate
from kinsight.evaluation.metrics import METRICS, Metric, describe
from kinsight.evaluation.neighbours import Neighbours, neighbours
from kinsight.evaluation.statistics import bootstrap, paired_difference, t_interval

__all__ = [
    "METRICS",
    "Estimate",
    "Evaluation",
    "Metric",
    "Neighbours",
    "bootstrap",
    "describe",
    "evaluate",
    "neighbours",
    "paired_difference",
    "t_interval",
]
