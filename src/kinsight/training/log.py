"""What a run tells: metrics.jsonl for programs, sentences for the person at the terminal, TensorBoard where wanted."""

from __future__ import annotations

import logging
from typing import Any

from kinsight.errors import KinsightError
from kinsight.runs.folder import RunFolder

logger = logging.getLogger("kinsight")


class RunLog:
    """The log of one run. Only the main process writes; on the others every call does nothing.

    Raises:
        KinsightError: TensorBoard is wanted but not installed.
    """

    def __init__(self, run: RunFolder, *, writes: bool, tensorboard: bool = False) -> None:
        self.run = run
        self.writes = writes
        self._writer_class = _summary_writer() if tensorboard and writes else None
        self._writer: Any = None

    def record(self, kind: str, step: int, **values: Any) -> None:
        """One line of `metrics.jsonl`."""
        if not self.writes:
            return
        self.run.log({"kind": kind, "step": step, **values})
        if self._writer_class is not None:
            # Made at the first record, because it writes into the run folder at once.
            self._writer = self._writer or self._writer_class(str(self.run.path / "tensorboard"))
            for key, value in values.items():
                if isinstance(value, float):
                    self._writer.add_scalar(f"{kind}/{key}", value, step)

    def say(self, message: str, step: int) -> None:
        """A sentence for the terminal that the run also remembers, as a record of the kind `event`."""
        if self.writes:
            logger.info(message)
            self.record("event", step, message=message)

    def close(self) -> None:
        """Flush what is not written yet."""
        if self._writer is not None:
            self._writer.close()


def _summary_writer() -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise KinsightError(
            "--tensorboard needs a package that is not installed: pip install 'kinsight[tensorboard]'"
        ) from None
    return SummaryWriter
