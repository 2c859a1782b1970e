"""Tables, folders and zips that are made to hang, to exhaust the memory, or that hold what is no text and no number: one sentence each."""

from __future__ import annotations

import os
import shutil
import signal
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from kinsight.data import (
    check_table,
    describe,
    read_boxes,
    read_mask,
    read_parts,
    read_pictures,
    read_table,
    require_sound,
)
from kinsight.data import table as tables
from kinsight.errors import KinsightError
from kinsight.pictures import archive, read_bytes
from kinsight.pictures.decoding import UnreadablePicture, open_picture


@pytest.fixture(autouse=True)
def _no_hang() -> Iterator[None]:
    """What hangs fails."""

    def stop(*_: object) -> None:
        raise AssertionError("it hangs")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(30)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def pictures(tmp_path: Path) -> list[str]:
    """Four pictures, two of each of the classes a and b."""
    files = []
    for label in "ab":
        (tmp_path / "pictures" / label).mkdir(parents=True)
        for number in range(2):
            files.append(str(tmp_path / "pictures" / label / f"{number}.png"))
            Image.new("RGB", (20, 10)).save(files[-1])
    return files


def written(path: Path, pictures: list[str], header: str = "", cells: str = "", separator: str = ",") -> Path:
    """A CSV of the pictures with further columns, the same in every row."""
    lines = [f"path{separator}label{separator}split{header}"]
    lines += [f"{file}{separator}{file.split('/')[-2]}{separator}test{cells}" for file in pictures]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("name", ["table.csv", "table.parquet", "pictures.zip", "pictures"])
