"""Terms: which there are by the head's kind and the settings, what each trains, and terms that a head brings."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from embeddings import embedding_of
from kinsight.errors import KinsightError
from kinsight.models import Embedding
from kinsight.objectives import Objective, ObjectiveSettings, Term

N, P, D, CLASSES = 20, 3, 4, 5
LABELS = torch.arange(N) % CLASSES
BINOMIAL = {"name": "binomial"}


class Length(Term):
    """Vectors shall have length 2; counts a hundredth."""

    weight = 0.01

    def forward(self, embedding: Embedding, labels: Tensor, *, subset: int) -> Tensor:
        """See `Term.forward`."""
        return (embedding.whole.norm(dim=1) - 2).square().mean()


def make(
    kind: Any = "groups", terms: dict[str, float] | None = None, loss: Any = BINOMIAL, **options: Any
) -> Objective:
    settings = ObjectiveSettings(loss, {"name": "none"}, options.pop("diversity", None), terms)
    parts = 1 if kind == "single" else P
    return Objective(settings, dim=parts * D, classes=CLASSES, kind=kind, parts=parts, seed=3, **options)


def embedding(kind: Any = "groups", **extras: Tensor) -> Embedding:
    parts = torch.randn(N, P, D, generator=torch.Generator().manual_seed(0))
    parts = F.normalize(parts, dim=2).requires_grad_()
    return Embedding(parts, parts.flatten(1), extras, kind)


@pytest.mark.parametrize(
    ("kind", "terms", "names"),
    [
        ("single", None, ["whole"]),
        ("groups", None, ["parts"]),
        ("nodes", None, ["whole", "assigned"]),
        ("subspaces", None, ["subset"]),
        ("groups", {"whole": 0.5}, ["parts", "whole"]),
        ("groups", {"parts": 0.0, "assigned": 1.0}, ["assigned"]),
    ],
)
def test_the_kind_decides_and_the_settings_add_and_remove(kind: str, terms: Any, names: list[str]) -> None:
    assert list(make(kind, terms).terms) == names


def test_the_total_is_the_sum_of_the_weighed_terms() -> None:
    vectors = embedding()
    alone = {name: float(make(terms=terms)(vectors, LABELS, seed=0).total.detach()) for name, terms in {
        "parts": None, "whole": {"parts": 0, "whole": 1},
    }.items()}  # fmt: skip
    losses = make(terms={"whole": 0.25}, diversity={"weight": 0.5})(vectors, LABELS, seed=0)
    assert list(losses.terms) == ["parts", "whole", "diversity"]
    assert float(losses.total) == pytest.approx(float(sum(losses.terms.values())))
    assert float(losses.terms["parts"]) == pytest.approx(alone["parts"])
    assert float(losses.terms["whole"]) == pytest.approx(0.25 * alone["whole"])
    assert float(losses.terms["diversity"]) > 0


def test_each_picture_trains_the_part_that_it_is_assigned_to() -> None:
    assignment = torch.arange(N) % 2  # no picture for the last part
    made = make(terms={"parts": 0, "assigned": 1})
    vectors = embedding(assignment=assignment)
    losses = made(vectors, LABELS, seed=0)
    metrics = made.terms["assigned"].metrics
    rows = [assignment == number for number in range(2)]
    expected = [metrics[n](vectors.parts[mine, n], LABELS[mine]) for n, mine in enumerate(rows)]  # type: ignore[index]
    assert float(losses.total) == pytest.approx(float(sum(expected)))
    (gradient,) = torch.autograd.grad(losses.total, vectors.parts)
    assert [bool(gradient[rows[n], n].any()) for n in range(2)] == [True, True]
    assert not gradient[rows[0], 1:].any()
    assert not gradient[:, 2].any()
    with pytest.raises(KinsightError, match="needs the extra 'assignment'"):
        made(embedding(), LABELS, seed=0)


@pytest.mark.parametrize("subset", [-1, 0, 2])
def test_a_batch_of_a_subset_trains_its_part_alone(subset: int) -> None:
    made, vectors = make("subspaces", loss={"name": "proxy-anchor"}), embedding("subspaces")
    made(vectors, LABELS, seed=0, subset=subset).total.backward()
    touched = [bool(metric.loss.proxies.grad.any()) for metric in made.terms["subset"].metrics]  # type: ignore[union-attr]
    assert touched == [number == subset for number in range(P)]
    (gradient,) = torch.autograd.grad(made(vectors, LABELS, seed=0, subset=subset).total, vectors.parts)
    assert [bool(gradient[:, n].any()) for n in range(P)] == [subset in (-1, n) for n in range(P)]
    with pytest.raises(KinsightError, match="a batch of subset 3 came, but the head has 3 parts"):
        made(vectors, LABELS, seed=0, subset=3)


def test_a_head_brings_a_term() -> None:
    made = make("single", brings=[lambda: {"length": Length()}])
    vectors = embedding_of(torch.randn(N, D, generator=torch.Generator().manual_seed(0)))
    losses = made(vectors, LABELS, seed=0)
    assert list(losses.terms) == ["whole", "length"]
    expected = (vectors.whole.norm(dim=1) - 2).square().mean()
    assert float(losses.terms["length"]) == pytest.approx(0.01 * float(expected))
    heavier = make("single", {"length": 2.0}, brings=[lambda: {"length": Length()}])(vectors, LABELS, seed=0)
    assert float(heavier.terms["length"]) == pytest.approx(2 * float(expected))
    assert list(make("single", {"length": 0}, brings=[lambda: {"length": Length()}]).terms) == ["whole"]
    assert made.collapsed_value is None
    replaced = make("single", brings=[lambda: {"whole": Length()}])
    assert isinstance(replaced.terms["whole"], Length)


def test_what_a_brought_term_learns_follows_from_the_seed() -> None:
    class Learned(Length):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(D, 2)

    made = [make("single", brings=[lambda: {"learned": Learned()}]).loss_parameters() for _ in range(2)]
    assert len(made[0]) == 2
    assert all(map(torch.equal, *made))


def test_parts_are_normalized_where_the_head_has_not_done_it() -> None:
    seen: list[Tensor] = []
    made = make("subspaces", {"parts": 1.0}, normalize=True)
    made.terms["parts"].register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    vectors = embedding("subspaces")
    made(Embedding(3 * vectors.parts, 3 * vectors.whole, kind="subspaces"), LABELS, seed=0)
    assert torch.allclose(seen[0].parts.norm(dim=2), torch.ones(N, P))
    assert torch.allclose(seen[0].whole.norm(dim=1), torch.ones(N))


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        ({"diversty": 1.0}, ["'diversty'", "whole, parts, assigned, subset"]),
        ({"whole": -1.0}, ["'whole' is -1.0", "at least 0"]),
        ({"parts": 0.0}, ["no term to train"]),
    ],
)
def test_terms_that_are_refused(terms: dict[str, float], words: list[str]) -> None:
    with pytest.raises(KinsightError) as caught:
        make(terms=terms)
    for word in words:
        assert word in str(caught.value)


def test_an_embedding_of_another_kind_or_extras_without_rows_are_refused() -> None:
    with pytest.raises(KinsightError, match=r"got an embedding \(subspaces\)"):
        make()(embedding("subspaces"), LABELS, seed=0)
    with pytest.raises(KinsightError, match="extra 'weight' does not have a row for each of 20"):
        make()(embedding(weight=torch.ones(3)), LABELS, seed=0)
