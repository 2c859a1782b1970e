"""Train image-similarity models, measure them honestly, and see why they find two pictures alike."""

from __future__ import annotations

import importlib
from typing import Any

# Names are imported when first used: `import kinsight` and `kinsight --help` should not wait for torch.
_HOME = {
    "load": "kinsight.api",
    "embed": "kinsight.api",
    "compare": "kinsight.api",
    "correspond": "kinsight.api",
    "diagnose": "kinsight.api",
    "evaluate_run": "kinsight.api",
    "explain": "kinsight.api",
    "explain_matches": "kinsight.api",
    "faithfulness": "kinsight.api",
    "groups": "kinsight.api",
    "localize": "kinsight.api",
    "report": "kinsight.api",
    "gate": "kinsight.models",
    "train": "kinsight.training",
    "evaluate": "kinsight.evaluation",
    "read_table": "kinsight.data",
    "settings_from": "kinsight.settings.parsing",
    "KinsightError": "kinsight.errors",
}

__all__ = sorted([*_HOME, "__version__"])


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("kinsight")
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'kinsight' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
