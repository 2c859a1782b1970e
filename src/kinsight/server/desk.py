"""Work done one thing at a time in a thread of its own: SQLite and a model's memory want one, and a queue has an end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from kinsight.server.refusals import Busy

T = TypeVar("T")


class Desk:
    """A thread that does what it is given in the order in which it came.

    Args:
        waiting: how many may wait; who comes then is refused.
        seconds: how long anybody waits for an answer.
    """

    def __init__(self, *, waiting: int = 32, seconds: float = 60.0) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._places = threading.BoundedSemaphore(waiting)
        self._seconds = seconds

    def now(self, work: Callable[..., T], *given: Any) -> T:
        """Do something and wait for it, where nothing else can wait."""
        return self._thread.submit(work, *given).result()

    async def do(self, work: Callable[..., T], *given: Any) -> T:
        """Do something when it is its turn.

        Raises:
            Busy: too many are waiting, or it took too long.
        """
        if not self._places.acquire(blocking=False):
            raise Busy("too many others are waiting for an answer; try again in a moment")
        future = self._thread.submit(work, *given)
        future.add_done_callback(lambda _: self._places.release())
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), self._seconds)
        except (TimeoutError, asyncio.TimeoutError):  # one and the same from Python 3.11
            raise Busy(
                f"the answer took longer than {self._seconds:g} seconds; try again, or ask for fewer hits"
            ) from None

    def close(self) -> None:
        """Begin nothing any more."""
        self._thread.shutdown(wait=False, cancel_futures=True)
