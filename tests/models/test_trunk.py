"""Trunks of every family of timm: one layout, frozen batch norm, errors that help."""

from pathlib import Path

import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from kinsight.errors import KinsightError
from kinsight.models import Trunk
from reference.bn_inception import feature_map, published

# name -> channels, and map of pictures of 96 x 64: neither the network's own size nor square
FAMILIES = {
    "resnet10t": (512, (3, 2)),
    "mobilenetv2_050": (1280, (3, 2)),
    "mobilenetv3_small_050": (288, (3, 2)),
    "efficientnet_lite0": (1280, (3, 2)),
    "convnext_atto": (320, (3, 2)),
    "vit_tiny_patch16_224": (192, (6, 4)),
    "deit_tiny_distilled_patch16_224": (192, (6, 4)),  # a class and a distillation token
    "xcit_nano_12_p16_224": (128, (6, 4)),
    "swin_tiny_patch4_window7_224": (768, (3, 2)),  # channels last
    "levit_128s": (384, (2, 1)),  # tokens after convolutions
}
SIZE = (96, 64)


def pictures(count: int = 2, size: tuple[int, int] = (64, 64)) -> torch.Tensor:
    return torch.rand(count, 3, *size, generator=torch.Generator().manual_seed(5))  # (N, 3, H, W)


def batch_norms(trunk: Trunk) -> list[_BatchNorm]:
    return [module for module in trunk.modules() if isinstance(module, _BatchNorm)]


@pytest.mark.long
@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_gives_a_map_and_gradients(name: str):
    channels, map_size = FAMILIES[name]
    trunk = Trunk(name, size=SIZE, seed=0)
    feature_map = trunk(pictures(size=SIZE))
    assert (trunk.channels, trunk.map_size) == (channels, map_size)
    assert feature_map.shape == (2, channels, *map_size)
    assert feature_map.isfinite().all()
    feature_map.square().mean().backward()
    for path, parameter in trunk.named_parameters():
        assert parameter.requires_grad == (parameter.grad is not None), path
    assert sum(parameter.grad.abs().sum() for parameter in trunk.parameters() if parameter.grad is not None) > 0


@pytest.mark.parametrize("name", ["convnext_atto", "vit_tiny_patch16_224", "xcit_nano_12_p16_224"])
def test_places_answer_to_their_part_of_the_picture(name: str):
    trunk = Trunk(name, size=SIZE, seed=0).eval()
    first, second = torch.full((2, 1, 3, *SIZE), 0.5)
    second[:, :, 64:, :32] = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(2))  # lower left
    with torch.no_grad():
        change = (trunk(second) - trunk(first)).square().sum(dim=1)[0]  # (h, w)
    row, column = divmod(int(change.argmax()), change.shape[1])
    assert row >= change.shape[0] // 2
    assert column <= (change.shape[1] - 1) // 2


@pytest.mark.long
@pytest.mark.parametrize(
    "name", ["vit_tiny_patch16_224", "deit_tiny_distilled_patch16_224", "swin_tiny_patch4_window7_224"]
)
def test_tokens_lie_on_their_grid(name: str):
    """timm can lay its tokens out itself; our layout is the same, place for place."""
    trunk = Trunk(name, size=SIZE, seed=0).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in trunk.parameters():  # some begin at 0, and then all places are alike
            parameter += 0.05 * torch.randn(parameter.shape, generator=generator)
        ours = trunk(pictures(size=SIZE))
        (theirs,) = trunk.network.forward_intermediates(
            pictures(size=SIZE), indices=1, norm=True, output_fmt="NCHW", intermediates_only=True
        )
    assert torch.allclose(ours, theirs, atol=1e-5)
    assert ours.std(dim=(2, 3)).max() > 1e-3  # the places differ, so that their order is tested


