"""Localization: boxes, windows and figures against plain loops, known rectangles and results worked out by hand."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from kinsight.data import read_table
from kinsight.errors import KinsightError
from kinsight.evaluation import Estimate
from kinsight.evaluation.statistics import mean_over_classes, over_classes
from kinsight.explanation import Explainer
from kinsight.explanation.centres import Centres
from kinsight.explanation.measuring.boxes import (
    component_boxes,
    coverage,
    mask_on_input,
    overlaps,
    peak_of,
    to_input,
    to_picture,
)
from kinsight.explanation.measuring.collection import Collection
from kinsight.explanation.measuring.localization import CENTRE, THRESHOLDS, WHOLE, localize, score_maps
from kinsight.explanation.measuring.localization_result import FIGURES, Localization, Scores
from kinsight.explanation.methods import chosen_methods
from kinsight.models import ModelSettings, build_embedder
from kinsight.pictures import Preprocessing, read_bytes
from planted import SIDE, Mean, Patches, coloured
from reference.localization import bilinear, component_box, iou, overlap, share_inside
from shared_data import shared

PIXELS = (24, 32)


def blocks(count: int, seed: int = 0) -> list[np.ndarray]:
    """Maps with many components of several sizes, some of them equally large, some touching at corners."""
    generator = np.random.default_rng(seed)
    return [generator.choice([-1.0, 0.1, 0.5, 1.0], size=(9, 11), p=[0.4, 0.2, 0.2, 0.2]) for _ in range(count)]


@pytest.mark.parametrize("connectivity", [4, 8])
def test_boxes_are_those_of_plain_loops(connectivity: int) -> None:
    thresholds = (0.05, 0.3, 0.5, 1.0)
    for values in blocks(25):
        found = component_boxes(np.maximum(values, 0), thresholds, connectivity)
        for box, threshold in zip(found.tolist(), thresholds, strict=True):
            assert tuple(box) == component_box(np.maximum(values, 0), threshold, connectivity)


def test_corners_join_components_only_with_8_neighbours() -> None:
    values = np.zeros((5, 5))
    values[0, 0] = values[1, 1] = values[2, 2] = values[4, 3] = values[4, 4] = 1
    assert component_boxes(values, (0.5,), 8).tolist() == [[0, 0, 3, 3]]
    assert component_boxes(values, (0.5,), 4).tolist() == [[3, 4, 5, 5]]


def test_a_map_without_positive_values_has_no_box() -> None:
    for values in (np.zeros((4, 4)), np.full((4, 4), -2.0)):
        assert np.isnan(component_boxes(values, (0.15, 0.7))).all()


def test_up_sampling_is_that_of_plain_loops() -> None:
    values = np.random.default_rng(0).normal(size=(3, 4))
    np.testing.assert_allclose(Centres.even((13, 9), (3, 4)).upsample(values), bilinear(values, 13, 9), atol=1e-12)


def test_overlaps() -> None:
    truth = np.array([10.0, 20, 30, 60])
    boxes = np.array([[10, 20, 30, 60], [0, 0, 5, 5], [20, 40, 40, 80], [12, 25, 20, 30], [30, 60, 40, 70.0]])
    wanted = [iou(tuple(box), tuple(truth)) for box in boxes.tolist()]
    np.testing.assert_allclose(overlaps(boxes, truth), wanted)
    assert wanted[0] == 1
    assert overlaps(np.full((1, 4), np.nan), truth).tolist() == [0]


@pytest.mark.parametrize(
    "preprocessing",
    [Preprocessing(size=64, resize=80), Preprocessing(size=(48, 64), resize=None), Preprocessing(size=64, resize=64)],
    ids=["crop", "squash", "largest crop"],
)
@pytest.mark.parametrize("shape", [(150, 200), (220, 130)])
def test_a_drawn_rectangle_is_found_where_it_is(preprocessing: Preprocessing, shape: tuple[int, int]) -> None:
    """Through the real preprocessing: what is bright in the network's input maps back to the drawn rectangle."""
    height, width = shape
    rectangle = np.array([0.4 * width, 0.3 * height, 0.6 * width, 0.65 * height]).round()
    pixels = np.zeros((height, width, 3), np.uint8)
    left, top, right, bottom = rectangle.astype(int)
    pixels[top:bottom, left:right] = 255
    seen = preprocessing.transform()(Image.fromarray(pixels)).mean(0).numpy()
    window = preprocessing.window(height, width)
    found = component_boxes(seen - seen.min(), (0.5,))
    assert np.abs(found - to_input(rectangle, window, seen.shape)).max() < 0.75  # pixels of the input
    back = to_input(to_picture(found, window, seen.shape), window, seen.shape)
    np.testing.assert_allclose(back, found, atol=1e-9)
    inside = mask_on_input(pixels[..., 0] > 0, window, seen.shape)
    assert np.abs(component_boxes(inside.astype(float), (0.5,)) - found).max() <= 1
    share = coverage(to_input(rectangle, window, seen.shape), seen.shape)
    assert share.sum() == pytest.approx(inside.sum(), rel=0.15)  # its borders run between pixel centres


