"""The shared tiny run, and a way to call the command line without a new process."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from kinsight.cli import main
from tiny_run import finished, pictures

__all__ = ["finished", "kinsight", "pictures"]


@dataclass
class Said:
    """What a command left: exit code, output, and what it told the person at the terminal."""

    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The one sentence of a refusal."""
        assert self.code == 1, self.err
        (line,) = [line for line in self.err.splitlines() if line.startswith("kinsight: ")]
        assert "Traceback" not in self.err
        return line.removeprefix("kinsight: ")


@pytest.fixture
def kinsight(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Said]]:
    """`kinsight("data", "list")` as the command line does it."""
    logger = logging.getLogger("kinsight")
    before = logger.level, logger.propagate

    def call(*arguments: object) -> Said:
        logger.handlers.clear()  # the stream of an earlier call is closed
        capsys.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as stop:  # argparse
            code = int(stop.code or 0)
        captured = capsys.readouterr()
        return Said(code, captured.out, captured.err)

    yield call
    logger.handlers.clear()
    logger.level, logger.propagate = before
