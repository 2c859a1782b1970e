"""Maps of pictures and pairs, and how good they are."""

from kinsight.explanation.contributions import Contributions, contributions
from kinsight.explanation.explainer import Explainer
from kinsight.explanation.layout import Layout
from kinsight.explanation.opening import Opened, Opening, open_model
from kinsight.explanation.pair import Pair, Terms
from kinsight.explanation.view import View

__all__ = [
    "Contributions",
    "Explainer",
    "Layout",
    "Opened",
    "Opening",
    "Pair",
    "Terms",
    "View",
    "contributions",
    "open_model",
]
