"""The verbs: what the command line does, as Python functions."""

from kinsight.api.embedding import Embeddings, embed, load
from kinsight.api.evaluating import evaluate_file, evaluate_run, per_query_table, starting_point

__all__ = ["Embeddings", "embed", "evaluate_file", "evaluate_run", "load", "per_query_table", "starting_point"]
