"""A test file run as two gloo processes, each of which writes what it found."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np


def run_two(script: str, folder: Path) -> list[dict[str, np.ndarray]]:
    """Run `script RANK FOLDER` for both ranks at once and read the arrays of `FOLDER/RANK.npz`."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    running = [
        subprocess.Popen(
            [sys.executable, script, str(rank), str(folder)], env=environment, stderr=subprocess.PIPE, text=True
        )
        for rank in range(2)
    ]
    for one in running:
        _, errors = one.communicate(timeout=300)
        assert one.returncode == 0, errors
    return [dict(np.load(folder / f"{rank}.npz", allow_pickle=False)) for rank in range(2)]
