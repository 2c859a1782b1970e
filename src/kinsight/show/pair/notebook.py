"""How results look in a notebook: put onto their types from here, because the rooms below know nothing of pages."""

from __future__ import annotations

from kinsight.explanation.pair import Pair
from kinsight.show.pair.page import pair_fragment


def attach() -> None:
    """Let a notebook show a `Pair` as the interactive picture itself; may be called any number of times."""
    Pair._repr_html_ = pair_fragment  # type: ignore[attr-defined]
