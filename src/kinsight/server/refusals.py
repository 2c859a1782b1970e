"""Refusals that are not the fault of what was asked."""

from __future__ import annotations

from kinsight.errors import KinsightError


class Busy(KinsightError):  # noqa: N818
    """Others are waiting already, or the work took too long."""


class Missing(KinsightError):  # noqa: N818
    """There is no such picture, or it is no longer kept."""


class TooLarge(KinsightError):  # noqa: N818
    """More was sent than is read."""


class WrongKind(KinsightError):  # noqa: N818
    """Something of another type was sent."""
