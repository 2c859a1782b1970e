"""Two networks of the paper's applications that Kinsight never trained: faces and persons, explained exactly.

Pictures of persons are read where they stand and never written.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from foreign.mobilefacenet import LAST_MAP, MobileFaceNet, load_mobilefacenet
from foreign.osnet import OSNet, load_osnet
from kinsight.errors import KinsightError
from kinsight.explanation import Explainer, Pair, View
from kinsight.pictures import Preprocessing
from shared_data import shared

FACE = (0, 10, 92, 102)
FACES = Preprocessing(size=112, resize=None, mean=(127.5,) * 3, std=(128,) * 3, scale=255)
PERSONS = Preprocessing(size=(256, 128), resize=None)


def face(person: int, number: int) -> str:
    return str(shared("data/orl_faces.zip") / f"orl_faces/images/s{person:02d}/{number:02d}.png")


def person(number: int, camera: int) -> str:
    """The first picture of a person of the test half by one of its cameras."""
    shot = 0 if camera == 1 else 5
    inside = f"cuhk03_labeled_64x128/images/test/{number:04d}_c{camera}_{shot:02d}.jpg"
    return str(shared("data/cuhk03_labeled_64x128.zip") / inside)


@pytest.fixture(scope="module")
def faces() -> MobileFaceNet:
    weights = shared("weights/mobilefacenet_128d.safetensors")
    return load_mobilefacenet(weights, shared("weights/mobilefacenet_128d.layers.json"))


@pytest.fixture(scope="module")
def persons() -> OSNet:
    return load_osnet(shared("weights/osnet_x0_25_msmt17_bnfolded.safetensors"))


def cosines(network: nn.Module, prepared: list[Any]) -> np.ndarray:
    with torch.no_grad():
        whole = torch.cat([network(one.tensor[None]) for one in prepared])
    return (nn.functional.normalize(whole) @ nn.functional.normalize(whole).T).numpy()


def test_the_network_of_faces_is_the_one_it_should_be(faces: MobileFaceNet) -> None:
    """On all 400 pictures the mean cosine is 0.73 for the same person and 0.19 for two."""
    explainer = Explainer((faces.below, faces.above), preprocessing=FACES)
    labels = np.repeat(np.arange(21, 29), 3)
    found = cosines(faces, [explainer.prepare(face(label, 1 + n % 3), FACE) for n, label in enumerate(labels)])
    same = (labels[:, None] == labels) & ~np.eye(len(labels), dtype=bool)
    assert found[same].mean() == pytest.approx(0.73, abs=0.08)
    assert found[labels[:, None] != labels].mean() == pytest.approx(0.19, abs=0.08)
    nearest = labels[(found - 2 * np.eye(len(labels))).argmax(1)]
    assert (nearest == labels).mean() > 0.95


@pytest.mark.long
def test_the_network_of_persons_is_the_one_it_should_be(persons: OSNet) -> None:
    """On 100 persons its rank-1 is 0.39; of 20 it finds more, chance is 0.05."""
    explainer = Explainer((persons.below, persons.above), preprocessing=PERSONS)
    numbers = range(400, 420)
    prepared = [explainer.prepare(person(number, camera)) for camera in (1, 2) for number in numbers]
    found = cosines(persons, prepared)[:20, 20:]
    assert (found.argmax(1) == np.arange(20)).mean() > 0.39
    assert found.diagonal().mean() > found.mean() + 0.1


def opened(network: Any, how: str, layer: str, **options: Any) -> Explainer:
    if how == "layer":
        return Explainer(network, layer=layer, **options)
    return Explainer((network.below, network.above), **options)


@pytest.mark.parametrize("how", ["layer", "trunk and head"])
def test_faces_are_explained_exactly(faces: MobileFaceNet, how: str) -> None:
    explainer = opened(faces, how, f"layers.{LAST_MAP}", preprocessing=FACES)
    views = explainer.views([face(21, 1), face(21, 2), face(22, 1)], boxes=[FACE] * 3)
    assert [view.places.shape for view in views] == [(7, 7, 128)] * 3
    assert views[0].window == FACE
    wanted = cosines(faces, [explainer.prepare(face(21, 1), FACE), explainer.prepare(face(21, 2), FACE)])[0, 1]
    check(views, wanted)
    # Every place has a filter of its own and no activation follows: the bias is the head of nothing.
    with torch.no_grad():
        bias = faces.above(torch.zeros(1, 512, 7, 7))[0]
    for view in views:
        assert np.allclose(view.bias, bias.numpy(), rtol=0, atol=1e-5 * np.linalg.norm(view.whole))


@pytest.mark.parametrize("how", ["layer", "trunk and head"])
def test_persons_are_explained_exactly(persons: OSNet, how: str) -> None:
    """The sigmoids of its channel gates lie below the last map; above it are an average, a layer, batch norm and ReLU."""
    explainer = opened(persons, how, "conv5", preprocessing=PERSONS)
    views = explainer.views([person(400, 1), person(400, 2), person(401, 1)])
    assert [view.places.shape for view in views] == [(16, 8, 512)] * 3
    wanted = cosines(persons, [explainer.prepare(person(400, camera)) for camera in (1, 2)])[0, 1]
    check(views, wanted)
    linear, norm, _ = persons.fc
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    known = (scale * (linear.bias - norm.running_mean) + norm.bias).detach()  # batch norm folded into the layer
    for view in views:
        lit = view.whole > 0  # what the ReLU let pass
        assert np.allclose(view.bias, np.where(lit, known, 0), rtol=0, atol=1e-5 * np.linalg.norm(view.whole))


def check(views: list[View], wanted: float) -> None:
    same, different = Pair(views[0], views[1]), Pair(views[0], views[2])
    assert same.similarity == pytest.approx(wanted, abs=1e-5)
    assert same.similarity > different.similarity
    for pair in (same, different):
        assert pair.completeness_error < 1e-5
        assert pair.affinity_error < 1e-4
        assert pair.tensor.sum() + sum(pair.terms[1:]) == pytest.approx(pair.similarity, abs=1e-5)


@pytest.mark.long
def test_gates_above_the_opening_must_be_held(persons: OSNet) -> None:
    """One stage lower the channel gates belong to the head."""
    with pytest.raises(KinsightError, match="not affine with its gates held fixed"):
        Explainer(persons, layer="conv3", preprocessing=PERSONS).views([person(400, 1)])
    explainer = Explainer(persons, layer="conv3", preprocessing=PERSONS, gates="standard")
    (view,) = explainer.views([person(400, 1)])
    assert view.affinity_error < 1e-4
    rest = view.places.sum((0, 1)) + view.bias - view.whole
    assert np.linalg.norm(rest) < 1e-5 * np.linalg.norm(view.whole)
