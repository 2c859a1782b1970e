"""A study, done to its end from wherever it stands."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from kinsight.errors import KinsightError
from kinsight.studies.engines import Engine
from kinsight.studies.jobs import Finished, Job, count_jobs, next_jobs
from kinsight.studies.results import Result, read_results
from kinsight.studies.study import Study, StudyFolder

try:
    import fcntl
except ImportError:  # where there are no such locks, nobody is kept from running a study twice
    fcntl = None  # type: ignore[assignment]


@dataclass
class State:
    """Where a study stands.

    Attributes:
        finished: results by the paths of their jobs.
        running: jobs that have begun, and when (monotonic seconds).
        total: how many jobs the study has.
        seconds: that each job took which has ended since this process began, by kind.
    """

    finished: dict[str, Result]
    total: int
    running: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, list[float]] = field(default_factory=dict)
    slots: int = 1

    @property
    def done(self) -> int:
        """Finished jobs."""
        return min(len(self.finished), self.total)

    @property
    def seconds_left(self) -> float | None:
        """As the trainings took so far; None before the first."""
        known = [each for kind in ("trial", "repeat") for each in self.seconds.get(kind, [])]
        return sum(known) / len(known) * (self.total - self.done) / self.slots if known else None


def run_study(
    study: Study, folder: StudyFolder, engine: Engine, on_change: Callable[[State], None] = lambda state: None
) -> Finished:
    """All results of the study, those that were missing done by the engine.

    Args:
        on_change: called when a job has begun or ended.

    Raises:
        KinsightError: a job cannot be done, or another process is at it.
    """
    state = state_of(study, folder)
    state.slots = engine.slots
    jobs: dict[str, Job] = {}
    while True:
        for job in next_jobs(study, state.finished):
            if len(state.running) < engine.slots and job.path not in state.running:
                jobs[job.path], state.running[job.path] = job, time.monotonic()
                engine.submit(job)
        if not state.running:
            return state.finished
        on_change(state)
        job, result = engine.take()
        state.finished[job.path] = result
        state.seconds.setdefault(job.kind, []).append(time.monotonic() - state.running.pop(job.path))
        on_change(state)


def state_of(study: Study, folder: StudyFolder) -> State:
    """Where the study stands, as its folder tells."""
    return State(read_results(folder.runs), count_jobs(study))


@contextmanager
def alone(folder: StudyFolder) -> Iterator[None]:
    """Hold the study's folder, so that no other process does the same jobs; a kill lets go of it.

    Raises:
        KinsightError: another process holds it.
    """
    held = os.open(folder.path, os.O_RDONLY)
    try:
        if fcntl is not None:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise KinsightError(
                    f"another process is at the study in {folder.path}; wait for it, or choose another --out"
                ) from None
            except OSError:  # a file system without locks
                pass
        yield
    finally:
        os.close(held)