def test_scores_are_those_of_plain_loops() -> None:
    generator = np.random.default_rng(3)
    maps = {"a": generator.normal(size=(6, 3, 4)), "b": generator.normal(size=(6, 3, 4)) - 0.4}
    windows = np.array([[0, 0, 64, 48], [10, 5, 90, 55.5], [0, 0, 33, 21]] * 2, float)
    boxes = windows @ np.array([[0.8, 0, 0.1, 0], [0, 0.8, 0, 0.3], [0.2, 0, 0.9, 0], [0, 0.2, 0, 0.7]])
    found = score_maps(
        maps, size=PIXELS, windows=windows, labels=np.arange(6) // 2, boxes=boxes, connectivity=4, thresholds=(0.2, 0.6)
    )
    for name, values in maps.items():
        for row in range(6):
            window, box = tuple(windows[row].tolist()), tuple(boxes[row].tolist())
            wanted = [overlap(values[row], PIXELS, window, box, threshold, 4) for threshold in (0.2, 0.6)]
            np.testing.assert_allclose(found.scores[name].overlaps[row], wanted, atol=1e-9)
            share = share_inside(values[row], PIXELS, window, box)
            assert found.scores[name].box_energy[row] == pytest.approx(share)
            x, y = peak_of(values[row], window, Centres.even(PIXELS, (3, 4)))
            assert found.scores[name].box_peak[row] == (box[0] <= x < box[2] and box[1] <= y < box[3])


def test_rows_that_look_at_no_picture() -> None:
    windows = np.array([[0, 0, 100, 100], [0, 0, 100, 100.0]])
    boxes = np.array([[25, 25, 75, 75], [0, 0, 100, 80.0]])
    found = score_maps(
        {"a": np.ones((2, 2, 2))}, size=(100, 100), windows=windows, labels=np.array([0, 1]), boxes=boxes
    )
    np.testing.assert_allclose(found.scores[WHOLE].box_energy, [0.25, 0.8])
    np.testing.assert_allclose(found.scores[WHOLE].box_peak, [0.25, 0.8])
    np.testing.assert_allclose(found.scores[WHOLE].overlaps, [[0.25] * 7, [0.8] * 7])
    # Above half of the maximum the pyramid is the centred box of half the side.
    assert found.scores[CENTRE].overlaps[0, THRESHOLDS.index(0.5)] == pytest.approx(1, abs=0.05)
    assert found.scores[CENTRE].box_peak.tolist() == [1, 1]


def test_masks() -> None:
    values = np.zeros((1, 4, 4))
    values[0, 0, 0] = 1
    mask = np.zeros((40, 80), bool)
    mask[:20, :20] = True
    found = score_maps(
        {"a": values, "b": -values, "c": values[:, ::-1, ::-1]},
        size=(40, 40),
        windows=np.array([[0, 0, 80, 40.0]]),
        labels=np.array([0]),
        boxes=np.array([[0, 0, 40, 20.0]]),
        masks=[mask],
    )
    assert (found.scores["a"].mask_peak[0], found.scores["c"].mask_peak[0]) == (1, 0)
    pixels = Centres.even((40, 40), (4, 4)).upsample(values[0])
    assert found.scores["a"].mask_energy[0] == pytest.approx(pixels[:20, :10].sum() / pixels.sum())
    assert found.scores["a"].box_energy[0] == pytest.approx(pixels[:20, :20].sum() / pixels.sum())
    assert found.scores[WHOLE].mask_peak[0] == pytest.approx(1 / 8)
    silent = found.scores["b"]
    assert silent.silent[0]
    assert [silent.mask_energy[0], silent.mask_peak[0], silent.box_energy[0], silent.box_peak[0]] == [0, 0, 0, 0]
    assert not silent.overlaps.any()


