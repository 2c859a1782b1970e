"""Laying a town out: streets through and past its middle, water, fields and squares, and what is built and grown there."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from kinsight.data.towns.kinds import BUILDINGS, LANDMARKS, TREES, building, landmark, tree
from kinsight.data.towns.solids import CELLS, REACH, SURFACES, Box, Round, Thing, Town

_COARSE = 2  # cells a metre, where only taken and free are told apart
_CLEAR = 5.0  # metres around the camera that stay free
_STREET, _PATH = 7.0, 2.0  # metres wide
_CIRCLE = np.stack([np.cos(np.arange(12) * np.pi / 6), np.sin(np.arange(12) * np.pi / 6)], 1)


def plan(rng: np.random.Generator) -> Town:
    """A town at random. The camera stands on one of its streets."""
    site = _Site()
    angle = float(rng.uniform(0, 2 * np.pi))
    streets = _streets(angle, rng)
    for _ in range(int(rng.integers(10, 17))):  # what grows and lies there changes from day to day more than streets do
        patch = str(rng.choice(["field", "garden", "lot", "plaza"]))
        site.patch(rng.uniform(-50, 50, 2), rng.uniform(5, 14, 2), angle, patch)
    if rng.random() < 0.65:
        site.water(angle, rng)
    for street in streets:
        site.street(street)
    for number, street in enumerate(streets):
        site.roadway(street, "street" if number % 2 else "lane")
    for street in streets:
        site.marking(street)
    few = rng.permutation(len(BUILDINGS))[: int(rng.integers(4, 7))]  # a town has a style
    things = _landmarks(site, angle, rng)
    for street in streets:
        things += _houses(site, street, few, rng)
    things += _trees(site, streets, rng)
    return Town(np.asarray(site.ground).copy(), tuple(things), np.concatenate([_lanes(street) for street in streets]))


class _Site:
    """The ground, and what of it is taken: two pictures on which shapes are drawn and looked up."""

    def __init__(self) -> None:
        self.ground = Image.new("L", (round(2 * REACH * CELLS),) * 2, 0)
        self.taken = Image.new("L", (round(2 * REACH * _COARSE),) * 2, 0)
        self._ground, self._taken = ImageDraw.Draw(self.ground), ImageDraw.Draw(self.taken)
        self._taken.ellipse(_at(np.array([[-_CLEAR, -_CLEAR], [_CLEAR, _CLEAR]]), _COARSE), fill=1)

    def patch(self, middle: np.ndarray, half: np.ndarray, angle: float, surface: str) -> None:
        """A rectangle of ground; things may stand there."""
        corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * half @ _turn(angle) + middle
        self._ground.polygon(_cells(corners), fill=SURFACES.index(surface))

    def disc(self, middle: np.ndarray, radius: float, surface: str) -> None:
        """A disc of ground."""
        self._ground.ellipse(_cells(np.stack([middle - radius, middle + radius])), fill=SURFACES.index(surface))

    def water(self, angle: float, rng: np.random.Generator) -> None:
        """A river that passes the camera, or a pond."""
        way = angle + rng.uniform(0.3, np.pi - 0.3)
        away = rng.uniform(17, 42) * rng.choice([-1, 1])
        if rng.random() < 0.5:
            along = np.linspace(-110, 110, 23)
            bends = away + 5 * np.sin(along / rng.uniform(10, 22) + rng.uniform(0, 6))
            course = np.stack([along, bends], 1) @ _turn(way)
            width = rng.uniform(7, 12)
            for surface, extra in (("shore", 2.5), ("water", 0.0)):
                self._band(course, width + extra, surface)
            self._taken.polygon(_at(_outline(course, width + 3), _COARSE), fill=1)
            return
        middle = np.array([np.cos(way), np.sin(way)]) * away
        turns = np.linspace(0, 2 * np.pi, 25)[:-1]
        radii = rng.uniform(7, 11) * (1 + 0.2 * np.sin(2 * turns + rng.uniform(0, 6)) + 0.1 * np.sin(3 * turns))
        rim = np.stack([np.cos(turns), np.sin(turns)], 1)
        self._ground.polygon(_cells(middle + rim * (radii + 1.3)[:, None]), fill=SURFACES.index("shore"))
        self._ground.polygon(_cells(middle + rim * radii[:, None]), fill=SURFACES.index("water"))
        self._taken.polygon(_at(middle + rim * (radii + 1.5)[:, None], _COARSE), fill=1)

    def street(self, course: np.ndarray) -> None:
        """The ground of a street, as wide as with its pavements; a bridge is a street over water."""
        self._band(course, _STREET + 2 * _PATH, "pavement")
        self._taken.polygon(_at(_outline(course, _STREET + 2 * _PATH), _COARSE), fill=1)

    def roadway(self, course: np.ndarray, surface: str) -> None:
        """What cars use of a street, over all pavements, so that crossings are open."""
        self._band(course, _STREET, surface)

    def marking(self, course: np.ndarray) -> None:
        """The broken line along the middle of a street."""
        rim = _outline(course, 0.35)
        left, right = rim[: len(course)], rim[: len(course) - 1 : -1]
        for i in range(0, len(course) - 1, 2):
            dash = np.stack([left[i], left[i + 1], right[i + 1], right[i]])
            self._ground.polygon(_cells(dash), fill=SURFACES.index("marking"))

    def take(self, thing: Thing, margin: float) -> bool:
        """Take the ground of a thing's solids, where nothing of it is taken yet."""
        shapes = []
        for solid in thing.solids:
            if isinstance(solid, Box):
                shapes.append(solid.corners(margin))
            else:
                shapes.append(_CIRCLE * max(solid.radius + margin, 0.3) + (solid.x, solid.y))
        points = np.concatenate(shapes)
        if np.abs(points).max() > REACH - 1:
            return False
        corner = np.floor(points.min(0))
        width, height = (int(each) for each in np.ceil((points.max(0) - corner + 1) * _COARSE))
        stamp = Image.new("L", (width, height), 0)
        drawing = ImageDraw.Draw(stamp)
        for shape in shapes:
            drawing.polygon(((shape - corner) * _COARSE).ravel().tolist(), fill=255)
        left, top = (int(each) for each in (corner + REACH) * _COARSE)
        here = self.taken.crop((left, top, left + width, top + height))
        if (np.asarray(here) & np.asarray(stamp)).any():
            return False
        self.taken.paste(1, (left, top), stamp)
        return True

    def _band(self, course: np.ndarray, width: float, surface: str) -> None:
        self._ground.polygon(_cells(_outline(course, width)), fill=SURFACES.index(surface))


