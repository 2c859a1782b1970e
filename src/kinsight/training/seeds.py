"""Seeds that are derived, never stored."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch


def mixed(*numbers: int) -> int:
    """One 63-bit seed from several numbers."""
    words: Any = [number & 0xFFFFFFFF for number in numbers]
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> 1)


def seed_torch(seed: int, device: torch.device) -> None:
    """Seed torch where random numbers are drawn; `torch.manual_seed` does so for every kind of device there might be, which takes long."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
