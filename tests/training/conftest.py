"""The shared tiny run."""

from tiny_run import finished, pictures

__all__ = ["finished", "pictures"]
