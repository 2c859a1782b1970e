"""Trainings that are killed by SIGKILL, as no test could survive it: in forked processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kinsight.training import train
from kinsight.training.loop import Training


def killed(work: Callable[..., None], *arguments: Any) -> bool:
    """Whether SIGKILL ended the work in a forked process."""
    child = multiprocessing.get_context("fork").Process(target=work, args=arguments)
    child.start()
    child.join()
    return child.exitcode == -signal.SIGKILL


def train_and_die(settings: Any, out: Path, step: int) -> None:
    """Train until a step begins."""
    whole = Training._step

    def dying(self: Training, *arguments: Any) -> None:
        if self.position.step == step:
            os.kill(os.getpid(), signal.SIGKILL)
        whole(self, *arguments)

    Training._step = dying  # type: ignore[method-assign]
    train(settings, out, progress=False)
