"""The command line: one verb per job, each in its own file."""

from __future__ import annotations

import errno
import importlib
import io
import logging
import os
import re
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from kinsight.errors import KinsightError

VERBS = {
    "train": "train an embedder, or go on with a run",
    "evaluate": "measure a run on unseen classes, or anybody's embeddings",
    "compare": "settings side by side: means, intervals, paired differences",
    "benchmark": "methods under one protocol: folds, search, repeats, intervals",
    "calibrate": "what similarity means the same: thresholds that promise an error rate",
    "index": "an index of pictures, to be searched: made, brought up to date, changed",
    "search": "search an index with a picture or a part of it, and see which part answers",
    "serve": "a page on which people search an index, also from their phones",
    "explain": "show why two pictures are alike, place by place",
    "localize": "how well maps find the object: boxes, masks, the whole threshold curve",
    "correspond": "how often a part is answered by the same part in the other picture",
    "orient": "which way the camera of a panorama looked, on an aerial picture",
    "faithfulness": "whether what maps call important is: deletion, insertion, random weights",
    "diagnose": "compare runs: where do they look, on seen and on unseen classes",
    "division": "the clusters, masks and subspaces of a divided run",
    "groups": "what each group of a head looks at, finds alone, and stands for",
    "atlas": "all pictures in the plane: a page to walk in, or a figure for a paper",
    "embed": "write the embeddings of pictures to an .npz",
    "report": "write the report of a run anew",
    "data": "check a table, list known data sets, render a data set",
    "recipes": "list the recipes that ship with Kinsight",
}

# Errors of the system that say of a path that somebody gave that it cannot be used, wherever it is first met.
_NAMED = (errno.ENAMETOOLONG, errno.EACCES, errno.EISDIR, errno.ENOTDIR, errno.EIO, errno.ELOOP, errno.EROFS)

USAGE = "usage: kinsight VERB ...\n\n" + "\n".join(f"  {name:14}{what}" for name, what in VERBS.items())
USAGE += "\n\n  --own-code    with any verb: import the classes that a run or model names, because they are your own"
USAGE += "\n\n`kinsight VERB --help` says more; `kinsight --version` prints the version."

OWN_CODE = ("--own-code", "--own_code")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit code: 0 done, 1 something given cannot be used, 2 wrong usage, 130 stopped."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that knows no `±` gets an escape instead of a stack trace
            stream.reconfigure(errors="backslashreplace")
    for argument in arguments:
        if re.search("[\0\ud800-\udfff]", argument):  # bytes that are no UTF-8 reach Python as half characters
            print(
                f"kinsight: {argument!r} is not UTF-8 without NUL; rename the file or correct the name", file=sys.stderr
            )
            return 1
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(USAGE)
        return 0 if arguments else 2
    if arguments[0] == "--version":
        from importlib.metadata import version

        print(f"kinsight {version('kinsight')}")
        return 0
    verb = arguments[0]
    if verb not in VERBS:
        print(f"kinsight: '{verb}' is not a verb; use one of: {', '.join(VERBS)}", file=sys.stderr)
        return 2
    _log_to_terminal()
    try:
        options = arguments[1:]
        own = [option for option in options if option in OWN_CODE]
        with _own_code(bool(own)):
            importlib.import_module(f"kinsight.cli.{verb}").run(
                [option for option in options if option not in OWN_CODE]
            )
        sys.stdout.flush()
    except KinsightError as problem:
        print(f"kinsight: {problem}", file=sys.stderr)
        return 1
    except OSError as problem:
        if isinstance(problem, BrokenPipeError):
            # Whoever read the output has seen enough (`| head`); what is still in the buffer has nowhere to go.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        if problem.errno not in _NAMED or problem.filename is None:
            raise
        name = str(problem.filename)
        shown = name if len(name) <= 100 else f"{name[:100]}..."
        print(f"kinsight: {shown} cannot be used ({problem.strerror}); give another path", file=sys.stderr)
        return 1
    except KeyboardInterrupt as stop:
        print(f"kinsight: stopped{f'; {stop}' if str(stop) else ''}", file=sys.stderr)
        return 130
    return 0


def _own_code(allowed: bool) -> AbstractContextManager[None]:
    if not allowed:
        return nullcontext()  # without waiting for torch
    from kinsight.registry import own_code

    return own_code()


class _AboveBars(logging.StreamHandler):
    """Writes above a bar that stands there, not into it."""

    def emit(self, record: logging.LogRecord) -> None:
        bars = sys.modules.get("tqdm")  # who draws one has imported it
        with bars.tqdm.external_write_mode(file=self.stream) if bars else nullcontext():
            super().emit(record)


def _log_to_terminal() -> None:
    logger = logging.getLogger("kinsight")
    if not logger.handlers:
        handler = _AboveBars()
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
