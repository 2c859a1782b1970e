"""A town seen from the street: rays from the camera, one for each column of a cylinder, cut with every solid.

A ray's cut with a solid is a span of distances; seen from the camera's height it is a span of rows. The nearest of all solids
is what a pixel shows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from kinsight.data.towns.solids import Ball, Box, Paint, Round, Solid, Thing, Town
from kinsight.data.towns.weather import Weather
from kinsight.pictures.directions import direction, panorama_angle

EYE = 2.6  # metres above the street
_HORIZON = 0.56  # of the height
_FAR = 400.0  # metres, of the hills


class _Rays(NamedTuple):
    """Where columns look: (columns,) each; and how steeply rows look up, (rows, 1)."""

    x: np.ndarray
    y: np.ndarray
    rise: np.ndarray


class _Span(NamedTuple):
    """What a solid covers of some columns: rows whose rise is between `low` and `high`, at `distance`; (columns,) each."""

    low: np.ndarray
    high: np.ndarray
    distance: np.ndarray
    paint: Paint
    light: np.ndarray  # how it faces the sun, -1 to 1
    along: np.ndarray  # metres along the wall
    windows: str = ""
    base: float = 0.0
    leaves: bool = False
    upward: bool = False


class Panorama(NamedTuple):
    """Colours (rows, columns, 3), and of every pixel the number of the thing that it shows: -1 where it is none."""

    colours: np.ndarray
    shown: np.ndarray


def panorama(
    town: Town, cars: tuple[Thing, ...], heading: float, day: Weather, rows: int, columns: int, rng: np.random.Generator
) -> Panorama:
    """What is seen around the camera, the left border looking at `heading`."""
    x, y = direction(heading + panorama_angle(np.arange(columns) + 0.5, columns))
    rise = (_HORIZON * rows - np.arange(rows) - 0.5) * (2 * np.pi / columns)
    rays = _Rays(np.asarray(x), np.asarray(y), rise[:, None])
    colours, distance = _surroundings(town, rays, day, rng)
    shown = np.full((rows, columns), -1, np.int32)
    sun = np.array(direction(day.sun))
    for number, thing in enumerate((*town.things, *cars)):
        for solid in thing.solids:
            for at, span in _spans(solid, rays, sun):
                _paint(colours, distance, shown, at, span, number if number < len(town.things) else -1, rays, day, rng)
    air = (1 - np.exp(-distance / (130 if day.sky == "haze" else 420)))[..., None]
    air[~np.isfinite(distance)] = 0
    colours += air * (day.air[1] - colours)
    return Panorama(colours, shown)


def _surroundings(town: Town, rays: _Rays, day: Weather, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Ground, hills and sky: colours (rows, columns, 3) and distances (rows, columns)."""
    rows, columns = len(rays.rise), len(rays.x)
    up = np.clip(rays.rise / rays.rise.max(), 0, 1)[..., None]
    clouds = _waves(columns, 9, rng)[None] * _waves(rows, 3, rng)[:, None]
    colours = day.air[1] + up**0.7 * (day.air[0] - day.air[1]) + (14 * clouds * up[..., 0])[..., None]
    distance = np.full((rows, columns), np.inf)
    hills = (rays.rise > 0) & (rays.rise < 0.03 + 0.03 * _waves(columns, 5, rng)[None])
    colours[hills] = 0.5 * day.ground[0] + 0.5 * day.air[1]
    distance[hills] = _FAR
    below = rays.rise[:, 0] < 0
    reach = EYE / -rays.rise[below]  # (rows below, 1)
    surface = town.surface(reach * rays.x, reach * rays.y)
    speckle = 1 + rng.normal(0, 0.03, surface.shape) * np.minimum(1, 12 / reach)
    colours[below] = day.ground[surface] * speckle[..., None]
    distance[below] = np.minimum(reach, _FAR)
    return colours, distance


def _waves(count: int, most: int, rng: np.random.Generator) -> np.ndarray:
    """(count,) between -1 and 1, smooth, and the same at both ends."""
    turns = np.linspace(0, 2 * np.pi, count, endpoint=False)
    waves = [np.sin(k * turns + rng.uniform(0, 2 * np.pi)) / k for k in range(1, most + 1)]
    return np.tanh(np.sum(waves, axis=0))


def _spans(solid: Solid, rays: _Rays, sun: np.ndarray) -> Iterator[tuple[np.ndarray, _Span]]:
    """The columns (n,) that a solid is seen in, and what it covers of them; at most twice: walls and roof."""
    along = solid.x * rays.x + solid.y * rays.y  # (columns,), of its middle on each ray
    aside = solid.x * rays.y - solid.y * rays.x
    at = np.flatnonzero((np.abs(aside) < solid.radius) & (along > 0))
    if at.size:
        along, aside = along[at], aside[at]
        if isinstance(solid, Box):
            yield from _box(solid, rays, at, sun)
        elif isinstance(solid, Ball):
            yield at, _ball(solid, along, aside, sun)
        else:
            yield at, _round(solid, rays, at, along, aside, sun)


