"""Whether a region says what is meant: birds of unseen classes are searched by their heads; do the hits answer with theirs?

For each query the region is the box round the points of its head. Of its first hits, ranked by whole embeddings (f_R, the region query)
or by their best places, it is counted how often the hit's own head point lies in

    the box round the strongest answer,
    the box as large round the peak of the pair's overall map (what the two have in common, whatever was asked),
    the box as large at the place in the hit that the region has in the query,

and how often the peak of each lies in the box of the hit's head. Levels of the answering box are compared on the training classes.

    python benchmarks/regions.py cub200_2011_full27.zip RUN [--split test] [--stage 0] [--limit 200]
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kinsight.api.load import load_one_stream
from kinsight.data import read_parts, read_table
from kinsight.explanation import Explainer, Pair, View
from kinsight.explanation.part_query import answering_box, answers, own_places, part_vector
from kinsight.explanation.peaks import peak
from kinsight.explanation.regions import Region
from kinsight.explanation.window import to_picture
from kinsight.models import Embedder, build_embedder
from kinsight.settings.model import ModelSettings

HEAD = ("beak", "crown", "forehead", "left eye", "nape", "right eye", "throat")
POINT = ("crown", "forehead", "left eye", "right eye", "throat")  # round the middle of the head
HALF = [0.5, 0.5, 0.5]
Box = tuple[float, float, float, float]


class Bird(NamedTuple):
    """A picture: its view, its class, the box of its head and the point in its middle."""

    view: View
    label: int
    head: Box
    point: tuple[float, float]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("model", help="the folder of a run or model, or a file of MobileNetV2 weights")
    parser.add_argument("--split", default="test")
    parser.add_argument("--stage", type=int, default=0)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--limit", type=int, help="pictures, drawn evenly from the table")
    parser.add_argument("--top", type=int, default=5)
    parser.add_argument("--bias", default="shared", choices=("shared", "none"))
    parser.add_argument("--levels", type=float, nargs="+", default=[0.5, 0.6, 0.7, 0.8])
    options = parser.parse_args()
    birds = _birds(options)
    print(f"{len(birds)} birds of {len({bird.label for bird in birds})} classes, {birds[0].view.grid} places")
    gallery = np.stack([bird.view.whole.astype(np.float64) for bird in birds])
    gallery /= np.linalg.norm(gallery, axis=1, keepdims=True)  # (N, D)
    places = np.stack([own_places(bird.view, bias=options.bias) for bird in birds]).astype(np.float32)
    places = places.reshape(len(birds), -1, places.shape[-1])  # (N, P, D)
    lengths = np.linalg.norm(places, axis=2)  # (N, P)
    wholes = np.linalg.norm(places.sum(1), axis=1)  # (N,)
    counts: dict[str, list[dict[str, float]]] = defaultdict(list)
    for number, bird in enumerate(birds):
        vector = part_vector(bird.view, [Region(bird.head)], bias=options.bias)
        unit = (vector / np.linalg.norm(vector)).astype(np.float32)
        said = places @ unit  # (N, P)
        rankings = {
            "whole picture": gallery @ gallery[number],
            "region (f_R)": gallery @ unit,
            "best place, cosine": (said / np.maximum(lengths, 1e-12)).max(1),
            "best place, share": said.max(1) / wholes,
        }
        for name, scores in rankings.items():
            order = np.argsort(-scores, kind="stable")
            hits = [birds[row] for row in order[order != number][: options.top]]
            counts[name] += [_judged(bird, hit, vector, options) for hit in hits]
    _print(counts, options)


def _birds(options: argparse.Namespace) -> list[Bird]:
    table = read_table(options.data, split_by="dml_split")
    table = table[table["split"] == options.split].reset_index(drop=True)
    if options.limit is not None:
        table = table.iloc[np.linspace(0, len(table) - 1, min(options.limit, len(table))).astype(int)].reset_index(
            drop=True
        )
    parts = read_parts(table)
    heads = [_head(parts[str(item)]) for item in table["id"]]
    rows = [row for row, head in enumerate(heads) if head is not None]
    explainer = Explainer(_model(options), stage=options.stage)
    views = explainer.views(table["path"].iloc[rows].tolist())
    labels = table["label"].to_numpy()[rows]
    return [Bird(view, int(label), *heads[row]) for view, label, row in zip(views, labels, rows, strict=True)]  # type: ignore[misc]


def _model(options: argparse.Namespace) -> Embedder:
    if Path(options.model).is_dir():
        return load_one_stream(options.model)
    settings = ModelSettings(
        trunk="mobilenetv2_100",
        trunk_options={"pad_type": "same"},
        weights=options.model,
        size=options.size,
        resize=None,
        mean=HALF,
        std=HALF,
        head={"name": "linear", "dim": None, "pooling": "avg"},
    )
    return build_embedder(settings).eval()


def _head(points: dict[str, tuple[float, float]]) -> tuple[Box, tuple[float, float]] | None:
    """The box round a head's points, a quarter wider on each side, and the middle of the head; None where too little of it is visible."""
    found = np.array([points[name] for name in HEAD if name in points])
    found = found[~np.isnan(found).any(1)]
    middle = np.array([points[name] for name in POINT if name in points])
    middle = middle[~np.isnan(middle).any(1)]
    if len(found) < 4 or len(middle) < 3:
        return None
    low, high = found.min(0), found.max(0)
    wider = np.maximum((high - low) / 4, 2)
    (left, top), (right, bottom) = low - wider, high + wider
    x, y = middle.mean(0).tolist()
    return (float(left), float(top), float(right), float(bottom)), (x, y)


