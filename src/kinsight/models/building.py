"""Models of one stream or of two, from their settings and from their folders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from kinsight.errors import KinsightError
from kinsight.models.embedder import Embedder, build_embedder, embedder_of, stored_settings
from kinsight.models.memory import Bounded
from kinsight.models.storage import CONFIG, read_model, restored
from kinsight.models.two_streams import TwoStreams, check_names
from kinsight.pictures import Preprocessing
from kinsight.registry import fits, in_words, shown
from kinsight.settings.model import ModelSettings
from kinsight.settings.recipe import merge
from kinsight.typed import type_hints

Model = Embedder | TwoStreams
_OF_ALL = ("streams", "shared_head", "normalize")


def build_model(settings: ModelSettings, *, seed: int = 0) -> Model:
    """Build a model from its settings: an Embedder, or TwoStreams where they name streams; both streams begin from the same seed.

    Raises:
        KinsightError: see `build_embedder`; or the streams do not fit each other.
    """
    if settings.streams is None:
        return build_embedder(settings, seed=seed)
    streams = {name: build_embedder(each, seed=seed) for name, each in settings_of_streams(settings).items()}
    return TwoStreams(streams, shared_head=settings.shared_head)


def settings_of_streams(settings: ModelSettings) -> dict[str, ModelSettings]:
    """The whole settings of each stream by its name: what is its own over what is common.

    Raises:
        KinsightError: a stream names what is no setting of a stream, or a value of the wrong kind.
    """
    streams = settings.streams or {}
    check_names(list(streams))
    common = asdict(replace(settings, streams=None, shared_head=False))
    return {name: ModelSettings(**merge(common, _checked(name, own))) for name, own in streams.items()}


def load_model(folder: str | Path, device: str | torch.device = "cpu") -> Model:
    """Read a model that `save` wrote, of one stream or of two; see `load_embedder`.

    Raises:
        KinsightError: see `load_embedder`.
    """
    config, tensors = read_model(folder)
    stored = config["settings"].get("streams")
    if stored is None:
        return embedder_of(config, tensors, folder, device)
    fed = config["preprocessing"]
    known = isinstance(stored, dict) and all(isinstance(each, dict) for each in stored.values())
    if not known or set(fed) != set(stored) or not isinstance(config["settings"].get("shared_head"), bool):
        raise KinsightError(f"{CONFIG} in {folder} does not describe two streams as it should; restore the file")
    settings = {name: stored_settings(each, folder) for name, each in stored.items()}
    streams = {}
    with Bounded.by_tensors(tensors):
        for name, each in settings.items():
            built = build_embedder(each)
            streams[name] = Embedder(built.trunk, built.head, Preprocessing.from_dict(fed[name]), built.settings)
    return restored(TwoStreams(streams, shared_head=config["settings"]["shared_head"]), config, tensors, folder, device)


def _checked(name: str, own: Any) -> Mapping[str, Any]:
    """What is a stream's own, if it is settings of a stream."""
    kinds = {key: kind for key, kind in type_hints(ModelSettings).items() if key not in _OF_ALL}
    if not isinstance(own, Mapping):
        raise KinsightError(
            f"model.streams.{name} is {shown(own)}; write what is its own as in {{size: 96}}, or {{}} for nothing"
        )
    for key, value in own.items():
        if key not in kinds:
            raise KinsightError(
                f"model.streams.{name} has no setting {str(key)[:60]!r}; a stream may have its own {', '.join(kinds)}"
            )
        if not fits(value, kinds[key]):
            raise KinsightError(f"model.streams.{name}.{key} is {shown(value)}; write {in_words(kinds[key])}")
    return own
