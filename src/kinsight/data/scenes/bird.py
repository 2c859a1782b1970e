"""A bird: how it holds itself, and painting it part by part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kinsight.data.scenes.canvas import COVER, UNNAMED, Canvas, darker, plumage
from kinsight.data.scenes.geometry import Frame
from kinsight.data.scenes.patterns import PATTERNS
from kinsight.data.scenes.shapes import BEAKS, BODIES, HEADS, HEADWEAR, TAILS, WINGS
from kinsight.data.scenes.species import PartName, Species, Variant

_EYE = (0.64, -0.14)
_LEG = (92, 74, 62)


@dataclass(frozen=True)
class Pose:
    """How one bird holds itself: angles in degrees, positions and `length` (of a body of size 1) in picture sizes."""

    x: float
    y: float
    length: float
    flipped: bool
    rotation: float
    squash: float
    wing: float  # 0 is folded along the body, 90 points up
    tail: float
    head: float
    turn: float  # how much of the beak's length is seen
    stretch: float  # of the neck

    @staticmethod
    def drawn(rng: np.random.Generator) -> Pose:
        """A pose at random."""
        flipped, flying = bool(rng.random() < 0.5), rng.random() < 0.35
        return Pose(
            # A tail is longer than a beak: the body stands off the centre.
            x=float(0.5 + (-0.05 if flipped else 0.05) + rng.uniform(-0.08, 0.08)),
            y=float(rng.uniform(0.46, 0.62)),
            length=float(rng.uniform(0.4, 0.56)),
            flipped=flipped,
            rotation=float(rng.normal(-14, 16)),
            squash=float(rng.uniform(0.86, 1.0)),
            wing=float(rng.uniform(30, 85) if flying else rng.uniform(-14, 14)),
            tail=float(rng.uniform(-22, 24)),
            head=float(rng.normal(10, 14)),
            turn=float(rng.uniform(0.75, 1.0)),
            stretch=float(rng.uniform(0.0, 0.1)),
        )


def paint_bird(canvas: Canvas, species: Species, pose: Pose) -> dict[PartName, np.ndarray]:
    """Paint the bird over what is on the canvas; gives the centre (2,) of every part in canvas pixels."""
    length = pose.length * canvas.image.width
    mirror = -1.0 if pose.flipped else 1.0
    sheet = Frame(np.array([pose.x, pose.y]) * canvas.image.width, np.diag([mirror, 1.0]) * length)
    root = sheet.child((0, 0), pose.rotation, (pose.squash, 1.0))

    body = BODIES[int(species.body.shape)]
    long, deep = body.length * species.body.size, body.width * species.body.size
    radius = 0.2 * species.head.size
    neck = (0.36 * long, -0.35 * deep)
    head_at = (0.4 * long + 0.04, -0.86 * deep - 0.08 - pose.stretch)
    head = root.child(head_at, pose.head)
    # A raised wing swings backwards, so that it does not hide the head.
    shoulder = (0.2 * long - 0.0015 * max(pose.wing, 0), -0.42 * deep)

    centres: dict[PartName, np.ndarray] = {}
    if pose.wing > 20:
        _wing(
            canvas,
            species.wing,
            root.child((shoulder[0] + 0.07, shoulder[1] - 0.02), 180 + 0.8 * pose.wing + 16),
            gloss=0.72,
        )
    _legs(canvas, root, sheet, deep, folded=pose.wing > 20)

    tail = TAILS[species.tail.shape]
    size = species.tail.size
    frame = root.child((-0.44 * long, -0.1 * deep), 180 + pose.tail, (tail.length * size, -tail.width * size))
    _part(canvas, "tail", species.tail, frame, tail.outline)
    centres["tail"] = frame.place(tail.centre)

    across = np.array([[-0.12, 0.16], [0.1, -0.15]])
    canvas.shape(
        np.concatenate([root.place(neck + 1.4 * across), head.place(-across)]),
        darker(species.body.colours[0], 0.92),
        cover=COVER["body"],  # the neck
    )
    frame = root.child((-0.5 * long, 0), 0, (long, deep))
    _part(canvas, "body", species.body, frame, body.outline)
    centres["body"] = frame.place(body.centre)

    centres["head"], centres["beak"] = _head(canvas, species, head, radius, pose.turn)
    centres["wing"] = _wing(canvas, species.wing, root.child(shoulder, 180 + pose.wing))
    return centres


def _head(canvas: Canvas, species: Species, head: Frame, radius: float, turn: float) -> tuple[np.ndarray, np.ndarray]:
    shape, look = HEADS[species.head.shape], species.head
    frame = head.child((-0.5 * shape.length * radius, 0), 0, (shape.length * radius, shape.width * radius))
    if look.pattern in HEADWEAR:
        accent = look.colours[1]
        canvas.textured(
            frame,
            HEADWEAR[look.pattern],
            plumage(PATTERNS["plain"], (accent, accent)),
            darker(accent),
            cover=COVER["head"],
        )
    beak, size = BEAKS[species.beak.shape], species.beak.size
    reach = 0.5 * shape.length * radius - 0.12 * radius
    beak_frame = head.child((reach, 0.08 * radius), 4, (beak.length * size * radius * turn, beak.width * size * radius))
    _part(canvas, "beak", species.beak, beak_frame, beak.outline)
    _part(canvas, "head", look, frame, shape.outline)

    eye = frame.place(_EYE)
    unit = radius * float(np.sqrt(abs(np.linalg.det(head.axes))))
    ringed = look.pattern == "ringed"
    canvas.disc(
        eye, (0.52 if ringed else 0.3) * unit, look.colours[1] if ringed else (236, 232, 222), cover=COVER["head"]
    )
    canvas.disc(eye, 0.22 * unit, (22, 20, 24), cover=COVER["head"])
    canvas.disc(eye + np.array([-0.07, -0.07]) * unit, 0.075 * unit, (255, 255, 255), cover=COVER["head"])
    return frame.place(shape.centre), beak_frame.place(beak.centre)


def _wing(canvas: Canvas, look: Variant, joint: Frame, gloss: float = 1.0) -> np.ndarray:
    wing = WINGS[look.shape]
    frame = joint.child((0, 0), 0, (wing.length * look.size, wing.width * look.size))
    _part(canvas, "wing", look, frame, wing.outline, gloss)
    return frame.place(wing.centre)


def _legs(canvas: Canvas, root: Frame, sheet: Frame, deep: float, *, folded: bool) -> None:
    # Legs hang down in the picture however the bird is turned; in flight they are drawn up.
    if folded:
        return
    down = sheet.axes @ np.array([0.02, 0.2])
    for along in (-0.06, 0.08):
        hip = root.place((along, 0.85 * deep))
        foot = hip + down
        toes = foot + sheet.axes @ np.array([0.09, 0.02])
        canvas.stroke(np.stack([hip, foot, toes]), _LEG, 1.6 * canvas.line, cover=UNNAMED)


def _part(canvas: Canvas, name: PartName, look: Variant, frame: Frame, outline: np.ndarray, gloss: float = 1.0) -> None:
    pattern = PATTERNS.get(look.pattern, PATTERNS["plain"])
    paint = plumage(pattern, look.colours, gloss=gloss)
    canvas.textured(frame, outline, paint, darker(look.colours[0]), cover=COVER[name])
