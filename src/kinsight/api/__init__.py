"""The verbs: what the command line does, as Python functions."""

from kinsight.api.comparing import compare
from kinsight.api.diagnosing import Diagnosis, diagnose
from kinsight.api.embedding import Embeddings, embed, load
from kinsight.api.evaluating import evaluate_file, evaluate_run, per_query_table, starting_point
from kinsight.api.explaining import explain, explain_matches
from kinsight.api.grouping import groups
from kinsight.api.measuring_maps import correspond_run, faithfulness_run, localize_run

__all__ = [
    "Diagnosis",
    "Embeddings",
    "compare",
    "correspond_run",
    "diagnose",
    "embed",
    "evaluate_file",
    "evaluate_run",
    "explain",
    "explain_matches",
    "faithfulness_run",
    "groups",
    "load",
    "localize_run",
    "per_query_table",
    "starting_point",
]
