"""The model of an index, whatever it is given as: a folder, a model of one stream or of two, or the explainer of a foreign one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kinsight.api.load import load
from kinsight.errors import KinsightError
from kinsight.explanation import Explainer
from kinsight.explanation.stages import Stage
from kinsight.models import Embedder, Model, TwoStreams
from kinsight.processes import device
from kinsight.retrieval.foreign import ForeignModel

GivenModel = Model | Explainer | ForeignModel | str | Path


@dataclass(frozen=True, eq=False)
class IndexedModel:
    """What embeds the pictures of an index.

    Attributes:
        whole: the model to which it is bound.
        stream: of a model of two streams: the view that the pictures are of.
    """

    whole: Model | ForeignModel
    stream: str | None = None

    @property
    def embedder(self) -> Embedder | ForeignModel:
        """What embeds its pictures."""
        if isinstance(self.whole, TwoStreams):
            assert self.stream is not None
            return self.whole.stream(self.stream)
        return self.whole

    def explainer(self, stage: Stage, *, stream: str | None = None) -> Explainer:
        """What explains its pictures, or those of the other stream.

        Raises:
            KinsightError: it has no such stream.
        """
        if isinstance(self.whole, ForeignModel):
            _only_one(stream)
            return self.whole.explainer
        if isinstance(self.whole, TwoStreams):
            return Explainer(self.whole.stream(stream or self.stream or ""), stage=stage)
        _only_one(stream)
        return Explainer(self.whole, stage=stage)


def indexed_model(given: GivenModel, stream: str | None = None) -> IndexedModel:
    """The model of an index.

    Args:
        given: a model, its folder, or an explainer of it; of an own model the explainer's stage does not count.
        stream: of a model of two streams: of which view the pictures are.

    Raises:
        KinsightError: it cannot be loaded, or has not the streams that are asked for.
    """
    model: Model | ForeignModel | Explainer
    model = load(given, device=device()) if isinstance(given, str | Path) else given
    if isinstance(model, Explainer):
        own = next(iter(model.opening.modules), None)
        model = own if isinstance(own, Embedder) else ForeignModel(model)
    if not isinstance(model, TwoStreams):
        _only_one(stream)
        return IndexedModel(model)
    if stream not in model.names:
        one, other = model.names
        raise KinsightError(
            f"this model has the streams {one} and {other}, and an index holds pictures of one of them; say of which with "
            f"stream={one!r} (--stream {one})"
        )
    return IndexedModel(model, stream)


def _only_one(stream: str | None) -> None:
    if stream is not None:
        raise KinsightError(f"the stream {stream} was asked of a model of one stream; leave it out")
