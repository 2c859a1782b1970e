"""Rendered towns: one geometry seen twice, the same from the same seed, and directions that agree."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from kinsight.data import check_table, read_table
from kinsight.data.towns import Place, panorama_size, render_place, write_towns
from kinsight.data.towns.aerial import EXTENT, aerial
from kinsight.data.towns.panorama import panorama
from kinsight.data.towns.plan import plan
from kinsight.data.towns.solids import CELLS, REACH, SURFACES, Paint, Round, Thing, Town
from kinsight.data.towns.weather import Weather, weather
from kinsight.errors import KinsightError
from kinsight.pictures.directions import aerial_angle, difference, direction, heading, panorama_angle

_DRIVEN = ("street", "lane", "marking")


@pytest.fixture(scope="module")
def places() -> list[Place]:
    return [render_place(3, number, 48) for number in range(5)]


def _lone_tower(angle: float, away: float = 22.0) -> Town:
    x, y = (float(away * each) for each in direction(angle))
    tower = Round(x, y, 2.5, 0, 14, Paint("gold"), Paint("gold"), 2.5)
    return Town(
        np.zeros((round(2 * REACH * CELLS),) * 2, np.uint8), (Thing("tower", x, y, (tower,)),), np.zeros((1, 4))
    )


def _noon() -> Weather:
    day = weather("summer", np.random.default_rng(0))
    ground = np.zeros_like(day.ground) + (20, 40, 200)
    return dataclasses.replace(day, power=0.0, ground=ground, sky="clear")


def _column(shown: np.ndarray) -> float:
    """The angle of the middle of all pixels that show the first thing."""
    angles = np.radians(panorama_angle(np.nonzero(shown == 0)[1] + 0.5, shown.shape[1]))
    return float(np.degrees(np.arctan2(np.sin(angles).mean(), np.cos(angles).mean())))


# Directions


@pytest.mark.parametrize("angle", [0.0, 77.0, 180.0, 301.0])
@pytest.mark.parametrize("looks", [0.0, 123.4])
def test_a_lone_tower_is_found_where_it_stands_in_both_views(angle: float, looks: float) -> None:
    town, rng = _lone_tower(angle), np.random.default_rng(0)
    seen = panorama(town, (), looks, _noon(), 64, 256, rng)
    assert difference(_column(seen.shown), angle - looks) == pytest.approx(0, abs=360 / 256)
    above = aerial(town, (), _noon(), 96, rng)
    rows, columns = np.nonzero(above[..., 0] > 120)  # gold on blue
    found = aerial_angle(columns.mean() + 0.5, rows.mean() + 0.5, 96, 96)
    assert difference(found, angle) == pytest.approx(0, abs=1)
    assert np.hypot(columns.mean() - 47.5, rows.mean() - 47.5) * EXTENT / 96 == pytest.approx(22, abs=0.5)
    assert difference(heading(found, _column(seen.shown)), looks) == pytest.approx(0, abs=2)


def test_a_heading_further_round_is_the_panorama_rolled_to_the_left() -> None:
    town, day = _lone_tower(40.0), _noon()
    one, other = (
        panorama(town, (), looks, day, 32, 128, np.random.default_rng(0)).shown for looks in (10, 10 + 9 * 360 / 128)
    )
    assert (one == 0).any()
    np.testing.assert_array_equal(np.roll(one, -9, axis=1), other)


def test_a_tower_is_as_high_and_as_wide_as_its_distance_makes_it() -> None:
    shown = panorama(_lone_tower(90.0, 30.0), (), 0, _noon(), 256, 1024, np.random.default_rng(0)).shown == 0
    focal = 1024 / (2 * np.pi)
    assert shown.any(0).sum() == pytest.approx(2 * np.arcsin(2.5 / 30) * focal, abs=2)
    assert shown[:, 256].sum() == pytest.approx(14 / 27.5 * focal, abs=2)


def test_things_are_where_the_table_says(places: list[Place]) -> None:
    width = panorama_size(48)[0]
    for place in places:
        assert len(place.things) > 5
        assert sum(thing.pixels > 0 for thing in place.things) > 3
        for thing in place.things:
            found = heading(aerial_angle(thing.x, thing.y, 48, 48), panorama_angle(thing.column, width))
            assert difference(found, place.heading) == pytest.approx(0, abs=0.5 + 20 / max(thing.distance, 1))


def test_nothing_stands_on_the_street_or_in_the_water() -> None:

    def number(*names: str) -> set[int]:
        return {SURFACES.index(name) for name in names}

    for seed in range(3):
        town = plan(np.random.default_rng(seed))
        x, y = (np.array([getattr(thing, axis) for thing in town.things]) for axis in "xy")
        assert set(town.surface(x, y).tolist()).isdisjoint(number(*_DRIVEN, "water"))
        driven = town.surface(town.lanes[:, 0], town.lanes[:, 1])
        assert np.isin(driven[np.abs(town.lanes[:, :2]).max(1) < 70], list(number(*_DRIVEN))).all()


# Pictures


def test_a_place_depends_on_nothing_but_its_arguments(places: list[Place]) -> None:
    again = render_place(3, 4, 48)
    assert again.street.image.tobytes() == places[4].street.image.tobytes()
    assert again.aerial.image.tobytes() == places[4].aerial.image.tobytes()
    assert (again.heading, again.things) == (places[4].heading, places[4].things)
    assert (
        len({place.street.image.tobytes() for place in places} | {render_place(4, 4, 48).street.image.tobytes()}) == 6
    )


def test_a_larger_picture_shows_the_same_place(places: list[Place]) -> None:
    larger = render_place(3, 0, 96)
    assert larger.heading == places[0].heading
    assert [thing.kind for thing in larger.things] == [thing.kind for thing in places[0].things]
    assert larger.street.image.size == (256, 64)
    assert larger.aerial.image.size == (96, 96)


def test_the_two_views_are_of_different_seasons(places: list[Place]) -> None:
    assert all(place.street.season != place.aerial.season for place in places)
    assert len({view.season for place in places for view in (place.street, place.aerial)}) > 2


@pytest.mark.parametrize(("seed", "number", "size"), [(-1, 0, 96), (0, -1, 96), (0, 0, 8), (0, 0, 5000)])
def test_impossible_places_are_refused(seed: int, number: int, size: int) -> None:
    with pytest.raises(KinsightError, match="give"):
        render_place(seed, number, size)


# A folder


@pytest.mark.long
def test_a_folder_of_towns(tmp_path: Path) -> None:
    folder = write_towns(tmp_path / "towns", places=8, size=48, seed=3, workers=1)
    written = {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    parallel = write_towns(tmp_path / "parallel", places=8, size=48, seed=3, workers=2)
    assert {file.relative_to(parallel): file.read_bytes() for file in parallel.rglob("*") if file.is_file()} == written
    assert write_towns(folder, places=8, size=48, seed=3) == folder
    with pytest.raises(KinsightError, match=r"places=8.*give another folder"):
        write_towns(folder, places=9, size=48, seed=3)

    table = read_table(folder)
    assert [problem for problem in check_table(table, pictures=True) if problem.severity == "error"] == []
    assert table.groupby("pair")["view"].apply(list).tolist() == [["street", "aerial"]] * 8
    assert (table.groupby("label")["split"].nunique() == 1).all()
    assert table.drop_duplicates("label")["split"].value_counts().to_dict() == {"train": 5, "test": 2, "validation": 1}
    place = render_place(3, 5, 48)
    street, above = (table[table["label"] == 5].set_index("view").loc[view] for view in ("street", "aerial"))
    assert street["heading"] == above["heading"] == place.heading
    for row, view in ((street, place.street), (above, place.aerial)):
        with Image.open(row["path"]) as image:
            assert image.size == (row["width"], row["height"]) == view.image.size
            assert np.abs(np.asarray(image, float) - np.asarray(view.image, float)).mean() < 8  # JPEG
    things = pd.read_csv(folder / "things.csv", dtype={"pair": str})
    assert set(things["pair"]) == set(table["pair"])
    assert things[things["pair"] == "00005"]["pixels"].sum() == sum(thing.pixels for thing in place.things)


@pytest.mark.parametrize("wrong", [{"places": 7}, {"size": 8}, {"seed": -1}, {"workers": 0}])
def test_settings_out_of_range_are_refused(wrong: dict[str, int], tmp_path: Path) -> None:
    with pytest.raises(KinsightError, match=f"{next(iter(wrong))}=.* is out of range; give"):
        write_towns(tmp_path / "towns", **wrong)
    assert not (tmp_path / "towns").exists()
