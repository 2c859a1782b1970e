"""The objective of a training: the weighted sum of its terms, computed on the batch of all processes, in float32."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kinsight.errors import KinsightError
from kinsight.models.embedding import Embedding, Kind
from kinsight.objectives.diversity import build_diversity, complete_diversity
from kinsight.objectives.losses import build_loss, collapsed_value, complete_loss
from kinsight.objectives.miners import build_miner, complete_miner
from kinsight.objectives.terms import Across, AssignedPart, Diversity, EachPart, MetricLoss, SubsetPart, Whole
from kinsight.processes import gather
from kinsight.settings.objective import ObjectiveSettings

NAMES = ("whole", "parts", "assigned", "subset", "across")
# What trains by default: groups are made to stand alone, nodes each on the pictures assigned to it, subspaces each for its subset of the
# data.
_BY_KIND: dict[Kind, tuple[str, ...]] = {
    "single": ("whole",),
    "groups": ("parts",),
    "nodes": ("whole", "assigned"),
    "subspaces": ("subset",),
}
_ACROSS = ("across",)  # of two streams: pictures of one among those of the other


def complete_objective(settings: ObjectiveSettings) -> ObjectiveSettings:
    """The same with the defaults of the options that are not written, so that two ways to write one objective are equal.

    Raises:
        KinsightError: the loss or the miner is not known here.
    """
    loss, miner, diversity = settings.loss, settings.miner, settings.diversity
    return ObjectiveSettings(
        complete_loss(loss), complete_miner(miner), complete_diversity(diversity), settings.terms or None
    )


@dataclass(frozen=True)
class Losses:
    """What an objective gives: the `total` to minimise, and by name the `terms` (each with its weight) that add up to it; scalars."""

    total: Tensor
    terms: dict[str, Tensor]

    def values(self) -> dict[str, float]:
        """As numbers under the names of the log: `loss`, and `loss_<name>` of each term where there are several."""
        named = {"loss": self.total}
        if len(self.terms) > 1:
            named |= {f"loss_{name}": value for name, value in self.terms.items()}
        # Stacked, so that the device is waited for once.
        return dict(zip(named, torch.stack([value.detach() for value in named.values()]).tolist(), strict=True))


class Objective(nn.Module):
    """Embeddings and labels -> the numbers to minimise.

    Which terms there are: those that the head's kind asks for (single: `whole`; groups: `parts`; nodes: `whole` and `assigned`;
    subspaces: `subset`; one group or subspace: `whole`), or `across` where there are two streams, `diversity` where it is set and there are
    parts to keep apart, and what head and method bring; the settings add, weigh or remove terms by name.

    In a run of several processes each gives its share of the batch, and every process computes the same losses of the
    full batch. Wrap the trunk in DistributedDataParallel, never the objective; `kinsight.processes` says why the gradients
    are right.

    Proxies, class weights and beta depend on `seed` alone, so that they are equal on every process.

    Args:
        dim: D, the length of the whole embedding.
        classes: how many classes train.
        kind: what the head's parts are.
        parts: P.
        part_dim: d; None: D / P.
        streams: how many; of two the embeddings come with the extra `stream`.
        normalize: give the terms vectors of length 1. The parts of groups come from the head with length 1 and are left as they are.
        brings: what makes the terms that a head or a method brings, by name; called here, so that their initial values follow from `seed`.
            One with the name of a default takes its place.
        view: (embedding, subset) -> how the terms see the embeddings of the whole batch, before they are normalized; a method's, which
            keeps what it learns. None: as they are.

    Raises:
        KinsightError: the settings name no known loss, miner or term, or options that it does not have.
    """

    def __init__(
        self,
        settings: ObjectiveSettings,
        *,
        dim: int,
        classes: int,
        kind: Kind = "single",
        parts: int = 1,
        part_dim: int | None = None,
        streams: int = 1,
        normalize: bool = False,
        seed: int = 0,
        brings: Iterable[Callable[[], Mapping[str, nn.Module]]] = (),
        view: nn.Module | None = None,
    ) -> None:
        super().__init__()
        if part_dim is None and (parts < 1 or dim % parts):
            raise KinsightError(f"{dim} numbers cannot be split into {parts} parts; give a multiple of the parts")
        self.kind = kind
        self.normalize = normalize
        self.view = view
        self.dim, self.classes = dim, classes
        self.part_shape = (parts, dim // parts if part_dim is None else part_dim)
        self.name = str(settings.loss.get("name")) if isinstance(settings.loss, dict) else str(settings.loss)
        diversity = build_diversity(settings.diversity)  # wrong options are refused for every head
        with _fixed_choices(seed, torch.device("cpu")):
            brought = {name: term for bring in brings for name, term in bring().items()}
            usual = _ACROSS if streams == 2 else _BY_KIND["single" if parts == 1 and kind != "nodes" else kind]
            weights = _weights(settings.terms, usual, brought)
            built = {name: self._build(name, settings) for name in weights if name not in brought}
        if diversity is not None and parts > 1:
            built["diversity"] = Diversity(diversity)
        self.terms = nn.ModuleDict({**built, **{name: term for name, term in brought.items() if name in weights}})
        self.weights = {name: weights.get(name, _own_weight(term)) for name, term in self.terms.items()}
        alone = list(self.weights.items()) in ([("whole", 1.0)], [("parts", 1.0)], [("across", 1.0)]) and not brought
        self.collapsed_value = collapsed_value(settings.loss) if alone else None

    def forward(self, embedding: Embedding, labels: Tensor, *, seed: int, subset: int = -1) -> Losses:
        """The losses of the batch, float32; a pure function of its inputs and the loss parameters.

        A batch in which no term finds anything to compare gives 0 and zero gradients.

        Args:
            embedding: of this process's N pictures; any floating type; under autocast too the losses are computed in float32.
            labels: (N,), whole numbers from 0 to classes - 1.
            seed: decides the random choices of the miners; the same on every process.
            subset: the subset of the data that the batch belongs to; -1: all of them.

        Raises:
            KinsightError: the shapes or the labels do not fit.
        """
        self._check_shapes(embedding, labels)
        device = embedding.whole.device
        with torch.autocast(device.type, enabled=False), _fixed_choices(seed, device):
            embedding, labels = self._gathered(_float(embedding), labels.to(device).long())
            self._check_labels(labels)
            embedding = self._unit(embedding if self.view is None else self.view(embedding, subset=subset))
            terms = {name: self._value(name, term, embedding, labels, subset) for name, term in self.terms.items()}
            # Whatever the terms left out (no triplet, no positive, another part) still gets a gradient: zero.
            values = [
                embedding.whole,
                embedding.parts,
                *(each for each in embedding.extras.values() if each.requires_grad),
            ]
            untouched = 0.0 * sum(value.sum() for value in [*values, *self.loss_parameters()])
            return Losses(sum(terms.values()) + untouched, terms)  # type: ignore[arg-type]

    def end_epoch(self) -> tuple[dict[str, Any], list[str]]:
        """What the terms have to say of the epoch that ends: facts for the log by name, and sentences for the person."""
        # A term that a head brings need not know the class Term.
        told = [term.end_epoch() for term in self.terms.values() if hasattr(term, "end_epoch")]  # type: ignore[operator]
        facts = {name: value for each, _ in told for name, value in each.items()}
        return facts, [sentence for _, sentence in told if sentence]

    def loss_parameters(self) -> list[nn.Parameter]:
        """Proxies, class weights, beta: what the terms themselves learn, usually with a learning rate of their own."""
        return list(self.terms.parameters())

    def _build(self, name: str, settings: ObjectiveSettings) -> nn.Module:
        def make(length: int) -> MetricLoss:
            loss = build_loss(settings.loss, dim=length, classes=self.classes)
            return MetricLoss(self.name, loss, build_miner(settings.miner))

        if name == "whole":
            return Whole(make, self.dim)
        if name == "across":
            return Across(make, self.dim)
        if name == "subset":
            return SubsetPart(make, *self.part_shape, self.dim)
        return (EachPart if name == "parts" else AssignedPart)(make, *self.part_shape)

    def _unit(self, embedding: Embedding) -> Embedding:
        """Of length 1 where the model's answers are."""
        whole = embedding.normalized if self.normalize else embedding.whole  # (N, D)
        if self.kind == "single":
            return replace(embedding, whole=whole, parts=whole.unsqueeze(1))
        normalize = self.normalize and self.kind != "groups"
        parts = F.normalize(embedding.parts, dim=2) if normalize else embedding.parts  # (N, P, d)
        return replace(embedding, whole=whole, parts=parts)

    def _gathered(self, embedding: Embedding, labels: Tensor) -> tuple[Embedding, Tensor]:
        """The rows of all processes."""
        names = list(embedding.extras)
        (labels, whole, *others), _ = gather(labels, embedding.whole, *embedding.extras.values())
        parts = whole.unsqueeze(1) if self.kind == "single" else gather(embedding.parts)[0][0]
        return replace(embedding, whole=whole, parts=parts, extras=dict(zip(names, others, strict=True))), labels

    def _value(self, name: str, term: nn.Module, embedding: Embedding, labels: Tensor, subset: int) -> Tensor:
        if len(labels) == 0:
            return embedding.whole.sum()
        value = term(embedding, labels, subset=subset)
        if not isinstance(value, Tensor) or value.numel() != 1:
            raise KinsightError(f"the term {name} of the objective does not return one number; let it average")
        return self.weights[name] * value.reshape(())

    def _check_shapes(self, embedding: Embedding, labels: Tensor) -> None:
        count = labels.shape[0] if labels.ndim else -1
        fits = labels.shape == (count,) and embedding.whole.shape == (count, self.dim)
        if self.kind != "single":
            fits = fits and embedding.parts.shape == (count, *self.part_shape)
        if not fits or embedding.kind != self.kind:
            parts = "" if self.kind == "single" else f", parts (N, {', '.join(map(str, self.part_shape))})"
            raise KinsightError(
                f"the objective got an embedding ({embedding.kind}) with whole {tuple(embedding.whole.shape)}, parts "
                f"{tuple(embedding.parts.shape)} and labels of shape {tuple(labels.shape)}; give one ({self.kind}) with whole "
                f"(N, {self.dim}){parts} and labels (N,)"
            )
        wrong = [name for name, value in embedding.extras.items() if len(value) != count]
        if wrong:
            raise KinsightError(
                f"the head's extra '{wrong[0]}' does not have a row for each of {count} pictures; give (N, ...)"
            )

    def _check_labels(self, labels: Tensor) -> None:
        if len(labels) == 0:
            return
        low, high = torch.stack(labels.aminmax()).tolist()
        if low < 0 or high >= self.classes:
            raise KinsightError(
                f"the objective got labels from {low} to {high} but was made for {self.classes} classes; "
                f"number the training classes from 0 to {self.classes - 1}"
            )


