"""Batches of pictures: the same for any number of workers, and unreadable pictures named."""

import logging
import multiprocessing
import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from kinsight.errors import KinsightError
from kinsight.pictures.augmentation import augmentation
from kinsight.pictures.decoding import UnreadablePicture
from kinsight.pictures.loading import Draw, PictureBatch, PictureSet, load
from kinsight.pictures.preprocessing import Preprocessing
from shared_data import shared

SETTINGS = Preprocessing(size=24, resize=28)


def arrays(count: int) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.integers(0, 255, (30 + i % 5, 40, 3), np.uint8) for i in range(count)]


@pytest.fixture
def damaged(tmp_path: Path) -> list[Path]:
    """Seven files; 2 and 5 cannot be read."""
    paths = [tmp_path / f"{number}.png" for number in range(7)]
    for path, array in zip(paths, arrays(7), strict=True):
        Image.fromarray(array).save(path)
    paths[2].write_bytes(b"")
    paths[5].unlink()
    return paths


def together(batches: Iterator[PictureBatch]) -> tuple[Tensor, list[int], list[tuple[str, str]]]:
    found = list(batches)
    images = torch.cat([batch.images for batch in found if len(batch)])
    return images, [i for batch in found for i in batch.indices.tolist()], [u for b in found for u in b.unreadable]


def draws(count: int, size: int, seed: int = 0) -> list[list[Draw]]:
    random = np.random.default_rng(seed)
    numbers = [Draw(int(i), int(random.integers(2**63))) for i in random.permutation(count)]
    return [numbers[i : i + size] for i in range(0, count, size)]


def test_all_pictures_once_in_order() -> None:
    pictures = PictureSet(arrays(10), SETTINGS.transform())
    batches = list(load(pictures, batch_size=4))
    assert [batch.indices.tolist() for batch in batches] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert [batch.images.shape for batch in batches] == [(4, 3, 24, 24), (4, 3, 24, 24), (2, 3, 24, 24)]
    assert batches[0].indices.dtype == torch.int64
    for batch in batches:
        for image, index in zip(batch.images, batch.indices.tolist(), strict=True):
            assert torch.equal(image, SETTINGS.transform()(Image.fromarray(arrays(10)[index])))
    assert list(load(PictureSet([], SETTINGS.transform()))) == []


@pytest.mark.parametrize("name", ["standard", "geom+color", "color-heavy"])
def test_two_workers_give_what_none_gives_bit_for_bit(name: str) -> None:
    pictures = PictureSet(arrays(22), augmentation(name, SETTINGS))
    alone = together(load(pictures, draws(22, 5)))
    helped = together(load(pictures, draws(22, 5), workers=2))
    assert torch.equal(alone[0], helped[0])
    assert alone[1:] == helped[1:]
    other = together(load(pictures, draws(22, 5, seed=1)))
    assert not torch.equal(alone[0][np.argsort(alone[1])], other[0][np.argsort(other[1])])


def test_a_draw_depends_on_its_seed_alone() -> None:
    pictures = PictureSet(arrays(3), augmentation("geom", SETTINGS))
    first = pictures[Draw(1, 77)][0]
    torch.manual_seed(5)
    pictures[Draw(2, 1)]
    assert torch.equal(pictures[Draw(1, 77)][0], first)
    assert not torch.equal(pictures[Draw(1, 78)][0], first)


def test_loading_leaves_the_global_random_numbers_alone() -> None:
    pictures = PictureSet(arrays(6), augmentation("geom", SETTINGS))
    torch.manual_seed(0)
    state = torch.get_rng_state()
    together(load(pictures, draws(6, 2)))
    together(load(pictures, draws(6, 2), workers=1))
    assert torch.equal(torch.get_rng_state(), state)


def _threads(image: Image.Image) -> Tensor:
    return torch.full((3, 1, 1), float(torch.get_num_threads()))


def test_workers_use_one_thread_each() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        images = together(load(PictureSet(arrays(4), _threads), batch_size=2, workers=2))[0]
    finally:
        torch.set_num_threads(before)
    assert images.unique().tolist() == [1]


@pytest.mark.slow
def test_spawned_workers_give_the_same() -> None:
    """As on systems without fork: everything that goes to a worker must be picklable."""
    pictures = PictureSet(arrays(4), augmentation("geom+color", SETTINGS))
    alone = together(load(pictures, draws(4, 2)))[0]
    before = multiprocessing.get_start_method(allow_none=True)
    multiprocessing.set_start_method("spawn", force=True)
    try:
        assert torch.equal(together(load(pictures, draws(4, 2), workers=1))[0], alone)
    finally:
        multiprocessing.set_start_method(before, force=True)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_unreadable_picture_stops_with_its_name_and_the_repair(damaged: list[Path], workers: int) -> None:
    pictures = PictureSet(damaged, SETTINGS.transform())
    batches = load(pictures, batch_size=2, workers=workers)
    assert len(next(batches)) == 2
    with pytest.raises(KinsightError, match=r"2\.png is empty; .*--data\.on_unreadable skip"):
        next(batches)


