"""Settings of the whole test run."""

import gc
import os
import random

import pytest

# Several test processes share the machine; one thread each is faster than all of them competing.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# No test may reach the network.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
# The power stays on: tests need not wait for the disk.
os.fsync = lambda stream: None


def pytest_collection_finish() -> None:
    """What was imported stays: collecting garbage, here and in forked processes, need not look at it, and so not copy it."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _same_numbers_every_time() -> None:
    """What a test draws without a generator of its own does not depend on which tests ran before it."""
    import numpy as np
    import torch  # after the number of threads is set

    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
