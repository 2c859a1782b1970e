"""Files of strangers: everything that is none, or claims too much, is one sentence, and nothing waits."""

from __future__ import annotations

import io
import os
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kinsight.errors import KinsightError
from kinsight.files import write_npz
from kinsight.reading import read_json, read_json_mapping, read_npz, require_file
from kinsight.typed import from_plain, to_plain


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, said in (
        (tmp_path / "pipe", "is a pipe or a device and no file"),
        ("/dev/zero", "is a pipe or a device and no file"),
        (tmp_path, "is a folder where a file is read"),
        (tmp_path / "none", "does not exist"),
        (tmp_path / ("x" * 300), "names no file"),
        ("a\0b", "names no file"),
        ("\ud800", "names no file"),
    ):
        for read in (read_json, read_npz):
            with pytest.raises(KinsightError, match=said):
                read(path)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "sparse.json").open("wb") as stream:
        stream.truncate(2**40)
    with pytest.raises(KinsightError, match=r"has 1,099,511,627,776 bytes where at most"):
        read_json(tmp_path / "sparse.json")
    assert require_file(tmp_path / "sparse.json") == tmp_path / "sparse.json"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is not valid JSON"),
        (b'{"a": ', "is not valid JSON"),
        (b"\xff\xfe{", "is no UTF-8 text"),
        (b"[" * 100_000, "is not valid JSON .nested too deeply"),
        (b"9" * 5_000, "is not valid JSON"),
        (rb'{"a": "\ud800"}', "is not valid JSON"),
        (b"[1]", "holds a list where an object"),
        (b'"text"', "holds a text where an object"),
        (b"null", "holds null where an object"),
    ],
)
def test_json_that_is_none(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(KinsightError, match=said):
        read_json_mapping(tmp_path / "a.json")


def test_arrays_come_back_as_numpy_reads_them(tmp_path: Path) -> None:
    arrays = {
        "vectors": np.arange(12, dtype=np.float32).reshape(3, 4),
        "by column": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "names": np.array(["é", "b"]),
        "none": np.zeros((0, 5)),
        "one": np.array(7),
    }
    write_npz(tmp_path / "a.npz", arrays)
    np.savez_compressed(tmp_path / "b.npz", **arrays)
    for file in ("a.npz", "b.npz"):
        found = read_npz(tmp_path / file)
        assert list(found) == list(arrays)
        for name, array in arrays.items():
            np.testing.assert_array_equal(found[name], array)
            assert found[name].dtype == array.dtype
            assert found[name].flags.writeable
    assert list(read_npz(tmp_path / "a.npz", ("names", "absent"))) == ["names"]


def npy(header: str) -> bytes:
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    "content",
    [
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,)}"),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (0, 100000000000000000000000)}"),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}"),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': 'x'}"),
        npy("{'descr': '|V99999999999', 'fortran_order': False, 'shape': (1,)}"),
        npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}") + b"cos\nsystem\n",
        npy("__import__('os')"),
        npy("[" * 3000),
        b"\x93NUMPY\x09\x00",
        b"no array",
        b"",
    ],
)
@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_arrays_that_claim_more_than_they_have(tmp_path: Path, content: bytes, packing: int) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w", packing) as archive:
        archive.writestr("vectors.npy", content)
    with pytest.raises(KinsightError, match=r"a\.npz is not an \.npz of plain arrays .*; write it anew$"):
        read_npz(tmp_path / "a.npz")


def test_a_bomb_and_damaged_archives(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("x.npy", "w") as stream:
        stream.write(npy("{'descr': '|u1', 'fortran_order': False, 'shape': (2000000000,)}"))
        stream.write(bytes(20_000_000))
    content = packed.getvalue()
    size = (20_000_000 + 10 + 65).to_bytes(4, "little")
    for damaged in (
        content[:-10],
        content[: len(content) // 2],
        content.replace(size, b"\xff\xff\xff\x70"),
        b"PK",
        b"",
    ):
        (tmp_path / "a.npz").write_bytes(damaged)
        with pytest.raises(KinsightError, match=r"is not an \.npz of plain arrays"):
            read_npz(tmp_path / "a.npz")


@dataclass
class Inside:
    step: int
    share: float | None = None


@dataclass
class Outside:
    name: str
    inside: Inside | None = None
    sizes: tuple[int, ...] = ()
    named: dict[str, Inside] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)


def test_plain_values_and_back() -> None:
    plain = {"name": "a", "inside": {"step": 3, "share": 1}, "sizes": [1, 2], "named": {"b": {"step": 1}}, "odd": [{}]}
    found = from_plain(Outside, plain, "file", otherwise="repair it")
    assert found == Outside("a", Inside(3, 1.0), (1, 2), {"b": Inside(1)}, {"odd": [{}]})
    assert to_plain(found) == plain
    assert from_plain(Outside, {"name": "a"}, "file", otherwise="") == Outside("a")


@pytest.mark.parametrize(
    ("plain", "said"),
    [
        ([], r"^file is \[\], not an object with names; repair it$"),
        ({}, r"^file has no name; repair it$"),
        ({"name": 3}, r"^file: name is 3, not a text; repair it$"),
        ({"name": None}, r"file: name is None, not a text"),
        ({"name": "a", "inside": []}, r"file: inside is \[\], not an object with names"),
        ({"name": "a", "inside": {"step": True}}, "file: inside: step is True, not a whole number"),
        ({"name": "a", "inside": {"step": 1.5}}, "file: inside: step is 1.5, not a whole number"),
        ({"name": "a", "inside": {"step": 1, "share": "x"}}, "file: inside: share is 'x', not a number"),
        ({"name": "a", "inside": {"step": 1, "share": 10**400}}, "file: inside: share is 1000.*, not a number"),
        ({"name": "a", "sizes": ["x"]}, "file: sizes is 'x', not a whole number"),
        ({"name": "a", "named": {"b": {}}}, "file: named.b has no step"),
    ],
)
def test_plain_values_of_another_kind(plain: Any, said: str) -> None:
    with pytest.raises(KinsightError, match=said):
        from_plain(Outside, plain, "file", otherwise="repair it")