def test_a_pipe_is_no_table(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    for read in (read_table, read_pictures):
        with pytest.raises(KinsightError, match="is a pipe or a device; give a CSV or parquet file, a folder or a zip"):
            read(tmp_path / name)
    with pytest.raises(KinsightError, match="is a pipe or a device"):
        read_table("/dev/zero")


def test_a_pipe_is_no_picture_mask_or_list_of_parts(tmp_path: Path, pictures: list[str]) -> None:
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    for place in (pipe, "/dev/zero"):
        with pytest.raises(UnreadablePicture, match="is not a regular file; give the path of a file"):
            open_picture(place)
        with pytest.raises(KinsightError, match="is not a regular file"):
            read_mask(str(place))
    found = read_table(written(tmp_path / "t.csv", [*pictures, str(pipe)]))
    with pytest.raises(KinsightError, match=r"t.csv row 6, column path: "):
        require_sound(found, evaluation_only=True)
    os.mkfifo(tmp_path / "pictures" / "parts.csv")
    relative = [str(Path(file).relative_to(tmp_path / "pictures")) for file in pictures]
    with pytest.raises(KinsightError, match="does not exist: where the parts of these pictures are is not known"):
        read_parts(read_table(written(tmp_path / "pictures" / "t.csv", relative)))
    os.mkfifo(tmp_path / "pictures" / "metadata.csv")
    with pytest.raises(KinsightError, match="is not a regular file"):
        read_table(tmp_path / "pictures")


@pytest.mark.long
@pytest.mark.parametrize("packing", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_member_that_unpacks_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packing: int) -> None:
    monkeypatch.setattr(archive, "LARGE", 2**20)
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", packing) as target:
        target.writestr("metadata.csv", b"path,label\n" + b"a,b\n" * 2**20)
        target.writestr("small.csv", b"path,label\n" + b"a,b\n" * 2**10)
    with pytest.raises(KinsightError, match=r"metadata.csv would unpack from [\d,]+ bytes to 4,194,315, which no"):
        read_table(path)
    assert len(read_bytes(path / "small.csv")) == 11 + 2**12


@pytest.mark.long
def test_a_member_that_says_it_is_small(tmp_path: Path) -> None:
    """What is unpacked is bounded by what the archive says, and what does not keep its word is damaged."""
    path, size = tmp_path / "lie.zip", 64 * 2**20
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("metadata.csv", b"\0" * size)
    path.write_bytes(path.read_bytes().replace(struct.pack("<I", size), struct.pack("<I", 1000)))
    with pytest.raises(KinsightError, match=r"metadata.csv cannot be read from its archive"):
        read_table(path)


def test_tables_larger_than_any(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MOST_CELLS", 1000)
    contents = {
        "blank.csv": "path,label\n" + "\n" * 600,
        "wide.csv": "path,label" + "," * 1100 + "\n" + "\n",
        "mac.csv": "path,label\r" + "\r" * 600,
    }
    for name, text in contents.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(
            KinsightError, match=rf"{name} has [\d,]+ rows of [\d,]+ columns, more than the 1,000 cells"
        ):
            read_table(tmp_path / name)
    pd.DataFrame({"path": ["a"] * 600, "label": ["b"] * 600}).to_parquet(tmp_path / "long.parquet")
    with pytest.raises(KinsightError, match=r"long.parquet has 600 rows of 2 columns, more than"):
        read_table(tmp_path / "long.parquet")
    monkeypatch.setattr(tables, "MOST_BYTES", 100)
    with pytest.raises(KinsightError, match=r"blank.csv has 0.0 GiB, more than the"):
        read_table(tmp_path / "blank.csv")


def test_parquet_with_bytes(tmp_path: Path, pictures: list[str]) -> None:
    labels = ["a", "a", "b", "b"]
    path = tmp_path / "t.parquet"
    pd.DataFrame({"path": [os.fsencode(file) for file in pictures], "label": [b"a", b"a", b"b", b"b"]}).to_parquet(path)
    found = read_table(path)
    assert found["path"].tolist() == pictures
    assert found["label"].tolist() == labels
    pd.DataFrame({"path": [b"caf\xe9.png"] * 4, "label": labels}).to_parquet(path)
    with pytest.raises(
        KinsightError, match=r"t.parquet, column path: it holds bytes that are not UTF-8; write it as a"
    ):
        read_table(path)
    pd.DataFrame({"path": [[file] for file in pictures], "label": labels}).to_parquet(path)
    with pytest.raises(
        KinsightError, match=r"t.parquet, column path: it holds lists; write one text or number in each"
    ):
        read_table(path)
    pd.DataFrame({"path": pictures, "label": labels, "image": [b"\x89PNG\xff"] * 4}).to_parquet(path)
    assert "image" not in read_table(path)


def test_names_that_are_not_utf8(tmp_path: Path, pictures: list[str]) -> None:
    folder = tmp_path / "pictures"
    shutil.copy(pictures[0], os.fsencode(folder) + b"/a/caf\xe9.png")
    for read in (read_table, read_pictures):
        with pytest.raises(KinsightError, match=r"holds 'caf\\udce9.png', a name that is not UTF-8.*; rename it"):
            read(folder)
    os.rename(os.fsencode(folder) + b"/a/caf\xe9.png", os.fsencode(folder) + b"/a/caf.png")
    os.rename(folder / "a", os.fsencode(folder) + b"/\xe9")
    with pytest.raises(KinsightError, match=r"holds '\\udce9', a name that is not UTF-8"):
        read_table(folder)
    path = tmp_path / "names.zip"
    with zipfile.ZipFile(path, "w") as target:
        for file in pictures:
            target.writestr(f"{file[-7]}/é{file[-5:]}", b"")
    path.write_bytes(path.read_bytes().replace("é".encode(), b"\xe9\xff"))
    with pytest.raises(KinsightError, match="is not a readable zip"):
        read_table(path)
    (tmp_path / "latin.csv").write_bytes(b"path,label\ncaf\xe9.png,a\n")
    assert read_table(tmp_path / "latin.csv").attrs["notes"][0].startswith("latin.csv is not UTF-8 text")


def test_boxes_that_are_no_numbers(tmp_path: Path, pictures: list[str]) -> None:
    header = ";x_1;y_1;x_2;y_2"
    for cells, value in {";left;1;20;9": "left", ";1,5;1;20;9": "1,5", ";1;2;20;inf": "inf"}.items():
        table = read_table(written(tmp_path / "t.csv", pictures, header, cells, ";"))
        with pytest.raises(
            KinsightError, match=rf"the box of .*0.png has [xy]_[12] '?{value}'?, which is no number of pixels; write"
        ):
            read_boxes(table)
        assert any(problem.column in ("x_1", "y_2") for problem in check_table(table))
    table = read_table(written(tmp_path / "t.csv", pictures, header, ";1.5;1;20;9", ";"))
    np.testing.assert_array_equal(read_boxes(table), [[1.5, 1, 20, 9]] * 4)
    table = read_table(written(tmp_path / "t.csv", pictures, header, ";;;;", ";"))
    assert np.isnan(read_boxes(table)).all()


def test_flags_that_are_neither(tmp_path: Path, pictures: list[str]) -> None:
    table = read_table(written(tmp_path / "t.csv", pictures, ",is_query,is_gallery", ",maybe,true"))
    assert describe(table) == {
        "test": {"pictures": 4, "classes": 2, "min_per_class": 2, "median_per_class": 2.0, "max_per_class": 2}
    }
    with pytest.raises(KinsightError, match=r"t.csv row 2, column is_query: 'maybe'"):
        require_sound(table, evaluation_only=True)


def test_no_label_and_no_path_at_all(tmp_path: Path, pictures: list[str]) -> None:
    path = tmp_path / "t.csv"
    path.write_text("path,label,split\n" + "".join(f"{file},,test\n" for file in pictures))
    assert describe(read_table(path)) == {"test": {"pictures": 4, "classes": 0}}
    with pytest.raises(
        KinsightError, match=r"t.csv row 2, column label: it is empty; give its class or delete the row"
    ):
        require_sound(read_table(path), evaluation_only=True)
    assert "label" not in read_pictures(path)  # pictures need no label to be embedded
    path.write_text(f"path,label\n{pictures[0]},a\n{pictures[1]},\n")
    with pytest.raises(KinsightError, match=r"t.csv row 3, column label: it is empty; give its class, or leave all"):
        read_pictures(path)
    path.write_text("path,label\n,a\n,b\n")
    with pytest.raises(
        KinsightError, match=r"t.csv row 2, column path: it is empty; give the picture's file or delete"
    ):
        read_pictures(path)
