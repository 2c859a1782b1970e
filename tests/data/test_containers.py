"""Tables from folders and zips."""

import shutil
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from kinsight.data import sources
from kinsight.data.table import read_pictures, read_table
from kinsight.errors import KinsightError


def _csv(folder: Path, text: str, name: str = "table.csv") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def _files(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def _zip(path: Path, members: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return path


ROWS = "path,label,split\na.jpg,0,train\nb.jpg,0,train\nc.jpg,1,test\nd.jpg,1,test\n"


@pytest.mark.parametrize("top", ["", "birds/"])
def test_a_zip_with_its_table(tmp_path: Path, top: str) -> None:
    members = {f"{top}metadata.csv": ROWS, f"{top}parts.csv": "path,label,part\na.jpg,0,beak\n", f"{top}a.jpg": ""}
    table = read_table(_zip(tmp_path / "birds.zip", {**members, "__MACOSX/._a.jpg": ""}))
    assert table["id"].tolist() == ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
    assert table["path"].tolist()[0] == f"{tmp_path}/birds.zip/{top}a.jpg"


def test_a_folder_with_its_only_table(tmp_path: Path) -> None:
    _csv(tmp_path / "set", ROWS, "list.csv")
    _csv(tmp_path / "set", "id,part\n0,beak\n", "parts.csv")
    _files(tmp_path / "set", "images/cat/a.jpg")
    assert read_table(tmp_path / "set")["path"].tolist()[0] == f"{tmp_path}/set/a.jpg"
    assert read_table(tmp_path)["path"].tolist()[0] == f"{tmp_path}/set/a.jpg"


def test_two_tables_are_not_guessed_between(tmp_path: Path) -> None:
    _csv(tmp_path, ROWS, "a.csv")
    _csv(tmp_path, ROWS, "b.csv")
    with pytest.raises(KinsightError, match=r"several image tables \(a\.csv, b\.csv\)"):
        read_table(tmp_path)


def _class_folders(tmp_path: Path, kind: str, names: list[str]) -> Path:
    if kind == "folder":
        return _files(tmp_path / "set", *names)
    return _zip(tmp_path / "set.zip", dict.fromkeys(names, ""))


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_class_folders_with_pictures_anywhere_below(tmp_path: Path, kind: str) -> None:
    names = ["cat/a.jpg", "cat/more/b.PNG", "dog/c.webp", "dog/notes.txt", ".cache/x.jpg", "readme.md", "dog/.d.jpg"]
    source = _class_folders(tmp_path, kind, names)
    table = read_table(source)
    assert table["id"].tolist() == ["cat/a.jpg", "cat/more/b.PNG", "dog/c.webp"]
    assert table["label"].tolist() == ["cat", "cat", "dog"]
    assert table["path"].tolist() == [f"{source}/{name}" for name in table["id"]]
    assert table["split"].tolist() == ["train", "train", "test"]


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_nested_class_folders_are_named_by_their_whole_path(tmp_path: Path, kind: str) -> None:
    source = _class_folders(tmp_path, kind, ["top/Greek/01/a.png", "top/Greek/02/b.png", "top/Latin/01/c.png"])
    table = read_table(source)
    assert table["label"].tolist() == ["Greek/01", "Greek/02", "Latin/01"]
    assert table["id"].tolist() == ["Greek/01/a.png", "Greek/02/b.png", "Latin/01/c.png"]
    assert table["path"].tolist()[0] == f"{source}/top/Greek/01/a.png"


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_class_folders_in_split_folders(tmp_path: Path, kind: str) -> None:
    names = ["train/1/a.jpg", "train/2/b.jpg", "val/3/c.jpg", "test/4/deep/d.jpg", "test/4/e.jpg"]
    table = read_table(_class_folders(tmp_path, kind, names))
    assert table.sort_values("id")["split"].tolist() == ["test", "test", "train", "train", "validation"]
    assert table.set_index("id")["label"].to_dict() == {
        "train/1/a.jpg": 1, "train/2/b.jpg": 2, "val/3/c.jpg": 3, "test/4/deep/d.jpg": 4, "test/4/e.jpg": 4,
    }  # fmt: skip


def test_one_class_folder_is_a_class(tmp_path: Path) -> None:
    table = read_table(_files(tmp_path, "cat/a.jpg", "cat/b.jpg"))
    assert table["label"].tolist() == ["cat", "cat"]


def test_blanks_in_the_names_of_files_stay(tmp_path: Path) -> None:
    table = read_table(_files(tmp_path, " cat/a .jpg", "dog/b.jpg"))
    assert table["path"].tolist() == [f"{tmp_path}/ cat/a .jpg", f"{tmp_path}/dog/b.jpg"]
    assert table["label"].tolist() == ["cat", "dog"]


def test_pictures_outside_class_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(KinsightError, match=r"holds a picture outside class folders, like stray\.jpg"):
        read_table(_files(tmp_path, "cat/a.jpg", "dog/b.jpg", "stray.jpg"))
    with pytest.raises(KinsightError, match=r"like test/b\.jpg"):
        read_table(_files(tmp_path / "split", "train/cat/a.jpg", "test/b.jpg"))


@pytest.mark.parametrize("split", ["", "train/"])
def test_few_pictures_outside_class_folders_or_of_another_kind_are_left_out_and_said(
    tmp_path: Path, split: str
) -> None:
    names = [f"{split}{kind}/{number}.jpg" for kind in ("cat", "dog") for number in range(10)]
    table = read_table(_files(tmp_path, *names, f"{split}cover.jpg", f"{split}cat/more.HEIC"))
    assert table["id"].tolist() == sorted(names)
    assert set(table["label"]) == {"cat", "dog"}
    assert table.attrs["notes"] == [
        f"{tmp_path} holds a picture of a kind that is not read (.heic), left out; save them as JPEG or PNG to have them",
        f"{tmp_path} holds a picture outside class folders, like {split}cover.jpg, left out; move it into the folder of its class to "
        "have it",
    ]


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KinsightError, match="holds no picture"):
        read_table(_files(tmp_path, "cat/a.txt"))


def test_linked_folders_are_followed_once(tmp_path: Path) -> None:
    _files(tmp_path / "store", "a.jpg")
    _files(tmp_path / "set", "dog/b.jpg")
    (tmp_path / "set/cat").symlink_to(tmp_path / "store")
    (tmp_path / "store/back").symlink_to(tmp_path / "set")
    table = read_table(tmp_path / "set")
    assert table["id"].tolist() == ["cat/a.jpg", "dog/b.jpg"]


def test_known_data_sets_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = pd.DataFrame(
        {
            "id": ["x/a.jpg", "x/b.jpg"],
            "path": ["/p/x/a.jpg", "/p/x/b.jpg"],
            "label": [3, 4],
            "split": ["train", "test"],
        }
    )
    monkeypatch.setattr(sources, "recognise", lambda folder: known if Path(folder) == tmp_path else None)
    _csv(tmp_path, ROWS, "metadata.csv")
    assert read_table(tmp_path).to_numpy().tolist() == known.to_numpy().tolist()


def test_pictures_without_labels(tmp_path: Path) -> None:
    """A gallery needs no labels: a table without them, loose pictures in a folder or a zip; with labels they are kept."""
    loose = tmp_path / "loose"
    (loose / "deep").mkdir(parents=True)
    for name in ("b.png", "a.jpg", "deep/c.png"):
        Image.new("RGB", (4, 4)).save(loose / name)
    with zipfile.ZipFile(tmp_path / "loose.zip", "w") as archive:
        for name in ("b.png", "a.jpg", "deep/c.png"):
            archive.write(loose / name, name)
    for source in (loose, tmp_path / "loose.zip"):
        found = read_pictures(source)
        assert found["id"].tolist() == ["a.jpg", "b.png", "deep/c.png"]
        assert found["path"].tolist() == [f"{source}/{name}" for name in found["id"]]
        with pytest.raises(KinsightError, match="outside class folders"):
            read_table(source)
    (loose / "metadata.csv").write_text("path,year\na.jpg,1999\n")
    assert read_pictures(loose)["path"].tolist() == [f"{loose}/a.jpg"]
    (loose / "metadata.csv").write_text("path,label\na.jpg,owl\n")
    assert read_pictures(loose)["label"].tolist() == ["owl"]


@pytest.mark.parametrize("packed", [False, True])
def test_pictures_of_a_kind_that_is_not_read_are_called_so(tmp_path: Path, packed: bool) -> None:
    for name in ("cats/1.HEIC", "cats/2.heic", "dogs/old/1.dng", "dogs/notes.txt"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).write_bytes(b"x")
    source = tmp_path / "photos"
    if packed:
        source = Path(shutil.make_archive(str(source), "zip", source))
    with pytest.raises(
        KinsightError, match=r"3 pictures of a kind that is not read \(\.dng, \.heic\); save them as JPEG or PNG"
    ):
        read_table(source)