@pytest.mark.parametrize("workers", [0, 2])
def test_skipping_leaves_them_out_and_logs_each_once(
    damaged: list[Path], workers: int, caplog: pytest.LogCaptureFixture
) -> None:
    pictures = PictureSet(damaged, SETTINGS.transform())
    with caplog.at_level(logging.WARNING, logger="kinsight"):
        for _ in range(2):
            images, indices, unreadable = together(load(pictures, batch_size=3, workers=workers, on_unreadable="skip"))
            assert indices == [0, 1, 3, 4, 6]
            assert len(images) == 5
            assert [(Path(path).name, reason) for path, reason in unreadable] == [
                ("2.png", "is empty"),
                ("5.png", "does not exist"),
            ]
    assert len(caplog.records) == 2
    assert str(damaged[2]) in caplog.text


def test_a_batch_without_any_readable_picture_keeps_its_place(damaged: list[Path]) -> None:
    pictures = PictureSet(damaged, SETTINGS.transform())
    batches = list(load(pictures, [[0, 1], [2, 5], [6, 3]], on_unreadable="skip"))
    assert [batch.indices.tolist() for batch in batches] == [[0, 1], [], [6, 3]]
    assert batches[1].images.shape == (0, 3, 0, 0)
    assert [len(batch) for batch in batches] == [2, 0, 2]


def test_an_unreadable_picture_is_never_raised_from_the_set(damaged: list[Path]) -> None:
    pictures = pickle.loads(pickle.dumps(PictureSet([*damaged, np.zeros((2, 2))], SETTINGS.transform())))
    for index in (2, 5, 7):
        tensor, place, problem = pictures[Draw(index, 0)]
        assert tensor is None
        assert place == index
        assert isinstance(problem, UnreadablePicture)


def test_few_batches_are_read_ahead() -> None:
    """However many batches there are, workers may not run far ahead of the training."""
    taken = 0

    def endless() -> Iterator[list[Draw]]:
        nonlocal taken
        while True:
            taken += 1
            yield [Draw(taken % 3, taken)]

    batches = load(PictureSet(arrays(3), SETTINGS.transform()), endless(), workers=2)
    for _ in range(5):
        next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert 5 <= taken <= 5 + 2 * 2


def test_boxes() -> None:
    plain = Preprocessing(size=8, resize=None, mean=(0, 0, 0), std=(1, 1, 1), scale=255)
    image = np.zeros((30, 40, 3), np.uint8)
    image[4:12, 16:24] = 200
    boxes = np.array([[16.0, 4, 24, 12], [np.nan] * 4, [100, 100, 120, 120]])
    pictures = PictureSet([image] * 3, plain.transform(), boxes=boxes)
    batch = next(load(pictures, on_unreadable="skip"))
    assert batch.images[0].unique().tolist() == [200]
    assert 0 < batch.images[1].mean() < 50
    assert batch.indices.tolist() == [0, 1]
    assert "40 pixels wide and 30 high" in batch.unreadable[0][1]
    with pytest.raises(KinsightError, match=r"boxes of shape \(2, 4\) do not fit 3 pictures"):
        PictureSet([image] * 3, plain.transform(), boxes=boxes[:2])


def _decoded_size(image: Image.Image) -> Tensor:
    return torch.tensor(image.size, dtype=torch.float32)


def test_the_shorter_side_reaches_the_decoder(tmp_path: Path) -> None:
    Image.fromarray(arrays(1)[0]).resize((640, 400)).save(tmp_path / "a.jpg")
    sizes = [PictureSet([tmp_path / "a.jpg"], _decoded_size, shorter_side=side)[0][0] for side in (None, 100, 201)]
    assert [size.tolist() for size in sizes if size is not None] == [[640, 400], [160, 100], [640, 400]]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"on_unreadable": "ignore"}, "write refuse or skip"),
        ({"workers": -1}, "0 or more"),
        ({"batch_size": 0}, "1 or more"),
    ],
)
def test_senseless_settings_are_refused_at_once(options: dict, words: str) -> None:
    with pytest.raises(KinsightError, match=words):
        load(PictureSet(arrays(2), SETTINGS.transform()), **options)


def test_real_pictures_from_a_zip() -> None:
    archive = shared("data/cars196_crops.zip")
    names = [name for name in zipfile.ZipFile(archive).namelist() if name.endswith(".jpg")][:40]
    pictures = PictureSet([f"{archive}/{name}" for name in names], augmentation("standard", SETTINGS), shorter_side=28)
    alone = together(load(pictures, draws(40, 8)))
    helped = together(load(pictures, draws(40, 8), workers=2))
    assert torch.equal(alone[0], helped[0])
    assert alone[0].shape == (40, 3, 24, 24)
    assert sorted(alone[1]) == list(range(40))
    assert alone[0].flatten(1).std(1).min() > 0.05  # every picture shows something
    missing = PictureSet([f"{archive}/{names[0]}.missing"], SETTINGS.transform())
    with pytest.raises(KinsightError, match=r"cars196_crops\.zip/.*missing.*no member"):
        next(load(missing))
