"""Numbers from embeddings: neighbours, ranking metrics, clustering, intervals, diagnosis."""

from kinsight.evaluation.evaluate import Evaluation, evaluate
from kinsight.evaluation.metrics import METRICS, Metric, describe
from kinsight.evaluation.neighbours import Neighbours, neighbours
from kinsight.evaluation.statistics import Interval, bootstrap, paired_difference, t_interval

__all__ = [
    "METRICS",
    "Evaluation",
    "Interval",
    "Metric",
    "Neighbours",
    "bootstrap",
    "describe",
    "evaluate",
    "neighbours",
    "paired_difference",
    "t_interval",
]
