"""What a training is made of, built from its settings so that all parts fit: method, objective, parameter groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from kinsight.data import view_numbers
from kinsight.errors import KinsightError
from kinsight.models import Model, TwoStreams, build_model
from kinsight.objectives import Objective
from kinsight.settings.training import TrainingSettings
from kinsight.training.encoding import EncodedRows
from kinsight.training.methods import METHODS, Method
from kinsight.training.parameter_groups import ParameterGroup, parameter_groups
from kinsight.training.tables import categories_of


def make_embedder(settings: TrainingSettings) -> Model:
    """The model that the settings name, as their method wants it.

    Raises:
        KinsightError: a setting that is not allowed, or there is no such method.
    """
    method, options = METHODS.named(settings.method)
    if settings.model.streams and not method.pairs:
        raise KinsightError(
            f"the method {settings.method['name']} trains models of one stream; leave it out, or model.streams"
        )
    return build_model(method.model(settings.model, options), seed=settings.seed)


def starting_point(settings: TrainingSettings) -> Model:
    """What training starts from: the trunk with its starting weights and the head's pooling, nothing learned."""
    head = {"name": "linear", "dim": None, "pooling": settings.model.head.get("pooling", "avg")}
    streams = settings.model.streams
    own = streams and {name: {**each, "head": head} for name, each in streams.items()}
    return build_model(replace(settings.model, head=head, streams=own, shared_head=False), seed=settings.seed)


def make_method(
    settings: TrainingSettings,
    embedder: Model,
    table: pd.DataFrame,
    rows: np.ndarray,
    labels: np.ndarray,
    embed: Callable[..., EncodedRows],
) -> Method:
    """The method that the settings name, over the training pictures: `rows` of the table (N,) and their `labels` (N,), from 0.

    Args:
        embed: embeds training pictures (`Method`).

    Raises:
        KinsightError: there is no such method, or its options or the batches do not fit, or it holds the embedder.
    """
    given: dict[str, Any] = {
        "labels": labels,
        "categories": categories_of(table, rows),
        "views": view_numbers(table, embedder.names, rows) if isinstance(embedder, TwoStreams) else None,
        "batches": settings.batches,
        "seed": settings.seed,
        "embedder": embedder,
        "embed": embed,
    }
    method: Method = METHODS.build(settings.method, given)
    if {id(each) for each in method.parameters()} & {id(each) for each in embedder.parameters()}:
        raise KinsightError(
            f"the method {settings.method['name']} holds the embedder as a part of its own, so that it would be saved and trained twice; "
            "let it keep it in a tuple"
        )
    return method


def make_objective(settings: TrainingSettings, embedder: Model, method: Method, classes: int) -> Objective:
    """The objective for what the embedder's head gives, with the terms that head and method bring.

    Raises:
        KinsightError: the settings of the objective do not fit.
    """
    return Objective(
        settings.objective,
        dim=embedder.dim,
        classes=classes,
        kind=embedder.kind,
        parts=embedder.parts,
        part_dim=embedder.part_dim,
        streams=2 if isinstance(embedder, TwoStreams) else 1,
        normalize=settings.model.normalize,
        seed=settings.seed,
        brings=[embedder.terms, method.terms],
        view=method.view(),
    )


def make_groups(
    settings: TrainingSettings, embedder: Model, objective: Objective, method: Method
) -> list[ParameterGroup]:
    """The parameter groups of trunk, head, objective and method.

    Raises:
        KinsightError: the settings name a group that there is not.
    """
    return parameter_groups(
        settings.optimizer,
        trunk=embedder.trunk,
        head=embedder.learned_head,
        loss=objective.terms,
        method=method,
        method_groups=method.parameter_groups(),
        trunk_waits=settings.schedule.head_first,
    )


def still_epochs(groups: Sequence[ParameterGroup], method: Method, epochs: int) -> int:
    """How many whole epochs at the beginning the trunk stands still."""

    def rests(group: ParameterGroup, epoch: int) -> bool:
        return not group.lr or group.waits >= epoch + 1 or not method.lr_factor(group.name, epoch)

    trunk = [group for group in groups if group.origin == "trunk"]
    trains = (epoch for epoch in range(epochs) if not all(rests(group, epoch) for group in trunk))
    return next(trains, epochs)


def trunk_may_rest(groups: Sequence[ParameterGroup], method: Method, epochs: int) -> bool:
    """Whether the trunk stands still in some steps, so that its parameters get no gradient there."""
    trunk = [group for group in groups if group.origin == "trunk"]
    waits = any(group.waits or not group.lr for group in trunk)
    return waits or any(not method.lr_factor(group.name, epoch) for group in trunk for epoch in range(epochs))
