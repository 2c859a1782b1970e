"""Models in folders: the same model comes back, and anything else is refused."""

import json
import resource
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from kinsight.errors import KinsightError
from kinsight.models import Embedder, ModelSettings, build_embedder, load_embedder

PICTURES = [np.full((40, 50, 3), value, np.uint8) for value in (30, 200)]


def build(seed: int = 1, **changes: object) -> Embedder:
    base = {
        "trunk": "resnet10t",
        "trunk_options": {"channels": [8, 16, 24, 32]},
        "size": 32,
        "resize": 36,
        "head": {"dim": 8, "pooling": "avg+max"},
    }
    return build_embedder(ModelSettings(**{**base, **changes}), seed=seed)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    build().save(tmp_path / "model")
    return tmp_path / "model"


def test_what_is_saved_comes_back(tmp_path: Path):
    built = build(
        mean=[0.1, 0.2, 0.3],
        normalize=False,
        frozen_norm="affine",
        trunk_options={"channels": [8, 8, 8, 8], "drop_path_rate": 0.1},
    )
    with torch.no_grad():
        for tensor in built.state_dict().values():  # nothing of it is what an initialisation gives
            tensor += 1 if tensor.dtype == torch.int64 else 0.01
    built.save(tmp_path / "model")
    loaded = load_embedder(tmp_path / "model")
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["config.json", "model.safetensors"]
    assert not loaded.training
    assert loaded.preprocessing == built.preprocessing
    assert loaded.settings == built.settings
    assert loaded.digest() == built.digest()
    np.testing.assert_array_equal(loaded.encode(PICTURES), built.encode(PICTURES))
    trainable = [parameter.requires_grad for parameter in built.parameters()]
    assert [parameter.requires_grad for parameter in loaded.parameters()] == trainable
    assert not all(trainable)


def test_where_the_weights_came_from_is_not_saved(tmp_path: Path):
    build().save(tmp_path / "first")
    tensors = load_file(tmp_path / "first" / "model.safetensors")
    trunk = {name: value for name, value in tensors.items() if name.startswith("trunk.")}
    save_file(trunk, tmp_path / "private-name.safetensors")
    build(weights=str(tmp_path / "private-name.safetensors")).save(tmp_path / "second")
    text = (tmp_path / "second" / "config.json").read_text()
    assert "private-name" not in text
    (tmp_path / "private-name.safetensors").unlink()
    assert load_embedder(tmp_path / "second").settings.weights is None


def test_the_config_is_for_people_too(folder: Path):
    config = json.loads((folder / "config.json").read_text())
    assert config["settings"]["trunk"] == "resnet10t"
    assert config["settings"]["head"]["pooling"] == "avg+max"
    assert config["preprocessing"]["size"] == 32
    assert config["dim"] == 8
    assert set(config["versions"]) == {"kinsight", "torch", "timm"}


def test_the_digest_differs_with_everything_that_moves_an_embedding():
    base = build()
    same = build(frozen_norm="none")  # moves training only
    assert base.digest() == same.digest()
    others = [build(seed=2), build(mean=[0.4, 0.5, 0.6]), build(bgr=True), build(resize=40), build(normalize=False)]
    others += [
        build(head={"dim": 8, "pooling": "avg"}),
        build(trunk_options={"channels": [8, 16, 24, 32], "avg_down": False}),
    ]
    one_value = build()
    with torch.no_grad():
        one_value.state_dict()["trunk.network.bn1.running_mean"][0] += 1e-6
    digests = [model.digest() for model in [base, one_value, *others]]
    assert len(set(digests)) == len(digests)


def test_half_precision_weights_stay_half(tmp_path: Path):
    half = build().to(torch.bfloat16)
    half.save(tmp_path / "model")
    loaded = load_embedder(tmp_path / "model")
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.bfloat16}
    assert loaded.digest() == half.digest()


