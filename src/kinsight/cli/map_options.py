"""Options that all verbs share which measure the maps of a run."""

from __future__ import annotations

import argparse
from typing import Any


def add_subject(parser: argparse.ArgumentParser, *, stage: bool = True) -> None:
    """The run, and the pictures its maps are measured on; `stage`: also on which map."""
    parser.add_argument("run", help="the run folder")
    parser.add_argument("--data", help="another table, folder or zip than the run's own")
    parser.add_argument("--split", default="test", help="test, validation, train or all (default: test)")
    parser.add_argument("--split_by", "--data.split_by", dest="split_by", help="which column is the split, or halves")
    if stage:
        parser.add_argument("--stage", type=int, default=0, help="0: the last map; 1, 2: finer maps (default: 0)")
    parser.add_argument("--seed", type=int, default=0, help="of everything drawn (default: 0)")


def add_methods(parser: argparse.ArgumentParser) -> None:
    """Which methods draw the maps."""
    parser.add_argument(
        "--methods", nargs="+", default=["all"], metavar="METHOD", help="all, or some by name (default: all)"
    )


def methods_of(options: argparse.Namespace) -> str | list[str]:
    """The chosen methods, or "all"."""
    return "all" if options.methods == ["all"] else list(options.methods)


def subject_of(options: argparse.Namespace) -> dict[str, Any]:
    """Those options by name, without the run."""
    names = ("data", "split", "split_by", "stage", "seed")
    return {name: getattr(options, name) for name in names if hasattr(options, name)}
