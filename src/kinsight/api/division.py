"""kinsight.division: the clusters, the masks and the subspaces of a run that was trained with the method division."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kinsight.api.numbers import require_seed, require_whole
from kinsight.api.opened_run import evaluation_data, require_page, rows_of
from kinsight.errors import KinsightError
from kinsight.evaluation.subspaces import SpaceState, seen_in, state_of
from kinsight.files import write_json, write_text
from kinsight.models import load_embedder
from kinsight.models.subspaces import ONLY_ONE
from kinsight.processes import device
from kinsight.runs.folder import RunFolder
from kinsight.show.division.page import division_html
from kinsight.show.division.result import IN_ITS_SUBSPACE, Cluster, DivisionResult, Found, Modes
from kinsight.show.plane.layouts import chosen_planes, places
from kinsight.training.checkpoints import newest_checkpoint
from kinsight.training.encoding import encode_rows
from kinsight.training.methods.division.state import DivisionState, read_division

EXAMPLES, ANSWERS, SHOWN_MODES, POINTS = 6, 4, 4, 800


def division(
    run: str | Path,
    *,
    out: str | Path | None = None,
    split: str = "test",
    which: str = "best",
    queries: int = 6,
    limit: int | None = None,
    plane: str = "auto",
    seed: int = 0,
    progress: bool = False,
) -> DivisionResult:
    """What a division made of a run: the tree of clusters, the masks, what subspaces find, how steady and how compact the clusters are.

    Args:
        run: a run folder that was trained with the method `division`.
        out: a page `.html` to write as well, with all numbers in a JSON file beside it.
        split: the pictures that search, and whose space is measured beside that of the training pictures.
        which: the model: `best` (chosen on validation classes) or `last`.
        queries: how many pictures search in every subspace on the page.
        limit: at most so many pictures of each half, drawn from the seed.
        plane: how the page lays the embedding out: `t-sne`, `umap` (which needs the package umap-learn), `both`, or `auto`: both where
            umap-learn is installed, else t-SNE.
        seed: of what is drawn.
        progress: show a bar.

    Raises:
        KinsightError: there is no run, it was not divided, or its data have changed.
    """
    require_whole(0, queries=queries)
    require_whole(1, limit=limit)
    require_seed(seed)
    planes = chosen_planes(plane)
    if out is not None:
        require_page(out)
    folder = RunFolder(run).require()
    table, settings = evaluation_data(folder, data=None, split=split, split_by=None)
    model = load_embedder(folder.trained_model(which), device=device())
    shares, checkpoint = model.subspace_shares, newest_checkpoint(folder.checkpoints)
    if shares is None or checkpoint is None or settings.method["name"] != "division":
        raise KinsightError(
            f"{folder.path} was not trained with the method division; give a run that was, or train one with --method division"
        )
    if model.subspaces == 1:
        raise KinsightError(ONLY_ONE)
    train = rows_of(table, "train", settings.data)
    state = read_division(checkpoint, len(train)).when(model.subspaces)

    def embedded(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if limit is not None and limit < len(rows):
            rows = np.sort(np.random.default_rng(seed).choice(rows, limit, replace=False))
        found = encode_rows(model, table, rows, settings.data, progress=progress)
        return found.rows, seen_in(found.vectors, np.ones(model.dim), model.unit_groups)

    rows, vectors = embedded(train)
    state = state.of(np.searchsorted(train, rows))
    weights = shares.cpu().numpy()  # (K, D)
    labels, paths = table["label"].to_numpy(), table["path"].to_numpy()
    other_rows, others = embedded(rows_of(table, split, settings.data))
    masks = model.head.masks[: model.subspaces].cpu().numpy()  # type: ignore[index]
    unit = masks / np.maximum(np.linalg.norm(masks, axis=1, keepdims=True), 1e-12)
    spaces = {
        "training pictures": state_of(vectors, labels[rows], seed=seed),
        f"{split} pictures": state_of(others, labels[other_rows], seed=seed),
        **_of_clusters(vectors, labels[rows], state, weights, model.unit_groups, seed),
    }
    result = DivisionResult(
        run=folder.path.name,
        split=split,
        tree=_tree(vectors, labels[rows], paths[rows], state),
        divisions=_logged(folder),
        masks=masks,
        overlap=unit @ unit.T,
        spaces=spaces,
        found=_found(others, labels[other_rows], paths[other_rows], weights, model.unit_groups, queries, seed),
        modes=_modes(vectors, labels[rows], paths[rows], state),
        maps=_maps(vectors, paths[rows], others, paths[other_rows], state, split, seed, planes),
    )
    if out is not None:
        write_text(out, division_html(result))
        write_json(Path(out).with_suffix(".json"), result.to_dict())
    return result


def _logged(folder: RunFolder) -> list[dict[str, Any]]:
    records = [record for record in folder.history() if record.get("kind") == "method" and "clusters" in record]
    return [{key: value for key, value in record.items() if key != "kind"} for record in records]


def _of_clusters(
    vectors: np.ndarray, labels: np.ndarray, state: DivisionState, weights: np.ndarray, groups: int, seed: int
) -> dict[str, SpaceState]:
    """Each cluster in the whole embedding and in its own subspace."""
    found = {}
    for number in range(min(len(weights), state.count)):
        mine = state.clusters == number
        if mine.sum() > 1:
            found[f"cluster {number}"] = state_of(vectors[mine], labels[mine], seed=seed)
            seen = seen_in(vectors[mine], weights[number], groups)
            found[f"cluster {number}{IN_ITS_SUBSPACE}"] = state_of(seen, labels[mine], seed=seed)
    return found


def _tree(vectors: np.ndarray, labels: np.ndarray, paths: np.ndarray, state: DivisionState) -> list[list[Cluster]]:
    depths = []
    for clusters in state.depths():
        row = []
        for number in range(int(clusters.max(initial=-1)) + 1):
            mine = np.flatnonzero(clusters == number)
            near = _nearest(vectors[mine], EXAMPLES)
            row.append(
                Cluster(number, len(mine), len(np.unique(labels[mine])), [str(each) for each in paths[mine[near]]])
            )
        depths.append(row)
    return depths


def _nearest(vectors: np.ndarray, count: int) -> np.ndarray:
    """The rows nearest to the mean."""
    return np.argsort(-(vectors @ vectors.mean(0)), kind="stable")[:count] if len(vectors) else np.arange(0)


def _found(
    vectors: np.ndarray, labels: np.ndarray, paths: np.ndarray, weights: np.ndarray, groups: int, count: int, seed: int
) -> list[Found]:
    chosen = np.sort(np.random.default_rng(seed).permutation(len(vectors))[:count])
    spaces = {"whole": vectors, **{f"subspace {k}": seen_in(vectors, each, groups) for k, each in enumerate(weights)}}
    answers = {}
    for name, seen in spaces.items():
        scores = seen[chosen] @ seen.T  # (q, N)
        scores[np.arange(len(chosen)), chosen] = -np.inf
        answers[name] = np.argsort(-scores, axis=1, kind="stable")[:, :ANSWERS]
    return [
        Found(
            str(paths[row]),
            str(labels[row]),
            {
                name: [(str(paths[each]), bool(labels[each] == labels[row])) for each in rows[place] if each != row]
                for name, rows in answers.items()
            },
        )
        for place, row in enumerate(chosen)
    ]


def _modes(vectors: np.ndarray, labels: np.ndarray, paths: np.ndarray, state: DivisionState) -> list[Modes]:
    """The training classes that are spread most evenly over several clusters."""
    spread = []
    for label in np.unique(labels):
        numbers, sizes = np.unique(state.clusters[(labels == label) & (state.clusters >= 0)], return_counts=True)
        if len(numbers) > 1:
            spread.append((-np.sort(sizes)[-2], str(label), label, numbers))
    found = []
    for *_, label, numbers in sorted(spread, key=lambda each: each[:2])[:SHOWN_MODES]:
        members = {
            number: np.flatnonzero((labels == label) & (state.clusters == number)) for number in numbers.tolist()
        }
        chosen = {number: mine[_nearest(vectors[mine], ANSWERS)] for number, mine in members.items()}
        found.append(
            Modes(str(label), {number: [str(path) for path in paths[mine]] for number, mine in chosen.items()})
        )
    return found


def _maps(
    vectors: np.ndarray,
    paths: np.ndarray,
    others: np.ndarray,
    other_paths: np.ndarray,
    state: DivisionState,
    split: str,
    seed: int,
    planes: Sequence[str],
) -> dict[tuple[str, str], tuple[np.ndarray, np.ndarray, list[str]]]:
    known = [number for number in range(state.count) if (state.clusters == number).any()]
    middles = np.stack([vectors[state.clusters == number].mean(0) for number in known])
    nearest = np.array(known)[(others @ middles.T).argmax(1)]
    found = {}
    for name, these, files, clusters in (
        ("training pictures", vectors, paths, state.clusters),
        (f"{split} pictures", others, other_paths, nearest),
    ):
        rows = np.sort(np.random.default_rng(seed).permutation(len(these))[:POINTS])
        for plane in planes:
            found[name, plane] = (places(these[rows], plane), clusters[rows], [str(path) for path in files[rows]])
    return found
