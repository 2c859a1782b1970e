from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kinsight.errors import KinsightError
from kinsight.explanation import Pair, View
from kinsight.show.pair.figure import DPI, WIDTH, write_pair_figure
from kinsight.show.pair.files import write_pair, write_pair_arrays
from show.made_pair import matches, pair, planted, view


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pair_figure(tmp_path_factory.mktemp("figure") / "planted.png", planted())


def test_a_figure_has_the_width_of_a_page(drawn: Path) -> None:
    with Image.open(drawn) as picture:
        assert picture.format == "PNG"
        assert picture.width == round(WIDTH * DPI)
        assert picture.info["dpi"][0] == pytest.approx(DPI, rel=0.01)


@pytest.mark.long
def test_maps_are_warm_where_the_places_speak(drawn: Path) -> None:
    # Everything else in the lower half of the pictures is grey: the picture itself is.
    pixels = np.asarray(Image.open(drawn).convert("RGB")).astype(int)
    width = pixels.shape[1]
    grey = np.abs(pixels - 128).max(2) < 3
    rows = np.flatnonzero(grey.mean(1) > 0.4)
    maps = pixels[rows[len(rows) // 2 :][0] : rows[-1]]
    warm = maps[..., 0] - maps[..., 2] > 60
    left, right = warm[:, : width // 2], warm[:, width // 2 :]
    for half, (row, column) in ((left, (1.5 / 4, 4.5 / 6)), (right, (3.5 / 5, 0.5 / 3))):
        ys, xs = np.nonzero(half)
        assert len(ys) > 500
        assert ys.mean() / len(maps) == pytest.approx(row, abs=0.06)
        assert xs.mean() / half.shape[1] == pytest.approx(column, abs=0.08)


@pytest.mark.long
def test_the_same_figure_twice(drawn: Path, tmp_path: Path) -> None:
    assert write_pair_figure(tmp_path / "again.png", planted()).read_bytes() == drawn.read_bytes()


@pytest.mark.long
def test_a_figure_of_anything(tmp_path: Path) -> None:
    contrary = planted(-1.0)
    named = "a long name $of_ {money$ " * 9
    silent = Pair(
        view((1, 1), (32, 200), seed=1, picture=None, name=named), view((2, 9), (32, 32), seed=2, picture=(20, 200))
    )
    for number, one in enumerate((contrary, silent)):
        with Image.open(write_pair_figure(tmp_path / f"{number}.png", one, links=3)) as picture:
            assert picture.width == round(WIDTH * DPI)


def test_arrays_read_back(tmp_path: Path) -> None:
    made = pair()
    windowed = Pair(made.query, View(**{**vars(made.other), "window": (1.0, 2.0, 30.0, 40.0), "picture": None}))
    with np.load(write_pair_arrays(tmp_path / "pair.npz", windowed), allow_pickle=False) as found:
        arrays = dict(found)
    np.testing.assert_allclose(arrays["tensor"], made.tensor, rtol=1e-6, atol=1e-9)
    for side in ("query", "other"):
        np.testing.assert_allclose(arrays[f"{side}_overall"], made.overall(side), rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(
            arrays[f"{side}_overall_with_bias"], made.overall(side, bias=True), rtol=1e-6, atol=1e-9
        )
    assert dict(zip(arrays["term_names"].tolist(), arrays["terms"].tolist(), strict=True)) == made.terms._asdict()
    assert arrays["terms"].sum() == pytest.approx(float(arrays["similarity"]), abs=1e-6)
    assert (arrays["query_name"].item(), arrays["query_size"].tolist()) == ("birds.zip/query one.jpg", [48, 60])
    assert float(arrays["completeness_error"]) == made.completeness_error
    assert float(arrays["affinity_error"]) == made.affinity_error
    np.testing.assert_array_equal(arrays["query_picture"], made.query.picture)
    assert "other_picture" not in arrays
    assert arrays["other_window"].tolist() == [1, 2, 30, 40]


@pytest.mark.long
@pytest.mark.parametrize("suffix", [".html", ".png", ".npz", ".PNG"])
def test_the_suffix_says_what_is_written(tmp_path: Path, suffix: str) -> None:
    (path,) = write_pair(tmp_path / f"pair{suffix}", pair())
    start = path.read_bytes()[:15]
    assert start.startswith({".html": b"<!doctype html>", ".png": b"\x89PNG", ".npz": b"PK"}[suffix.lower()])


def test_several_pairs_are_one_page_or_numbered_files(tmp_path: Path) -> None:
    assert write_pair(tmp_path / "m.html", matches(2)) == [tmp_path / "m.html"]
    paths = write_pair(tmp_path / "m.npz", matches(2))
    assert paths == [tmp_path / "m-1.npz", tmp_path / "m-2.npz"]
    found = [float(np.load(path)["similarity"]) for path in paths]
    assert found == [one.similarity for one in matches(2)]


@pytest.mark.parametrize("name", ["pair.jpg", "pair", "pair.html.gz"])
def test_other_suffixes_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(KinsightError, match=r"write \.html .* \.png .* \.npz"):
        write_pair(tmp_path / name, pair())
    assert list(tmp_path.iterdir()) == []


def test_no_pair_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KinsightError, match="no pair was given"):
        write_pair(tmp_path / "pair.png", [])
