"""Methods: what changes a training between its epochs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from kinsight.data import BatchSampler
from kinsight.models import Embedding, ModelSettings
from kinsight.training.parameter_groups import ParameterGroup


class Method(nn.Module, ABC):
    """Which batches there are, what happens between two epochs, and what that means for rates and losses.

    The constructor takes by name what it needs of this, and its own options with defaults behind it:

    - `labels`: (N,) int64, the class of each training picture, from 0;
    - `categories`: (N,) int64, the super-category of each, from 0 (the table's column `category`); None where the table has none;
    - `views`: (N,) int64, of which stream each training picture is, 0 or 1; None where the model has one;
    - `batches`: the settings of batches;
    - `seed`: of the run;
    - `embedder`: the model that trains, as it stands. A method that keeps it keeps it in a tuple, so that it is not saved twice;
    - `embed`: a function that embeds the training pictures with the transforms of test time and gives `EncodedRows`, whose rows count
      the training pictures; `embed(rows)` those (R,) alone, `embed(pooled=True)` gives the trunk's maps, averaged, instead. All processes
      must call it, and all get the whole.

    Whatever must survive a kill is in buffers: they are saved and restored with the model, and after `advance` every process gets those of
    the main one. Their shapes must not change. Random choices are to follow from (seed, epoch).
    """

    pairs = False
    """Whether its batches hold pairs of views where the model has two streams; else it trains models of one."""

    @classmethod
    def model(cls, settings: ModelSettings, options: Mapping[str, Any]) -> ModelSettings:
        """What the method makes of the model that is asked for, before it is built, such as a head around its head.

        Args:
            options: those of the method, with their defaults.
        """
        return settings

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

    def observe(self, rows: Tensor, embedding: Embedding) -> None:
        """See what the model gave for this process's share of a batch: the training pictures `rows` (B,), with their augmentation."""

    def settle(self) -> None:
        """The last batch of an epoch has passed: write into the model whatever it needs of the method to be validated and saved."""

    def lr_factor(self, group: str, epoch: int) -> float:
        """What the learning rate of a parameter group (trunk, head, loss, ...) is multiplied with in an epoch; 0: it stands still.

        It follows from the two alone.
        """
        return 1.0

    def parameter_groups(self) -> list[ParameterGroup]:
        """Groups of what the method itself learns; usually one, which trains as the loss's own parameters do."""
        parameters = list(self.parameters())
        return [ParameterGroup("method", parameters)] if parameters else []

    def terms(self) -> dict[str, nn.Module]:
        """New terms for the objective, by name (`kinsight.objectives.Term`)."""
        return {}

    def view(self) -> nn.Module | None:
        """How the objective is to see a batch: a module (embedding, subset) -> embedding, of all processes' pictures, before lengths are
        normalized. What it learns belongs to the method, like the terms' own parameters: every process has its full gradient."""
        return None
