"""The verbs: what the command line does, as Python functions, one file each."""

from kinsight.api.compare import compare
from kinsight.api.correspond import correspond
from kinsight.api.diagnose import Diagnosis, diagnose
from kinsight.api.embed import Embeddings, embed
from kinsight.api.evaluate import evaluate_file, evaluate_run, per_query_table, starting_point
from kinsight.api.explain import explain, explain_matches
from kinsight.api.faithfulness import faithfulness
from kinsight.api.groups import groups
from kinsight.api.load import load
from kinsight.api.localize import localize
from kinsight.api.report import report

__all__ = [
    "Diagnosis",
    "Embeddings",
    "compare",
    "correspond",
    "diagnose",
    "embed",
    "evaluate_file",
    "evaluate_run",
    "explain",
    "explain_matches",
    "faithfulness",
    "groups",
    "load",
    "localize",
    "per_query_table",
    "report",
    "starting_point",
]