def hand_made() -> Localization:
    """Four classes of two pictures: b and d are right at the first threshold, a and c mostly at the second and third."""
    labels = np.array(list("aabbccdd"))
    table = np.zeros((8, 3))
    table[:, 0] = np.isin(labels, ["b", "d"])
    table[:, 1] = np.isin(labels, ["a", "c"])
    table[[0, 1, 4], 2] = 1
    table[0, 1] = 0
    scores = Scores.empty(8, 3)
    scores.overlaps[:] = table
    steady = Scores.empty(8, 3)
    steady.overlaps[:, 1] = 1
    for each in (scores, steady):
        each.box_energy[:], each.box_peak[:] = 0.5, 1
    return Localization({"m": scores, "steady": steady}, labels, (0.2, 0.4, 0.6), 0.5, 8, "itself")


def test_the_threshold_is_chosen_on_the_other_half_of_the_classes() -> None:
    found = hand_made()
    assert found.halves.tolist() == [False, False, True, True, False, False, True, True]
    # The first half (a, c) is right 3 of 4 times at 0.4 as at 0.6, the lower counts; the second (b, d) always at 0.2.
    assert found.held_out_thresholds("m") == (0.2, 0.4)
    assert found.values("m", "held_out").tolist() == [0] * 8
    assert found.held_out_thresholds("steady") == (0.4, 0.4)
    assert found.figure("steady", "held_out").value == 1
    # On the same pictures 0.2 is right for 4 of 8, 0.4 for 3.
    assert found.best_threshold("m") == 0.2
    assert found.figure("m", "same_pictures").value == 0.5
    assert found.difference("steady", "m").value == 1
    assert found.difference("steady", "m", "at_0.6").value == pytest.approx(-3 / 8)
    assert [interval.value for interval in found.curve("m").values()] == pytest.approx([4 / 8, 3 / 8, 3 / 8])


def test_one_class_cannot_be_halved() -> None:
    found = hand_made()
    single = Localization(found.scores, np.zeros(8), found.thresholds, 0.5, 8, "itself")
    assert np.isnan(single.held_out_thresholds("m")).all()
    assert single.rows()[0]["held_out"] is None
    assert single.rows()[0]["same_pictures"] == 0.5


def test_results_are_plain_values() -> None:
    found = hand_made()
    rows, tree = found.rows(), found.to_dict()
    assert json.loads(json.dumps([rows, tree])) == [rows, tree]
    assert [row["method"] for row in rows] == ["m", "steady"]
    assert rows[0]["mask_energy"] is None
    assert rows[0]["same_pictures_low"] <= rows[0]["same_pictures"] <= rows[0]["same_pictures_high"]
    assert tree["methods"]["m"]["curve"][1]["value"] == pytest.approx(3 / 8)
    for figure in FIGURES:
        assert figure in rows[0]


def test_intervals_leave_out_what_is_not_known() -> None:
    values = np.array([[1, np.nan, np.nan], [0, 1, np.nan], [1, np.nan, np.nan], [1, 1, np.nan]])
    first, second, third = over_classes(values, np.array([0, 0, 1, 1]))
    assert first.value == 0.75
    assert first == mean_over_classes(values[:, 0], np.array([0, 0, 1, 1]))
    assert second == Estimate(1, method="bootstrap")  # values that are all alike carry no interval
    assert np.isnan(third.value)
    assert third.ends is None


def bright(boxes: np.ndarray) -> list[torch.Tensor]:
    """Dark pictures with a bright rectangle at each box."""
    images = torch.full((len(boxes), 3, SIDE, SIDE), 0.02)
    for image, (left, top, right, bottom) in zip(images, boxes.tolist(), strict=True):
        image[:, top:bottom, left:right] = 1
    return list(images)


BOXES = np.array([[8, 8, 24, 24], [0, 8, 16, 32], [16, 0, 32, 16], [8, 0, 32, 24], [0, 0, 16, 16], [8, 16, 24, 32]])


