"""Part correspondence: planted colours that only partial maps can tell apart, chances by counting, real birds."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kinsight.data import read_table
from kinsight.data.parts import read_parts
from kinsight.errors import KinsightError
from kinsight.evaluation import Estimate
from kinsight.explanation import Explainer, Pair, View
from kinsight.explanation.measuring.correspondence import (
    CENTRED,
    CHANCE,
    CHANCE_IN_BOX,
    NEAREST,
    OVERALL,
    PARTIAL,
    ROWS,
    SAME_POSITION,
    Correspondence,
    correspondence,
    same_class_pairs,
)
from kinsight.models import ModelSettings, build_embedder
from kinsight.pictures import Preprocessing
from planted import COLOURS, GRID, SIDE, Mean, Patches, centre, coloured, scattered
from reference.peaks import peak_place
from shared_data import shared

WHOLE = np.array([0.0, 0, SIDE, SIDE])


def planted(count: int = 8, **options: Any) -> Correspondence:
    images, cells = scattered(count)
    parts = [{colour: centre(cell) for colour, cell in each.items()} for each in cells]
    labels = np.arange(count) % 2
    options = {"boxes": np.tile(WHOLE, (count, 1)), "parts": parts, "batch_size": 3, **options}
    return correspondence(Explainer((Patches(), Mean())), images, labels, **options)


def test_partial_maps_find_the_matching_part_and_overall_maps_cannot() -> None:
    """Property 13: with several planted pairs the partial map picks the matching one."""
    found = planted()
    assert found.pck(PARTIAL, 0.1) == Estimate(1, method="bootstrap")
    assert found.pck(NEAREST, 0.1) == Estimate(1, method="bootstrap")
    # All three colours weigh the same in the overall map, which names one of them, or the middle of neighbours.
    assert 0 < found.pck(OVERALL, 0.1).value <= 1 / 3
    assert found.pck(CENTRED, 0.1) == Estimate(1, method="bootstrap")
    assert found.difference(PARTIAL, OVERALL, 0.1).low > 0.5
    for colour in COLOURS:
        assert found.pck(PARTIAL, 0.1, part=colour).value == 1
    assert len(found.part) == 3 * len(found.pairs) / 3 == 3 * 2 * 4 * 3


def test_same_position_is_right_where_the_part_has_not_moved() -> None:
    cells = [{"red": (0, 0), "green": (2, 2)}, {"red": (0, 0), "green": (3, 0)}]
    parts = [{colour: centre(cell) for colour, cell in each.items()} for each in cells]
    found = correspondence(
        Explainer((Patches(), Mean())),
        [coloured(each) for each in cells],
        [0, 0],
        parts,
        np.tile(WHOLE, (2, 1)),
    )
    assert found.pck(SAME_POSITION, 0.1, part="red").value == 1
    assert found.pck(SAME_POSITION, 0.1, part="green").value == 0
    assert found.pck(PARTIAL, 0.1).value == 1


def test_chance_is_the_share_of_the_view_within_the_radius() -> None:
    box = np.array([4.0, 8, 20, 24])  # longer side 16: the radius is 3.2 at 0.2
    parts = [{"red": (12.0, 16.0)}] * 2
    images = [coloured({"red": (1, 1)})] * 2
    found = correspondence(
        Explainer((Patches(), Mean())), images, [0, 0], parts, np.tile(box, (2, 1)), alphas=(0.2, 0.4)
    )
    counted = [
        sum((x + 0.5 - 12) ** 2 + (y + 0.5 - 16) ** 2 <= radius**2 for y in range(SIDE) for x in range(SIDE))
        for radius in (3.2, 6.4)
    ]
    np.testing.assert_allclose(found.right[CHANCE][0], np.array(counted) / SIDE**2)
    np.testing.assert_allclose(found.right[CHANCE_IN_BOX][0], np.array(counted) / 16**2)
    assert counted[1] == pytest.approx(math.pi * 6.4**2, rel=0.05)


@pytest.mark.parametrize(
    "preprocessing",
    [
        Preprocessing(size=SIDE, resize=None, mean=(0, 0, 0), std=(1, 1, 1)),
        Preprocessing(size=SIDE, resize=40, mean=(0, 0, 0), std=(1, 1, 1)),
    ],
    ids=["squash", "crop"],
)
def test_points_are_in_pixels_of_the_upright_picture(preprocessing: Preprocessing) -> None:
    """Two small squares in pictures of different shapes; the partial map names the square's place, not its pixel."""
    generator = np.random.default_rng(0)
    pictures, parts, boxes = [], [], []
    for height, width in ((96, 128), (128, 96), (96, 96), (64, 128)):
        pixels = np.zeros((height, width, 3), np.uint8)
        spots: dict[str, tuple[float, float]] = {}
        left, top, right, bottom = preprocessing.window(height, width)
        for colour, column in (("red", generator.integers(2)), ("blue", generator.integers(2, 4))):
            x = left + (column + 0.5) / GRID * (right - left)
            y = top + (generator.integers(GRID) + 0.5) / GRID * (bottom - top)
            rows, columns = slice(round(y) - 3, round(y) + 3), slice(round(x) - 3, round(x) + 3)
            pixels[rows, columns, COLOURS[colour]] = 255
            spots[colour] = (x, y)
        pictures.append(Image.fromarray(pixels))
        parts.append(spots)
        boxes.append([0, 0, width, height])
    model = Explainer((Patches(), Mean()), preprocessing=preprocessing)
    found = correspondence(model, pictures, [0] * 4, parts, np.array(boxes))
    assert found.pck(PARTIAL, 0.1).value == 1
    assert found.pck(OVERALL, 0.1).value < 1


