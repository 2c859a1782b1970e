"""Binomial deviance on cosines."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pytorch_metric_learning.utils import loss_and_miner_utils as indices
from torch import Tensor, nn


class BinomialDeviance(nn.Module):
    """Binomial deviance (Yi et al. 2014), as equation 2 of "Attentive Grouping" has it.

    With s the cosine of a pair:

        positives  log(1 + exp(-alpha (s - m) beta1)),  averaged over the positive pairs
        negatives  log(1 + exp( alpha (s - m) beta0)),  averaged over the negative pairs

    and the loss is the sum of the two averages; an average over no pairs is 0.

    The defaults are those of the paper's code (and of BIER): the high cost 25 stands on the negatives. The paper's
    Table 1 has the two costs the other way round. The code also counts every picture as its own positive, which adds
    terms without gradient and so weakens the positives; `self_pairs=True` does the same.
    """

    def __init__(
        self,
        alpha: float = 2.0,
        m: float = 0.5,
        beta1: float = 1.0,
        beta0: float = 25.0,
        self_pairs: bool = False,
    ) -> None:
        super().__init__()
        self.alpha = alpha
        self.m = m
        self.beta1 = beta1
        self.beta0 = beta0
        self.self_pairs = self_pairs

    def forward(
        self,
        embeddings: Tensor,
        labels: Tensor,
        indices_tuple: tuple[Tensor, ...] | None = None,
        ref_emb: Tensor | None = None,
        ref_labels: Tensor | None = None,
    ) -> Tensor:
        """The loss of `embeddings (N, D)`, or of their pairs with `ref_emb (M, D)`; a scalar.

        Args:
            labels: (N,).
            indices_tuple: the pairs or triplets of a miner; all pairs without it.
            ref_labels: (M,).
        """
        unit = F.normalize(embeddings, dim=1)
        other = unit if ref_emb is None else F.normalize(ref_emb, dim=1)
        cosine = unit @ other.T  # (N, M)
        # pytorch-metric-learning leaves the self pairs out when there is no reference.
        anchor1, positive, anchor2, negative = indices.convert_to_pairs(indices_tuple, labels, ref_labels)
        positives = cosine[anchor1, positive]
        negatives = cosine[anchor2, negative]
        if self.self_pairs and ref_emb is None:
            positives = torch.cat([positives, cosine.diagonal()])
        pull = F.softplus(-self.alpha * self.beta1 * (positives - self.m))
        push = F.softplus(self.alpha * self.beta0 * (negatives - self.m))
        return pull.sum() / max(len(pull), 1) + push.sum() / max(len(push), 1)