@pytest.mark.parametrize("partners", ["best match", "itself", "random same class", np.array([5, 4, 3, 2, 1, 0])])
def test_a_model_that_sees_brightness_finds_bright_rectangles(partners: str | np.ndarray) -> None:
    found = localize(
        Explainer((Patches(), Mean())), bright(BOXES), list("aaabbb"), BOXES, partners=partners, batch_size=4
    )
    # The overall map of a picture is its brightness; up-sampled it stands at half its height on the rectangle's border.
    assert found.curve("decomposition")[0.5].value == 1
    assert found.figure("decomposition", "box_peak").value == 1
    assert found.figure("decomposition", "held_out").value == 1
    assert found.figure("decomposition", "box_energy").value > found.figure(CENTRE, "box_energy").value
    assert found.partners == (partners if isinstance(partners, str) else "given")
    # Of the cosine a map is zero in sum (property 5), so its own positive part is another; its numbers are still numbers.
    assert 0 <= found.figure("gradient x activation", "held_out").value <= 1


@pytest.mark.parametrize(("partner", "found"), [(1, 1), (2, 0)], ids=["red", "green"])
def test_the_map_is_that_against_the_partner(partner: int, found: int) -> None:
    """The box holds the red patch of a picture that also has a green one: only a red partner points there."""
    images = [coloured({"red": (0, 0), "green": (3, 2)}), coloured({"red": (2, 1)}), coloured({"green": (1, 1)})]
    boxes = np.array([[0, 0, 8, 8], [np.nan] * 4, [np.nan] * 4])
    model = Explainer((Patches(), Mean()))
    result = localize(model, images, [0, 0, 0], boxes, partners=np.array([partner, 0, 0]))
    for method in ("decomposition", "decomposition clipped", "grad-cam no norm", "gradient x activation no norm"):
        assert result.scores[method].box_peak.tolist() == [found]
        assert (result.scores[method].box_energy[0] > 0.5) == found


def test_pictures_without_a_box_are_partners_only() -> None:
    boxes = BOXES.astype(float)
    boxes[[1, 4]] = np.nan
    masks: list[np.ndarray | None] = [None] * 6
    masks[3] = np.zeros((SIDE, SIDE), bool)
    masks[3][:24, 8:] = True
    trunk = Patches()
    found = localize(
        Explainer((trunk, Mean())),
        bright(BOXES),
        list("aaabbb"),
        boxes,
        masks,
        partners=np.array([1, 1, 1, 4, 4, 4]),
        methods=["decomposition", "decomposition clipped"],
    )
    assert found.labels.tolist() == list("aabb")
    assert np.isnan(found.scores["decomposition"].mask_energy).tolist() == [True, True, False, True]
    energy, known = found.figure("decomposition", "mask_energy").value, found.scores["decomposition"]
    assert energy == known.mask_energy[2] == pytest.approx(known.box_energy[2])
    assert trunk.pictures == 6


def test_boxes_are_in_pixels_of_the_upright_picture() -> None:
    """Whole pictures through crop and squash; the trunk's places cover what the network sees."""
    pixels = np.full((60, 90, 3), 5, np.uint8)
    pixels[15:45, 30:60] = 250
    partner = np.full((100, 40, 3), 90, np.uint8)  # of another shape, so that its window is another one
    box = np.array([[np.nan] * 4] + [[30.0, 15, 60, 45]] * 2)
    for preprocessing in (
        Preprocessing(size=SIDE, resize=SIDE, mean=(0, 0, 0), std=(1, 1, 1)),
        Preprocessing(size=SIDE, resize=None, mean=(0, 0, 0), std=(1, 1, 1)),
        Preprocessing(size=SIDE, resize=40, mean=(0, 0, 0), std=(1, 1, 1)),
    ):
        model = Explainer((Patches(), Mean()), preprocessing=preprocessing)
        found = localize(model, [partner, pixels, Image.fromarray(pixels)], [0, 0, 1], box, methods="decomposition")
        assert found.curve("decomposition")[0.5].value == 1
        np.testing.assert_allclose(*found.scores["decomposition"].overlaps)


