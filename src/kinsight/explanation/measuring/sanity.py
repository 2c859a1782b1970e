"""Whether maps depend on what the model has learned: its trunk is randomised stage by stage from the top (Adebayo et al., NeurIPS 2018).

A map that stays as it was when the weights are random shows the picture, not the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.stats import rankdata
from torch import nn

from kinsight.errors import KinsightError
from kinsight.evaluation.estimate import Estimate
from kinsight.evaluation.statistics import mean_over_classes
from kinsight.explanation.explainer import Explainer, Picture
from kinsight.explanation.measuring.collection import Collection
from kinsight.explanation.measuring.partners import classes_of
from kinsight.explanation.methods import chosen_methods
from kinsight.models import Embedder

UNTOUCHED = "none"


@dataclass(frozen=True)
class SanityCheck:
    """How like the original map those of a partly randomised model are.

    Attributes:
        stages: what was randomised last, from the top; the first is `none`.
        correlations: by method (S + 1, M), Spearman's rank correlation over the places of each pair's query map; 0 where a map is constant.
        labels: (M,), what intervals are drawn over.
    """

    stages: list[str]
    correlations: dict[str, np.ndarray]
    labels: np.ndarray

    def correlation(self, method: str, stage: int) -> Estimate:
        """The mean correlation after `stage` stages are random, and its 95 % interval."""
        if method not in self.correlations or not 0 <= stage < len(self.stages):
            raise KinsightError(
                f"{method!r} after {stage} stages was not measured; write one of {', '.join(self.correlations)}, and 0 to "
                f"{len(self.stages) - 1}"
            )
        return mean_over_classes(self.correlations[method][stage], self.labels)

    def rows(self) -> list[dict[str, Any]]:
        """One flat row a method and stage."""
        return [
            {
                "method": method,
                "stages": number,
                "randomised": name,
                **self.correlation(method, number).columns("correlation"),
            }
            for method in self.correlations
            for number, name in enumerate(self.stages)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"pairs": len(self.labels), "stages": self.stages, "rows": self.rows()}


def sanity_check(
    explainer: Explainer,
    pictures: Sequence[Picture],
    pairs: np.ndarray,
    *,
    labels: Sequence[object] | np.ndarray | None = None,
    methods: str | Sequence[str] = "all",
    class_weights: np.ndarray | None = None,
    network: nn.Module | None = None,
    batch_size: int = 16,
    seed: int = 0,
) -> SanityCheck:
    """Randomise the trunk from its last stage down, each time keeping what is random already, and compare the maps.

    A parameter is randomised by shuffling its values: it keeps their distribution and loses all that was learned. The weights are put back
    bit by bit, also after an error.

    Args:
        explainer, pictures, methods, class_weights, batch_size: as for `faithfulness`.
        pairs: (M, 2), rows of query and partner, both explained by the randomised model.
        labels: (N,), classes, over which intervals are drawn; None draws them over pairs.
        network: what is randomised; None takes the trunk of an Embedder.
        seed: of the shuffling.

    Raises:
        KinsightError: what was given does not fit, or the trunk of a foreign model is not named.
    """
    if network is None:
        model = explainer.opening.modules[0] if explainer.opening.modules else None
        if not isinstance(model, Embedder):
            raise KinsightError("which part of a foreign model is its trunk is not known; give it as network=")
        network = model.trunk.network
    chosen = chosen_methods(methods, class_weights=class_weights is not None)
    pairs = np.asarray(pairs)
    over = classes_of(pairs, labels, len(pictures))

    def maps() -> dict[str, np.ndarray]:
        return Collection(explainer, pictures, chosen, batch_size=batch_size).maps(pairs, class_weights=class_weights)

    original = maps()
    found = {name: [_correlations(values, values)] for name, values in original.items()}
    stages = stages_of(network)
    generator = torch.Generator().manual_seed(seed)
    with restored(network):
        for parameters in reversed(stages.values()):
            for parameter in parameters:
                _shuffle(parameter, generator)
            for name, values in maps().items():
                found[name].append(_correlations(original[name], values))
    return SanityCheck([UNTOUCHED, *reversed(stages)], {name: np.stack(rows) for name, rows in found.items()}, over)


def stages_of(network: nn.Module) -> dict[str, list[nn.Parameter]]:
    """The parameters of a network by stage, from the bottom.

    A stage ends where timm's description of the network says that a feature map ends; elsewhere with each of its children.
    """
    order = [name for name, _ in network.named_modules()]
    ends = [each["module"] for each in getattr(network, "feature_info", [])]
    ends = [end for end in ends if end in order] or [name for name, _ in network.named_children()]
    last = {end: max(n for n, name in enumerate(order) if f"{name}.".startswith(f"{end}.")) for end in ends}
    stages: dict[str, list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        module = name.rpartition(".")[0]
        at = order.index(module)
        stage = next((end for end in ends if at <= last[end]), "after the last")
        stages.setdefault(stage, []).append(parameter)
    return stages


@contextmanager
def restored(network: nn.Module) -> Iterator[None]:
    """Whatever happens to the parameters and buffers inside the block, afterwards they hold the same values again."""
    tensors = [*network.parameters(), *network.buffers()]
    before = [tensor.detach().clone() for tensor in tensors]
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, values in zip(tensors, before, strict=True):
                tensor.copy_(values)


def _shuffle(parameter: nn.Parameter, generator: torch.Generator) -> None:
    order = torch.randperm(parameter.numel(), generator=generator).to(parameter.device)
    with torch.no_grad():
        parameter.copy_(parameter.flatten()[order].view_as(parameter))


def _correlations(original: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Spearman's correlation over the places of each map: (M, h, w) twice -> (M,)."""
    ranks = [rankdata(values.reshape(len(values), -1), axis=1) for values in (original, other)]
    first, second = (each - each.mean(1, keepdims=True) for each in ranks)
    scale = np.sqrt((first**2).sum(1) * (second**2).sum(1))
    return (first * second).sum(1) / np.where(scale > 0, scale, 1)
