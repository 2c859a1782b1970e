"""Blocks of work side by side on the processor's cores."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch


def workers(device: torch.device) -> int:
    """How many blocks to work on at once: one for each thread torch may use, one on a GPU."""
    return torch.get_num_threads() if device.type == "cpu" else 1


def work(task: Callable[..., object], arguments: Iterable[tuple[Any, ...]], count: int) -> None:
    """Call the task with each of the arguments, `count` at once, in order of start; the first exception ends it.

    A worker keeps its block in its own cache and never waits for another inside an operation, so this beats sharing every single
    operation among the cores, most of all where other programs use them too.
    """
    if count == 1:
        for one in arguments:
            task(*one)
        return
    threads, arguments = torch.get_num_threads(), list(arguments)
    if len(arguments) < 2:  # a pool would cost more than a small block
        torch.set_num_threads(1)
        try:
            for one in arguments:
                task(*one)
        finally:
            torch.set_num_threads(threads)
        return
    pool = ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,))
    try:
        for future in [pool.submit(task, *one) for one in arguments]:
            future.result()
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)
