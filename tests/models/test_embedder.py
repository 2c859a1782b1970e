"""Embedders: building, encoding whatever the user has, always the same vectors."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from kinsight.errors import KinsightError
from kinsight.models import Embedder, ModelSettings, build_embedder
from kinsight.pictures import PictureSet, Preprocessing

BASE = {
    "trunk": "resnet10t",
    "trunk_options": {"channels": [16, 16, 32, 64]},
    "size": 64,
    "resize": 72,
    "head": {"dim": 16},
}


def settings(**changes: object) -> ModelSettings:
    return ModelSettings(**{**BASE, **changes})


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return build_embedder(settings(), seed=1)


@pytest.fixture(scope="module")
def arrays() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [
        np.asarray(Image.fromarray(random.integers(0, 256, (5, 6, 3), dtype=np.uint8)).resize((90 + 5 * i, 80)))
        for i in range(7)
    ]


@pytest.fixture
def files(arrays: list[np.ndarray], tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{number}.png" for number in range(len(arrays))]
    for path, array in zip(paths, arrays, strict=True):
        Image.fromarray(array).save(path)
    return paths


def test_the_parts_fit_together(embedder: Embedder):
    images = torch.rand(2, 3, 64, 64)
    embedder.eval()
    embedding = embedder(images)
    assert embedding.whole.shape == (2, embedder.dim) == (2, 16)
    assert torch.equal(embedding.whole, embedder.head(embedder.trunk(images)).whole)
    assert embedder.settings.head["pooling"] == "avg"


def test_initial_values_are_a_function_of_the_seed():
    first = build_embedder(settings(), seed=5)
    torch.rand(3)
    state = torch.random.get_rng_state()
    second = build_embedder(settings(), seed=5)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert first.digest() == second.digest()
    assert first.digest() != build_embedder(settings(), seed=6).digest()


def test_preprocessing_follows_the_trunk_where_the_settings_leave_it_open():
    built = build_embedder(settings(trunk="vit_tiny_patch16_224", trunk_options={}))
    assert built.preprocessing == Preprocessing(size=64, resize=72, mean=(0.5,) * 3, std=(0.5,) * 3)
    # The trunk's own mean in the order and range of its input.
    turned = build_embedder(settings(bgr=True, scale=255.0)).preprocessing
    assert turned.mean == pytest.approx((255 * 0.406, 255 * 0.456, 255 * 0.485))
    given = build_embedder(settings(mean=[104.0, 117.0, 128.0], std=[1.0] * 3, bgr=True, scale=255.0)).preprocessing
    assert (given.mean, given.std) == ((104.0, 117.0, 128.0), (1.0, 1.0, 1.0))


def test_pictures_that_are_not_square():
    built = build_embedder(settings(size=[64, 32], resize=None, head={"dim": 4, "pooling": "flatten"}))
    assert built.preprocessing.height_width == (64, 32)
    assert built.encode(np.zeros((50, 40, 3), np.uint8)).shape == (1, 4)


def test_batches_workers_and_the_kind_of_source_do_not_matter(embedder: Embedder, arrays: list, files: list[Path]):
    expected = embedder.encode(arrays, batch_size=7)
    assert expected.shape == (7, 16)
    assert expected.dtype == np.float32
    pictures = [Image.fromarray(array) for array in arrays]
    tensor = torch.stack([embedder.preprocessing.transform()(picture) for picture in pictures])
    for vectors in (
        embedder.encode(arrays, batch_size=2),
        embedder.encode(files, batch_size=3, workers=1),
        embedder.encode([str(path) for path in files]),
        embedder.encode(pictures),
        embedder.encode(tensor, batch_size=4),
    ):
        np.testing.assert_allclose(vectors, expected, atol=1e-5)
    assert np.abs(expected[0] - expected[1]).max() > 1e-4  # and the pictures do


def test_one_picture_is_a_list_of_one(embedder: Embedder, arrays: list, files: list[Path]):
    expected = embedder.encode([arrays[0]])
    for one in (arrays[0], Image.fromarray(arrays[0]), files[0], str(files[0])):
        np.testing.assert_allclose(embedder.encode(one), expected, atol=1e-6)
    stack = np.stack([arrays[0], arrays[0]])
    np.testing.assert_allclose(embedder.encode(stack), np.repeat(expected, 2, axis=0), atol=1e-5)


def test_grey_pictures(embedder: Embedder, arrays: list, tmp_path: Path):
    grey = np.asarray(Image.fromarray(arrays[0]).convert("L"))
    Image.fromarray(grey).save(tmp_path / "grey.png")
    expected = embedder.encode([np.repeat(grey[:, :, None], 3, axis=2)])
    np.testing.assert_allclose(embedder.encode([grey]), expected, atol=1e-6)
    np.testing.assert_allclose(embedder.encode([tmp_path / "grey.png"]), expected, atol=1e-6)


def test_normalisation_follows_the_settings_unless_asked(arrays: list):
    lengths = {}
    for setting in (True, False):
        built = build_embedder(settings(normalize=setting), seed=1)
        for normalize in (None, True, False):
            vectors = built.encode(arrays, normalize=normalize)
            lengths[setting, normalize] = np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert lengths == {
        (True, None): True,
        (True, True): True,
        (True, False): False,
        (False, None): False,
        (False, True): True,
        (False, False): False,
    }


def test_modes_come_back_as_they_were(embedder: Embedder, arrays: list):
    embedder.train()
    embedder.head.eval()
    before = [module.training for module in embedder.modules()]
    first = embedder.encode(arrays)
    assert [module.training for module in embedder.modules()] == before
    with pytest.raises(KinsightError):
        embedder.encode([Path("nowhere.png")])
    assert [module.training for module in embedder.modules()] == before
    embedder.eval()
    np.testing.assert_array_equal(embedder.encode(arrays), first)


def test_reduced_precision_is_near(embedder: Embedder, arrays: list):
    exact, reduced = embedder.encode(arrays), embedder.encode(arrays, precision=torch.bfloat16)
    assert reduced.dtype == np.float32
    assert not np.array_equal(exact, reduced)
    assert (exact * reduced).sum(axis=1).min() > 0.99


def test_unreadable_pictures(embedder: Embedder, files: list[Path], caplog: pytest.LogCaptureFixture):
    files[2].write_bytes(b"not a picture")
    with pytest.raises(KinsightError, match=r"2\.png"):
        embedder.encode(files)
    kept = [number for number in range(7) if number != 2]
    expected = embedder.encode([files[number] for number in kept])
    np.testing.assert_allclose(embedder.encode(files, on_unreadable="skip", batch_size=2), expected, atol=1e-5)
    pictures = PictureSet(files, embedder.preprocessing.transform())
    encoded = embedder.encode_set(pictures, on_unreadable="skip", batch_size=2)
    assert encoded.indices.tolist() == kept
    assert [Path(path).name for path, _ in encoded.unreadable] == ["2.png"]
    files[3].write_bytes(b"")
    # A batch of which nothing can be read.
    assert embedder.encode(files[2:4], on_unreadable="skip").shape == (0, 16)


def test_no_pictures_no_vectors(embedder: Embedder):
    assert embedder.encode([]).shape == (0, 16)
    assert embedder.encode(torch.empty(0, 3, 64, 64)).shape == (0, 16)


def test_embeddings_that_are_not_finite_are_named(arrays: list):
    broken = build_embedder(settings(), seed=1)
    with torch.no_grad():
        broken.head.layers[0].weight[0, 0] = torch.nan
    with pytest.raises(KinsightError, match="embeddings of 7 of 7 pictures are not finite"):
        broken.encode(arrays)


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        (torch.zeros(3, 64, 64), r"tensor of shape \(3, 64, 64\) is not a batch of preprocessed pictures"),
        (torch.zeros(2, 3, 64, 64, dtype=torch.uint8), "torch.uint8 tensor of shape"),
        ([np.zeros((64, 64, 3))], "float64"),
    ],
)
def test_what_cannot_be_encoded_is_explained(embedder: Embedder, pictures: object, message: str):
    with pytest.raises(KinsightError, match=message):
        embedder.encode(pictures)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trunk": "resnet_10"}, "is not a network of timm"),
        ({"head": {"name": "linear", "size": 3}}, "head linear: 'size' is not one of its options"),
        ({"trunk_options": {"act_layer": torch.nn.ReLU}}, "trunk_options and head must hold plain values"),
        ({"resize": 32}, "resize 32 is smaller"),
        ({"mean": [0.5]}, "three finite numbers"),
    ],
)
def test_bad_settings_are_explained(changes: dict, message: str):
    with pytest.raises(KinsightError, match=message):
        build_embedder(settings(**changes))
