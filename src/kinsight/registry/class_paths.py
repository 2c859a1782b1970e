"""Classes by path, `mine.Head`: imported only on the user's own word, never because a folder that is read names them.

A class of pytorch-metric-learning may always be named: it is a library that Kinsight itself imports, and nobody's folder.
"""

from __future__ import annotations

import importlib
import inspect
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import torch
from torch import nn

from kinsight.errors import KinsightError

LIBRARY = "pytorch_metric_learning."
# Frames that say nothing of where somebody's own code went wrong.
_NOT_THEIRS = (str(Path(__file__).parents[1]), str(Path(torch.__file__).parent), str(Path(importlib.__file__).parent))
_allowed: ContextVar[bool] = ContextVar("own_code", default=False)


@contextmanager
def own_code(allowed: bool = True) -> Iterator[None]:
    """Inside the block class paths are imported: heads, trunks, losses and miners of the user's own.

    Modules are looked for where Python looks, and in the current folder. Training does this itself, because its settings are the
    user's word; reading a run or a model never does.
    """
    before = _allowed.set(allowed)
    try:
        yield
    finally:
        _allowed.reset(before)


def running_own_code() -> bool:
    """Whether class paths may be imported here."""
    return _allowed.get()


def is_class_path(name: object) -> bool:
    """Whether `name` has the form of a path: names with dots between them."""
    return isinstance(name, str) and "." in name and all(part.isidentifier() for part in name.split("."))


def class_paths(settings: Any) -> set[str]:
    """Every class path that these settings name anywhere, of the user's own code; text only, nothing is imported."""
    found: set[str] = set()
    waiting, seen = [settings], set()
    while waiting:
        value = waiting.pop()
        if id(value) in seen:  # YAML can tie mappings into a circle
            continue
        seen.add(id(value))
        if isinstance(value, Mapping):
            name = value.get("name")
            if is_class_path(name) and not str(name).startswith(LIBRARY):
                found.add(str(name))
            waiting += value.values()
        elif isinstance(value, list | tuple):
            waiting += value
    return found


def class_at(path: str, kind: str, base: type) -> type:
    """The class at that path, a `base` that can be made.

    Raises:
        KinsightError: it may not be imported here, cannot be, or is not such a class.
    """
    if not path.startswith(LIBRARY) and not _allowed.get():
        raise KinsightError(
            f"the {kind} {path} is a class path, and code that a folder names is not run unasked; if it is your own code, say so with "
            "--own-code (in Python kinsight.load(folder, own_code=True), or `with kinsight.own_code():`)"
        )
    module, _, last = path.rpartition(".")
    here = str(Path.cwd())
    if not {"", here} & set(sys.path):
        sys.path.insert(0, here)  # as `python -m kinsight` does; the command alone does not
    try:
        found = getattr(importlib.import_module(module), last)
    except (Exception, SystemExit) as problem:  # whatever a module may do when it is imported
        raise KinsightError(
            f"the {kind} class {path} could not be imported ({reason(problem)}); check the path, which starts from the current "
            "folder or an installed package"
        ) from problem
    wanted = "torch.nn.Module" if base is nn.Module else f"{base.__module__.partition('.')[0]}.{base.__name__}"
    if not inspect.isclass(found):
        raise KinsightError(
            f"the {kind} {path} is not a class but a {type(found).__name__}; give the path of a {wanted} class"
        )
    if not issubclass(found, base):
        raise KinsightError(f"the {kind} {path} is not a {wanted} class; give the path of one")
    if inspect.isabstract(found):
        missing = ", ".join(sorted(found.__abstractmethods__))  # type: ignore[attr-defined]
        raise KinsightError(
            f"the {kind} {path} is an abstract class without {missing}; give the path of a class that has it"
        )
    return found


@contextmanager
def running(kind: str, name: str) -> Iterator[None]:
    """What a class of the user's own raises inside the block becomes one sentence with the line; of other classes it stays as it is."""
    try:
        yield
    except (KinsightError, torch.OutOfMemoryError):
        raise
    except Exception as problem:
        if not is_class_path(name):
            raise
        raise KinsightError(
            f"the {kind} {name} fails ({reason(problem)}); correct the class, or choose another"
        ) from problem


def reason(problem: BaseException) -> str:
    """What went wrong in somebody's code, and in which line of it; one line."""
    text = " ".join(str(problem).split())[:200] or "no message"
    kind = type(problem).__name__
    if isinstance(problem, SyntaxError):
        return f"{kind}: {text}"
    frames = traceback.extract_tb(problem.__traceback__)
    theirs = [
        frame for frame in frames if not frame.filename.startswith(_NOT_THEIRS) and Path(frame.filename).is_file()
    ]
    place = f" in {Path(theirs[-1].filename).name} line {theirs[-1].lineno}" if theirs else ""
    return f"{kind}{place}: {text}"
