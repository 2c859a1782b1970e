"""Choices by name: a head, a loss, a miner, an optimizer in the settings, `{"name": ..., option: value}`, and what it becomes."""

from kinsight.registry.choices import Named, Registry
from kinsight.registry.class_paths import class_paths, is_class_path, own_code, reason, running, running_own_code
from kinsight.registry.option_types import fits, in_words, shown

__all__ = [
    "Named",
    "Registry",
    "class_paths",
    "fits",
    "in_words",
    "is_class_path",
    "own_code",
    "reason",
    "running",
    "running_own_code",
    "shown",
]