@pytest.mark.parametrize(("name", "stride"), [("vit_tiny_patch16_224", 16), ("mobilenetv2_050", 32)])
def test_other_picture_sizes_go_too(name: str, stride: int):
    trunk = Trunk(name, size=(64, 64), seed=0).eval()
    with torch.no_grad():
        assert trunk(pictures(1, (128, 96))).shape[2:] == (128 // stride, 96 // stride)


def test_what_timm_says_of_the_pictures():
    trunk = Trunk("vit_tiny_patch16_224", size=(64, 64))
    assert trunk.input_size == (224, 224)
    assert trunk.default_mean == (0.5, 0.5, 0.5)
    assert trunk.default_std == (0.5, 0.5, 0.5)


def test_the_classifier_and_what_only_it_needs_is_gone():
    trunk = Trunk("mobilenetv3_small_050", size=(64, 64))
    whole = timm.create_model("mobilenetv3_small_050")
    named = {name: parameter.numel() for name, parameter in whole.named_parameters()}
    after = sum(count for name, count in named.items() if name.startswith(("conv_head.", "classifier.")))
    assert sum(parameter.numel() for parameter in trunk.parameters()) == sum(named.values()) - after
    assert after > sum(named.values()) / 2


def test_the_same_seed_gives_the_same_values_whatever_came_before():
    first = Trunk("resnet10t", seed=3).state_dict()
    torch.rand(7)
    state = torch.random.get_rng_state()
    second, third = Trunk("resnet10t", seed=3).state_dict(), Trunk("resnet10t", seed=4).state_dict()
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["network.conv1.0.weight"], third["network.conv1.0.weight"])


@pytest.mark.parametrize("frozen_norm", ["none", "statistics", "affine"])
@pytest.mark.parametrize("name", ["resnet10t", "mobilenetv2_050"])  # plain batch norm, and timm's with activation
def test_frozen_batch_norm(name: str, frozen_norm: str):
    trunk = Trunk(name, frozen_norm=frozen_norm, seed=0, size=(64, 64))
    trunk.train()
    norms = batch_norms(trunk)
    assert norms
    before = [(norm.running_mean.clone(), norm.running_var.clone(), norm.weight.detach().clone()) for norm in norms]
    optimizer = torch.optim.SGD([each for each in trunk.parameters() if each.requires_grad], lr=0.1)
    trunk(pictures(4)).square().mean().backward()
    optimizer.step()
    same_statistics = [
        torch.equal(norm.running_mean, mean) and torch.equal(norm.running_var, variance)
        for norm, (mean, variance, _) in zip(norms, before, strict=True)
    ]
    same_affine = [torch.equal(norm.weight, weight) for norm, (_, _, weight) in zip(norms, before, strict=True)]
    assert all(same_statistics) if frozen_norm != "none" else not any(same_statistics)
    assert all(same_affine) == (frozen_norm == "affine")
    others = [module for module in trunk.modules() if not isinstance(module, _BatchNorm)]
    assert all(module.training for module in others)


def test_frozen_batch_norm_stays_so_after_eval_and_train():
    trunk = Trunk("resnet10t", seed=0)
    trunk.eval()
    assert not any(module.training for module in trunk.modules())
    nn.ModuleList([trunk]).train()  # as a part of something that is set to train
    assert trunk.training
    assert not any(norm.training for norm in batch_norms(trunk))


def test_options_reach_timm():
    trunk = Trunk("mobilenetv2_050", options={"pad_type": "same", "drop_path_rate": 0.1}, size=(64, 64))
    assert any(type(module).__name__ == "Conv2dSame" for module in trunk.modules())


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("resnet5O", {}, "'resnet5O' is not a network of timm; did you mean .*resnet50"),
        ("resnet50.nope", {}, "has a tag that timm does not know; write one of .*a1_in1k.*, or only resnet50"),
        ("hf-hub:timm/resnet18", {}, "is not a network of timm"),
        ("resnet10t", {"options": {"pad_typ": "same"}}, "resnet10t cannot be built with options .*pad_typ"),
        ("resnet10t", {"options": {"num_classes": 3}}, "'num_classes' is decided by Kinsight"),
        ("resnet10t", {"options": {"checkpoint_path": "x.pth"}}, "'checkpoint_path' is decided by Kinsight"),
        ("resnet10t", {"frozen_norm": "yes"}, "'yes' is not known; write one of none, statistics, affine"),
        ("resnet10t", {"pretrained": True, "weights": "x.safetensors"}, "both pretrained and weights"),
        ("vit_tiny_patch16_224", {"size": (70, 70)}, "cannot take pictures of 70x70 .*its own is 224x224"),
        ("pit_ti_224", {}, "gives no feature map"),
    ],
)
def test_bad_choices_are_explained(name: str, arguments: dict, message: str):
    with pytest.raises(KinsightError, match=message):
        Trunk(name, **arguments)


