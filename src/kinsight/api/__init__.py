"""The verbs: what the command line does, as Python functions."""

from kinsight.api.embedding import Embeddings, embed, load
from kinsight.api.evaluating import evaluate_file, evaluate_run, per_query_table, starting_point
from kinsight.api.explaining import explain, explain_matches

__all__ = [
    "Embeddings",
    "embed",
    "evaluate_file",
    "evaluate_run",
    "explain",
    "explain_matches",
    "load",
    "per_query_table",
    "starting_point",
]
