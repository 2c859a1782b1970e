"""What the classes of a split are called."""

from __future__ import annotations

SPLITS = {
    "train": "training classes",
    "test": "unseen classes",
    "validation": "validation classes",
    "all": "all classes",
}


def split_title(split: str) -> str:
    """`unseen classes` for the test split, and so on."""
    return SPLITS.get(split, f"split {split}")
