"""Several looks at one pair: the aerial picture turned, both pictures mirrored.

Places stand on a grid, and a network need not see what lies straight under them: with padding and strides it looks a little aside,
always to the same side. Turned pictures put the grid elsewhere, mirrored ones the side; what the votes of all looks agree on has
neither in it. No heading need be known for that.
"""

from __future__ import annotations

from typing import NamedTuple


class Look(NamedTuple):
    """How a pair is looked at.

    Attributes:
        turn: degrees by which the aerial picture is turned clockwise, after it was mirrored.
        mirrored: whether both pictures are mirrored, left to right.
    """

    turn: float = 0.0
    mirrored: bool = False


def further_looks(turns: int, *, mirrored: bool) -> list[Look]:
    """The looks besides the first, at the pictures as they are: `turns` evenly round the circle, and as many mirrored."""
    angles = [360 * number / turns for number in range(turns)]
    return [Look(angle) for angle in angles[1:]] + [Look(angle, mirrored=True) for angle in angles if mirrored]
