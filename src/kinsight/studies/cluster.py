"""Jobs of a study over the machines of a Ray cluster; they need the study's folder and the pictures at the same paths."""

from __future__ import annotations

import os
from collections import deque
from contextlib import nullcontext
from typing import Any

import torch

from kinsight.errors import KinsightError
from kinsight.registry import own_code, running_own_code
from kinsight.studies.engines import answer_to, line_of, result_from
from kinsight.studies.jobs import Job
from kinsight.studies.results import Result
from kinsight.studies.study import StudyFolder


class RayWorkers:
    """Actors of Ray that live as long as the study: on the cluster that runs (RAY_ADDRESS), else on one of this machine alone.

    Raises:
        KinsightError: Ray is not installed.
    """

    def __init__(self, folder: StudyFolder, count: int) -> None:
        self.slots = count
        self._ray = ray = _ray()
        self._started_here = not ray.is_initialized()
        if self._started_here:
            # The working directory's files are not sent around: every machine sees the same folders.
            ray.init(log_to_driver=False, include_dashboard=False, configure_logging=False)
        cores = max(1, int(ray.cluster_resources().get("CPU", count)))
        threads = max(1, cores // count)
        gpus = min(1.0, ray.cluster_resources().get("GPU", 0) / count)
        kind = ray.remote(num_cpus=min(threads, cores), num_gpus=gpus)(_Worker)
        path = str(folder.path.resolve())
        self._actors = [kind.remote(path, threads, running_own_code()) for _ in range(count)]
        self._idle = deque(self._actors)
        self._running: dict[Any, tuple[Any, Job]] = {}
        self._waiting: deque[Job] = deque()

    def submit(self, job: Job) -> None:
        """See `Engine`."""
        self._waiting.append(job)
        self._hand_out()

    def take(self) -> tuple[Job, Result]:
        """See `Engine`."""
        (done, *_), _ = self._ray.wait(list(self._running), num_returns=1)
        actor, job = self._running.pop(done)
        try:
            answer = self._ray.get(done)
        except self._ray.exceptions.RayError as problem:
            reason = " ".join(str(problem).split())[:200]
            raise KinsightError(
                f"a worker of Ray has ended during {job.path} ({reason}); the same command goes on with what is missing"
            ) from None
        self._idle.append(actor)
        self._hand_out()
        return job, result_from(answer, job)

    def close(self) -> None:
        """See `Engine`."""
        for actor in self._actors:
            self._ray.kill(actor)
        if self._started_here:
            self._ray.shutdown()

    def _hand_out(self) -> None:
        while self._waiting and self._idle:
            actor, job = self._idle.popleft(), self._waiting.popleft()
            self._running[actor.answer.remote(line_of(job))] = (actor, job)


class _Worker:
    def __init__(self, folder: str, threads: int, own: bool) -> None:
        os.environ["OMP_NUM_THREADS"] = str(threads)
        torch.set_num_threads(threads)
        self.folder, self.own = StudyFolder(folder), own
        self.study = self.folder.read()

    def answer(self, line: str) -> str:
        with own_code() if self.own else nullcontext():
            return answer_to(self.study, self.folder, line)


def _ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere unasked
    try:
        import ray
    except ImportError:
        raise KinsightError("--engine ray needs a package that is not installed: pip install 'kinsight[ray]'") from None
    return ray
