"""Models of a study measured on the test half."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pandas as pd

from kinsight.errors import KinsightError
from kinsight.evaluation import evaluate
from kinsight.evaluation.vectors import unit
from kinsight.models import Embedder, Model
from kinsight.runs.folder import RunFolder
from kinsight.settings.training import DataSettings, TrainingSettings
from kinsight.training.encoding import EncodedRows, encode_rows
from kinsight.training.standing_trunk import StandingTrunk
from kinsight.training.tables import sound_table
from kinsight.training.validation import roles

_CLUSTERING = ("nmi", "ami", "f1")


def study_table(data: DataSettings) -> pd.DataFrame:
    """The checked table of a study, read once in a process; it is not to be changed.

    Raises:
        KinsightError: the table is not sound.
    """
    return _read(_Key(data))


class _Key:
    """Data settings as the key of a cache; the fold is no part of it."""

    def __init__(self, data: DataSettings) -> None:
        self.data = data
        self._said = repr({**vars(data), "fold": None})

    def __hash__(self) -> int:
        return hash(self._said)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self._said == other._said


@lru_cache(maxsize=1)
def _read(key: _Key) -> pd.DataFrame:
    return sound_table(key.data)


def test_embeddings(embedder: Model, table: pd.DataFrame, settings: TrainingSettings, run: RunFolder) -> EncodedRows:
    """The test half, embedded; where the trunk stood still in training, from features that all models of the study share."""
    rows = np.flatnonzero((table["split"] == "test").to_numpy())
    standing = None
    if isinstance(embedder, Embedder) and settings.optimizer.trunk_lr == 0 and settings.features.once != "never":
        standing = StandingTrunk(settings, run, embedder, table, rows, epochs=0, splits=("test",))
    return encode_rows(embedder, table, rows, settings.data, normalize=True, standing=standing)


def measured(vectors: np.ndarray, rows: np.ndarray, table: pd.DataFrame, metrics: Sequence[str]) -> dict[str, float]:
    """These metrics of the vectors (N, D) of the rows (N,) of the table.

    Raises:
        KinsightError: one of the metrics is not known, or the gallery is too small for it.
    """
    found = evaluate(
        vectors,
        table["label"].to_numpy()[rows],
        **roles(table, rows),
        ks=_ks(metrics, "recall_at_"),
        precision_ks=_ks(metrics, "precision_at_"),
        whole_gallery=bool({"map", "mrr"} & set(metrics)),
        clustering=bool(set(_CLUSTERING) & set(metrics)),
        diagnosis=False,
        intervals=False,
    )
    check_metrics(metrics, found)
    return {name: found[name] for name in metrics}


def _ks(metrics: Sequence[str], beginning: str) -> list[int]:
    return sorted({1, *(int(name.removeprefix(beginning)) for name in metrics if name.startswith(beginning))})


def check_metrics(metrics: Sequence[str], known: Sequence[str] | dict[str, float]) -> None:
    """Refuse metrics that are not measured.

    Raises:
        KinsightError: naming one.
    """
    for name in metrics:
        if name not in known:
            raise KinsightError(
                f"a study does not measure '{name[:60]}'; write precision_at_1, recall_at_2 (or another k), r_precision, map_at_r, nmi, "
                "ami, f1, map or mrr"
            )


def side_by_side(embeddings: Sequence[np.ndarray]) -> np.ndarray:
    """Embeddings (N, D_i) of the same pictures by several models, each brought to length 1, as one (N, sum of D_i).

    Source: the concatenated numbers of "A Metric Learning Reality Check". Its second normalisation changes no cosine.
    """
    return np.concatenate([unit(each) for each in embeddings], axis=1)
