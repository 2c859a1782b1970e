"""How good the maps of a run are: localization, part correspondence, faithfulness; written into its `evaluation/`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kinsight.api.embedding import device, load
from kinsight.api.evaluating import evaluation_data, rows_of
from kinsight.data import MaskFiles, read_parts
from kinsight.errors import KinsightError
from kinsight.evaluation.neighbours import neighbours
from kinsight.explanation import Explainer
from kinsight.explanation.measuring.correspondence import Correspondence, correspondence
from kinsight.explanation.measuring.faithfulness import Faithfulness, faithfulness
from kinsight.explanation.measuring.localization import THRESHOLDS, localize
from kinsight.explanation.measuring.localization_result import Localization
from kinsight.explanation.measuring.partners import BEST
from kinsight.explanation.measuring.sanity import SanityCheck, sanity_check
from kinsight.files import write_json
from kinsight.models import Embedder
from kinsight.runs.folder import RunFolder
from kinsight.runs.protocol import data_protocol
from kinsight.training.tables import BOX


@dataclass(frozen=True)
class Subject:
    """The model of a run and the pictures its maps are measured on.

    Attributes:
        folder: the run.
        model: its model.
        explainer: the model, opened.
        table: the rows of the split.
        protocol: what moves the numbers.
    """

    folder: RunFolder
    model: Embedder
    explainer: Explainer
    table: pd.DataFrame
    protocol: dict[str, Any]

    @property
    def pictures(self) -> list[str]:
        """The paths."""
        return self.table["path"].tolist()

    @property
    def labels(self) -> np.ndarray:
        """The classes, (N,)."""
        return self.table["label"].to_numpy()

    @property
    def boxes(self) -> np.ndarray:
        """(N, 4), NaN where there is none.

        Raises:
            KinsightError: the table has no boxes.
        """
        if not set(BOX) <= set(self.table.columns):
            raise KinsightError(
                f"the data of {self.folder.path} have no boxes; add the columns {', '.join(BOX)} to their table, or give "
                "--data with one that has them"
            )
        return self.table[BOX].to_numpy(dtype=np.float64, na_value=np.nan)

    def write(self, name: str, result: dict[str, Any]) -> Path:
        """Write a result with its protocol."""
        path = self.folder.evaluation / f"{name}.json"
        write_json(path, {"name": name, "protocol": self.protocol, **result})
        return path


def open_subject(
    run: str | Path,
    *,
    data: str | None = None,
    split: str = "test",
    split_by: str | None = None,
    stage: int = 0,
    limit: int | None = None,
    seed: int = 0,
) -> Subject:
    """The model of a run, opened, and the rows of a split; with `limit` so many of them, drawn from the seed, in order.

    Raises:
        KinsightError: there is no run, no such split, or the run crops its pictures to boxes.
    """
    folder = RunFolder(run).require()
    table, settings = evaluation_data(folder, data=data, split=split, split_by=split_by)
    rows = rows_of(table, split, settings.data)
    if settings.data.crop_to_box:
        raise KinsightError(
            f"{folder.path} cuts its pictures to their boxes, so that there is nothing left to find; measure a run that was "
            "trained on whole pictures"
        )
    whole = len(rows)
    if limit is not None and limit < whole:
        rows = np.sort(np.random.default_rng(seed).choice(rows, limit, replace=False))
    model = load(run, device=device())
    protocol = {
        "data": data_protocol(table, settings.data), "split": split, "pictures": len(rows), "drawn_from": whole, "stage": stage,
        "seed": seed,
        "model": {"digest": model.digest(), "preprocessing": model.preprocessing.to_dict(), "dim": model.dim},
    }  # fmt: skip
    return Subject(folder, model, Explainer(model, stage=stage), table.iloc[rows].reset_index(drop=True), protocol)


def localize_run(
    run: str | Path,
    *,
    methods: str | Sequence[str] = "all",
    partners: str = BEST,
    thresholds: Sequence[float] | None = None,
    split: str = "test",
    data: str | None = None,
    split_by: str | None = None,
    stage: int = 0,
    limit: int | None = None,
    seed: int = 0,
) -> Localization:
    """How well the maps of a run find the objects of a split (Visual Explanation, section 4.1); writes `localization-SPLIT.json`.

    Args:
        run: the run folder.
        methods: "all", or names out of `kinsight.explanation.methods.METHODS`.
        partners: "best match", "itself" or "random same class": what each picture is explained against.
        thresholds: shares of the map's maximum at which it is cut; None takes the paper's.
        split: test, validation, train or all.
        data: another table, folder or zip than the run's own; `split_by` names its split.
        stage: 0 explains on the last map, 1 on the next finer one.
        limit: at most so many pictures, drawn from the seed.

    Raises:
        KinsightError: there is no run, its data have no boxes, or what was given is not known.
    """
    subject = open_subject(run, data=data, split=split, split_by=split_by, stage=stage, limit=limit, seed=seed)
    masks = MaskFiles(subject.table["mask_path"].tolist()) if "mask_path" in subject.table else None
    found = localize(
        subject.explainer,
        subject.pictures,
        subject.labels,
        subject.boxes,
        masks,
        partners=partners,
        methods=methods,
        thresholds=THRESHOLDS if thresholds is None else thresholds,
        seed=seed,
    )
    subject.write(_name("localization", split, stage, partners), found.to_dict())
    return found


def correspond_run(
    run: str | Path,
    *,
    split: str = "test",
    data: str | None = None,
    split_by: str | None = None,
    stage: int = 0,
    per_class: int = 50,
    seed: int = 0,
) -> Correspondence:
    """How often a part is answered by the same part in another picture of the class; writes `correspondence-SPLIT.json`.

    Args:
        per_class: pairs drawn of each class; the rest as for `localize_run`. Where the data have no boxes (pictures cut to
            their objects) what the network sees counts as the box.

    Raises:
        KinsightError: there is no run, or its data have no part points.
    """
    subject = open_subject(run, data=data, split=split, split_by=split_by, stage=stage, seed=seed)
    parts = read_parts(subject.table)
    found = correspondence(
        subject.explainer,
        subject.pictures,
        subject.labels,
        [parts[item] for item in subject.table["id"]],
        subject.boxes if set(BOX) <= set(subject.table.columns) else None,
        per_class=per_class,
        seed=seed,
    )
    subject.write(_name("correspondence", split, stage), {"per_class": per_class, **found.to_dict()})
    return found


def faithfulness_run(
    run: str | Path,
    *,
    methods: str | Sequence[str] = "all",
    split: str = "test",
    data: str | None = None,
    split_by: str | None = None,
    stage: int = 0,
    pairs: int = 64,
    replacement: str = "blurred",
    sanity: bool = False,
    seed: int = 0,
) -> tuple[Faithfulness, SanityCheck | None]:
    """Deletion and insertion curves of queries against their best matches; with `sanity` also maps of randomised weights.

    Writes `faithfulness-SPLIT.json`.

    Args:
        pairs: how many queries, drawn from the seed.
        replacement: blurred or grey; the rest as for `localize_run`.

    Raises:
        KinsightError: there is no run, or what was given is not known.
    """
    if pairs < 2:
        raise KinsightError(f"pairs {pairs} are too few for an interval; write 2 or more")
    subject = open_subject(run, data=data, split=split, split_by=split_by, stage=stage, seed=seed)
    queries = np.arange(len(subject.table))
    if pairs < len(queries):
        queries = np.sort(np.random.default_rng(seed).choice(queries, pairs, replace=False))
    vectors = subject.model.encode(subject.pictures)
    partners = neighbours(vectors, k=1).indices[queries, 0]
    given: dict[str, Any] = {"labels": subject.labels, "methods": methods, "seed": seed}
    drawn = np.stack([queries, partners], axis=1)
    found = faithfulness(subject.explainer, subject.pictures, drawn, replacement=replacement, **given)
    checked = sanity_check(subject.explainer, subject.pictures, drawn, **given) if sanity else None
    written = found.to_dict() | ({"sanity": checked.to_dict()} if checked else {})
    subject.write(_name("faithfulness", split, stage), written)
    return found, checked


def _name(kind: str, split: str, stage: int, partners: str = BEST) -> str:
    parts = [
        kind,
        split,
        *([f"stage-{stage}"] if stage else []),
        *([partners.replace(" ", "-")] if partners != BEST else []),
    ]
    return "-".join(parts)
