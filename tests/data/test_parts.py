"""Part points of a table: from parts.csv in folders and zips, from rendered scenes, and as the authors of CUB give them."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from kinsight.data import read_table, write_scenes
from kinsight.data.parts import read_parts
from kinsight.errors import KinsightError
from shared_data import shared

POINTS = """path,part,x,y,visible
a/1.png,beak,3.5,4,1
a/1.png,left eye,7,8.25,1
a/2.png,beak,1,2,0
a/2.png,tail,,,0
b/3.png,tail,0,9,1
"""


def world(folder: Path, points: str | None = POINTS) -> Path:
    """Three pictures of two classes, a table, and parts."""
    for name in ("a/1.png", "a/2.png", "b/3.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (12, 12)).save(folder / name)
    (folder / "metadata.csv").write_text("path,label\na/1.png,a\na/2.png,a\nb/3.png,b\n")
    if points is not None:
        (folder / "parts.csv").write_text(points)
    return folder


def hidden(point: tuple[float, float]) -> bool:
    return all(map(math.isnan, point))


def test_points_of_a_folder(tmp_path: Path) -> None:
    found = read_parts(read_table(world(tmp_path / "birds")))
    assert list(found) == ["a/1.png", "a/2.png", "b/3.png"]
    assert all(list(parts) == ["beak", "left eye", "tail"] for parts in found.values())
    assert found["a/1.png"]["beak"] == (3.5, 4)
    assert found["a/1.png"]["left eye"] == (7, 8.25)
    assert found["b/3.png"]["tail"] == (0, 9)
    assert all(hidden(found["a/2.png"][part]) for part in ("beak", "left eye", "tail"))
    assert hidden(found["a/1.png"]["tail"])


def test_points_of_a_zip_with_a_top_folder_and_without_a_column_visible(tmp_path: Path) -> None:
    world(tmp_path / "birds", "path,part,x,y\na/1.png,beak,3,4\nb/3.png,2,5,6\n")
    with zipfile.ZipFile(tmp_path / "birds.zip", "w") as archive:
        for file in sorted((tmp_path / "birds").rglob("*.*")):
            archive.write(file, file.relative_to(tmp_path))
    found = read_parts(read_table(tmp_path / "birds.zip"))
    assert found["a/1.png"]["beak"] == (3, 4)
    assert found["b/3.png"]["2"] == (5, 6)
    assert hidden(found["a/2.png"]["beak"])


def test_some_rows_of_a_table(tmp_path: Path) -> None:
    table = read_table(world(tmp_path))
    assert list(read_parts(table[table["label"] == "b"])) == ["b/3.png"]
    assert read_parts(table[:0]) == {}


def test_two_boxes_of_a_picture_have_the_same_parts(tmp_path: Path) -> None:
    world(tmp_path)
    rows = "a/1.png,a,0,0,5,5\na/1.png,a,5,5,12,12\nb/3.png,b,0,0,9,9\n"
    (tmp_path / "metadata.csv").write_text(f"path,label,x_1,y_1,x_2,y_2\n{rows}")
    found = read_parts(read_table(tmp_path))
    assert list(found) == ["a/1.png#0,0,5,5", "a/1.png#5,5,12,12", "b/3.png"]
    assert found["a/1.png#0,0,5,5"]["beak"] == found["a/1.png#5,5,12,12"]["beak"] == (3.5, 4)


def test_rendered_scenes(tmp_path: Path) -> None:
    folder = write_scenes(tmp_path / "world", classes=2, per_class=2, size=96, workers=1)
    table = read_table(folder)
    found = read_parts(table)
    written = pd.read_csv(folder / "parts.csv")
    assert set(found) == set(table["id"])
    for row in written.itertuples():
        point = found[str(row.path)][str(row.part)]
        assert hidden(point) if not row.visible else point == (row.x, row.y)
    boxes = table.set_index("id")
    seen = [(item, point) for item, parts in found.items() for point in parts.values() if not hidden(point)]
    assert len(seen) > 10
    for item, (x, y) in seen:
        box = boxes.loc[item]
        assert box["x_1"] - 1 <= x <= box["x_2"] + 1
        assert box["y_1"] - 1 <= y <= box["y_2"] + 1


def test_cub_as_its_authors_give_it(tmp_path: Path) -> None:
    root = tmp_path / "CUB_200_2011"
    names = ["001.Black_footed_Albatross/One_1.jpg", "101.White_Pelican/Two_2.jpg"]
    for name in names:
        (root / "images" / name).parent.mkdir(parents=True)
        Image.new("RGB", (30, 20)).save(root / "images" / name)
    (root / "parts").mkdir()
    files = {
        "images.txt": "".join(f"{number} {name}\n" for number, name in enumerate(names, 1)),
        "classes.txt": "1 001.Black_footed_Albatross\n101 101.White_Pelican\n",
        "image_class_labels.txt": "1 1\n2 101\n",
        "train_test_split.txt": "1 1\n2 0\n",
        "bounding_boxes.txt": "1 1.0 2.0 20.0 10.0\n2 3.0 4.0 10.0 12.0\n",
        "parts/parts.txt": "1 back\n7 left eye\n",
        "parts/part_locs.txt": "1 1 5.0 6.0 1\n1 7 0.0 0.0 0\n2 7 8.0 9.0 1\n",
    }
    for name, text in files.items():
        (root / name).write_text(text)
    found = read_parts(read_table(tmp_path))
    assert found[f"images/{names[0]}"]["back"] == (5, 6)
    assert hidden(found[f"images/{names[0]}"]["left eye"])
    assert found[f"images/{names[1]}"]["left eye"] == (8, 9)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (None, "does not exist"),
        ("path,part,x\na/1.png,beak,1\n", "no column y"),
        ("path,part,x,y\na/1.png,beak,1,left\n", "row 2, column y: 'left'"),
        ("path,part,x,y,visible\na/1.png,beak,1,2,1\na/1.png,tail,1,2,\n", "row 3, column visible"),
        ("", "not a CSV"),
    ],
)
def test_parts_that_cannot_be_read(tmp_path: Path, points: str | None, message: str) -> None:
    with pytest.raises(KinsightError, match=message):
        read_parts(read_table(world(tmp_path, points)))


def test_ids_that_are_not_paths(tmp_path: Path) -> None:
    world(tmp_path)
    (tmp_path / "metadata.csv").write_text("path,label,id\na/1.png,a,first\n")
    with pytest.raises(KinsightError, match="does not end in its id"):
        read_parts(read_table(tmp_path))


@pytest.mark.long
@pytest.mark.parametrize(("name", "points"), [("cub200_2011_full27", 18_383), ("cub200_2011_crops100", 70_267)])
def test_real_birds(name: str, points: int) -> None:
    """The numbers of points that the data sets say of themselves; nearly all lie inside the box."""
    table = read_table(shared(f"data/{name}.zip"))
    found = read_parts(table)
    assert len(found) == len(table)
    assert {len(parts) for parts in found.values()} == {15}
    values = np.array([list(parts.values()) for parts in found.values()])  # (N, 15, 2)
    assert (~np.isnan(values[..., 0])).sum() == points
    if "x_1" in table:
        boxes = table[["x_1", "y_1", "x_2", "y_2"]].to_numpy(float)[:, None]
        inside = (values >= boxes[..., :2] - 1).all(-1) & (values <= boxes[..., 2:] + 1).all(-1)
        assert inside.sum() > 0.99 * points
