"""Where the real pictures and weights for tests stand, if they do.

A folder `shared` beside the checkout (or the one named by KINSIGHT_SHARED) holds them. Without it the tests that need them are
skipped and say so; with KINSIGHT_REQUIRE_SHARED=1 they fail instead.
"""

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("KINSIGHT_SHARED", Path(__file__).resolve().parents[2] / "shared"))


def shared(name: str) -> Path:
    """The path of a real data or weights file, for example `data/orl_faces.zip`; skips the test when it is missing."""
    path = SHARED / name
    if not path.exists():
        reason = f"{name} is not here: put it beside the checkout in ../shared or name its folder in KINSIGHT_SHARED"
        if os.environ.get("KINSIGHT_REQUIRE_SHARED") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return path