def test_parts_out_of_view_are_left_out_and_counted() -> None:
    pixels = np.zeros((40, 120, 3), np.uint8)
    pixels[:, 40:80] = 200
    parts = [{"red": (5.0, 20.0), "green": (60.0, 20.0), "blue": (np.nan, np.nan)}, {"green": (50.0, 20.0)}]
    parts[1]["red"] = (60.0, 30.0)
    preprocessing = Preprocessing(size=SIDE, resize=SIDE, mean=(0, 0, 0), std=(1, 1, 1))
    found = correspondence(
        Explainer((Patches(), Mean()), preprocessing=preprocessing),
        [pixels, pixels],
        [0, 0],
        parts,
        np.array([[0, 0, 120, 40]] * 2),
    )
    assert set(found.part.tolist()) == {"green"}
    assert (len(found.part), found.out_of_view) == (2, 2)


def test_every_picture_passes_once() -> None:
    images, cells = scattered(9)
    parts = [{colour: centre(cell) for colour, cell in each.items()} for each in cells]
    trunk = Patches()
    correspondence(Explainer((trunk, Mean())), images, np.arange(9) // 3, parts, np.tile(WHOLE, (9, 1)))
    assert trunk.pictures == 9


def test_pairs_are_drawn_from_the_classes() -> None:
    labels = np.array(list("aaaabbbcdd"))
    everything = same_class_pairs(labels, per_class=100)
    assert len(everything) == 12 + 6 + 2
    assert len({tuple(pair) for pair in everything.tolist()}) == len(everything)
    assert (labels[everything[:, 0]] == labels[everything[:, 1]]).all()
    assert (everything[:, 0] != everything[:, 1]).all()
    few = same_class_pairs(labels, per_class=3, seed=1)
    assert np.unique(labels[few[:, 0]], return_counts=True)[1].tolist() == [3, 3, 2]
    assert few.tolist() == same_class_pairs(labels, per_class=3, seed=1).tolist()
    assert few.tolist() != same_class_pairs(labels, per_class=3, seed=2).tolist()
    with pytest.raises(KinsightError, match="two pictures"):
        same_class_pairs(list("abc"))


def test_results_are_plain_values() -> None:
    found = planted(4)
    tree = found.to_dict()
    assert json.loads(json.dumps(tree)) == tree
    assert tree["points"] == 12
    rows = tree["rows"][0]
    assert tree["partial_minus_overall"]["0.1"]["value"] == pytest.approx(rows[PARTIAL] - rows[OVERALL])
    assert tree["partial_minus_overall"]["0.1"]["value"] >= 2 / 3 - 1e-9
    assert [row["part"] for row in tree["rows"]] == [part for part in ("all", *sorted(COLOURS)) for _ in range(2)]
    for name in ROWS:
        low, value, high = (tree["rows"][0][key] for key in (f"{name}_low", name, f"{name}_high"))
        assert (low, high) == (None, None) or 0 <= low <= value <= high <= 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"boxes": np.tile(WHOLE, (3, 1))}, "do not fit"),
        ({"parts": [{}] * 3}, "do not fit"),
        ({"alphas": (0.0,)}, "alphas"),
        ({"parts": [{"red": (np.nan, np.nan)}] * 8}, "no part is visible"),
        ({"boxes": np.full((8, 4), np.nan)}, "no box"),
        ({"pairs": np.array([[0, 8]])}, "numbers from 0 to 7"),
    ],
)
def test_bad_input(change: dict[str, Any], message: str) -> None:
    with pytest.raises(KinsightError, match=message):
        planted(**change)
    with pytest.raises(KinsightError, match="not measured"):
        planted(4).pck("best map", 0.1)
    with pytest.raises(KinsightError, match="not measured"):
        planted(4).pck(PARTIAL, 0.1, part="beak")


