"""`python -m kinsight`, and the entry for torchrun: `torchrun --nproc_per_node=2 -m kinsight train ...`."""

import sys

from kinsight.cli import main

sys.exit(main())
