"""Work done in two forked processes that know each other, and two runs held against each other."""

from __future__ import annotations

import multiprocessing
import os
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from accelerate import PartialState
from safetensors.numpy import load_file

from kinsight.errors import KinsightError
from tiny_run import numbers_of


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def enter(rank: int, port: int, work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    """What torchrun gives a process, then the work."""
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2, "MASTER_PORT": port}
    os.environ |= {name: str(value) for name, value in place.items()} | {"MASTER_ADDR": "127.0.0.1"}
    PartialState._reset_state()
    try:
        work(*arguments)
    except KinsightError as problem:
        print(f"process {rank}: {problem}", file=sys.stderr)
        os._exit(1)
    except BaseException:
        traceback.print_exc()
        os._exit(3)
    os._exit(0)


def on_two_processes(work: Callable[..., None], *arguments: Any) -> list[int | None]:
    """Run `work` in two forked processes that know each other; their exit codes."""
    port = free_port()
    fork = multiprocessing.get_context("fork")
    children = [fork.Process(target=enter, args=(rank, port, work, arguments)) for rank in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    codes = [child.exitcode for child in children]
    for child in children:
        child.kill()
    return codes


def assert_same_run(one: Path, two: Path) -> None:
    lines, others = numbers_of(one), numbers_of(two)
    assert [line["kind"] for line in lines] == [other["kind"] for other in others]
    for line, other in zip(lines, others, strict=True):
        assert line.keys() == other.keys()
        for key in line.keys() - {"kind"}:
            assert line[key] == pytest.approx(other[key], abs=1e-5), (key, line, other)
    model = "model-last" if (one / "model-last").is_dir() else "model"
    for name in (f"{model}/model.safetensors", "objective"):
        files = [
            run / name if "/" in name else next(run.glob("checkpoints/step-*/objective.safetensors"))
            for run in (one, two)
        ]
        first, second = (load_file(file) for file in files)
        assert first.keys() == second.keys()
        for key in first:
            np.testing.assert_allclose(first[key], second[key], atol=1e-5, rtol=0, err_msg=key)
