"""Settings lowered to what the data can fill: folds, batch, pictures a class. What somebody wrote himself is left as it is."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import pandas as pd

from kinsight.data import with_validation
from kinsight.settings.training import TrainingSettings

HELD_OUT = 2
"""Validation classes without which a validation cannot tell: with one every model scores 100 %."""


def fitted(
    settings: TrainingSettings, table: pd.DataFrame, written: Collection[str]
) -> tuple[TrainingSettings, list[str]]:
    """The settings, lowered where the data cannot fill them, and a sentence for each change.

    Args:
        settings: of a training.
        table: checked, before its validation classes are held out.
        written: full names of the settings that somebody wrote himself; they are never changed.
    """
    settings, sentences = _fitted_folds(settings, table, written)
    data = settings.data
    if data.fold is not None and not (table["split"] == "validation").any():
        classes = table.loc[table["split"] == "train", "label"].nunique()
        if not (2 <= data.folds <= classes and 0 <= data.fold < data.folds):
            return settings, sentences  # what is refused with a sentence of its own
        table = with_validation(table, data.fold, data.folds)
    labels = table.loc[table["split"] == "train", "label"]
    settings, more = _fitted_batch(settings, len(labels), labels.nunique(), written)
    return settings, sentences + more


def most_folds(classes: int) -> int:
    """Into how many folds that many training classes may be cut, so that each holds out two and two are left; 0: none."""
    return classes // HELD_OUT if classes >= 2 * HELD_OUT else 0


def _fitted_folds(
    settings: TrainingSettings, table: pd.DataFrame, written: Collection[str]
) -> tuple[TrainingSettings, list[str]]:
    data = settings.data
    classes = int(table.loc[table["split"] == "train", "label"].nunique())
    most = most_folds(classes)
    if data.fold is None or (table["split"] == "validation").any() or data.folds <= most or "data.folds" in written:
        return settings, []
    if not most:
        if "data.fold" in written:
            return settings, []
        told = f"no validation: {classes} training classes are too few to hold out {HELD_OUT} of them, so the last step is kept"
        return replace(settings, data=replace(data, fold=None)), [told]
    if data.fold >= most:  # another fold would be another validation
        return settings, []
    told = f"data.folds: {most} instead of {data.folds}, so that {HELD_OUT} of the {classes} training classes or more validate"
    return replace(settings, data=replace(data, folds=most)), [told]


def _fitted_batch(
    settings: TrainingSettings, pictures: int, classes: int, written: Collection[str]
) -> tuple[TrainingSettings, list[str]]:
    size, per_class = settings.batches.size, settings.batches.per_class
    new_size, new_per_class = size, per_class
    if per_class is None:
        new_size = max(1, min(size, pictures))
    elif size % per_class or size // per_class > classes:
        if "batches.size" not in written:
            new_size = per_class * max(1, min(size // per_class, classes))
        else:
            # As near to the wished number as what divides the batch and leaves no more classes than there are.
            fits = [each for each in range(1, size + 1) if not size % each and size // each <= classes]
            new_per_class = min(fits, key=lambda each: (abs(each - per_class), each), default=per_class)
    if new_size != size and "batches.size" not in written:
        told = f"batches.size: {new_size} instead of {size}, which is what {pictures} training pictures of {classes} classes fill"
        return replace(settings, batches=replace(settings.batches, size=new_size)), [told]
    if new_per_class != per_class and "batches.per_class" not in written:
        told = f"batches.per_class: {new_per_class} instead of {per_class}, so that {classes} training classes fill a batch of {size}"
        return replace(settings, batches=replace(settings.batches, per_class=new_per_class)), [told]
    return settings, []