@pytest.mark.long
def test_real_birds_against_plain_loops() -> None:
    """Photographs with official part points; each figure worked out again from the pair itself."""
    table = read_table(shared("data/cub200_2011_full27.zip"))
    table = table.groupby("label", sort=True).head(2).head(4).reset_index(drop=True)
    parts = [read_parts(table)[each] for each in table["id"]]
    boxes = table[["x_1", "y_1", "x_2", "y_2"]].to_numpy(float)
    model = Explainer(build_embedder(ModelSettings(trunk="test_resnet", size=64, resize=72, head={"dim": 8})))
    found = correspondence(model, table["path"].tolist(), table["label"].to_numpy(), parts, boxes)
    views = model.views(table["path"].tolist(), activations=True)
    assert len(found.part) > 20
    for number, (part, (query, other)) in enumerate(zip(found.part, found.pairs, strict=True)):
        pair = Pair(views[query], views[other])
        left, top, right, bottom = views[query].window
        x, y = parts[query][part]
        values = pair.point("query", (y - top) / (bottom - top) * 64 - 0.5, (x - left) / (right - left) * 64 - 0.5)
        at = weights_at(views[query], (y - top) / (bottom - top) * 64 - 0.5, (x - left) / (right - left) * 64 - 0.5)
        spots = {PARTIAL: values, CENTRED: cosines(views[query], views[other], at)}
        left, top, right, bottom = views[other].window
        longer = max(boxes[other, 2] - boxes[other, 0], boxes[other, 3] - boxes[other, 1])
        for name, each in spots.items():
            places = peak_place(each)
            sides = (views[other].drawn_at.rows, views[other].drawn_at.columns)
            down, across = (
                np.interp(one, range(len(side.centres)), side.centres) for one, side in zip(places, sides, strict=True)
            )
            spot = (left + (right - left) * (across + 0.5) / 64, top + (bottom - top) * (down + 0.5) / 64)
            far = math.dist(spot, parts[other][part])
            assert found.right[name][number].tolist() == [far <= 0.1 * longer, far <= 0.2 * longer]
    assert found.pck(NEAREST, 0.2).value > found.pck(CHANCE, 0.2).value > 0


def weights_at(view: View, y: float, x: float) -> dict[tuple[int, int], float]:
    """How much each place counts for a pixel: bilinear, worked out one place at a time."""
    weights = {}
    for i, down in enumerate(_hats(view.drawn_at.rows.centres, y)):
        for j, across in enumerate(_hats(view.drawn_at.columns.centres, x)):
            weights[i, j] = down * across
    return weights


def _hats(centres: np.ndarray, at: float) -> list[float]:
    return [float(np.interp(at, centres, [k == i for k in range(len(centres))])) for i in range(len(centres))]


def cosines(query: View, other: View, at: dict[tuple[int, int], float]) -> np.ndarray:
    """The cosine between the query's activations at a point and each place of the other, both less their picture's mean."""
    assert query.activations is not None
    assert other.activations is not None
    mine, yours = query.activations.astype(float), other.activations.astype(float)
    point = sum(weight * (mine[place] - mine.reshape(-1, mine.shape[2]).mean(0)) for place, weight in at.items())
    found = np.zeros(yours.shape[:2])
    for i, j in np.ndindex(found.shape):
        one = yours[i, j] - yours.reshape(-1, yours.shape[2]).mean(0)
        found[i, j] = point @ one / (math.hypot(*point) * math.hypot(*one))
    return found


def test_without_boxes_what_the_network_sees_is_the_box() -> None:
    with_boxes, without = planted(), planted(boxes=None)
    for row, values in with_boxes.right.items():
        assert np.array_equal(values, without.right[row]), row
