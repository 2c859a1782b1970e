"""A run from its settings, begun or gone on with."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from kinsight import processes
from kinsight.registry import own_code
from kinsight.runs.folder import RunFolder
from kinsight.settings.training import TrainingSettings, check_ranges
from kinsight.training.checkpoints import newest_checkpoint, read_position
from kinsight.training.loop import Training
from kinsight.training.tables import prepare_table

logger = logging.getLogger("kinsight")


@own_code()  # the settings of a training are its user's word
def train(settings: TrainingSettings, out: str | Path, *, progress: bool = True) -> RunFolder:
    """Train an embedder, or go on with the run that `out` holds.

    Args:
        settings: everything that moves a number; stored as `recipe.yaml`.
        out: the run folder; killed and started again with the same settings, the run goes on to the same numbers.
        progress: show a bar on a terminal.

    Raises:
        KinsightError: the settings, the data, or the run folder cannot be used; a loss became non-finite.
    """
    # What can be refused at once is refused before the processes meet, so that none waits for another that has gone.
    settings = _with_absolute_paths(settings)
    check_ranges(settings)
    run = RunFolder(out)
    run.check(settings)
    processes.meet()
    checkpoint = newest_checkpoint(run.checkpoints)
    if checkpoint is not None and (position := read_position(checkpoint)).finished:
        if processes.is_main():
            logger.info("%s is finished after %d steps; there is nothing to do", run.path, position.step)
        return run
    table = prepare_table(settings.data)
    training = Training(settings, run, table, progress=progress)
    # The folder is written to only now, when everything that the settings say has proved possible.
    if processes.is_main():
        run.claim(settings)
    training.fit()
    processes.wait()
    return run


def _with_absolute_paths(settings: TrainingSettings) -> TrainingSettings:
    """A run can be gone on with from another folder, so what it reads is remembered by its whole path."""
    data, model = settings.data, settings.model
    return replace(
        settings,
        data=replace(
            data,
            path=str(Path(data.path).resolve()) if data.path else "",
            root=str(Path(data.root).resolve()) if data.root else None,
        ),
        model=replace(model, weights=str(Path(model.weights).resolve()) if model.weights else None),
    )
