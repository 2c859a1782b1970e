"""A folder of rendered pictures, whatever they show: settings that it was made from, and the processes that fill it."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from kinsight.errors import KinsightError
from kinsight.files import write_json, write_text
from kinsight.reading import read_json

_SETTINGS = "scenes.json"
_WORTH_A_PROCESS = 64  # pictures; for fewer, starting one takes longer than it saves


def require_within(settings: Mapping[str, Any], workers: int | None, **allowed: tuple[int, int]) -> None:
    """Refuse settings and a seed out of range.

    Raises:
        KinsightError: one is.
    """
    for name, (least, most) in {**allowed, "seed": (0, 2**32 - 1)}.items():
        if not least <= settings[name] <= most:
            raise KinsightError(f"{name}={settings[name]} is out of range; give a whole number from {least} to {most}")
    if workers is not None and workers < 1:
        raise KinsightError(f"workers={workers} is out of range; give 1 or more, or nothing for one per core")


def already_written(folder: Path, settings: Mapping[str, Any]) -> bool:
    """Whether a folder holds what these settings give; False where it is absent or empty.

    Raises:
        KinsightError: it holds something else.
    """
    if not folder.exists():
        return False
    if not folder.is_dir():
        raise KinsightError(f"{folder} is a file; give a folder for the rendered pictures")
    if not any(folder.iterdir()):
        return False
    if not (folder / _SETTINGS).is_file():
        raise KinsightError(f"{folder} holds other files; give a new or empty folder for the rendered pictures")
    found = read_json(folder / _SETTINGS)
    if found == settings:
        return True
    raise KinsightError(
        f"{folder} holds rendered pictures with other settings ({_said(found)}, asked for {_said(settings)}); "
        "give another folder or delete this one"
    )


def write_settings(folder: Path, settings: Mapping[str, Any], readme: str) -> None:
    """Write what the folder was made from, for a person (`readme`, with a place for {settings}) and for the next time."""
    described = "\n".join(f"{name}: {value}" for name, value in settings.items())
    write_text(folder / "README.txt", readme.format(settings=described))
    write_json(folder / _SETTINGS, settings)


def workers_for(pictures: int) -> int:
    """Processes for so many pictures: one for every core that is available, and none that costs more than it saves."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, pictures // _WORTH_A_PROCESS))


def each(job: Any, items: Sequence[Any], workers: int, unit: str, progress: bool) -> Iterable[Any]:
    """What a job gives for every item, in their order, from so many processes."""
    bar = partial(tqdm, total=len(items), desc="rendering", unit=unit, disable=not progress)
    if workers == 1:
        yield from bar(map(job, items))
        return
    # Forking spares every process the imports; where that is not safe the processes start afresh.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    with ProcessPoolExecutor(min(workers, len(items)), mp_context=context) as pool:
        yield from bar(pool.map(job, items))


def _said(settings: Any) -> str:
    return (
        " ".join(f"{name}={value}" for name, value in settings.items()) if isinstance(settings, dict) else str(settings)
    )