def _float(embedding: Embedding) -> Embedding:
    extras = {name: value.float() if value.is_floating_point() else value for name, value in embedding.extras.items()}
    return replace(embedding, whole=embedding.whole.float(), parts=embedding.parts.float(), extras=extras)


def _weights(
    given: Mapping[str, float] | None, usual: Iterable[str], brought: Mapping[str, nn.Module]
) -> dict[str, float]:
    """The terms with their weights, but diversity."""
    given = dict(given or {})
    for name, weight in given.items():
        if name not in (*NAMES, *brought):
            known = ", ".join([*NAMES, *brought])
            raise KinsightError(
                f"objective.terms names '{name}', which is no term here; write one of {known} (diversity has its own setting)"
            )
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < float("inf"):
            raise KinsightError(f"objective.terms: the weight of '{name}' is {weight!r}; write a number of at least 0")
    weights = {**dict.fromkeys(usual, 1.0), **{name: _own_weight(term) for name, term in brought.items()}, **given}
    weights = {name: float(weight) for name, weight in weights.items() if weight > 0}
    if not weights:
        raise KinsightError(
            f"objective.terms leaves no term to train; give one of {', '.join([*NAMES, *brought])} a weight above 0"
        )
    return weights


def _own_weight(term: nn.Module) -> float:
    weight = getattr(term, "weight", 1.0)
    return float(weight) if isinstance(weight, int | float) else 1.0


@contextmanager
def _fixed_choices(seed: int, device: torch.device) -> Iterator[None]:
    """Random choices inside the block follow from `seed` alone, and the generators outside do not notice."""
    cuda = device.type == "cuda"
    with torch.random.fork_rng([device] if cuda else []):
        # Not torch.manual_seed: it would also reseed the devices that are not put back.
        torch.default_generator.manual_seed(seed)
        if cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield
