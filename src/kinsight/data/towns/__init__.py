"""Rendered towns: a panorama and an aerial picture of one exact geometry, and the heading between them."""

from kinsight.data.towns.dataset import write_towns
from kinsight.data.towns.place import Place, Seen, View, panorama_size, render_place

__all__ = ["Place", "Seen", "View", "panorama_size", "render_place", "write_towns"]
