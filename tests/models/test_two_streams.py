"""Two networks as one model: built, encoded, saved and loaded."""

from pathlib import Path

import numpy as np
import pytest
import torch

from kinsight.errors import KinsightError
from kinsight.models import (
    Embedder,
    InStreams,
    ModelSettings,
    TwoStreams,
    build_embedder,
    build_model,
    load_embedder,
    load_model,
)

STREET = [np.full((20, 80, 3), value, np.uint8) for value in (30, 200)]
AERIAL = [np.full((40, 40, 3), value, np.uint8) for value in (60, 90, 220)]
SIZES = {"street": {"size": [32, 64], "resize": None}, "aerial": {"size": 32, "resize": 48}}


def build(seed: int = 1, **changes: object) -> TwoStreams:
    base = {"trunk": "test_resnet", "head": {"dim": 8}, "streams": SIZES}
    made = build_model(ModelSettings(**{**base, **changes}), seed=seed).eval()
    assert isinstance(made, TwoStreams)
    return made


def changed(model: TwoStreams) -> TwoStreams:
    """No value is what an initialisation gives, and no two streams are alike."""
    with torch.no_grad():
        for number, tensor in enumerate(model.state_dict().values()):
            tensor += 1 if tensor.dtype == torch.int64 else 0.001 * (number % 7 + 1)
    return model


@pytest.mark.parametrize("shared", [False, True])
def test_what_is_saved_comes_back(tmp_path: Path, shared: bool):
    built = changed(build(shared_head=shared))
    built.save(tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert isinstance(loaded, TwoStreams)
    assert not loaded.training
    assert loaded.digest() == built.digest()
    assert loaded.names == ("street", "aerial")
    assert loaded.preprocessing == built.preprocessing
    assert loaded.settings_of == built.settings_of
    for name, pictures in {"street": STREET, "aerial": AERIAL}.items():
        np.testing.assert_array_equal(loaded.encode(pictures, stream=name), built.encode(pictures, stream=name))


def test_a_stream_is_a_plain_embedder_of_the_same_weights():
    model = changed(build())
    street = model.stream("street")
    assert type(street) is Embedder
    assert street.preprocessing.height_width == (32, 64)
    assert not street.training
    alone = build_embedder(ModelSettings(trunk="test_resnet", head={"dim": 8}, **SIZES["street"])).eval()
    alone.load_state_dict(street.state_dict())
    np.testing.assert_array_equal(model.encode(STREET, stream="street"), alone.encode(STREET))
    with torch.no_grad():
        street.head.layers[0].bias += 1
    assert not np.array_equal(model.encode(STREET, stream="street"), alone.encode(STREET))
    assert list(model.streams) == ["street", "aerial"]


@pytest.mark.parametrize("shared", [False, True])
def test_a_mixed_batch_gives_every_row_what_its_own_stream_gives(shared: bool):
    model = changed(build(shared_head=shared))
    images = torch.rand(2, 3, 32, 64), torch.rand(3, 3, 32, 32)
    stream = torch.tensor([1, 0, 1, 0, 1])
    embedding = model(InStreams(images, stream))
    for number, name in enumerate(model.names):
        own = model.stream(name)(images[number]).whole
        torch.testing.assert_close(embedding.whole[stream == number], own)
    assert torch.equal(embedding.extras["stream"], stream)
    assert embedding.parts.shape == (5, 1, 8)


def test_heads_are_shared_or_not():
    def heads(model: TwoStreams) -> list[str]:
        return sorted({name.split(".")[1] for name in model.state_dict() if name.startswith("head.")})

    one, each = build(shared_head=True), build()
    assert one.stream("street").head is one.stream("aerial").head
    assert each.stream("street").head is not each.stream("aerial").head
    assert (heads(one), heads(each)) == (["shared"], ["aerial", "street"])


def test_networks_may_differ():
    own = {"street": {"trunk": "resnet10t", "trunk_options": {"channels": [8, 8, 8, 8]}, "size": 64}, "aerial": {}}
    model = build(streams=own, size=32)
    assert model.encode(STREET, stream="street").shape == (2, 8) == model.encode(AERIAL[:2], stream="aerial").shape
    with pytest.raises(KinsightError, match="of equally many channels"):
        build(streams=own, size=32, shared_head=True)


def test_a_stream_goes_back_to_training_with_the_model():
    model = build().train()
    model.encode(STREET, stream="street")
    assert model.training
    assert model.trunk["street"].training
    assert model.stream("street").training


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"streams": {"street": {}}}, "names 1 streams"),
        ({"streams": {"street": {}, "pop": {}}}, "'pop' cannot be the name"),
        ({"streams": {"street": {}, "aerial": {"siize": 3}}}, "aerial has no setting 'siize'"),
        ({"streams": {"street": {}, "aerial": {"size": "big"}}}, "aerial.size is 'big'"),
        ({"streams": {"street": {}, "aerial": 3}}, "aerial is 3"),
        ({"streams": {"street": {}, "aerial": {"head": {"dim": 4}}}}, "same dim"),
        ({"head": {"name": "multi-linear", "groups": 2, "dim": 8}}, "made for one stream"),
        ({"head": {"init": "within-class", "dim": None}}, "made for one stream"),
    ],
)
def test_what_does_not_fit_is_one_sentence(changes: dict, words: str):
    with pytest.raises(KinsightError, match=words):
        build(**changes)


def test_what_needs_one_stream_says_so(tmp_path: Path):
    build().save(tmp_path / "model")
    with pytest.raises(KinsightError, match="of two streams"):
        load_embedder(tmp_path / "model")
    with pytest.raises(KinsightError, match="stream='street'"):
        build().encode(STREET)
    with pytest.raises(KinsightError, match="no stream 'map'"):
        build().stream("map")


def test_a_damaged_folder_is_refused(tmp_path: Path):
    build().save(tmp_path / "model")
    config = tmp_path / "model" / "config.json"
    text = config.read_text()
    config.write_text(text.replace('"shared_head": false', '"shared_head": 1'))
    with pytest.raises(KinsightError, match="restore the file"):
        load_model(tmp_path / "model")
    config.write_text(text.replace('"shared_head": false', '"shared_head": true'))
    with pytest.raises(KinsightError, match="restore"):
        load_model(tmp_path / "model")


def test_a_folder_of_one_stream_has_no_word_of_streams(tmp_path: Path):
    build_embedder(ModelSettings(trunk="test_resnet", size=32, resize=36, head={"dim": 8})).save(tmp_path / "model")
    assert "stream" not in (tmp_path / "model" / "config.json").read_text()
    assert type(load_model(tmp_path / "model")) is Embedder
