"""A circular histogram as inline SVG: shares by direction, zero up, clockwise."""

from __future__ import annotations

from html import escape

import numpy as np
from markupsafe import Markup

from kinsight.pictures.directions import direction

RADIUS, MARGIN = 100, 20
_SIDE = RADIUS + MARGIN
_AXES = ((0, "0°"), (90, "+90°"), (180, "180°"), (270, "−90°"))


def rose(middles: np.ndarray, shares: np.ndarray, most: float, description: str) -> Markup:
    """Draw a circular histogram; the area of a sector is its share.

    Args:
        middles: of the bins, degrees at equal steps.
        shares: of each bin.
        most: the share that reaches the border; equal in charts that are compared.
        description: for those who do not see it.
    """
    half = 180 / len(middles)
    parts = [f'<circle class="grid" r="{RADIUS * np.sqrt(part):.2f}"/>' for part in (0.25, 1)]
    even = RADIUS * np.sqrt(1 / len(middles) / most) if most > 0 else 0
    for angle, name in _AXES:
        x, y = direction(angle)
        parts.append(f'<path class="grid" d="M0 0L{RADIUS * x:.2f} {RADIUS * y:.2f}"/>')
        anchor = {90: "start", 270: "end"}.get(angle, "middle")
        lift = 4 if angle in (90, 270) else 13 * y + (4 if y < 0 else 0)
        parts.append(
            f'<text x="{(RADIUS + 4) * x:.1f}" y="{RADIUS * y + lift:.1f}" text-anchor="{anchor}">{name}</text>'
        )
    for middle, share in zip(middles.tolist(), shares.tolist(), strict=True):
        if share > 0:
            kind = "sector right" if abs((middle + 180) % 360 - 180) < half else "sector"
            parts.append(
                f'<path class="{kind}" d="{_sector(middle - half, middle + half, RADIUS * np.sqrt(share / most))}"/>'
            )
    parts.append(f'<circle class="even" r="{even:.2f}"/>')
    wide = _SIDE + 24  # words stand to the left and the right
    return Markup(
        f'<svg class="rose" viewBox="{-wide} {-_SIDE} {2 * wide} {2 * _SIDE}" role="img" aria-label="{escape(description)}">'
        + "".join(parts)
        + "</svg>"
    )


def _sector(start: float, end: float, radius: float) -> str:
    (x, y), (u, v) = direction(start), direction(end)
    return f"M0 0L{radius * x:.2f} {radius * y:.2f}A{radius:.2f} {radius:.2f} 0 0 1 {radius * u:.2f} {radius * v:.2f}Z"
