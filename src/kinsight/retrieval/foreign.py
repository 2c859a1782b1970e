"""A model that Kinsight never trained, as an index needs it: what embeds, and by what it is known again."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kinsight.errors import KinsightError
from kinsight.explanation import Explainer
from kinsight.explanation.contributions import whole_of
from kinsight.models import Embedding
from kinsight.models.storage import digest_of
from kinsight.pictures import Preprocessing


class ForeignModel(nn.Module):
    """The network of an `Explainer` as an embedder.

    It is known again by its weights, the names of its classes and its preprocessing. What a plain function among trunk and head computes is
    not part of that: who changes it builds another index.

    Args:
        explainer: of a network and its layer, or of trunk and head, with `preprocessing`.

    Attributes:
        explainer: the same.
        preprocessing: what the network is fed with.
        dim: D.

    Raises:
        KinsightError: it does not say with a `Preprocessing` what the network is fed with, or has no weights to be known by.
    """

    def __init__(self, explainer: Explainer) -> None:
        super().__init__()
        if not isinstance(explainer.preprocessing, Preprocessing):
            raise KinsightError(
                "an index reads pictures from files, and this explainer does not say what its network is fed with; give "
                "Explainer(..., preprocessing=kinsight.pictures.Preprocessing(...))"
            )
        self.explainer = explainer
        self.preprocessing = explainer.preprocessing
        self.networks = nn.ModuleList(explainer.opening.modules)
        if next(self.parameters(), None) is None:
            raise KinsightError(
                "neither trunk nor head is a torch module with weights, by which an index could know them again; give modules"
            )
        self.eval()
        # Outside of inference mode: where the places look is found out with the first pictures.
        self.dim = self.forward(torch.zeros(1, 3, *self.preprocessing.height_width)).whole.shape[1]

    @property
    def device(self) -> torch.device:
        """Where the network stands."""
        return next(self.parameters()).device

    def forward(self, images: Tensor) -> Embedding:
        """(N, 3, H, W), preprocessed -> the embeddings of N pictures, not normalized."""
        opened = self.explainer.opening(images)
        with torch.no_grad():
            return Embedding.single(whole_of(opened.head(opened.feature_map)))

    def digest(self) -> str:
        """SHA-256 of what it is known by."""
        classes = [f"{type(one).__module__}.{type(one).__qualname__}" for one in self.networks]
        known = {"foreign": classes, "preprocessing": self.preprocessing.to_dict()}
        return digest_of(known, self.networks.state_dict())