def _judged(bird: Bird, hit: Bird, vector: np.ndarray, options: argparse.Namespace) -> dict[str, float]:
    found: dict[str, float] = {"same class": bird.label == hit.label}
    pair = Pair(bird.view, hit.view)
    said, overall = answers(vector, hit.view, bias=options.bias), pair.overall("other")
    moved = _moved(bird, hit)
    middles = {"answer": _peak(hit.view, said), "overall": _peak(hit.view, overall), "position": _middle(moved)}
    for name, at in middles.items():
        found[f"{name} peak in head"] = _holds(hit.head, at)
    for level in options.levels:
        box = answering_box(said, hit.view, level=level)
        if box is None:
            continue
        size = (box[2] - box[0], box[3] - box[1])
        found[f"area {level}"] = size[0] * size[1] / _area(hit.view)
        found[f"answer {level}"] = _holds(box, hit.point)
        for name in ("overall", "position"):
            found[f"{name} {level}"] = _holds(_around(middles[name], size), hit.point)
    return found


def _moved(bird: Bird, hit: Bird) -> Box:
    """The box that has in the hit the place that the region has in the query."""
    assert bird.view.upright is not None
    assert hit.view.upright is not None
    down, across = (there / here for here, there in zip(bird.view.upright, hit.view.upright, strict=True))
    left, top, right, bottom = bird.head
    return left * across, top * down, right * across, bottom * down


def _peak(view: View, values: np.ndarray) -> tuple[float, float]:
    found = peak(values, view.drawn_at)
    assert view.window is not None
    at = to_picture(np.array([found.x + 0.5, found.y + 0.5] * 2), view.window, view.size)
    return float(at[0]), float(at[1])


def _middle(box: Box) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _around(at: tuple[float, float], size: tuple[float, float]) -> Box:
    return at[0] - size[0] / 2, at[1] - size[1] / 2, at[0] + size[0] / 2, at[1] + size[1] / 2


def _holds(box: Sequence[float], point: tuple[float, float]) -> bool:
    return box[0] <= point[0] < box[2] and box[1] <= point[1] < box[3]


def _area(view: View) -> float:
    assert view.upright is not None
    return view.upright[0] * view.upright[1]


def _print(counts: dict[str, list[dict[str, float]]], options: argparse.Namespace) -> None:
    for name, judged in counts.items():
        print(f"\nfirst {options.top} hits by {name}: {len(judged)} hits")

        def share(key: str, judged: list[dict[str, float]] = judged) -> str:
            return f"{100 * np.mean([one[key] for one in judged if key in one]):5.1f} %"

        print(f"  of the query's class {share('same class')}")
        print(
            "  peak lies in the hit's head: "
            + ", ".join(f"{one} {share(f'{one} peak in head')}" for one in ("answer", "overall", "position"))
        )
        for level in options.levels:
            said = ", ".join(f"{one} {share(f'{one} {level}')}" for one in ("answer", "overall", "position"))
            print(f"  box at level {level} ({share(f'area {level}')} of the picture) holds the head's middle: {said}")


if __name__ == "__main__":
    main()