def test_no_network_no_pretrained_weights():
    with pytest.raises(KinsightError) as caught:
        Trunk("resnet10t", pretrained=True)
    message = str(caught.value)
    assert "could not be fetched from https://huggingface.co/timm/resnet10t" in message
    assert "--model.weights FILE" in message
    assert "\n" not in message


def test_a_trunk_may_stop_at_a_finer_map() -> None:
    whole = Trunk("resnet18", size=(64, 96), seed=3).eval()
    finer = Trunk("resnet18", options={"stage": 1}, size=(64, 96), seed=3).eval()
    assert (finer.channels, finer.map_size) == (256, (4, 6))
    assert finer.lower_maps() == whole.lower_maps()[1:]
    seen: list[torch.Tensor] = []
    hook = whole.network.get_submodule(whole.lower_maps()[0][1]).register_forward_hook(
        lambda _, __, output: seen.append(output.clone())
    )
    images = torch.rand(2, 3, 64, 96)
    with torch.no_grad():
        whole(images)
        assert torch.equal(finer(images), seen[0])
    hook.remove()
    # What lies above is gone, so that every process gets gradients for all that is left.
    assert not any("layer4" in name for name, _ in finer.named_parameters())
    assert all(value.requires_grad for value in finer.parameters())
    with pytest.raises(KinsightError, match="stage 9 does not exist: trunk resnet18 has 4 maps below its last"):
        Trunk("resnet18", options={"stage": 9})
    with pytest.raises(KinsightError, match="googlenet has no map below its last; leave stage out"):
        Trunk("googlenet", options={"stage": 1})


@pytest.mark.long
def test_googlenet_is_torchvisions(tmp_path: Path) -> None:
    torch.manual_seed(0)
    published = torchvision.models.GoogLeNet(aux_logits=True, transform_input=False, init_weights=False).eval()
    save_file(published.state_dict(), tmp_path / "googlenet.safetensors")
    trunk = Trunk("googlenet", weights=tmp_path / "googlenet.safetensors", size=(96, 64), seed=1).eval()
    seen: list[torch.Tensor] = []
    published.inception5b.register_forward_hook(lambda _, __, output: seen.append(output))
    images = torch.rand(2, 3, 96, 64)
    with torch.no_grad():
        published(images)
        found = trunk(images)
    assert torch.equal(found, seen[0])
    assert (trunk.channels, trunk.map_size) == (1024, (3, 2))
    assert sum(value.numel() for value in trunk.parameters()) == 5_599_904
    with pytest.raises(KinsightError, match="unexpected keyword"):
        Trunk("googlenet", options={"pad_type": "same"})


@pytest.mark.long
def test_bn_inception_takes_the_published_weights_and_gives_what_they_gave(tmp_path: Path) -> None:
    tensors = published(torch.Generator().manual_seed(0))
    assert sum(value.numel() for name, value in tensors.items() if "running" not in name) == 11_295_240
    # As an older edition of the file has them.
    stored = {name: value[None] if name == "conv1_7x7_s2_bn.weight" else value for name, value in tensors.items()}
    save_file(stored, tmp_path / "bn_inception.safetensors")
    trunk = Trunk("bn_inception", weights=tmp_path / "bn_inception.safetensors", size=(97, 64), seed=1).eval()
    images = torch.rand(2, 3, 97, 64)
    bytes_bgr = 255 * images.flip(1) - torch.tensor([104.0, 117.0, 128.0])[:, None, None]
    mean, deviation = (torch.tensor(each)[:, None, None] for each in (trunk.default_mean, trunk.default_std))
    with torch.no_grad():
        found = trunk((images - mean) / deviation)
    torch.testing.assert_close(found, feature_map(tensors, bytes_bgr), rtol=1e-4, atol=1e-3)
    assert (trunk.channels, trunk.map_size) == (1024, (3, 2))
    with pytest.raises(KinsightError, match="unexpected keyword"):
        Trunk("bn_inception", options={"pad_type": "same"})
