"""The explainer: pictures of all kinds in, exact views out, and what it cannot explain refused in a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from foreign.networks import lively, resnet
from kinsight.errors import KinsightError
from kinsight.explanation import Explainer, Layout
from kinsight.models import Embedder, LinearHead
from kinsight.models.embedder import build_embedder
from kinsight.pictures import Preprocessing
from kinsight.settings.model import ModelSettings


def model(**head: Any) -> Embedder:
    settings = ModelSettings(trunk="test_resnet", size=64, resize=72, frozen_norm="none", head={"dim": 8, **head})
    built = build_embedder(settings, seed=2)
    lively(built)
    return built


def pixels(seed: int, height: int = 80, width: int = 96) -> np.ndarray:
    rough = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), np.uint8)
    return np.asarray(Image.fromarray(rough).resize((width, height), Image.Resampling.BICUBIC))


def tensor(seed: int, height: int = 64, width: int = 64) -> Tensor:
    return torch.randn(3, height, width, generator=torch.Generator().manual_seed(seed))


def test_the_similarity_is_that_of_the_model(tmp_path: Path) -> None:
    embedder = model()
    Image.fromarray(pixels(0)).save(tmp_path / "a.png")
    pictures = [tmp_path / "a.png", Image.fromarray(pixels(1)), pixels(2)]
    vectors = embedder.encode(pictures)
    for stage in (0, 1):
        explainer = Explainer(embedder, stage=stage)
        for number, other in enumerate(pictures[1:], 1):
            pair = explainer.pair(pictures[0], other)
            assert pair.similarity == pytest.approx(float(vectors[0] @ vectors[number]), abs=1e-6)
            assert pair.completeness_error < 1e-5
            assert pair.query.name == str(tmp_path / "a.png")


@pytest.mark.parametrize("batch_size", [1, 2, 16])
def test_the_batch_changes_nothing_and_no_picture_passes_twice(batch_size: int) -> None:
    embedder = model()
    passed: list[int] = []
    handle = embedder.trunk.network.conv1[0].register_forward_hook(lambda *given: passed.append(len(given[2])))
    views = Explainer(embedder).views([pixels(seed) for seed in range(5)], batch_size=batch_size)
    handle.remove()
    assert sum(passed) == 5
    alone = Explainer(embedder).views([pixels(3)])[0]
    assert np.allclose(views[3].places, alone.places, rtol=1e-4, atol=1e-5)
    assert np.array_equal(views[3].picture, alone.picture)


def test_what_is_shown_is_what_the_network_saw() -> None:
    embedder = model()
    (view,) = Explainer(embedder).views([pixels(4)])  # 80 x 96 -> 72 x 86 -> the middle 64 x 64
    assert view.size == (64, 64)
    assert view.window == pytest.approx(embedder.preprocessing.window(80, 96))
    left, top, right, bottom = (round(value) for value in view.window)
    assert np.array_equal(view.picture, pixels(4)[top:bottom, left:right])
    (part,) = Explainer(embedder).views([pixels(4)], boxes=[(10, 5, 90, 75)])
    inside = embedder.preprocessing.window(70, 80)
    assert part.window == pytest.approx((inside[0] + 10, inside[1] + 5, inside[2] + 10, inside[3] + 5))
    (cut,) = Explainer(embedder).views([Image.fromarray(pixels(4)).crop((10, 5, 90, 75))])
    assert np.array_equal(part.whole, cut.whole)
    large = Explainer(embedder).views([pixels(4, 900, 1200)])[0].picture
    assert max(large.shape) == 512


def test_foreign_models_take_tensors_or_are_told_how_to_make_them() -> None:
    network = resnet()
    by_tensor = Explainer(network, layer="layer4").views([tensor(0)[None]])[0]
    assert by_tensor.size == (64, 64)
    assert by_tensor.picture.shape == (64, 64, 3)
    assert by_tensor.picture.dtype == np.uint8
    assert by_tensor.window is None
    settings = Preprocessing(size=64, resize=72)
    known = Explainer(network, layer="layer4", preprocessing=settings).views([pixels(1)])[0]
    given = Explainer(network, layer="layer4", preprocessing=settings.transform()).views([pixels(1)])[0]
    assert np.array_equal(known.whole, given.whole)
    assert known.window is not None
    # Nobody knows what a function cuts away; what it gives is what the map lies on.
    assert given.window is None
    assert given.picture.shape == (64, 64, 3)


def test_half_precision_gives_arrays() -> None:
    (view,) = Explainer(resnet().to(torch.bfloat16), layer="layer4").views([tensor(0)])
    assert view.places.dtype == np.float32
    assert np.isfinite(view.places).all()


def flat_head() -> Any:
    torch.manual_seed(0)
    return nn.Conv2d(3, 6, 16, stride=16), nn.Sequential(nn.Flatten(), nn.Linear(6 * 16, 5))


@pytest.mark.parametrize(
    ("make", "pictures", "words"),
    [
        (lambda: Explainer(flat_head()), [tensor(0, 80, 64)], "the head cannot take a feature map of (1, 6, 5, 4) ("),
        (lambda: Explainer(model(pooling="flatten")), [tensor(0, 96, 96)], "was built for a 2x2 feature map and was given 3x3"),
        (lambda: Explainer(model(pooling="flatten"), stage=1), [tensor(0, 96, 96)], "was built for a 2x2 feature map"),
        (lambda: Explainer(resnet(), layer="layer4"), [torch.zeros(4, 64, 64)], "cannot take pictures of 64x64 pixels ("),
        (lambda: Explainer(model()), [tensor(0), tensor(1, 96, 64)], "pictures of different sizes ((3, 64, 64), (3, 96, 64))"),
        (lambda: Explainer(resnet(), layer="layer4"), [pixels(0)], "a picture was given to a foreign model without preprocessing"),
        (lambda: Explainer(resnet(), layer="layer4"), ["a.jpg"], "a.jpg was given to a foreign model without preprocessing"),
        (lambda: Explainer(model()), [torch.zeros(3, 64, 64, dtype=torch.uint8)], "is not a preprocessed picture"),
        (lambda: Explainer(model()), [torch.zeros(64, 64)], "give floats (3, H, W)"),
        (lambda: Explainer(model()), ["nowhere/a.jpg"], "nowhere/a.jpg"),
    ],
)  # fmt: skip
def test_pictures_that_do_not_fit_are_refused_in_one_sentence(make: Any, pictures: list[Any], words: str) -> None:
    with pytest.raises(KinsightError) as caught:
        make().views(pictures)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_boxes_are_one_for_each_picture() -> None:
    with pytest.raises(KinsightError, match="1 boxes were given for 2 pictures"):
        Explainer(model()).views([pixels(0), pixels(1)], boxes=[None])


def test_pictures_of_different_sizes_pass_one_by_one() -> None:
    views = Explainer(model()).views([tensor(0), tensor(1, 96, 64)], batch_size=1)
    assert [view.grid for view in views] == [(2, 2), (3, 2)]


def test_values_that_are_not_finite_are_not_explained() -> None:
    with pytest.raises(KinsightError, match="nan"):
        Explainer(model()).views([torch.full((3, 64, 64), float("nan"))])


def test_the_layout_can_be_named() -> None:
    torch.manual_seed(0)
    linear = nn.Linear(4, 3)

    def trunk(images: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(images, 16)[:, :1].expand(-1, 4, -1, -1).movedim(1, -1)  # (N, 4, 4, 4)

    explainer = Explainer((trunk, lambda values: linear(values.mean((1, 2)))), layout=Layout("NHWC"))
    (view,) = explainer.views([tensor(0)])
    wanted = trunk(tensor(0)[None])[0] @ linear.weight.T / 16
    assert np.allclose(view.places, wanted.detach().numpy(), atol=1e-6)


def test_heads_of_the_package_work_without_an_embedder() -> None:
    torch.manual_seed(0)
    head = LinearHead(6, (4, 4), dim=5, pooling="gem")
    pair = Explainer((nn.Sequential(nn.Conv2d(3, 6, 16, stride=16), nn.ReLU()), head)).pair(tensor(0), tensor(1))
    assert pair.completeness_error < 1e-5
    assert pair.affinity_error < 1e-4
