"""Rendered species with known boxes, masks and part positions."""

from kinsight.data.scenes.dataset import write_scenes
from kinsight.data.scenes.drawing import Part, Scene, render
from kinsight.data.scenes.species import PARTS, Species, Variant, species

__all__ = ["PARTS", "Part", "Scene", "Species", "Variant", "render", "species", "write_scenes"]
