"""Contributions of places: complete, equal to the closed form and to plain references, and honest where they cannot be exact."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from foreign.heads import CHANNELS, GATED, GRID, LINEAR_PIECES, Gated, Torch, linear_pieces, trained
from kinsight.errors import KinsightError
from kinsight.explanation import Contributions, Explainer, Layout, contributions
from kinsight.explanation.closed_form import closed_form, has_closed_form
from kinsight.models import Embedding, LinearHead, make_pooling
from kinsight.models.gates import frozen_gates
from kinsight.models.pooling import POOLINGS
from reference.contributions import generalised_mean_weights, matrices, nudged, one_at_a_time, split

VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {"dim": 5},
    "long": {"dim": 17},  # more dimensions than places: the general way goes by place
    "no bias": {"dim": 5, "bias": False},
    "batch norm": {"dim": 5, "batch_norm": True},
    "stack": {"dim": 5, "hidden": [8, 7], "relu": True, "batch_norm": True, "dropout": 0.3},
    "hidden only": {"dim": None, "hidden": [14], "relu": True},
    "no linear layer": {"dim": None},
    "BNNeck": {"dim": None, "batch_norm": True, "bias": False},
}
PACKAGE = [(pooling, variant) for pooling in POOLINGS for variant in VARIANTS]
EXACT = {torch.float32: 1e-5, torch.float64: 1e-10}


def package_head(pooling: str, variant: str) -> LinearHead:
    torch.manual_seed(3)
    return LinearHead(CHANNELS, GRID, pooling=pooling, **VARIANTS[variant])


def feature_map(dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    """Signed values, but one channel as a ReLU leaves it, and exact ties."""
    values = torch.randn(2, CHANNELS, *GRID, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    values[:, 0] = values[:, 0].relu()
    values[1, 1] = 0.75
    return values.to(dtype)


def incompleteness(found: Contributions) -> float:
    """The largest rest of a picture, as a share of its embedding."""
    rest = found.places.sum((1, 2)) + found.bias - found.whole
    return float((rest.norm(dim=1) / found.whole.norm(dim=1)).max())


def assert_near(
    found: Tensor | np.ndarray, wanted: Tensor | np.ndarray, tolerance: float, of: Tensor | None = None
) -> None:
    """Equal to a share of the largest value that is wanted, or of the largest of another tensor."""
    found, wanted = np.asarray(found, np.float64), np.asarray(wanted, np.float64)
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= tolerance * np.abs(wanted if of is None else np.asarray(of)).max()


def answers(head: nn.Module) -> Callable[[np.ndarray], np.ndarray]:
    """A head in eval mode as a function of arrays."""
    head = deepcopy(head).double().eval()

    def answer(values: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            given = head(torch.from_numpy(values.copy()))
        return (given.whole if isinstance(given, Embedding) else given).numpy()

    return answer


@pytest.mark.parametrize("training", ["random", "trained"])
@pytest.mark.parametrize(("pooling", "variant"), PACKAGE)
def test_every_head_of_the_package(pooling: str, variant: str, training: str) -> None:
    head = package_head(pooling, variant)
    if training == "trained" and any(True for _ in head.parameters()):
        trained(head)
    explicit = [matrices(deepcopy(head).double(), one) for one in feature_map().numpy()]
    places = np.stack([split(W, one) for (W, _), one in zip(explicit, feature_map().numpy(), strict=True)])
    biases = np.stack([B for _, B in explicit])
    for dtype, exact in EXACT.items():
        model = deepcopy(head).to(dtype).eval()
        with torch.no_grad():
            whole = model(feature_map(dtype)).whole
        for fast in (True, False):
            found = contributions(model, feature_map(dtype), fast=fast)
            assert torch.equal(found.whole, whole)
            assert incompleteness(found) <= exact
            assert float(found.affinity_error.max()) < 1e-4
            assert_near(found.places, places, exact)
            assert_near(found.bias, biases, exact, of=whole)  # the bias found is the bias known


@pytest.mark.parametrize("chunk", [1, 5, 12, 1000])
@pytest.mark.parametrize("variant", ["plain", "long"])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_the_chunk_changes_nothing(pooling: str, variant: str, chunk: int) -> None:
    head = package_head(pooling, variant).double()
    wanted, found = (contributions(head, feature_map(), fast=False, chunk=size) for size in (7, chunk))
    assert_near(found.places, wanted.places, 1e-12)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_the_closed_form_computes_its_bias_on_its_own(pooling: str) -> None:
    head = package_head(pooling, "stack").double().eval()
    assert has_closed_form(head)
    with torch.no_grad():
        places, bias = closed_form(head, feature_map())
        whole = head(feature_map()).whole
    assert_near(places.sum((1, 2)) + bias, whole, 1e-10)
    assert bias.abs().max() > 1e-3


def test_heads_that_only_look_known_go_the_general_way() -> None:
    class Doubled(LinearHead):
        def forward(self, feature_map: Tensor) -> Embedding:
            return Embedding.single(2 * super().forward(feature_map).whole)

    torch.manual_seed(0)
    doubled = Doubled(CHANNELS, GRID, dim=5).double()
    assert not has_closed_form(doubled)
    assert incompleteness(contributions(doubled, feature_map())) < 1e-10
    grown = package_head("avg", "plain").double()
    grown.layers.append(nn.LeakyReLU(0.2))
    assert not has_closed_form(grown)
    found = contributions(grown, feature_map())
    assert incompleteness(found) < 1e-10
    assert_near(found.places, nudged(answers(grown), feature_map().numpy()), 1e-6)


@pytest.mark.parametrize("training", ["random", "trained"])
@pytest.mark.parametrize("dim", [5, 17])
@pytest.mark.parametrize("name", LINEAR_PIECES)
def test_foreign_heads_of_linear_pieces(name: str, dim: int, training: str) -> None:
    torch.manual_seed(1)
    head = linear_pieces(name, dim)
    if training == "trained":
        trained(head)
    wanted = nudged(answers(head), feature_map().numpy())
    for dtype, exact in EXACT.items():
        model, given = deepcopy(head).to(dtype), feature_map(dtype)
        before = given.clone()
        found = contributions(model, given, chunk=5)
        assert torch.equal(given, before)  # also where the head works in place
        assert model.training  # as it was
        assert incompleteness(found) <= exact
        assert float(found.affinity_error.max()) < 1e-4
        assert_near(found.whole, answers(head)(feature_map().numpy()), exact)
        assert_near(found.places, wanted, max(exact, 1e-7))


@pytest.mark.parametrize("dim", [5, 17])
@pytest.mark.parametrize("kind", GATED)
def test_gates_that_are_declared_or_known(kind: str, dim: int) -> None:
    torch.manual_seed(2)
    undeclared = trained(Gated(kind, declared=False, dim=dim)).double()
    declared = deepcopy(undeclared)
    declared.declared = True
    gates = undeclared.gates(feature_map()).detach()

    def held(values: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return undeclared.answer(torch.from_numpy(values), gates).numpy()

    places, bias = one_at_a_time(held, feature_map().numpy())
    for head, known in ((declared, "declared"), (Torch(undeclared), "standard")):
        found = contributions(head, feature_map(), gates=known)
        assert incompleteness(found) < 1e-10
        assert float(found.affinity_error.max()) < 1e-4
        assert_near(found.whole, undeclared(feature_map()).detach(), 1e-10)
        assert_near(found.places, places, 1e-10)
        assert_near(found.bias, bias, 1e-10, of=found.whole)
    for head in (undeclared, Torch(undeclared)):
        found = contributions(head, feature_map())
        assert float(found.affinity_error.min()) > 1e-2, "a gate that is not declared must show"


@pytest.mark.parametrize("kind", GATED)
def test_undeclared_gates_are_refused_in_one_sentence(kind: str) -> None:
    torch.manual_seed(2)
    head = trained(Gated(kind, declared=False))
    trunk = nn.Conv2d(3, CHANNELS, 4, stride=4)
    images = torch.randn(3, 12, 16, generator=torch.Generator().manual_seed(0))
    with pytest.raises(KinsightError) as caught:
        Explainer((trunk, head)).views([images])
    message = str(caught.value)
    assert "not affine with its gates held fixed" in message
    assert "declare its gates with kinsight.gate" in message
    assert "\n" not in message
    assert ". " not in message
    assert len(Explainer((trunk, Torch(head)), gates="standard").views([images])) == 1
    (shown,) = Explainer((trunk, head), tolerance=100).views([images])
    assert shown.affinity_error > 0.01


def standard_functions() -> dict[str, Callable[[Tensor], Tensor]]:
    """Embeddings of average-pooled maps (N, 6) with smooth functions of PyTorch, and what is added without a place."""
    torch.manual_seed(5)
    weight, shift = torch.randn(6, dtype=torch.float64), torch.randn(6, dtype=torch.float64)
    block = nn.MultiheadAttention(6, 2, batch_first=True).double().eval()

    def attended(pooled: Tensor, **options: Any) -> Tensor:
        tokens = torch.stack([pooled, pooled.roll(1, 1), pooled.flip(1)], 1)
        return block(tokens, tokens, tokens, **options)[0].flatten(1)

    return {
        "silu": functional.silu,
        "gelu tanh": lambda pooled: functional.gelu(pooled, approximate="tanh"),
        "hardswish": lambda pooled: functional.hardswish(1.9 * pooled),
        "mish": functional.mish,
        "elu": functional.elu,
        "tanh": torch.tanh,
        "selu in place": lambda pooled: functional.selu(pooled.clone(), inplace=True),
        "hard sigmoid": lambda pooled: pooled * functional.hardsigmoid(pooled),
        "gated linear unit": lambda pooled: functional.glu(2 * pooled, 1),
        "sigmoid in place": lambda pooled: pooled * pooled.clone().sigmoid_(),
        "group norm": lambda pooled: functional.group_norm(pooled, 2, weight, shift),
        "instance norm": lambda pooled: functional.instance_norm(pooled.view(-1, 2, 3)).flatten(1),
        "rms norm": lambda pooled: functional.rms_norm(pooled, (6,), weight),
        "layer norm": lambda pooled: functional.layer_norm(pooled, (6,), weight, shift),
        "unit length": functional.normalize,
        "unit length by hand": lambda pooled: pooled / pooled.norm(dim=1, keepdim=True),
        "scale by hand": lambda pooled: pooled / (pooled.std(1, keepdim=True) + 1e-6),
        "local response norm": lambda pooled: functional.local_response_norm(pooled.view(-1, 3, 2), 3, 0.9).flatten(1),
        "scaled dot product": lambda pooled: functional.scaled_dot_product_attention(
            *(each.view(-1, 1, 3, 2) for each in (pooled, 2 * pooled, pooled + shift)),
            attn_mask=torch.tensor([[True, True, False], [True, True, True], [False, True, True]]),
        ).flatten(1),
        "multi-head attention": lambda pooled: attended(pooled, need_weights=False),
        "multi-head attention with weights": attended,
    }


@pytest.mark.parametrize("name", standard_functions())
def test_gates_of_the_functions_of_pytorch(name: str) -> None:
    function = standard_functions()[name]
    values = 2 * feature_map()

    def head(given: Tensor) -> Tensor:
        return function(given.mean((2, 3)))

    found = contributions(head, values, gates="standard")
    assert_near(found.whole, head(values).detach(), 1e-12)
    assert float(found.affinity_error.max()) < 1e-10
    assert found.places.abs().sum() > 0.1
    # Written out but not held, the functions are what PyTorch computes, and so are their derivatives.
    free = contributions(head, values)
    assert_near(free.whole, head(values).detach(), 1e-12)
    assert float(free.affinity_error.max()) > 1e-4
    assert_near(free.places, nudged(lambda given: head(torch.from_numpy(given)).detach().numpy(), values.numpy()), 1e-6)


def test_the_gate_of_the_generalised_mean_changes_neither_value_nor_gradient() -> None:
    values = feature_map().abs().add(0.01).requires_grad_()
    pooling = make_pooling("gem", map_size=GRID).double()
    (power,) = pooling.parameters()
    plain = values.clamp(min=1e-6).pow(power).mean((2, 3)).pow(1 / power)
    assert torch.allclose(pooling(values), plain, rtol=1e-12)
    with frozen_gates():
        assert torch.allclose(pooling(values), plain, rtol=1e-12)
        (held,) = torch.autograd.grad(pooling(values).sum(), values)
    weights = torch.randn(2, CHANNELS, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    for wanted, found in zip(
        torch.autograd.grad((plain * weights).sum(), (values, power)),
        torch.autograd.grad((pooling(values) * weights).sum(), (values, power)),
        strict=True,
    ):
        assert torch.allclose(found, wanted, rtol=1e-10)
    assert_near(held[0, 2], generalised_mean_weights(values[0, 2].detach().numpy(), 3.0, 1e-6), 1e-12)


def test_what_lies_below_the_floor_of_the_generalised_mean_belongs_to_no_place() -> None:
    head = package_head("gem", "plain").double()
    head.pooling.eps = 0.5  # type: ignore[assignment]
    explicit = [(*matrices(head, one), one) for one in feature_map().numpy()]
    for fast in (True, False):
        found = contributions(head, feature_map(), fast=fast)
        for n, (W, B, one) in enumerate(explicit):
            assert_near(found.places[n], split(W, one), 1e-12)
            assert_near(found.bias[n], B, 1e-12)


@pytest.mark.parametrize("kind", ["NHWC", "tokens"])
@pytest.mark.parametrize("dim", [5, 17])
def test_other_axes_give_the_same_contributions(kind: str, dim: int) -> None:
    torch.manual_seed(6)
    mixing, special = nn.Linear(CHANNELS, dim).double(), torch.randn(2, 2, CHANNELS, dtype=torch.float64)
    plain = feature_map()

    def flat(values: Tensor) -> Tensor:
        return functional.relu(mixing(values.mean(1)))

    wanted = contributions(lambda values: flat(values.flatten(2).transpose(1, 2)), plain)
    last = plain.movedim(1, -1)  # (N, h, w, C)
    if kind == "NHWC":
        found = contributions(lambda values: flat(values.flatten(1, 2)), last, layout=Layout("NHWC"))
        assert_near(found.places, wanted.places, 1e-12)
        return
    tokens = torch.cat([special, last.flatten(1, 2)], 1)  # (N, 2 + L, C)
    layout = Layout("tokens", prefix=2, grid=GRID)
    found = contributions(lambda values: flat(values[:, 2:]), tokens, layout=layout)
    assert_near(found.places, wanted.places, 1e-12)
    # What the special tokens say belongs to no place.
    found = contributions(lambda values: mixing(values.mean(1)), tokens, layout=layout)
    assert incompleteness(found) < 1e-12
    assert_near(found.bias, (special.sum(1) / 14 @ mixing.weight.T + mixing.bias).detach(), 1e-12)


def test_pictures_do_not_depend_on_their_batch() -> None:
    torch.manual_seed(0)
    head = Gated("attention", declared=False).double()
    both = contributions(head, feature_map())
    for n in range(2):
        alone = contributions(head, feature_map()[n : n + 1])
        assert_near(both.places[n : n + 1], alone.places, 1e-12)
        assert_near(both.affinity_error[n : n + 1], alone.affinity_error, 1e-9)


def test_heads_that_vmap_cannot_pass() -> None:
    head = nn.Sequential(nn.RReLU(), nn.Flatten())
    with pytest.raises(KinsightError, match=r"cannot be differentiated place by place .*give chunk=1"):
        contributions(head, feature_map())
    assert incompleteness(contributions(head, feature_map(), chunk=1)) < 1e-12


def test_heads_that_are_no_functions_of_the_map_are_refused() -> None:
    with pytest.raises(KinsightError, match="another embedding for the same feature map"):
        contributions(lambda values: functional.dropout(values.mean((2, 3))), feature_map())

    def changes(values: Tensor) -> Tensor:
        pooled = values.mean((2, 3))
        functional.silu(pooled, inplace=True)
        return pooled

    with pytest.raises(KinsightError, match="changes tensors in place that it goes on to use"):
        contributions(changes, feature_map(), gates="standard")


@pytest.mark.parametrize(
    ("answer", "options", "words"),
    [
        (lambda values: values, {}, "gives (2, 6, 3, 4) for a feature map of (2, 6, 3, 4); it must give one vector"),
        (lambda values: values.mean((0, 2, 3)), {}, "gives (6,)"),
        (lambda values: (values.mean((2, 3)), None), {}, "gives a tuple"),
        (lambda values: values.mean((2, 3)), {"gates": "all"}, "gates 'all' is not known; write declared or standard"),
        (lambda values: values.mean((2, 3)), {"chunk": 0}, "chunk 0 is not a number of places"),
        (lambda values: values.mean((2, 3)), {"chunk": 2.5}, "chunk 2.5"),
        (lambda values: values.mean((2, 3)), {"layout": Layout("tokens")}, "which is not tokens; name its layout"),
    ],
)
def test_what_cannot_be_split_is_refused(answer: Callable[[Tensor], Any], options: dict[str, Any], words: str) -> None:
    with pytest.raises(KinsightError) as caught:
        contributions(answer, feature_map(), **options)
    assert words in str(caught.value)
