"""Weights files: plain tensors only, fitted by name."""

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from kinsight.errors import KinsightError
from kinsight.models import ModelSettings, Trunk, build_embedder

NAME = "resnet10t"


def tensors(name: str = NAME, **options: object) -> dict[str, torch.Tensor]:
    """The whole classification network, with values that no initialisation gives."""
    generator = torch.Generator().manual_seed(9)
    state = timm.create_model(name, num_classes=10, **options).state_dict()
    return {
        key: torch.rand(value.shape, generator=generator) if value.is_floating_point() else value
        for key, value in state.items()
    }


def written(folder: Path, values: dict[str, torch.Tensor]) -> Path:
    path = folder / "weights.safetensors"
    save_file({name: value.contiguous() for name, value in values.items()}, path)
    return path


def same_values(trunk: Trunk, values: dict[str, torch.Tensor]) -> bool:
    state = trunk.network.state_dict()
    return all(torch.allclose(value.float(), values[name].float(), atol=1e-3) for name, value in state.items())


def test_a_classification_network_loads_without_its_classifier(tmp_path: Path):
    values = tensors()
    assert same_values(Trunk(NAME, weights=written(tmp_path, values)), values)


def test_half_precision_becomes_single_and_counters_may_be_missing(tmp_path: Path):
    values = {name: value.half() for name, value in tensors().items() if "num_batches" not in name}
    trunk = Trunk(NAME, weights=written(tmp_path, values))
    assert {parameter.dtype for parameter in trunk.parameters()} == {torch.float32}
    assert torch.equal(trunk.network.conv1[0].weight, values["conv1.0.weight"].float())


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "trunk.", "trunk.network."])
def test_prefixes_of_wrappers_are_stripped(tmp_path: Path, prefix: str):
    values = tensors()
    file = written(tmp_path, {prefix + name: value for name, value in values.items()})
    assert same_values(Trunk(NAME, weights=file), values)


def test_the_trunk_of_a_saved_model_is_a_weights_file(tmp_path: Path):
    saved = build_embedder(ModelSettings(trunk=NAME, size=64, head={"dim": 4}), seed=1)
    saved.save(tmp_path / "model")
    trunk = Trunk(NAME, weights=tmp_path / "model" / "model.safetensors")
    assert same_values(trunk, saved.trunk.network.state_dict())


@pytest.mark.long
def test_parts_that_the_map_does_not_need_may_be_missing_or_there(tmp_path: Path):
    values = tensors("convnext_atto")
    assert any(name.startswith("head.norm") for name in values)
    for kept in (values, {name: value for name, value in values.items() if not name.startswith("head.")}):
        trunk = Trunk("convnext_atto", weights=written(tmp_path, kept), size=(64, 64))
        assert same_values(trunk, values)


def test_old_names_are_converted_by_timm(tmp_path: Path):
    # Early Swin files hold buffers that the network no longer stores.
    values = tensors("swin_tiny_patch4_window7_224", depths=(1, 1), num_heads=(2, 2), embed_dim=16)
    old = {**values, "layers.0.blocks.0.attn.relative_position_index": torch.zeros(49, 49)}
    options = {"depths": (1, 1), "num_heads": (2, 2), "embed_dim": 16}
    trunk = Trunk("swin_tiny_patch4_window7_224", weights=written(tmp_path, old), options=options, size=(64, 64))
    assert same_values(trunk, values)


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".bin", ".ckpt"])
def test_pickles_are_refused_before_they_are_opened(tmp_path: Path, suffix: str):
    path = tmp_path / f"weights{suffix}"
    torch.save(tensors(), path)
    with pytest.raises(KinsightError, match=r"may be a pickle.*\.safetensors.*convert it"):
        Trunk(NAME, weights=path)


def test_a_pickle_under_another_name_is_not_read_either(tmp_path: Path):
    path = tmp_path / "weights.safetensors"
    torch.save(tensors(), path)
    with pytest.raises(KinsightError, match="is not a readable safetensors file"):
        Trunk(NAME, weights=path)


def test_a_missing_and_a_cut_file(tmp_path: Path):
    with pytest.raises(KinsightError, match="does not exist"):
        Trunk(NAME, weights=tmp_path / "nowhere.safetensors")
    path = written(tmp_path, tensors())
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(KinsightError, match="is not a readable safetensors file"):
        Trunk(NAME, weights=path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"conv1.0.weight": None}, "conv1.0.weight is missing"),
        ({"extra.weight": torch.ones(1)}, "extra.weight is not part of the network"),
        ({"bn1.weight": torch.ones(3)}, r"bn1.weight has shape \(3,\) where the network has \(64,\)"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, change: dict, message: str):
    values = {name: value for name, value in {**tensors(), **change}.items() if value is not None}
    with pytest.raises(KinsightError, match=message) as caught:
        Trunk(NAME, weights=written(tmp_path, values))
    assert str(tmp_path) in str(caught.value)


def test_weights_of_another_network_are_one_short_sentence(tmp_path: Path):
    with pytest.raises(KinsightError, match="more are missing") as caught:
        Trunk(NAME, weights=written(tmp_path, tensors("mobilenetv2_050")))
    assert len(str(caught.value)) < 600