def _outline(course: np.ndarray, width: float) -> np.ndarray:
    """(2 M, 2): around a course (M, 2) with so many metres across."""
    step = np.gradient(course, axis=0)
    aside = np.stack([-step[:, 1], step[:, 0]], 1) * (0.5 * width / np.linalg.norm(step, axis=1, keepdims=True))
    return np.concatenate([course + aside, (course - aside)[::-1]])


def _turn(angle: float) -> np.ndarray:
    """(2, 2), by which rows of along and across become x and y."""
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def _cells(points: np.ndarray) -> list[float]:
    return _at(points, CELLS)


def _at(points: np.ndarray, cells: int) -> list[float]:
    return ((points + REACH) * cells).ravel().tolist()


def _streets(angle: float, rng: np.random.Generator) -> list[np.ndarray]:
    """Courses (M, 2) with a point every two metres: one under the camera, one or two across it, perhaps one beside it."""
    along = np.arange(-90.0, 91.0, 2.0)
    bend = rng.uniform(-8, 8) * (along / 60) ** 2  # straight where the camera is
    middle = rng.uniform(-1.8, 1.8)
    streets = [np.stack([along, middle + bend], 1) @ _turn(angle)]
    places = [rng.uniform(-32, 32)]
    if rng.random() < 0.6:
        places.append(places[0] + rng.choice([-1, 1]) * rng.uniform(34, 48))
    for place in places:
        part = rng.random()  # to both sides, or to one
        reach = along[along >= 0] if part < 0.3 else along[along <= 0] if part < 0.6 else along
        across = np.stack([place + 0.15 * rng.normal() * reach, reach], 1) @ _turn(angle)
        streets.append(across)
    if rng.random() < 0.5:
        offset = rng.choice([-1, 1]) * rng.uniform(34, 46)
        streets.append(np.stack([along, offset + 0 * along], 1) @ _turn(angle))
    return streets


