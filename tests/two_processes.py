"""Work done in two gloo processes, each of which writes what it found, against the same in one process."""

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch.distributed as dist

# Rows of 24 that rank 0 holds: half, an uneven cut, and all, so that the other process has no picture.
SHARES = {"even": 12, "uneven": 7, "empty": 24}


def share_of(rank: int, cut: int) -> slice:
    """The rows of one process: the first `cut` are rank 0's, the others rank 1's; rank -1 has all of them."""
    return slice(None) if rank < 0 else slice(0, cut) if rank == 0 else slice(cut, None)


@contextmanager
def as_one_of_two(rank: int, folder: Path) -> Iterator[dict[str, np.ndarray]]:
    """Within it the two processes know each other; the arrays put into what it gives are written at the end."""
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    found: dict[str, np.ndarray] = {}
    yield found
    np.savez(folder / f"{rank}.npz", **found)
    dist.destroy_process_group()


def run_two(process: Callable[[int, Path], None], folder: Path) -> list[dict[str, np.ndarray]]:
    """Fork `process(rank, folder)` for both ranks at once and read the arrays that they write."""
    fork = multiprocessing.get_context("fork")
    running = [fork.Process(target=process, args=(rank, folder)) for rank in range(2)]
    for one in running:
        one.start()
    for one in running:
        one.join(300)
    assert [one.exitcode for one in running] == [0, 0]
    return [dict(np.load(folder / f"{rank}.npz", allow_pickle=False)) for rank in range(2)]


def assert_two_equal_one(
    case: str, share: str, both: list[dict[str, np.ndarray]], alone: dict[str, np.ndarray]
) -> None:
    """The loss and every gradient of a case are not zero, and the same in one process and in either of two."""
    expected = {key: value for key, value in alone.items() if key.startswith(f"{case} ")}
    assert expected[f"{case} loss"] > 0
    assert len(expected) >= 2
    for key, value in expected.items():
        assert np.abs(value).max() > 0, key
        for rank in range(2):
            np.testing.assert_allclose(
                both[rank][f"{share} {key}"], value, rtol=1e-5, atol=1e-5, err_msg=f"{key} {rank}"
            )
