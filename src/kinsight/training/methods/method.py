"""Methods: what changes a training between its epochs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from torch import nn

from kinsight.data import BatchSampler
from kinsight.training.parameter_groups import ParameterGroup


class Method(nn.Module, ABC):
    """Which batches there are, what happens between two epochs, and what that means for rates and losses.

    The constructor takes by name what it needs of this, and its own options with defaults behind it:

    - `labels`: (N,) int64, the class of each training picture, from 0;
    - `batches`: the settings of batches;
    - `seed`: of the run;
    - `embedder`: the model that trains, as it stands. A method that keeps it keeps it in a tuple, so that it is not saved twice;
    - `embed`: a function without arguments that embeds the training pictures with the transforms of test time and gives `EncodedRows`,
      whose rows count the training pictures. All processes must call it, and all get the whole.

    Whatever must survive a kill is in buffers: they are saved and restored with the model, and after `advance` every process gets those of
    the main one. Their shapes must not change. Random choices are to follow from (seed, epoch).
    """

    @abstractmethod
    def sampler(self) -> BatchSampler:
        """The batches of the next epoch, by the buffers as they stand; in every epoch equally many."""

    def advance(self, epoch: int) -> dict[str, Any]:
        """Get ready for an epoch (from 0): called before the first, and after each one's validation, before the checkpoint.

        Every process calls it at the same time.

        Returns:
            Plain facts for the log (`metrics.jsonl`, kind `method`), such as the sizes of clusters; nothing is logged without.
        """
        return {}

    def lr_factor(self, group: str, epoch: int) -> float:
        """What the learning rate of a parameter group (trunk, head, loss, ...) is multiplied with in an epoch; 0: it stands still."""
        return 1.0

    def parameter_groups(self) -> list[ParameterGroup]:
        """Groups of what the method itself learns; usually one, which trains as the loss's own parameters do."""
        parameters = list(self.parameters())
        return [ParameterGroup("method", parameters)] if parameters else []

    def terms(self) -> dict[str, nn.Module]:
        """New terms for the objective, by name (`kinsight.objectives.Term`)."""
        return {}
