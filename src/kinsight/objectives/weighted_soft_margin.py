"""The weighted soft-margin triplet loss, over all negatives of a batch."""

from __future__ import annotations

import torch.nn.functional as F
from pytorch_metric_learning.utils import loss_and_miner_utils as indices
from torch import Tensor, nn


class WeightedSoftMargin(nn.Module):
    """log(1 + exp(alpha (d_p - d_n))), the mean over all triplets ("CVM-Net", Hu et al. 2018, equation 2).

    d = 2 - 2 cos is the squared distance of unit vectors; a larger alpha trains the hard triplets more. Every positive pair of the batch
    meets every negative of its anchor; a miner's triplets take their place. Without a triplet the loss is 0.
    """

    def __init__(self, alpha: float = 10.0) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(
        self,
        embeddings: Tensor,
        labels: Tensor,
        indices_tuple: tuple[Tensor, ...] | None = None,
        ref_emb: Tensor | None = None,
        ref_labels: Tensor | None = None,
    ) -> Tensor:
        """The loss of anchors `embeddings (N, D)` among themselves, or among `ref_emb (M, D)`; a scalar.

        Args:
            labels: (N,).
            indices_tuple: the pairs or triplets of a miner; all triplets without it.
            ref_labels: (M,).
        """
        unit = F.normalize(embeddings, dim=1)
        other = unit if ref_emb is None else F.normalize(ref_emb, dim=1)
        distance = 2 - 2 * unit @ other.T  # (N, M)
        anchor, positive, negative = indices.convert_to_triplets(indices_tuple, labels, ref_labels, t_per_anchor="all")
        gap = distance[anchor, positive] - distance[anchor, negative]
        return F.softplus(self.alpha * gap).sum() / max(len(gap), 1)
