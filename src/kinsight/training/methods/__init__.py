"""What changes a training between its epochs, by name. A new method is one class and one line in `METHODS`."""

from __future__ import annotations

from kinsight.registry import Named, Registry
from kinsight.training.methods.division import Division
from kinsight.training.methods.method import Method
from kinsight.training.methods.plain import PlainMethod, usual_sampler

__all__ = ["METHODS", "Division", "Method", "PlainMethod", "usual_sampler"]

METHODS = Registry(
    "method",
    {
        "plain": Named(PlainMethod, "nothing: every epoch is like the one before"),
        "division": Named(Division, "clusters of pictures, each of which trains a subspace of the embedding"),
    },
    base=Method,
    hands=("labels", "categories", "views", "batches", "seed", "embedder", "embed"),
    default="plain",
    example="mine.Method",
)
