"""Who does the jobs of a study: this process, or several workers beside each other, which live as long as the study runs."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
from collections import deque
from dataclasses import asdict
from typing import IO, Protocol

from kinsight.errors import KinsightError
from kinsight.registry import running_own_code
from kinsight.studies.jobs import Job
from kinsight.studies.performing import perform
from kinsight.studies.results import Result
from kinsight.studies.study import Study, StudyFolder
from kinsight.typed import from_plain, to_plain


class Engine(Protocol):
    """Does jobs, up to `slots` at a time."""

    slots: int

    def submit(self, job: Job) -> None:
        """Begin a job, or remember it."""
        ...

    def take(self) -> tuple[Job, Result]:
        """Wait for the next job that is finished.

        Raises:
            KinsightError: a job cannot be done.
        """
        ...

    def close(self) -> None:
        """Let go of everything, finished or not."""
        ...


class InThisProcess:
    """One job after the other."""

    slots = 1

    def __init__(self, study: Study, folder: StudyFolder) -> None:
        self.study, self.folder = study, folder
        self._waiting: deque[Job] = deque()

    def submit(self, job: Job) -> None:
        """See `Engine`."""
        self._waiting.append(job)

    def take(self) -> tuple[Job, Result]:
        """See `Engine`."""
        job = self._waiting.popleft()
        return job, perform(self.study, self.folder, job)

    def close(self) -> None:
        """See `Engine`."""


class Workers:
    """Processes on this machine, with its cores shared out among them (`kinsight.studies.worker`).

    A worker reads jobs from its standard input, a JSON a line, and ends with it: none outlives the process that started it.
    """

    def __init__(self, folder: StudyFolder, count: int) -> None:
        self.slots = count
        self._running: dict[IO[bytes], Job] = {}
        self._waiting: deque[Job] = deque()
        self._selector = selectors.DefaultSelector()
        threads = max(1, (os.cpu_count() or 1) // count)
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        environment["PYTHONPATH"] = os.pathsep.join(each for each in sys.path if each)
        command = [sys.executable, "-m", "kinsight.studies.worker", str(folder.path.resolve()), str(threads)]
        command += ["--own-code"] if running_own_code() else []
        self._workers: dict[IO[bytes], subprocess.Popen[bytes]] = {}
        for _ in range(count):
            worker = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, start_new_session=True
            )
            assert worker.stdout is not None
            self._workers[worker.stdout] = worker
            self._selector.register(worker.stdout, selectors.EVENT_READ)

    def submit(self, job: Job) -> None:
        """See `Engine`."""
        self._waiting.append(job)
        self._hand_out()

    def take(self) -> tuple[Job, Result]:
        """See `Engine`."""
        (key, _), *_ = self._selector.select()
        stream: IO[bytes] = key.fileobj  # type: ignore[assignment]
        line = stream.readline()
        job = self._running.pop(stream, None)
        if not line:
            code = self._workers[stream].wait()
            doing = f" during {job.path}" if job else ""
            raise KinsightError(
                f"a worker has ended{doing} (code {code}), perhaps for want of memory; give fewer --jobs, and the same command goes on"
            )
        assert job is not None
        self._hand_out()
        return job, result_from(line.decode(), job)

    def close(self) -> None:
        """See `Engine`."""
        for worker in self._workers.values():
            worker.kill()
        for worker in self._workers.values():
            worker.wait()
        self._selector.close()

    def _hand_out(self) -> None:
        for stream, worker in self._workers.items():
            if self._waiting and stream not in self._running:
                job = self._waiting.popleft()
                assert worker.stdin is not None
                self._running[stream] = job
                worker.stdin.write(line_of(job).encode() + b"\n")
                worker.stdin.flush()


def line_of(job: Job) -> str:
    """A job as a worker reads it."""
    return json.dumps(asdict(job))


def result_from(line: str, job: Job) -> Result:
    """The result in a worker's answer.

    Raises:
        KinsightError: that the job could not be done.
    """
    answer = json.loads(line)
    if "problem" in answer:
        raise KinsightError(answer["problem"])
    return from_plain(Result, answer, job.path, otherwise="run the command again")


def answer_to(study: Study, folder: StudyFolder, line: str) -> str:
    """What a worker answers to a line: the result of the job, or the problem in a sentence."""
    job = from_plain(Job, json.loads(line), "a job", otherwise="run the command again")
    try:
        return json.dumps(to_plain(perform(study, folder, job)))
    except KinsightError as problem:
        return json.dumps({"problem": str(problem)})
