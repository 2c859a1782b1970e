"""Embeddings that the training passes give anyway, kept in place of a pass of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from kinsight import processes
from kinsight.models import Embedding


class RunningFeatures(nn.Module):
    """The last embedding of every training picture, as it was when it trained: augmented, with the weights of that step.

    Args:
        count: N training pictures.
        dim: D.
    """

    vectors: Tensor
    seen: Tensor

    def __init__(self, count: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("vectors", torch.zeros(count, dim, dtype=torch.float16))
        self.register_buffer("seen", torch.zeros(count, dtype=torch.bool))

    def observe(self, rows: Tensor, embedding: Embedding) -> None:
        """Keep the embeddings of a batch, of all processes; of a picture that is in it twice, the last one."""
        own = embedding.normalized.detach()  # (B, D)
        (rows, vectors), _ = processes.gather(rows.to(own.device), own)
        last = ~(rows[:, None] == rows).triu(1).any(1)
        self.vectors[rows[last]] = vectors[last].half()
        self.seen[rows[last]] = True

    def completed(self, embed: Callable[..., Any]) -> tuple[np.ndarray, np.ndarray]:
        """The pictures (R,) that are known and their vectors (R, D); what no batch has brought yet is embedded now."""
        missing = np.flatnonzero(~self.seen.cpu().numpy())
        if len(missing):
            found = embed(missing)
            new = torch.from_numpy(found.rows).to(self.seen.device)
            self.vectors[new] = torch.from_numpy(found.vectors).to(self.vectors)
            self.seen[new] = True
        known = np.flatnonzero(self.seen.cpu().numpy())
        return known, self.vectors.float().cpu().numpy()[known]
