"""Seeds that are derived, never stored."""

from __future__ import annotations

from typing import Any

import numpy as np


def mixed(*numbers: int) -> int:
    """One 63-bit seed from several numbers."""
    words: Any = [number & 0xFFFFFFFF for number in numbers]
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> 1)
