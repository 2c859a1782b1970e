"""How long a person waits for the words of the command line: help, recipes, version; the best of a few starts of each.

python benchmarks/startup.py [--rounds 5]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

COMMANDS = ("--help", "train --help", "evaluate --help", "recipes", "--version")


def main() -> None:
    """Print each bar on a line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    for command in COMMANDS:
        best = min(seconds(command) for _ in range(options.rounds))
        print(f"{f'kinsight {command}, seconds':41} {best:6.2f}  (bar: under 1)")


def seconds(command: str) -> float:
    """From the call to the prompt."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "kinsight", *command.split()], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
