"""Whether a region says what is meant: pictures of unseen classes are searched by a part; do the hits answer with theirs?

For each query the region is the box round the part: the points of a bird's head, or the mask of a part of a rendered scene. Of its first
hits it is counted how often the middle of the hit's own part lies in

    the box round the strongest answer,
    the box as large round the peak of the pair's overall map (what the two have in common, whatever was asked),
    the box as large at the place in the hit that the region has in the query,

and how often the peak of each lies in the box of the hit's part. Hits are ranked by whole pictures, by whole embeddings (f_R, the region
query), by the best place of each picture, and by the best places of the first hundred by f_R. Where a hit has no answering box, nothing
holds anything. Of the cosines of places the box begins halfway between their mean and the highest, as in the index (chosen on the training
classes of scenes). Intervals: 95 %, classes resampled, and queries in them.

    python benchmarks/regions.py cub200_2011_full27.zip RUN [--split test] [--stage 0] [--limit 200]
    python benchmarks/regions.py SCENES RUN --parts head wing tail
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kinsight.api.load import load_one_stream
from kinsight.data import read_table
from kinsight.evaluation.estimate import PERCENT
from kinsight.evaluation.statistics import mean_over_classes
from kinsight.explanation import Explainer, Pair, View
from kinsight.explanation.part_query import answering_box, answers, own_places, part_vector
from kinsight.explanation.peaks import peak
from kinsight.explanation.regions import Region
from kinsight.explanation.window import to_picture
from kinsight.models import Embedder, build_embedder
from kinsight.retrieval.places import place_cosines
from kinsight.settings.model import ModelSettings
from region_targets import Box, Target, heads, masked

HALF = [0.5, 0.5, 0.5]
FIRST = 100  # hits that are ordered anew
NAMES = ("answer", "overall", "position")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("model", help="the folder of a run or model, or a file of MobileNetV2 weights")
    parser.add_argument("--parts", nargs="+", help="of rendered scenes; none: heads of birds")
    parser.add_argument("--split", default="test")
    parser.add_argument("--stage", type=int, default=0)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--limit", type=int, help="pictures, drawn evenly from the table")
    parser.add_argument("--top", type=int, default=5)
    parser.add_argument("--bias", default="shared", choices=("shared", "none"))
    parser.add_argument("--level", type=float, default=0.5, help="of the answering box")
    options = parser.parse_args()
    table = read_table(options.data, split_by=None if options.parts else "dml_split")
    table = table[table["split"] == options.split].reset_index(drop=True)
    if options.limit is not None:
        rows = np.linspace(0, len(table) - 1, min(options.limit, len(table))).astype(int)
        table = table.iloc[rows].reset_index(drop=True)
    explainer = Explainer(_model(options), stage=options.stage)
    known = masked(table, explainer, options.parts) if options.parts else heads(table, explainer)
    for name, targets in known.items():
        classes = np.array([target.label for target in targets])
        print(f"\n{name}: {len(targets)} pictures of {len(np.unique(classes))} classes, {targets[0].view.grid} places")
        for ranking, judged in measured(targets, options).items():
            _print(ranking, judged, classes, options)


def measured(targets: Sequence[Target], options: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    """By ranking what was counted for each query, on average over its first hits."""
    gallery = np.stack([target.view.whole.astype(np.float64) for target in targets])
    gallery /= np.linalg.norm(gallery, axis=1, keepdims=True)  # (N, D)
    places = np.stack([own_places(target.view, bias=options.bias) for target in targets]).astype(np.float32)
    places = places.reshape(len(targets), -1, places.shape[-1])  # (N, P, D)
    lengths = np.linalg.norm(places, axis=2)  # (N, P)
    wholes = np.linalg.norm(places.sum(1), axis=1)  # (N,)
    counts: dict[str, list[dict[str, float]]] = {}
    for number, target in enumerate(targets):
        vector = part_vector(target.view, [Region(target.part.box)], bias=options.bias)
        unit = (vector / np.linalg.norm(vector)).astype(np.float32)
        said = places @ unit  # (N, P)
        whole, best = gallery @ unit, (said / np.maximum(lengths, 1e-12)).max(1)
        first = np.argsort(-np.where(np.arange(len(whole)) == number, -np.inf, whole), kind="stable")[:FIRST]
        rankings = {
            "whole picture": (gallery @ gallery[number], False),
            "region (f_R)": (whole, False),
            f"first {FIRST} by region, ordered anew by best place": (
                np.where(np.isin(np.arange(len(best)), first), best, -2),
                True,
            ),
            "best place, cosine": (best, True),
            "best place, share": (said.max(1) / wholes, False),
        }
        for name, (scores, by_place) in rankings.items():
            order = np.argsort(-scores, kind="stable")
            hits = [targets[row] for row in order[order != number][: options.top]]
            found = [_judged(target, hit, vector, by_place, options) for hit in hits]
            counts.setdefault(name, []).append({key: float(np.mean([one[key] for one in found])) for key in found[0]})
    return counts


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


def _judged(
    target: Target, hit: Target, vector: np.ndarray, by_place: bool, options: argparse.Namespace
) -> dict[str, float]:
    """What a hit answers: by the cosines of its places where these ranked it, else by their shares of the score."""
    if by_place:
        said = place_cosines(vector, own_places(hit.view, bias=options.bias))
    else:
        said = answers(vector, hit.view, bias=options.bias)
    moved = _moved(target, hit)
    middles = {
        "answer": _peak(hit.view, said),
        "overall": _peak(hit.view, Pair(target.view, hit.view).overall("other")),
        "position": _middle(moved),
    }
    found = {"same class": float(target.label == hit.label)}
    for name, at in middles.items():
        found[f"{name} peak in part"] = float(_holds(hit.part.box, at))
    box = answering_box(said, hit.view, level=options.level, floor=float(said.mean()) if by_place else 0.0)
    size = (0.0, 0.0) if box is None else (box[2] - box[0], box[3] - box[1])
    found["area"] = size[0] * size[1] / _area(hit.view)
    found["answer"] = float(box is not None and _holds(box, hit.part.point))
    for name in NAMES[1:]:
        found[name] = float(_holds(_around(middles[name], size), hit.part.point))
    found["answer - 2 overall peaks"] = found["answer"] - 2 * found["overall peak in part"]
    found["answer - position"] = found["answer"] - found["position"]
    return found


def _moved(target: Target, hit: Target) -> Box:
    """The box that has in the hit the place that the region has in the query."""
    assert target.view.upright is not None
    assert hit.view.upright is not None
    down, across = (there / here for here, there in zip(target.view.upright, hit.view.upright, strict=True))
    left, top, right, bottom = target.part.box
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


def _print(ranking: str, judged: list[dict[str, float]], classes: np.ndarray, options: argparse.Namespace) -> None:
    def share(key: str) -> str:
        found = mean_over_classes(np.array([one[key] for one in judged]), classes)
        return found.text(PERCENT)

    print(f"\n  first {options.top} hits by {ranking}")
    print(f"    of the query's class {share('same class')}")
    print("    peak lies in the hit's part: " + ", ".join(f"{one} {share(f'{one} peak in part')}" for one in NAMES))
    print(
        f"    box at level {options.level} ({share('area')} of the picture) holds the part's middle: "
        + ", ".join(f"{one} {share(one)}" for one in NAMES)
    )
    print(
        "    less "
        + ", less ".join(f"{key[9:]}: {share(key)}" for key in ("answer - 2 overall peaks", "answer - position"))
    )


if __name__ == "__main__":
    main()
