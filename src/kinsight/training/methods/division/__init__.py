"""Divide and conquer: training pictures in clusters, each of which trains a subspace of the embedding."""

from kinsight.training.methods.division.division import Division

__all__ = ["Division"]
