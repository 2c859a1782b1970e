"""A town seen from straight above: the ground, its shadows, and the tops of all solids from the lowest to the highest."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from kinsight.data.towns.solids import Ball, Box, Paint, Round, Solid, Thing, Town
from kinsight.data.towns.weather import Weather
from kinsight.pictures.directions import direction

EXTENT = 100.0  # metres, of a whole side
_OUTSIDE = 18.0  # metres beyond it, from where something may still reach or shade it


def aerial(town: Town, cars: tuple[Thing, ...], day: Weather, pixels: int, rng: np.random.Generator) -> np.ndarray:
    """Colours (pixels, pixels, 3)."""
    metres = ((np.arange(pixels) + 0.5) / pixels - 0.5) * EXTENT
    surface = town.surface(*np.meshgrid(metres, metres))
    ground = day.ground[surface] * (1 + rng.normal(0, 0.03, surface.shape))[..., None]
    picture = Image.fromarray(np.clip(ground, 0, 255).astype(np.uint8))
    sheet = _Sheet(picture, day, rng)
    near = [thing for thing in (*town.things, *cars) if max(abs(thing.x), abs(thing.y)) < 0.5 * EXTENT + _OUTSIDE]
    solids = sorted((solid for thing in near for solid in thing.solids), key=lambda each: each.height)
    sheet.shade(solids)
    for solid in solids:
        sheet.draw(solid)
    return np.asarray(sheet.image, dtype=float)


class _Sheet:
    """What is drawn on; points are metres."""

    def __init__(self, ground: Image.Image, day: Weather, rng: np.random.Generator) -> None:
        self.image = ground
        self._day, self._rng = day, rng
        self._draw = ImageDraw.Draw(ground)
        self._scale = ground.width / EXTENT
        self._sun = np.array(direction(day.sun))

    def shade(self, solids: list[Solid]) -> None:
        """The shadows that all solids throw on the ground."""
        shadow = Image.new("L", self.image.size, 255)
        drawing = ImageDraw.Draw(shadow)
        dark = round(255 * (1 - 0.45 * self._day.power))
        for solid in solids:
            reach = -self._sun * self._day.low
            if isinstance(solid, Box):
                near, far = (solid.corners() + height * reach for height in (solid.base, solid.top))
                drawing.polygon(self._at(far), fill=dark)
                for i in range(4):
                    j = (i + 1) % 4
                    drawing.polygon(self._at(np.stack([near[i], near[j], far[j], far[i]])), fill=dark)
            elif isinstance(solid, Ball):
                drawing.ellipse(self._disc(solid, solid.radius, solid.z * reach), fill=dark)
            else:
                steps = np.linspace(0, 1, 6)
                for height, radius in zip(
                    solid.base + steps * (solid.top - solid.base),
                    solid.radius + steps * (solid.tip - solid.radius),
                    strict=True,
                ):
                    drawing.ellipse(self._disc(solid, radius, height * reach), fill=dark)
        self.image.paste(Image.composite(self.image, Image.new("RGB", self.image.size), shadow))

    def draw(self, solid: Solid) -> None:
        """The top of a solid."""
        if isinstance(solid, Box):
            self._roof(solid)
        elif isinstance(solid, Ball):
            self._ball(solid)
        else:
            self._round(solid)

    def _roof(self, box: Box) -> None:
        corners, ridge = box.corners(0.3 if box.pitch else 0.0), 0.5 * box.length * box.axes[0]
        middle = np.array([box.x, box.y])
        if not box.pitch:
            self._draw.polygon(self._at(corners), fill=self._colour(box.roof), outline=self._colour(box.roof, 0.75))
            return
        for side, half in ((-1, corners[:2]), (1, corners[:1:-1])):
            light = 1 + 0.3 * self._day.power * side * float(self._sun @ box.axes[1])
            slope = np.concatenate([half, [middle + ridge, middle - ridge]])
            self._draw.polygon(self._at(slope), fill=self._colour(box.roof, light))
        self._draw.line(self._at(np.stack([middle - ridge, middle + ridge])), fill=self._colour(box.roof, 0.7))

    def _ball(self, ball: Ball) -> None:
        if ball.leaves and self._rng.random() < self._day.bare * 1.6:  # branches, and the ground between them
            turns, away = self._rng.uniform(0, 2 * np.pi, 26), ball.radius * np.sqrt(self._rng.random(26))
            for turn, reach in zip(turns, away, strict=True):
                off = reach * np.array([np.cos(turn), np.sin(turn)])
                shade = float(self._rng.uniform(0.75, 1.15))
                self._draw.ellipse(self._disc(ball, 0.22 * ball.radius, off), fill=self._colour(ball.paint, shade))
            return
        power = 0.2 * self._day.power
        for size, light in ((1.0, 0.82 - power / 2), (0.8, 0.95), (0.45, 1.06 + power / 2)):
            off = (1 - size) * 0.7 * ball.radius * self._sun
            self._draw.ellipse(self._disc(ball, size * ball.radius, off), fill=self._colour(ball.paint, light))

    def _round(self, solid: Round) -> None:
        if solid.tip == solid.radius:
            box = self._disc(solid, solid.radius)
            self._draw.ellipse(box, fill=self._colour(solid.cap), outline=self._colour(solid.cap, 0.7))
            return
        power = 0.25 * self._day.power
        sun = float(np.degrees(np.arctan2(self._sun[1], self._sun[0])))
        box = self._disc(solid, solid.radius)
        for turn in range(0, 360, 60):  # a cone's sides, by how they face the sun
            light = 0.95 + power * float(np.cos(np.radians(turn + 30 - sun)))
            self._draw.pieslice(box, turn, turn + 60, fill=self._colour(solid.sides, light))
        if solid.tip:
            self._draw.ellipse(self._disc(solid, solid.tip), fill=self._colour(solid.cap))

    def _colour(self, paint: Paint, light: float = 1.0) -> tuple[int, int, int]:
        red, green, blue = np.clip(self._day.colour(paint, upward=True) * light, 0, 255).astype(int).tolist()
        return red, green, blue

    def _at(self, points: np.ndarray) -> list[float]:
        # Pillow cuts fractions off and paints the last pixel, too: on average shapes are where they should be.
        return ((points + 0.5 * EXTENT) * self._scale).ravel().tolist()

    def _disc(self, solid: Round | Ball, radius: float, off: np.ndarray | float = 0.0) -> list[float]:
        middle = np.array([solid.x, solid.y]) + off
        return self._at(np.stack([middle - radius, middle + radius]))
