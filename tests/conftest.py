"""Settings of the whole test run."""

import os

# Several test processes share the machine; one thread each is faster than all of them competing.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# No test may reach the network.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
