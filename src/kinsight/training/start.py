"""A run from its settings, begun or gone on with."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from kinsight import processes
from kinsight.errors import Stopped
from kinsight.registry import own_code
from kinsight.runs.folder import RunFolder
from kinsight.settings.training import TrainingSettings, check_ranges
from kinsight.training.checkpoints import Position, newest_checkpoint, read_position
from kinsight.training.loop import Training
from kinsight.training.selection import numbers
from kinsight.training.tables import prepare_table

logger = logging.getLogger("kinsight")


@own_code()  # the settings of a training are its user's word
def train(
    settings: TrainingSettings,
    out: str | Path,
    *,
    progress: bool = True,
    table: pd.DataFrame | None = None,
    reasons: Sequence[str] = (),
) -> RunFolder:
    """Train an embedder, or go on with the run that `out` holds.

    Args:
        settings: everything that moves a number; stored as `recipe.yaml`.
        out: the run folder; killed and started again with the same settings, the run goes on to the same numbers.
        progress: show a bar on a terminal.
        table: what `sound_table` gave for these settings, where that is known already.
        reasons: sentences on how the settings came about, for the terminal and for the head of `recipe.yaml`.

    Raises:
        KinsightError: the settings, the data, or the run folder cannot be used; a loss became non-finite.
        Stopped: by Ctrl-C; it says what is stored.
    """
    run = RunFolder(out)
    try:
        return _train(settings, run, progress, table, reasons)
    except KeyboardInterrupt:
        raise Stopped(_what_is_stored(run)) from None


def _train(
    settings: TrainingSettings, run: RunFolder, progress: bool, table: pd.DataFrame | None, reasons: Sequence[str]
) -> RunFolder:
    # What can be refused at once is refused before the processes meet, so that none waits for another that has gone.
    settings = with_absolute_paths(settings)
    check_ranges(settings)
    run.check(settings)
    processes.meet()
    checkpoint = newest_checkpoint(run.checkpoints)
    if checkpoint is not None and (position := read_position(checkpoint)).is_end_of(settings.epochs):
        if processes.is_main():
            logger.info("%s is finished after %d steps; there is nothing to do", run.path, position.step)
        return run
    if processes.is_main():
        for sentence in reasons:
            logger.info(sentence)
    table = prepare_table(settings.data, table)
    training = Training(settings, run, table, progress=progress)
    # The folder is written to only now, when everything that the settings say has proved possible.
    if processes.is_main():
        run.claim(settings, reasons)
    training.fit()
    processes.wait()
    if processes.is_main():
        logger.info("%s is ready%s; next: kinsight evaluate %s", run.model, _chosen_for(training.position), run.path)
    return run


def _chosen_for(position: Position) -> str:
    """The number that chose the model; nothing where no validation class was held out."""
    return "" if position.best is None else f" (validation {numbers(position.chosen)})"


def _what_is_stored(run: RunFolder) -> str:
    checkpoint = newest_checkpoint(run.checkpoints)
    if checkpoint is None:
        return "nothing is stored yet; the same command starts anew"
    return f"step {read_position(checkpoint).step} is stored; `kinsight train --out {run.path}` goes on from there"


def with_absolute_paths(settings: TrainingSettings) -> TrainingSettings:
    """A run can be gone on with from another folder, so what it reads is remembered by its whole path."""
    data, model, features = settings.data, settings.model, settings.features
    return replace(
        settings,
        data=replace(
            data,
            path=str(Path(data.path).resolve()) if data.path else "",
            root=str(Path(data.root).resolve()) if data.root else None,
        ),
        features=replace(features, folder=str(Path(features.folder).resolve()) if features.folder else None),
        model=replace(
            model,
            weights=str(Path(model.weights).resolve()) if model.weights else None,
            streams=model.streams and {name: _with_absolute_weights(own) for name, own in model.streams.items()},
        ),
    )


def _with_absolute_weights(own: Any) -> Any:
    """What is a stream's own, which is checked where the model is built."""
    if not isinstance(own, Mapping) or not isinstance(own.get("weights"), str):
        return own
    return {**own, "weights": str(Path(own["weights"]).resolve())}