def _lanes(street: np.ndarray) -> np.ndarray:
    step = np.diff(street, axis=0)
    step /= np.linalg.norm(step, axis=1, keepdims=True)
    side = np.stack([-step[:, 1], step[:, 0]], 1)
    lanes = [np.concatenate([street[:-1] + offset * side, step], 1) for offset in (-2.6, 2.6)]
    return np.concatenate(lanes)


def _landmarks(site: _Site, angle: float, rng: np.random.Generator) -> list[Thing]:
    kinds = [str(kind) for kind in rng.choice(LANDMARKS, int(rng.integers(2, 5)))]
    found: list[Thing] = []
    for kind in kinds:
        for _ in range(12):
            away, way = rng.uniform(15, 44), rng.uniform(0, 2 * np.pi)
            x, y = float(away * np.cos(way)), float(away * np.sin(way))
            thing = landmark(kind, x, y, angle + float(rng.integers(4)) * np.pi / 2)
            if site.take(thing, 1.5):
                if isinstance(thing.solids[0], Round) and kind != "silos":
                    site.disc(np.array([x, y]), thing.solids[0].radius + 2.5, "tiles")
                found.append(thing)
                break
    return found


def _houses(site: _Site, street: np.ndarray, kinds: np.ndarray, rng: np.random.Generator) -> list[Thing]:
    step = np.diff(street, axis=0)
    ways = np.arctan2(step[:, 1], step[:, 0])
    found = []
    for side in (-1, 1):
        at, favourite = float(rng.uniform(0, 12)), rng.choice(kinds)
        while at < 2.0 * len(ways):
            point, way = street[int(at / 2)], ways[int(at / 2)]
            if rng.random() < 0.25:  # the next row of equal houses
                favourite = rng.choice(kinds)
            kind = BUILDINGS[favourite]
            turned = rng.random() < 0.25
            away = _STREET / 2 + _PATH + kind.width[1] * (0.8 if turned else 0.5) + rng.uniform(0.5, 5)
            x, y = point + side * away * np.array([-np.sin(way), np.cos(way)])
            house = building(kind, float(x), float(y), way + (np.pi / 2 if turned else 0), rng)
            built = rng.random() < 0.88 and site.take(house, 0.8)
            found += [house] if built else []
            at += 0.5 * kind.length[1] + (0.5 * kind.length[1] + rng.uniform(1, 5) if built else 3)
    return found


def _trees(site: _Site, streets: list[np.ndarray], rng: np.random.Generator) -> list[Thing]:
    wanted: list[tuple[str, np.ndarray]] = []
    for street in streets:
        if rng.random() < 0.5:  # an avenue, on one side
            step = np.diff(street, axis=0)
            aside = np.stack([-step[:, 1], step[:, 0]], 1) / 2 * rng.choice([-1, 1]) * (_STREET / 2 + _PATH + 2.2)
            kind, first = str(rng.choice(TREES)), int(rng.integers(4))
            wanted += [(kind, place) for place in (street[:-1] + aside)[first :: int(rng.integers(4, 7))]]
    for _ in range(int(rng.integers(2, 5))):  # groves
        middle, kind = rng.uniform(-55, 55, 2), str(rng.choice(TREES))
        wanted += [(kind, middle + rng.normal(0, 7, 2)) for _ in range(int(rng.integers(3, 10)))]
    wanted += [(str(rng.choice(TREES)), rng.uniform(-65, 65, 2)) for _ in range(int(rng.integers(8, 22)))]
    grown = [tree(kind, float(x), float(y), rng) for kind, (x, y) in wanted]
    return [each for each in grown if site.take(each, -0.6)]
