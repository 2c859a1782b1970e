"""Who tells whom how much: the relations between the branches of a relational head, as a table and as a small graph a picture."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from kinsight.show.groups.result import GroupsResult

SIDE, RADIUS, NODE = 200, 68, 15
BEND = 0.16  # of the distance: there and back are two lines
WIDEST = 9.0
LEAST = 0.02  # of what a group is told: less is not drawn


def relations_of(found: GroupsResult) -> dict[str, Any] | None:
    """What the page shows of them; None where the head has none."""
    known = found.groups.relations
    if known is None:
        return None
    return {
        "mean": known.mean(0).tolist(),
        "assigned": [count / max(len(found.ids), 1) for count in found.assigned()],
        "graphs": [
            {
                "row": row,
                "svg": relation_graph(
                    known[row], None if found.groups.assigned is None else int(found.groups.assigned[row])
                ),
                "words": _words(known[row]),
            }
            for row in found.shown
        ],
    }


def relation_graph(weights: np.ndarray, assigned: int | None = None) -> str:
    """The relations of one picture (P, P), the source first, as SVG: arrows as wide as their weights, rings for what is told to oneself."""
    count = len(weights)
    angles = [-math.pi / 2 + 2 * math.pi * number / count for number in range(count)]
    at = np.array([[SIDE / 2 + RADIUS * math.cos(each), SIDE / 2 + RADIUS * math.sin(each)] for each in angles])
    if count == 1:
        at[:] = SIDE / 2
    lines = [
        _arrow(at[source], at[target], float(weights[source, target]))
        for source in range(count)
        for target in range(count)
        if source != target and weights[source, target] >= LEAST
    ]
    nodes = [_node(at[number], number, float(weights[number, number]), number == assigned) for number in range(count)]
    label = _words(weights)
    return f'<svg class="relations" viewBox="0 0 {SIDE} {SIDE}" role="img" aria-label="{label}">{"".join(lines)}{"".join(nodes)}</svg>'


def _arrow(start: np.ndarray, end: np.ndarray, share: float) -> str:
    along = end - start
    distance = float(np.hypot(*along))
    across = np.array([along[1], -along[0]]) / distance
    middle = (start + end) / 2 + across * BEND * distance
    width = max(share * WIDEST, 0.8)
    head = 4 + width  # how long the arrow's head is
    leaving, coming = (middle - start) / np.hypot(*(middle - start)), (end - middle) / np.hypot(*(end - middle))
    tip = end - coming * (NODE + 5)
    neck, start = tip - coming * head, start + leaving * (NODE + 5)
    aside = np.array([coming[1], -coming[0]]) * (width / 2 + 3)
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in (tip, neck + aside, neck - aside))
    path = f"M{start[0]:.1f} {start[1]:.1f}Q{middle[0]:.1f} {middle[1]:.1f} {neck[0]:.1f} {neck[1]:.1f}"
    return f'<path d="{path}" stroke-width="{width:.1f}"/><polygon points="{corners}"/>'


def _node(at: np.ndarray, number: int, own: float, assigned: bool) -> str:
    x, y = at
    ring = (
        f'<circle class="own" cx="{x:.1f}" cy="{y:.1f}" r="{NODE}" stroke-width="{own * WIDEST:.1f}"/>'
        if own >= LEAST
        else ""
    )
    kind = ' class="assigned"' if assigned else ""
    return (
        f'{ring}<g{kind}><circle class="node" cx="{x:.1f}" cy="{y:.1f}" r="{NODE - 4}"/>'
        f'<text x="{x:.1f}" y="{y:.1f}">{number}</text></g>'
    )


def _words(weights: np.ndarray) -> str:
    """What a group is told most by, for those who cannot see the picture."""
    told = []
    for target in range(len(weights)):
        column = weights[:, target]
        source = int(column.argmax())
        most = f"{100 * column[source]:.0f} % from group {source}" if column[source] > 0 else "nothing"
        told.append(f"group {target} hears {most}")
    return "; ".join(told)
