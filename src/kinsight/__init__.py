"""Train image-similarity models, measure them honestly, and see why they find two pictures alike."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what editors and type checkers see; a test holds it against _HOME
    from kinsight.api.atlas import atlas
    from kinsight.api.benchmark import benchmark
    from kinsight.api.calibrate import calibrate
    from kinsight.api.compare import compare
    from kinsight.api.correspond import correspond
    from kinsight.api.data import check_data, list_data, render_data
    from kinsight.api.diagnose import diagnose
    from kinsight.api.division import division
    from kinsight.api.embed import embed
    from kinsight.api.evaluate import evaluate
    from kinsight.api.explain import explain
    from kinsight.api.faithfulness import faithfulness
    from kinsight.api.groups import groups
    from kinsight.api.index import index
    from kinsight.api.judged import judged_data
    from kinsight.api.load import load
    from kinsight.api.localize import localize
    from kinsight.api.opened_index import open_index
    from kinsight.api.orient import orient
    from kinsight.api.recipes import recipes
    from kinsight.api.report import report
    from kinsight.api.search import search
    from kinsight.api.train import train
    from kinsight.data.table import read_table
    from kinsight.errors import KinsightError
    from kinsight.models.gates import gate
    from kinsight.registry.class_paths import own_code
    from kinsight.server.running import serve
    from kinsight.settings.parsing import settings_from

    __version__: str

# Names are imported when first used: `import kinsight` and `kinsight --help` should not wait for torch.
_HOME = {
    "atlas": "kinsight.api.atlas",
    "benchmark": "kinsight.api.benchmark",
    "calibrate": "kinsight.api.calibrate",
    "compare": "kinsight.api.compare",
    "correspond": "kinsight.api.correspond",
    "check_data": "kinsight.api.data",
    "list_data": "kinsight.api.data",
    "render_data": "kinsight.api.data",
    "diagnose": "kinsight.api.diagnose",
    "division": "kinsight.api.division",
    "embed": "kinsight.api.embed",
    "evaluate": "kinsight.api.evaluate",
    "explain": "kinsight.api.explain",
    "faithfulness": "kinsight.api.faithfulness",
    "groups": "kinsight.api.groups",
    "index": "kinsight.api.index",
    "open_index": "kinsight.api.opened_index",
    "search": "kinsight.api.search",
    "judged_data": "kinsight.api.judged",
    "load": "kinsight.api.load",
    "localize": "kinsight.api.localize",
    "orient": "kinsight.api.orient",
    "recipes": "kinsight.api.recipes",
    "report": "kinsight.api.report",
    "train": "kinsight.api.train",
    "read_table": "kinsight.data.table",
    "KinsightError": "kinsight.errors",
    "gate": "kinsight.models.gates",
    "own_code": "kinsight.registry.class_paths",
    "serve": "kinsight.server.running",
    "settings_from": "kinsight.settings.parsing",
}

__all__ = [
    "KinsightError",
    "__version__",
    "atlas",
    "benchmark",
    "calibrate",
    "check_data",
    "compare",
    "correspond",
    "diagnose",
    "division",
    "embed",
    "evaluate",
    "explain",
    "faithfulness",
    "gate",
    "groups",
    "index",
    "judged_data",
    "list_data",
    "load",
    "localize",
    "open_index",
    "orient",
    "own_code",
    "read_table",
    "recipes",
    "render_data",
    "report",
    "search",
    "serve",
    "settings_from",
    "train",
]


if not TYPE_CHECKING:  # so that a slip in a name is seen before the program runs

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            from importlib.metadata import version

            return version("kinsight")
        if name in _HOME:
            return getattr(importlib.import_module(_HOME[name]), name)
        raise AttributeError(f"module 'kinsight' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
