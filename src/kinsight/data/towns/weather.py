"""Season, weather and light of one view: which colour every material has that day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from kinsight.data.towns.solids import SURFACES, Paint

Season = Literal["spring", "summer", "autumn", "winter"]
Sky = Literal["clear", "cloudy", "haze", "dusk"]
SEASONS: tuple[Season, ...] = ("spring", "summer", "autumn", "winter")
SKIES: tuple[Sky, ...] = ("clear", "cloudy", "haze", "dusk")
RGB = tuple[int, int, int]

_WALLS_AND_ROOFS: dict[str, RGB] = {
    "white": (226, 222, 212),
    "red": (164, 78, 62),
    "ochre": (208, 172, 104),
    "slate": (84, 88, 100),
    "thatch": (134, 110, 78),
    "concrete": (160, 158, 152),
    "gravel": (148, 140, 132),
    "glass": (112, 148, 172),
    "green": (98, 140, 112),
    "rose": (202, 140, 130),
    "copper": (110, 168, 148),
    "steel": (176, 184, 192),
    "rust": (170, 100, 62),
    "sand": (206, 190, 158),
    "gold": (218, 178, 70),
    "violet": (124, 88, 150),
    "dark": (52, 50, 54),
    "bark": (88, 70, 56),
}
_LEAVES: dict[str, dict[Season, RGB]] = {
    "oak": {"spring": (118, 158, 72), "summer": (74, 112, 52), "autumn": (184, 116, 48), "winter": (112, 98, 88)},
    "poplar": {"spring": (146, 172, 84), "summer": (96, 128, 60), "autumn": (206, 172, 62), "winter": (124, 110, 98)},
    "conifer": {"spring": (56, 94, 68), "summer": (48, 84, 62), "autumn": (52, 82, 66), "winter": (82, 104, 98)},
    "cherry": {"spring": (228, 178, 192), "summer": (88, 124, 60), "autumn": (172, 70, 52), "winter": (108, 90, 86)},
}
_GROUND: dict[str, dict[Season, tuple[RGB, ...]]] = {
    "grass": {
        "spring": ((122, 164, 82), (84, 118, 64), (176, 190, 96)),
        "summer": ((96, 132, 66), (182, 168, 110), (200, 186, 140)),
        "autumn": ((124, 128, 74), (152, 116, 72), (92, 84, 62)),
        "winter": ((226, 230, 234), (146, 142, 108), (94, 90, 74)),
    },
    "field": {
        "spring": ((126, 96, 70), (214, 200, 84)),
        "summer": ((208, 180, 98), (96, 132, 62)),
        "autumn": ((184, 156, 100), (118, 92, 70)),
        "winter": ((218, 222, 226), (128, 104, 84)),
    },
    "garden": {
        "spring": ((104, 78, 58), (196, 120, 140), (150, 190, 84)),
        "summer": ((70, 104, 48), (200, 96, 84), (222, 198, 96)),
        "autumn": ((96, 70, 52), (172, 84, 52), (196, 172, 116)),
        "winter": ((220, 224, 228), (84, 66, 54), (150, 132, 110)),
    },
    "water": {
        "spring": ((92, 132, 150), (140, 126, 92), (60, 74, 78)),
        "summer": ((66, 118, 164), (104, 124, 70), (196, 206, 204)),
        "autumn": ((100, 120, 124), (126, 108, 80), (56, 64, 66)),
        "winter": ((196, 210, 220), (88, 104, 118), (62, 70, 84)),
    },
}
_PAVED: dict[str, tuple[RGB, ...]] = {  # dry, wet, dusty, under leaves, bleached by the sun
    "street": ((112, 112, 116), (66, 70, 78), (186, 166, 128), (142, 106, 72), (206, 204, 198)),
    "pavement": ((168, 162, 154), (110, 108, 108), (204, 184, 146), (158, 122, 84), (222, 218, 210)),
    "plaza": ((182, 164, 144), (120, 108, 100), (196, 180, 154), (164, 118, 82), (214, 206, 196)),
    "lot": ((140, 138, 134), (86, 84, 88), (210, 190, 150), (150, 96, 62), (228, 226, 220)),
    "lane": ((126, 118, 106), (72, 68, 68), (196, 172, 128), (146, 104, 66), (212, 208, 196)),
    "tiles": ((190, 150, 128), (128, 98, 88), (200, 166, 142), (160, 112, 78), (220, 196, 180)),
    "shore": ((176, 164, 128), (118, 108, 88), (190, 178, 144), (150, 116, 78), (216, 206, 178)),
    "marking": ((222, 222, 216), (186, 188, 190), (224, 220, 206), (200, 190, 170), (236, 236, 232)),
}
_AIR: dict[Sky, tuple[RGB, RGB]] = {  # at the zenith, at the horizon
    "clear": ((88, 142, 206), (196, 218, 232)),
    "cloudy": ((150, 156, 164), (198, 200, 202)),
    "haze": ((178, 190, 196), (222, 220, 212)),
    "dusk": ((92, 92, 138), (232, 176, 136)),
}
_CASTS: dict[Sky, RGB] = {
    "clear": (255, 252, 244),
    "cloudy": (226, 232, 240),
    "haze": (246, 242, 232),
    "dusk": (236, 196, 176),
}
_SUN: dict[Sky, float] = {"clear": 1.0, "cloudy": 0.15, "haze": 0.45, "dusk": 0.7}


@dataclass(frozen=True)
class Weather:
    """One view's day.

    Attributes:
        sun: where it stands: an angle of the aerial picture, in degrees.
        low: how many metres of shadow a metre of height throws.
        power: of the sun against the light of the whole sky, 0 to 1.
        snow: on roofs and conifers, 0 to 1.
        bare: the share of a crown that one can look through.
        ground: (surfaces, 3).
        air: (2, 3), at the zenith and at the horizon.
        cast: (3,), the light's own colour.
    """

    season: Season
    sky: Sky
    sun: float
    low: float
    power: float
    snow: float
    bare: float
    ground: np.ndarray
    air: np.ndarray
    cast: np.ndarray

    def colour(self, paint: Paint, *, upward: bool = False) -> np.ndarray:
        """(3,); `upward`: where snow lies."""
        leaves = _LEAVES.get(paint.material)
        plain = np.array(leaves[self.season] if leaves else _WALLS_AND_ROOFS[paint.material]) * paint.tint
        snow = self.snow * (1.0 if upward else 0.35 if leaves else 0.0)
        return plain + snow * (np.array([232.0, 236, 240]) - plain)


def weather(season: Season, rng: np.random.Generator) -> Weather:
    """A day of a season."""
    sky = SKIES[int(rng.choice(len(SKIES), p=[0.4, 0.25, 0.2, 0.15]))]
    states = {"winter": (0, 1, 4), "autumn": (0, 1, 3, 3), "spring": (0, 1, 2), "summer": (0, 2, 4)}[season]
    ground = np.zeros((len(SURFACES), 3))
    white = season == "winter" and rng.random() < 0.6
    for number, surface in enumerate(SURFACES):
        if surface in _PAVED:
            choice = np.array(_PAVED[surface][int(rng.integers(5) if surface == "lot" else rng.choice(states))], float)
            ground[number] = choice + (0.55 if white and surface not in ("street", "lane") else 0.25 * white) * (
                228 - choice
            )
        else:
            colours = _GROUND[surface][season]
            ground[number] = colours[0 if white or len(colours) == 1 else int(rng.integers(len(colours)))]
    ground *= np.exp(rng.normal(0, 0.14, (len(SURFACES), 1)) + rng.normal(0, 0.02, (len(SURFACES), 3)))
    return Weather(
        season,
        sky,
        sun=float(rng.uniform(0, 360)),
        low=float(rng.uniform(0.4, 1.1)),
        power=_SUN[sky],
        snow=0.6 if white else 0.0,
        bare={"spring": 0.1, "summer": 0.0, "autumn": 0.15, "winter": 0.5}[season],
        ground=ground,
        air=np.array(_AIR[sky], float),
        cast=np.array(_CASTS[sky], float) / 255 * np.exp(rng.normal(0, 0.12) + rng.normal(0, 0.06, 3)),
    )
