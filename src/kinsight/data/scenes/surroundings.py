"""What is around a bird and across it: soft patches and foliage, decoys in birds' colours, leaves and twigs."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from kinsight.data.scenes.canvas import SURROUNDINGS, Canvas, darker, plumage
from kinsight.data.scenes.geometry import Frame, ellipse, smooth
from kinsight.data.scenes.patterns import PATTERNS
from kinsight.data.scenes.shapes import TAILS, WINGS
from kinsight.data.scenes.species import PLUMAGE, Colour

_LEAF = smooth([(0, 0), (0, 0), (0.3, 0.9), (0.7, 0.8), (1, 0), (1, 0), (0.7, -0.8), (0.3, -0.9)], 2)
_PEBBLE = ellipse(24)
_SKIES: tuple[tuple[Colour, Colour], ...] = (
    ((150, 196, 222), (222, 232, 220)),
    ((96, 140, 92), (178, 200, 128)),
    ((52, 84, 66), (112, 146, 92)),
    ((206, 176, 140), (238, 220, 190)),
    ((128, 108, 140), (232, 176, 150)),
    ((86, 104, 122), (164, 178, 184)),
    ((116, 92, 72), (188, 164, 120)),
)
_GREENS: tuple[Colour, ...] = ((70, 120, 60), (104, 150, 66), (48, 92, 70), (150, 170, 80), (128, 110, 62))
_BARKS: tuple[Colour, ...] = ((98, 74, 56), (124, 98, 76), (78, 66, 60), (140, 122, 104))
_BRIGHT: tuple[Colour, ...] = tuple(PLUMAGE.values())
_COARSE = 24  # the blurred background is painted this small and then enlarged


def backdrop(rng: np.random.Generator, side: int) -> Image.Image:
    """Out-of-focus surroundings: a gradient with large soft patches, half of them in the birds' own colours."""
    first, last = (np.array(colour, dtype=np.float32) for colour in _SKIES[rng.integers(len(_SKIES))])
    angle = rng.uniform(0, 2 * np.pi)
    grid = np.linspace(-0.5, 0.5, _COARSE, dtype=np.float32)
    ramp = np.clip(0.5 + np.cos(angle) * grid[None, :] + np.sin(angle) * grid[:, None], 0, 1)[..., None]
    field = first + ramp * (last - first)  # (24, 24, 3)
    for _ in range(int(rng.integers(5, 12))):
        pool = _BRIGHT if rng.random() < 0.4 else _GREENS
        x, y, radius = rng.uniform(-0.55, 0.55), rng.uniform(-0.55, 0.55), rng.uniform(0.06, 0.26)
        distance = np.hypot(grid[None, :] - x, grid[:, None] - y)
        strength = np.clip((radius - distance) * _COARSE * 0.5 + 0.5, 0, 1)[..., None] * rng.uniform(0.35, 0.95)
        field += strength * (np.array(pool[rng.integers(len(pool))], dtype=np.float32) - field)
    soft = Image.fromarray(field.astype(np.uint8)).filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.2)))
    return soft.resize((side, side), Image.Resampling.BICUBIC)


def paint_behind(canvas: Canvas, rng: np.random.Generator) -> None:
    """Branches, leaves, and feathers and pebbles with the patterns and colours of birds."""
    for _ in range(int(rng.integers(1, 4))):
        _branch(canvas, rng, rng.uniform(0.012, 0.03))
    for _ in range(int(rng.integers(3, 9))):
        _leaf(canvas, rng, rng.uniform(0, 1, 2), rng.uniform(0.1, 0.24))
    for _ in range(int(rng.integers(1, 5))):
        _decoy(canvas, rng)


def paint_across(canvas: Canvas, rng: np.random.Generator, least_visible: float = 0.6) -> None:
    """Leaves and twigs over the bird; painting stops before less than `least_visible` of it can be seen."""
    whole = _area(canvas.cover)
    for _ in range(int(rng.integers(0, 5))):
        image, cover = canvas.image.copy(), canvas.cover.copy()
        if rng.random() < 0.3:
            _branch(canvas, rng, rng.uniform(0.01, 0.022))
        else:
            _leaf(canvas, rng, rng.uniform(0.15, 0.85, 2), rng.uniform(0.12, 0.22))
        if _area(canvas.cover) < least_visible * whole:
            canvas.image.paste(image)
            canvas.cover.paste(cover)
            return


def _area(cover: Image.Image) -> int:
    return sum(cover.histogram()) - cover.histogram()[SURROUNDINGS]


def _branch(canvas: Canvas, rng: np.random.Generator, thickness: float) -> None:
    side = canvas.image.width
    angle = rng.uniform(-0.6, 0.6) + (np.pi / 2 if rng.random() < 0.35 else 0)
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-along[1], along[0]])
    middle = rng.uniform(0.1, 0.9, 2)
    steps = np.linspace(-1.1, 1.1, 9)
    bend = np.cumsum(rng.normal(0, 0.025, 9))
    points = (middle + steps[:, None] * along + bend[:, None] * across) * side  # (9, 2)
    bark = _BARKS[rng.integers(len(_BARKS))]
    canvas.stroke(points, darker(bark, 0.6), thickness * side + 2 * canvas.line, cover=SURROUNDINGS)
    canvas.stroke(points, bark, thickness * side, cover=SURROUNDINGS)


def _leaf(canvas: Canvas, rng: np.random.Generator, at: np.ndarray, length: float) -> None:
    side = canvas.image.width
    pool = _BRIGHT if rng.random() < 0.3 else _GREENS
    colour = pool[rng.integers(len(pool))]
    frame = Frame(at * side, np.eye(2) * length * side).child((0, 0), rng.uniform(0, 360), (1, rng.uniform(0.18, 0.3)))
    canvas.textured(
        frame,
        _LEAF - (0.5, 0),
        plumage(PATTERNS["plain"], (colour, colour), 0.14),
        darker(colour, 0.6),
        cover=SURROUNDINGS,
    )
    canvas.stroke(
        frame.place(np.array([(-0.55, 0.0), (0.4, 0.0)])), darker(colour, 0.72), canvas.line, cover=SURROUNDINGS
    )


def _decoy(canvas: Canvas, rng: np.random.Generator) -> None:
    side = canvas.image.width
    outlines = (_PEBBLE, _PEBBLE, *(shape.outline for shape in (*WINGS.values(), *TAILS.values())))
    outline = outlines[rng.integers(len(outlines))]
    names = list(PATTERNS)
    pattern = PATTERNS[names[rng.integers(len(names))]]
    first, second = (_BRIGHT[i] for i in rng.choice(len(_BRIGHT), 2, replace=False))
    length, width = rng.uniform(0.12, 0.3), rng.uniform(0.05, 0.1)
    at = rng.uniform(0, 1, 2) * side
    frame = Frame(at, np.eye(2) * side).child((0, 0), rng.uniform(0, 360), (length, width))
    canvas.textured(
        frame, outline - (0.5, 0), plumage(pattern, (first, second)), darker(first, 0.5), cover=SURROUNDINGS
    )
