"""The plain head: its parameters, its options, and that it is affine where it says so."""

import pytest
import torch
from torch import nn
from torch.func import jvp

from kinsight.errors import KinsightError
from kinsight.models import HEADS, Embedding, make_head
from kinsight.registry import Named

CHANNELS, SIZE = 6, (2, 3)


def head(**options: object) -> nn.Module:
    return make_head({"name": "linear", **options}, CHANNELS, SIZE)


def feature_map(seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(4, CHANNELS, *SIZE, generator=torch.Generator().manual_seed(seed)).to(dtype)


def trainable(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


@pytest.mark.parametrize(
    ("options", "dim", "count"),
    [
        ({"dim": 5}, 5, 6 * 5 + 5),
        ({"dim": 5, "bias": False}, 5, 6 * 5),
        ({"dim": None}, 6, 0),
        ({"dim": None, "batch_norm": True}, 6, 6 + 6),
        ({"dim": None, "batch_norm": True, "bias": False}, 6, 6),  # the BNNeck: its shift stays 0
        ({"dim": 5, "pooling": "flatten"}, 5, 6 * 2 * 3 * 5 + 5),
        ({"dim": 5, "pooling": "gem"}, 5, 1 + 6 * 5 + 5),
        ({"dim": 5, "hidden": [4, 3], "relu": True}, 5, (6 * 4 + 4) + (4 * 3 + 3) + (3 * 5 + 5)),
        ({"dim": 5, "hidden": [4], "batch_norm": True}, 5, (6 * 4 + 4 + 8) + (4 * 5 + 5 + 10)),
        ({"dim": None, "hidden": [4], "batch_norm": True}, 4, 6 * 4 + 4 + 8),
    ],
)
def test_dimension_and_parameters(options: dict, dim: int, count: int):
    built = head(**options)
    assert built.dim == dim
    assert trainable(built) == count
    embedding = built(feature_map())
    assert isinstance(embedding, Embedding)
    assert embedding.whole.shape == (4, dim)
    assert embedding.parts.shape == (4, 1, dim)


def test_the_default_is_pooling_and_one_linear_layer():
    built = make_head({}, CHANNELS, SIZE)
    (linear,) = [module for module in built.modules() if isinstance(module, nn.Linear)]
    values = feature_map()
    assert torch.allclose(built(values).whole, linear(values.mean(dim=(2, 3))))
    assert built.dim == 512


def test_relu_stands_in_hidden_layers_only():
    built = head(dim=64, hidden=[64], relu=True)
    whole = built(feature_map()).whole
    assert (whole < 0).any()
    assert [type(layer).__name__ for layer in built.layers] == ["Linear", "ReLU", "Linear"]


def test_a_bnneck_keeps_its_shift_at_zero():
    built = head(dim=None, batch_norm=True, bias=False)
    optimizer = torch.optim.SGD(built.parameters(), lr=1.0)
    built(feature_map()).whole.square().mean().backward()
    optimizer.step()
    assert torch.equal(built.layers[0].bias, torch.zeros(CHANNELS))
    assert not torch.equal(built.layers[0].weight, torch.ones(CHANNELS))


@pytest.mark.parametrize("pooling", ["avg", "max", "avg+max", "flatten", "gem"])
@pytest.mark.parametrize("hidden", [[], [7, 5]])
def test_affine_in_the_map_with_gates_frozen(pooling: str, hidden: list[int]):
    """Between changes of a gate the second derivative vanishes; gem shows that the check can fail."""
    torch.manual_seed(0)
    built = head(dim=8, pooling=pooling, hidden=hidden, batch_norm=True, relu=True, dropout=0.5).double()
    built(feature_map(1, torch.float64))  # batch norm learns statistics that are not 0 and 1
    built.eval()
    values = feature_map(2, torch.float64).abs() + 0.1
    # Not along the map itself: gem is homogeneous, so that its second derivative vanishes there although it is not affine.
    direction = feature_map(3, torch.float64)

    def first(at: torch.Tensor) -> torch.Tensor:
        return jvp(lambda each: built(each).whole, (at,), (direction,))[1]

    with torch.no_grad():
        along, second = jvp(first, (values,), (direction,))
    assert along.abs().max() > 1e-3
    if pooling == "gem":
        assert second.abs().max() > 1e-6
    else:
        assert second.abs().max() < 1e-12


def test_dropout_rests_in_eval_mode():
    built = head(dim=8, dropout=0.9)
    values = feature_map()
    assert not torch.equal(built(values).whole, built(values).whole)
    built.eval()
    assert torch.equal(built(values).whole, built(values).whole)


def test_orthogonal_rows():
    built = head(dim=4, init="orthogonal")
    weight = built.layers[0].weight
    assert torch.allclose(weight @ weight.T, torch.eye(4), atol=1e-5)
    assert torch.equal(built.layers[0].bias, torch.zeros(4))


def test_kaiming_spread():
    built = make_head({"dim": 256, "init": "kaiming"}, 400, (1, 1))
    assert built.layers[0].weight.std().item() == pytest.approx((2 / 256) ** 0.5, rel=0.02)


def test_a_completed_choice_names_every_option():
    completed = HEADS.complete({"dim": 7})
    assert completed["name"] == "linear"
    assert completed["dim"] == 7
    assert completed["pooling"] == "avg"
    assert completed["hidden"] == []
    assert HEADS.complete(completed) == completed


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"name": "fancy"}, "'fancy' is not a known head; choose linear, multi-linear"),
        (
            {"name": "linear", "dims": 5},
            r"'dims' is not one of its options \(did you mean dim\?\); it takes batch_norm, bias",
        ),
        ({"dim": 0}, "dim is 0"),
        ({"dim": "512"}, "option dim: '512' is not allowed; write a whole number or null"),
        ({"dim": True}, "option dim: True is not allowed"),
        ({"hidden": 256}, "option hidden: 256 is not allowed; write a list"),
        ({"hidden": [0]}, r"hidden is \[0\]"),
        ({"hidden": "12"}, "option hidden: '12' is not allowed"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"dropout": "half"}, "option dropout: 'half' is not allowed; write a number"),
        ({"init": "xavier"}, "init is 'xavier'; write one of default, orthogonal, kaiming"),
        ({"bias": "no"}, "option bias: 'no' is not allowed; write true or false"),
        ({"pooling": "mean"}, "'mean' is not a known pooling; choose avg"),
    ],
)
def test_bad_choices_are_explained(choice: dict, message: str):
    with pytest.raises(KinsightError, match=message):
        make_head(choice, CHANNELS, SIZE)


def test_a_new_head_is_one_class_and_one_line(monkeypatch: pytest.MonkeyPatch):
    class Centre(nn.Module):
        def __init__(self, channels: int, map_size: tuple[int, int], *, gain: float = 2.0) -> None:
            super().__init__()
            self.dim, self.gain = channels, gain
            self.centre = (map_size[0] // 2, map_size[1] // 2)

        def forward(self, values: torch.Tensor) -> Embedding:
            return Embedding.single(self.gain * values[:, :, self.centre[0], self.centre[1]])

    monkeypatch.setitem(HEADS, "centre", Named(Centre))
    values = feature_map()
    built = make_head({"name": "centre", "gain": 3.0}, CHANNELS, SIZE)
    assert torch.equal(built(values).whole, 3 * values[:, :, 1, 1])
    with pytest.raises(KinsightError, match="head centre: 'dim' is not one of its options; it takes gain"):
        make_head({"name": "centre", "dim": 5}, CHANNELS, SIZE)