def _box(box: Box, rays: _Rays, at: np.ndarray, sun: np.ndarray) -> Iterator[tuple[np.ndarray, _Span]]:
    way = box.axes @ np.stack([rays.x[at], rays.y[at]])  # (2, n), in the box's own axes
    start = box.axes @ np.array([-box.x, -box.y])  # (2,), the camera
    half = 0.5 * np.array([box.length, box.width])
    way = np.where(np.abs(way) < 1e-9, 1e-9, way)
    crossings = (np.array([-1, 1])[:, None, None] * half[:, None] - start[:, None]) / way  # (2, 2, n)
    near, far = crossings.min(0), crossings.max(0)
    enter, leave = near.max(0), far.min(0)
    hit = (enter < leave) & (enter > 0.3)
    at, way, near, enter, leave = at[hit], way[:, hit], near[:, hit], enter[hit], leave[hit]
    if not at.size:
        return
    end = near[0] > near[1]  # which wall it is: at an end of the long side, or a long one
    normals = np.where(end, box.axes[0][:, None] * -np.sign(way[0]), box.axes[1][:, None] * -np.sign(way[1]))
    light = sun @ normals  # (n,)
    hits = start[:, None] + enter * way  # (2, n)
    along = np.where(end, hits[1] + half[1], hits[0] + half[0])
    eaves = box.top + box.pitch * np.maximum(half[1] - np.abs(hits[1]), 0)  # gables reach the ridge
    high = (eaves - EYE) / enter
    yield at, _Span((box.base - EYE) / enter, high, enter, box.walls, light, along, box.windows, box.base)
    if box.pitch:
        steps = enter + np.linspace(0, 1, 9)[:, None] * (leave - enter)  # (9, n), on the ray under the roof
        over = box.top + box.pitch * (half[1] - np.abs(start[1] + steps * way[1]))
        roof = ((over - EYE) / steps).max(0)
        slope = sun @ (box.axes[1][:, None] * -np.sign(way[1])) * 0.7
        yield at, _Span(high, roof, enter + 0.2, box.roof, slope, along, upward=True)


def _ball(ball: Ball, along: np.ndarray, aside: np.ndarray, sun: np.ndarray) -> _Span:
    radius = np.sqrt(ball.radius**2 - aside**2)  # of its cut with the ray's upright plane, measured along the ray
    lift = (ball.z - EYE) / ball.stretch
    middle, half = np.arctan2(lift, along), np.arcsin(np.minimum(radius / np.hypot(along, lift), 0.99))
    low, high = (ball.stretch * np.tan(np.clip(middle + sign * half, -1.5, 1.5)) for sign in (-1, 1))
    light = _facing(ball, aside / ball.radius, sun)
    return _Span(low, high, along - radius, ball.paint, light, 0 * along, leaves=ball.leaves)


def _round(solid: Round, rays: _Rays, at: np.ndarray, along: np.ndarray, aside: np.ndarray, sun: np.ndarray) -> _Span:
    off = np.abs(aside)
    enter = along - np.sqrt(solid.radius**2 - aside**2)
    narrows = np.clip((solid.radius - off) / max(solid.radius - solid.tip, 1e-6), 0, 1)
    top = np.where(off <= solid.tip, solid.top, solid.base + (solid.top - solid.base) * narrows)
    distance = np.where(off <= solid.tip, enter, along - 0.5 * solid.radius)
    low, high = (solid.base - EYE) / enter, (top - EYE) / (enter if solid.tip > 0.9 * solid.radius else along)
    light = _facing(solid, aside / solid.radius, sun)
    return _Span(low, high, distance, solid.sides, light, 0 * along, leaves=solid.sides.material == "conifer")


def _facing(solid: Round | Ball, across: np.ndarray, sun: np.ndarray) -> np.ndarray:
    """How the surface of something round faces the sun, where a ray meets it `across` radii beside its middle."""
    back = -np.array([solid.x, solid.y]) / np.hypot(solid.x, solid.y)
    right = np.array([back[1], -back[0]])
    return np.sqrt(np.maximum(1 - across**2, 0)) * (sun @ back) + across * (sun @ right)


def _paint(
    colours: np.ndarray,
    distance: np.ndarray,
    shown: np.ndarray,
    at: np.ndarray,
    span: _Span,
    number: int,
    rays: _Rays,
    day: Weather,
    rng: np.random.Generator,
) -> None:
    rise = rays.rise[:, 0]
    below, above = np.searchsorted(-rise, [-span.high.max(), -span.low.min()])
    if below == above:
        return
    rise = rays.rise[below:above]  # (rows, 1), those that it can be seen in
    seen = (rise > span.low) & (rise <= span.high) & (span.distance < distance[below:above, at])  # (rows, n)
    share = (rise - span.low) / np.maximum(span.high - span.low, 1e-6)  # 0 at its foot, 1 at its top
    noise = rng.random(seen.shape) if span.leaves else None
    light = 1 + day.power * 0.24 * span.light + 0 * share
    if noise is not None:
        light = light * (0.72 + 0.34 * share + 0.3 * (noise - 0.5))
        if span.paint.material != "conifer":
            seen &= rng.random(seen.shape) >= day.bare
    colour = np.multiply.outer(light, day.colour(span.paint, upward=span.upward))  # (rows, n, 3)
    if span.windows:
        pane = _panes(span.windows, span.along, EYE + rise * span.distance - span.base)
        colour[pane] = 0.45 * colour[pane] + (12, 18, 28) if span.windows != "ribs" else 0.86 * colour[pane]
    row, column = np.nonzero(seen)
    colours[below + row, at[column]] = colour[row, column]
    distance[below + row, at[column]] = span.distance[column]
    shown[below + row, at[column]] = number


def _panes(windows: str, along: np.ndarray, high: np.ndarray) -> np.ndarray:
    """(rows, n): where a wall has its windows, by metres along it and above its foot."""
    u, v = along + 0 * high, high
    if windows == "ribs":
        return (u % 1.6) < 0.5
    if windows == "bands":
        return ((v % 3.2) > 1.1) & ((v % 3.2) < 2.6)
    wide, storey = (2.6, 2.9) if windows == "many" else (3.0, 2.7)
    return ((u % wide) > 0.8) & ((u % wide) < wide - 0.7) & ((v % storey) > 0.9) & ((v % storey) < 2.2)
