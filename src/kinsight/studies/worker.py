"""`python -m kinsight.studies.worker STUDY THREADS`: does the jobs that come in on standard input, until it ends."""

from __future__ import annotations

import os
import queue
import sys
import threading
from contextlib import nullcontext

import torch

from kinsight.registry import own_code
from kinsight.studies.engines import answer_to
from kinsight.studies.study import StudyFolder


def main(arguments: list[str]) -> None:
    """Answer every line of standard input with a line."""
    folder, threads = StudyFolder(arguments[0]), int(arguments[1])
    torch.set_num_threads(threads)
    # What libraries print must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_read, args=(lines,), daemon=True).start()
    study = folder.read()
    with own_code() if "--own-code" in arguments else nullcontext():
        while True:
            answers.write(answer_to(study, folder, lines.get()) + "\n")
            answers.flush()


def _read(lines: queue.Queue[str]) -> None:
    """Take in lines; when they end, the process that gave them is gone, and nothing may be written after it."""
    for line in sys.stdin:
        lines.put(line)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