def test_saving_replaces_a_model_and_nothing_else(folder: Path, tmp_path: Path):
    build(seed=2).save(folder)
    assert load_embedder(folder).digest() == build(seed=2).digest()
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "mine.jpg").write_bytes(b"dear")
    with pytest.raises(KinsightError, match="exists and is not a model"):
        build().save(tmp_path / "photos")
    assert (tmp_path / "photos" / "mine.jpg").read_bytes() == b"dear"
    (tmp_path / "empty").mkdir()
    build().save(tmp_path / "empty")
    assert load_embedder(tmp_path / "empty").dim == 8


def test_a_failed_save_leaves_the_older_model(folder: Path, monkeypatch: pytest.MonkeyPatch):
    before = load_embedder(folder).digest()

    def fail(*_: object) -> None:
        raise RuntimeError("the machine stops")

    monkeypatch.setattr("kinsight.models.storage.save_file", fail)
    with pytest.raises(RuntimeError):
        build(seed=2).save(folder)
    assert load_embedder(folder).digest() == before
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def change_config(**changes: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        config.update(changes)
        (folder / "config.json").write_text(json.dumps({key: value for key, value in config.items() if value != ""}))

    return change


def change_settings(**changes: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        change_config(settings={**config["settings"], **changes})(folder)

    return change


def change_tensors(how: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        tensors = {name: tensor.clone() for name, tensor in load_file(folder / "model.safetensors").items()}
        how(tensors)
        save_file(tensors, folder / "model.safetensors")

    return change


def replaced_by_pickle(folder: Path) -> None:
    torch.save({"weight": torch.ones(3)}, folder / "model.safetensors")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "config.json").unlink(), "holds no config.json"),
        (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors does not exist"),
        (lambda folder: (folder / "config.json").write_text("{"), "is not valid JSON"),
        (lambda folder: (folder / "config.json").write_text("[]"), "does not describe a Kinsight model"),
        (replaced_by_pickle, "is not a readable safetensors file"),
        (change_config(format="other"), "does not describe a Kinsight model"),
        (change_config(format_version=99), "has model format 99"),
        (change_config(digest=""), "has no digest"),
        (change_config(preprocessing={"size": 32, "mean": [0, 0, 1]}), "digest differs"),
        (change_settings(normalize=False), "digest differs"),
        (change_settings(colour=1), r"unknown settings \(colour\)"),
        (
            change_settings(head={"name": "linear", "dim": 9}),
            r"bias has shape \(8,\) where the network has \(9,\)",
        ),
        (change_settings(trunk="resnet14t"), "is not of the model that config.json describes"),
        (change_tensors(lambda tensors: tensors["head.layers.0.bias"].add_(1e-3)), "digest differs"),
        (change_tensors(lambda tensors: tensors.pop("head.layers.0.bias")), "head.layers.0.bias is missing"),
        (change_tensors(lambda tensors: tensors.update(more=torch.ones(1))), "more is not part of the network"),
    ],
)
def test_damaged_models_are_refused(folder: Path, damage: Callable[[Path], None], message: str):
    damage(folder)
    with pytest.raises(KinsightError, match=message) as caught:
        load_embedder(folder)
    assert "\n" not in str(caught.value)


def test_no_such_folder_and_no_such_device(folder: Path):
    with pytest.raises(KinsightError, match="is not a folder"):
        load_embedder(folder.parent / "nowhere")
    with pytest.raises(KinsightError, match="cannot be put on device 'cudda'"):
        load_embedder(folder, device="cudda")


def test_preprocessing_of_the_model_wins_over_defaults(folder: Path):
    """A later timm may name another mean for this trunk; a stored model keeps its own."""
    loaded = load_embedder(folder)
    assert loaded.settings.mean == list(loaded.preprocessing.mean)
    assert replace(loaded.settings, mean=None) != loaded.settings


HOSTILE = (None, -1, 10**9, "a" * 10_000, [None], {"name": ["x"]})
MORE = (0, 10**30, 1e308, float("nan"), "", "../x", "a.b.c", [], {}, [10**9] * 4, True)


