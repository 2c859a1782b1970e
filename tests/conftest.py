"""Settings of the whole test run."""

import gc
import os

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
