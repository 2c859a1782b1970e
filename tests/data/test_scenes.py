"""The rendered data set: the same pictures from the same seed, and a truth that is true."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from kinsight.data import read_part_labels, read_part_mask, read_table
from kinsight.data.scenes import PARTS, Scene, Species, render, species, write_scenes
from kinsight.data.scenes.shapes import BEAKS, BODIES, HEADS, TAILS, WINGS
from kinsight.data.scenes.species import PartName
from kinsight.errors import KinsightError


def _pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


def _files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [render(kind, 3, index, 64) for kind in species(3, 12) for index in range(5)]


# Species


def test_no_two_species_have_the_same_parts() -> None:
    kinds = species(0, 600)
    assert len({tuple(kind.variants.values()) for kind in kinds}) == 600
    assert len({kind.name for kind in kinds}) == 600
    assert [kind.number for kind in kinds] == list(range(600))


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("count", [16, 17, 32, 81])
def test_every_part_of_an_unseen_species_is_known_from_a_seen_one(seed: int, count: int) -> None:
    kinds = species(seed, count)
    seen, unseen = kinds[: (count + 1) // 2], kinds[(count + 1) // 2 :]
    for part in PARTS:
        assert {kind.variants[part] for kind in unseen} <= {kind.variants[part] for kind in seen}


def test_every_second_species_differs_from_its_sister_in_one_or_two_parts() -> None:
    kinds = species(5, 64)
    for one, sister in zip(kinds[8::2], kinds[9::2], strict=True):
        assert len(one.differing_parts(sister)) in (1, 2)


def test_more_species_leave_the_first_ones_as_they_are() -> None:
    assert species(4, 40)[:11] == species(4, 11)


def test_seeds_are_different_worlds() -> None:
    assert set(species(0, 32)).isdisjoint(species(1, 32))


@pytest.mark.parametrize(("seed", "count"), [(-1, 4), (0, 0), (0, 10**6)])
def test_impossible_species_are_refused(seed: int, count: int) -> None:
    with pytest.raises(KinsightError, match=r"give 0 or more|ask for 1 to"):
        species(seed, count)


# One picture


def test_a_picture_depends_on_nothing_but_its_arguments() -> None:
    few, many = species(7, 3)[2], species(7, 50)[2]
    render(many, 7, 0, 48)
    first, again = render(few, 7, 4, 48), render(many, 7, 4, 48)
    assert first.image.tobytes() == again.image.tobytes()
    assert first.mask.tobytes() == again.mask.tobytes()
    assert (first.box, first.parts) == (again.box, again.parts)


def test_seed_species_and_index_each_change_the_scene() -> None:
    kinds = species(0, 2)
    pictures = [render(kinds[0], 0, 0), render(kinds[0], 0, 1), render(kinds[0], 1, 0), render(kinds[1], 0, 0)]
    assert len({picture.image.tobytes() for picture in pictures}) == 4
    assert len({picture.parts["body"].x for picture in pictures}) == 4


def test_a_larger_picture_shows_the_same_scene() -> None:
    kind = species(2, 1)[0]
    for index in range(4):
        small, large = render(kind, 2, index, 64), render(kind, 2, index, 128)
        assert np.allclose(np.array(small.box) * 2, large.box, atol=4)
        for part in PARTS:
            assert (
                np.hypot(small.parts[part].x * 2 - large.parts[part].x, small.parts[part].y * 2 - large.parts[part].y)
                < 0.1
            )
        both = np.asarray(small.mask.resize((128, 128))) > 127, np.asarray(large.mask) > 127
        assert (both[0] & both[1]).sum() / (both[0] | both[1]).sum() > 0.85


def test_the_box_is_tight_around_the_mask(scenes: list[Scene]) -> None:
    for scene in scenes:
        assert scene.image.mode == "RGB"
        assert scene.mask.mode == "L"
        assert scene.image.size == scene.mask.size == (64, 64)
        mask = np.asarray(scene.mask)
        assert set(np.unique(mask)) == {0, 255}
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        assert scene.box == (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)


@pytest.mark.long
def test_the_mask_is_where_the_bird_is_seen() -> None:
    """Two birds that differ only in colour, in the same scene: pixels differ inside the mask and nowhere else."""

    def painted(kind: Species, *colours: tuple[int, int, int]) -> Species:
        looks = {part: dataclasses.replace(variant, colours=colours) for part, variant in kind.variants.items()}
        return dataclasses.replace(kind, **looks)

    inside = outside = 0.0
    kinds = species(1, 10)
    for kind in kinds:
        dark, light = painted(kind, (40, 40, 40), (40, 40, 40)), painted(kind, (230, 230, 230), (230, 230, 230))
        one, other = render(dark, 1, 0), render(light, 1, 0)
        assert one.mask.tobytes() == other.mask.tobytes()
        # Contrast is changed around the mean of the picture, so a little of every difference reaches every pixel.
        differs = np.abs(_pixels(one.image) - _pixels(other.image)).max(axis=2) > 40
        mask = np.asarray(one.mask) > 0
        inside += differs[mask].mean() / len(kinds)
        outside += differs[~mask].mean() / len(kinds)
    assert inside > 0.8  # eyes, legs and dark contours have the same colour in both
    assert outside < 0.02


def test_a_part_is_visible_exactly_where_the_bird_is(scenes: list[Scene]) -> None:
    shown = dict.fromkeys(PARTS, 0)
    for scene in scenes:
        assert set(scene.parts) == set(PARTS)
        mask = np.asarray(scene.mask) > 0
        for name, part in scene.parts.items():
            within = 0 <= part.x < 64 and 0 <= part.y < 64
            assert part.visible == bool(within and mask[int(part.y), int(part.x)])
            shown[name] += part.visible
    for name, count in shown.items():
        assert 0.5 * len(scenes) < count < len(scenes), name


def test_part_masks_cut_the_bird_into_its_parts(scenes: list[Scene]) -> None:
    numbers = dict(zip(PARTS, range(1, 6), strict=True))
    own = {name: [] for name in PARTS}
    for scene in scenes:
        parts, mask = np.asarray(scene.part_mask), np.asarray(scene.mask) > 0
        assert scene.part_mask.mode == "P"
        assert not parts[~mask].any()
        assert (parts[mask] > 0).mean() > 0.9  # the rest is legs
        for name, part in scene.parts.items():
            if part.visible:
                own[name].append(parts[int(part.y), int(part.x)] == numbers[name])
    for name, hits in own.items():
        # What is seen at the centre of a part may be another that lies across it: a wing across the body.
        assert np.mean(hits) > (0.2 if name == "body" else 0.8), name


@pytest.mark.parametrize("part", PARTS)
def test_a_part_mask_is_where_another_colour_of_the_part_shows(part: PartName) -> None:
    kind = species(1, 4)[2]
    look = getattr(kind, part)
    dark, light = (
        dataclasses.replace(kind, **{part: dataclasses.replace(look, pattern="plain", colours=(grey, grey))})
        for grey in ((20, 20, 20), (250, 250, 250))
    )
    for index in range(3):
        one, other = render(dark, 1, index, 128), render(light, 1, index, 128)
        assert one.part_mask.tobytes() == other.part_mask.tobytes()
        differs = np.abs(_pixels(one.image) - _pixels(other.image)).max(axis=2) > 60
        mine = np.asarray(one.part_mask) == 1 + PARTS.index(part)
        neck = part == "body"  # is painted in the body's colour
        assert differs[mine].mean() > 0.6  # contours, eyes and shade differ less
        assert differs[~mine].mean() < (0.03 if neck else 0.02)


def test_pictures_are_what_they_were_before_there_were_part_masks() -> None:
    """Bit for bit: data sets that were rendered earlier, and what was trained on them, stay what they are."""
    known = {
        (3, 5, 0, 64): "bcc228eae318e790",
        (0, 11, 3, 96): "eb93660df31e01e5",
    }
    for (seed, number, index, size), wanted in known.items():
        scene = render(species(seed, number + 1)[number], seed, index, size)
        assert hashlib.sha256(scene.image.tobytes() + scene.mask.tobytes()).hexdigest()[:16] == wanted


def test_most_of_a_bird_can_be_seen(scenes: list[Scene]) -> None:
    shares = [np.asarray(scene.mask).mean() / 255 for scene in scenes]
    assert min(shares) > 0.03
    assert 0.08 < np.mean(shares) < 0.4


@pytest.mark.parametrize("outlines", [BEAKS, TAILS, WINGS, HEADS, dict(enumerate(BODIES))])
def test_the_centre_of_every_shape_is_on_it(outlines: dict) -> None:
    from matplotlib.path import Path as Polygon

    for name, shape in outlines.items():
        assert Polygon(shape.outline).contains_point(shape.centre), name


@pytest.mark.parametrize(("seed", "index", "size"), [(-1, 0, 96), (0, -1, 96), (0, 0, 8), (0, 0, 5000)])
def test_impossible_pictures_are_refused(seed: int, index: int, size: int) -> None:
    with pytest.raises(KinsightError, match="give"):
        render(species(0, 1)[0], seed, index, size)


# A folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scenes(tmp_path_factory.mktemp("data") / "scenes", classes=5, per_class=3, size=48, seed=2, workers=1)


def test_the_folder_holds_a_table_with_the_truth_of_every_picture(folder: Path) -> None:
    table = pd.read_csv(folder / "metadata.csv")
    columns = "path,label,class_name,split,width,height,x_1,y_1,x_2,y_2,mask_path,part_mask_path,source"
    assert list(table.columns) == columns.split(",")
    assert len(table) == 15
    assert table.groupby("label")["split"].first().tolist() == ["train", "train", "train", "test", "test"]
    assert set(table["source"]) == {"rendered"}
    kinds = species(2, 5)
    for position, row in enumerate(table.itertuples(index=False)):
        kind, index = kinds[position // 3], position % 3
        assert (row.label, row.class_name) == (kind.number, kind.name)
        assert Path(row.path).parts[:2] == ("images", kind.name)
        scene = render(kind, 2, index, 48)
        assert scene.box == (row.x_1, row.y_1, row.x_2, row.y_2)
        with Image.open(folder / row.path) as image, Image.open(folder / row.mask_path) as mask:
            assert image.size == (row.width, row.height) == (48, 48)
            assert np.abs(_pixels(image) - _pixels(scene.image)).mean() < 8  # JPEG
            assert mask.mode == "L"
            assert mask.tobytes() == scene.mask.tobytes()
        assert np.array_equal(read_part_mask(str(folder / row.part_mask_path)), np.asarray(scene.part_mask))
    assert read_part_labels(read_table(folder)) == dict(enumerate(PARTS, start=1))


def test_the_folder_holds_the_parts(folder: Path) -> None:
    parts = pd.read_csv(folder / "parts.csv")
    assert list(parts.columns) == ["path", "part", "x", "y", "visible"]
    assert set(parts["path"]) == set(pd.read_csv(folder / "metadata.csv")["path"])
    assert len(parts) == 15 * len(PARTS)
    known = render(species(2, 5)[0], 2, 0, 48).parts
    for row in parts.head(len(PARTS)).itertuples(index=False):
        assert (row.x, row.y, bool(row.visible)) == dataclasses.astuple(known[row.part])


def test_the_folder_says_what_it_is(folder: Path) -> None:
    text = (folder / "README.txt").read_text(encoding="utf-8")
    assert "drew these pictures" in text
    for setting in ("classes: 5", "per_class: 3", "size: 48", "seed: 2"):
        assert setting in text


def test_the_number_of_workers_changes_nothing(folder: Path, tmp_path: Path) -> None:
    parallel = write_scenes(tmp_path / "parallel", classes=5, per_class=3, size=48, seed=2, workers=2)
    assert _files(parallel) == _files(folder)


def test_a_folder_with_the_same_settings_is_left_as_it_is(folder: Path) -> None:
    before = (folder / "metadata.csv").stat()
    assert write_scenes(folder, classes=5, per_class=3, size=48, seed=2) == folder
    after = (folder / "metadata.csv").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_folder_with_other_settings_is_refused_and_kept(folder: Path) -> None:
    before = _files(folder)
    with pytest.raises(KinsightError, match=r"classes=5 per_class=3.*give another folder"):
        write_scenes(folder, classes=6, per_class=3, size=48, seed=2)
    assert _files(folder) == before


def test_a_foreign_folder_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(KinsightError, match="holds other files"):
        write_scenes(tmp_path, classes=2, per_class=1, size=32)
    assert _files(tmp_path) == {"thesis.txt": b"mine"}
    with pytest.raises(KinsightError, match="is a file"):
        write_scenes(tmp_path / "thesis.txt", classes=2, per_class=1, size=32)


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    write_scenes(tmp_path / "new", classes=2, per_class=1, size=32)
    (tmp_path / "empty").mkdir()
    write_scenes(tmp_path / "empty", classes=2, per_class=1, size=32)
    assert _files(tmp_path / "empty") == _files(tmp_path / "new")


def test_a_failure_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> Scene:
        raise RuntimeError("no ink")

    monkeypatch.setattr("kinsight.data.scenes.dataset.render", broken)
    with pytest.raises(RuntimeError, match="no ink"):
        write_scenes(tmp_path / "scenes", classes=2, per_class=1, size=32, workers=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("wrong", [{"classes": 1}, {"per_class": 0}, {"size": 8}, {"seed": -1}, {"workers": 0}])
def test_settings_out_of_range_are_refused(wrong: dict[str, int], tmp_path: Path) -> None:
    with pytest.raises(KinsightError, match=f"{next(iter(wrong))}=.* is out of range; give"):
        write_scenes(tmp_path / "scenes", **wrong)
    assert not (tmp_path / "scenes").exists()