@pytest.mark.long
@pytest.mark.parametrize(
    "value",
    [*HOSTILE, *(pytest.param(value, marks=pytest.mark.slow) for value in MORE)],
    ids=lambda value: repr(value)[:20],
)
def test_a_config_of_a_stranger(folder: Path, value: object):
    """Whatever stands wherever in config.json: one sentence, without first taking what it asks for."""
    good = json.loads((folder / "config.json").read_text())
    places = [(key,) for key in good if key not in ("versions", "dim")]
    places += [("settings", key) for key in good["settings"] if key != "frozen_norm"]
    places += [("settings", "head", key) for key in good["settings"]["head"]] + [
        ("settings", "trunk_options", "channels")
    ]
    places += [("preprocessing", key) for key in good["preprocessing"]] + [("settings", "head", "more")]
    for place in places:
        config = json.loads(json.dumps(good))
        inside = config
        for key in place[:-1]:
            inside = inside[key]
        if inside.get(place[-1]) in (value, "new"):
            continue
        inside[place[-1]] = value
        (folder / "config.json").write_text(json.dumps(config))
        said = ""
        try:
            load_embedder(folder)
        except KinsightError as refused:
            said = str(refused)
        assert "\n" not in said
        assert len(said) < 800, place
        # What only training looks at may be read.
        assert said or place[-1] in ("dropout", "init", "mean", "std", "size", "resize", "bgr", "scale"), place


@pytest.mark.long
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"head": {"name": "linear", "dim": 10**9}},
            "what the settings describe needs a tensor of 1000000000 x 32 numbers",
        ),
        ({"head": {"name": "linear", "hidden": [8] * 30_000}}, "what the settings describe needs .* tensors of"),
        ({"trunk_options": {"channels": [8, 16, 24, 10**6]}}, "needs a tensor of .* its tensors have 0.2 MB in all"),
        ({"head": {"name": "attentive", "groups": 10**8, "dim": 10**9}}, "what the settings describe needs a tensor"),
    ],
)
def test_a_model_larger_than_its_tensors_is_refused_before_memory_is_taken(
    folder: Path, changes: dict[str, object], message: str
):
    change_settings(**changes)(folder)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(KinsightError, match=message):
        load_embedder(folder)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # kilobytes


def test_a_head_larger_than_the_machine_is_refused(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(KinsightError, match=r"needs a tensor of 1000000000000 x 32 numbers .* but this machine has"):
        build(head={"dim": 10**12})


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (lambda value: value.to(torch.int8), "head.layers.0.weight holds torch.int8"),
        (lambda value: value.to(torch.bfloat16), "its tensors hold torch"),
        (lambda value: value.to(torch.complex64), "head.layers.0.weight holds torch.complex64"),
    ],
)
def test_tensors_of_another_kind(folder: Path, how: Callable[[torch.Tensor], torch.Tensor], message: str):
    change_tensors(lambda tensors: tensors.update({"head.layers.0.weight": how(tensors["head.layers.0.weight"])}))(
        folder
    )
    with pytest.raises(KinsightError, match=message):
        load_embedder(folder)


def test_no_room_on_the_device_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")

    monkeypatch.setattr(Embedder, "to", full)
    with pytest.raises(
        KinsightError, match=r"the model \(0 MB\) does not fit into the memory that is free on device 'cuda'"
    ):
        load_embedder(folder, device="cuda")


def test_a_model_that_was_about_to_be_replaced_is_still_read(folder: Path, monkeypatch: pytest.MonkeyPatch):
    aside = folder.parent / f".{folder.name}.abc.old"
    aside.mkdir()
    before = load_embedder(folder).digest()
    folder.rename(aside / folder.name)
    assert load_embedder(folder).digest() == before
    build(seed=2).save(folder)
    assert load_embedder(folder).digest() == build(seed=2).digest()