def test_a_foreign_preprocessing_hides_what_the_network_sees() -> None:
    model = Explainer((Patches(), Mean()), preprocessing=lambda _: torch.rand(3, SIDE, SIDE))
    with pytest.raises(KinsightError, match="foreign preprocessing"):
        localize(model, [np.zeros((9, 9, 3), np.uint8)] * 2, [0, 0], np.array([[0, 0, 5, 5]] * 2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": [0]}, "1 labels do not fit 6 pictures"),
        ({"boxes": BOXES[:4]}, "4 boxes do not fit"),
        ({"boxes": BOXES[:, :3]}, "left, top, right, bottom"),
        ({"boxes": np.full((6, 4), np.nan)}, "no picture has a box"),
        ({"boxes": BOXES[:, [2, 1, 0, 3]]}, "box 0"),
        ({"masks": [None]}, "1 masks do not fit"),
        ({"masks": [np.ones((32, 32))] * 6}, "True where the object is"),
        ({"masks": [np.ones((16, 16), bool)] * 6}, "smaller than its picture"),
        ({"thresholds": [0.5, 0.2]}, "thresholds"),
        ({"thresholds": [0.0]}, "thresholds"),
        ({"iou": 0}, "iou 0"),
        ({"connectivity": 6}, "4 or 8"),
        ({"methods": "cam"}, "class_weights"),
        ({"class_weights": np.ones((2, 3))}, "2 class_weights"),
        ({"partners": "worst match"}, "worst match"),
    ],
)
def test_bad_input(change: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"labels": [0, 0, 0, 1, 1, 1], "boxes": BOXES, "methods": "decomposition", **change}
    trunk = Patches()
    with pytest.raises(KinsightError, match=message):
        localize(Explainer((trunk, Mean())), bright(BOXES), **given)
    # All but the masks, which are read one by one, is refused before the network runs.
    assert trunk.pictures == 0 or "masks" in change


def test_unknown_names_of_a_result() -> None:
    with pytest.raises(KinsightError, match="not drawn"):
        hand_made().curve("grad-cam")
    with pytest.raises(KinsightError, match="not known"):
        hand_made().figure("m", "at_0.9")


def mask_of(path: Path | str) -> np.ndarray:
    """The animal and its border in a trimap of the pets."""
    return np.asarray(Image.open(io.BytesIO(read_bytes(str(path))))) != 2


@pytest.mark.long
@pytest.mark.parametrize("data", ["cub200_2011_full27", "oxford_pets_masks"])
def test_real_pictures(data: str) -> None:
    """Photographs with their boxes and masks, through crop and squash: the whole protocol against plain loops."""
    table = read_table(shared(f"data/{data}.zip"))
    table = table.groupby("label", sort=True).head(3).head(9).reset_index(drop=True)
    masks = [mask_of(path) for path in table["mask_path"]] if "mask_path" in table else None
    boxes = table[["x_1", "y_1", "x_2", "y_2"]].to_numpy(float)
    settings = ModelSettings(trunk="test_resnet", size=32, resize=36 if masks is None else None, head={"dim": 8})
    model = Explainer(build_embedder(settings))
    found = localize(model, table["path"].tolist(), table["label"].to_numpy(), boxes, masks, partners="itself")
    collection = Collection(model, table["path"].tolist(), chosen_methods())
    maps = collection.maps(np.repeat(np.arange(9)[:, None], 2, axis=1))
    for name in ("decomposition", "grad-cam no norm"):
        for row in (0, 4, 8):
            window, box = tuple(collection.windows[row].tolist()), tuple(boxes[row].tolist())
            wanted = [overlap(maps[name][row], (32, 32), window, box, threshold) for threshold in THRESHOLDS]
            np.testing.assert_allclose(found.scores[name].overlaps[row], wanted, atol=1e-6)
    size = [Image.open(io.BytesIO(read_bytes(path))).size for path in table["path"]]
    if masks is not None:  # squashed: the network sees all of it
        areas = [mask.mean() for mask in masks]
        np.testing.assert_allclose(found.scores[WHOLE].mask_energy, areas, atol=0.03)
        shares = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) / np.array(size).prod(1)
        np.testing.assert_allclose(found.scores[WHOLE].overlaps[:, 0], shares, atol=1e-9)
    assert json.dumps(found.to_dict())
