"""Which way did the camera look: headings of panoramas on aerial pictures, held against true ones (Visual Explanation, section 5.3).

The aerial picture of every pair is turned by an angle of its own before the network sees it, and cut to the circle inscribed in
it, which looks alike however it is turned. So a network that knows how the pictures of a data set usually lie (north up, say)
cannot answer from habit, and chance is 7 / 360 within 3.5 degrees whatever the headings of the data.

Rows, on the same pairs:

- the ways of `kinsight.explanation.orientation.estimates`;
- colours: no network, the best circular shift of colours by direction;
- chance: any heading, each as often.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from kinsight.errors import KinsightError
from kinsight.explanation.explainer import Explainer
from kinsight.explanation.measuring.colours_by_direction import heading_of_colours
from kinsight.explanation.orientation.looks import Look, further_looks
from kinsight.explanation.orientation.reading import Reading, read
from kinsight.explanation.orientation.votes import Voting
from kinsight.explanation.pair import Pair
from kinsight.pictures.decoding import open_picture
from kinsight.pictures.directions import around, turned

COLOURS = "colours"
BACKGROUND = (124, 116, 104)  # the mean colour of ImageNet, which networks see as nothing
Source = str | Path | Image.Image | np.ndarray


@dataclass(frozen=True)
class Streams:
    """What explains each view; both of one space, and one and the same for a model of one stream."""

    street: Explainer
    aerial: Explainer


@dataclass(frozen=True, eq=False)
class Readings:
    """What was read of N pairs.

    Attributes:
        found: by row (the ways, and colours) the headings (N,), of the pictures as they are.
        height, lead: (N,), of the peaks of the votes.
        street, aerial: (N, 2), x, y of the places that decided, in pixels of the upright panorama, and of the aerial picture as
            it was turned.
        turns: (N,), how far each aerial picture was turned clockwise.
        similarity: (N,), of the pairs.
        column: degrees of the circle that one column of places covers.
        completeness: the largest difference between a similarity and the sum of its terms.
        affinity: the largest affinity error of both streams.
    """

    found: dict[str, np.ndarray]
    height: np.ndarray
    lead: np.ndarray
    street: np.ndarray
    aerial: np.ndarray
    turns: np.ndarray
    similarity: np.ndarray
    column: float
    completeness: float
    affinity: float


def readings(
    streams: Streams,
    street: Sequence[Source],
    aerial: Sequence[Source],
    *,
    turn: bool = True,
    voting: Voting | None = None,
    colours: bool = True,
    batch_size: int = 16,
    seed: int = 0,
) -> Readings:
    """Read the headings of pairs, each way.

    Args:
        streams: the model.
        street, aerial: N pictures each, panoramas all around and aerial pictures about the same places.
        turn: turn every aerial picture by an angle drawn from the seed and its place in the list; else leave it as it lies.
        voting: how places vote.
        colours: add the row of colours alone.
        batch_size: pictures at a time.
        seed: of the turns.

    Raises:
        KinsightError: no pair, unequally many pictures, or a picture that cannot be used.
    """
    if len(street) != len(aerial) or not len(street):
        raise KinsightError(
            f"{len(street)} panoramas and {len(aerial)} aerial pictures are no pairs; give one of each for every place, and at least one"
        )
    turns = drawn_turns(len(street), seed) if turn else np.zeros(len(street))
    found: list[Reading] = []
    guessed, similarity, completeness, affinity = [], [], [], []
    column = 0.0
    for row in range(len(street)):
        pair, reading = looked_at(
            streams, street[row], aerial[row], turn=float(turns[row]), cut=turn, voting=voting, batch_size=batch_size
        )
        found.append(reading)
        similarity.append(pair.similarity)
        completeness.append(pair.completeness_error)
        affinity.append(pair.affinity_error)
        axis = pair.query.drawn_at.columns
        column = 360 * axis.step / axis.pixels
        if colours:
            shown = lying(aerial[row], float(turns[row]), cut=turn)
            guessed.append(heading_of_colours(open_picture(street[row]), shown))
    headings = {name: np.array([each.headings[name] for each in found]) for name in found[0].headings}
    headings |= {COLOURS: np.array(guessed)} if colours else {}
    return Readings(
        {name: np.asarray(around(values - turns)) for name, values in headings.items()},
        np.array([each.height for each in found]),
        np.array([each.lead for each in found]),
        np.array([each.street for each in found]),
        np.array([each.aerial for each in found]),
        turns,
        np.array(similarity),
        column,
        max(completeness),
        max(affinity),
    )


def looked_at(
    streams: Streams,
    street: Source,
    aerial: Source,
    *,
    turn: float = 0.0,
    cut: bool = False,
    voting: Voting | None = None,
    batch_size: int = 16,
) -> tuple[Pair, Reading]:
    """One pair, and what was read of all looks at it.

    Args:
        streams: the model.
        street, aerial: the panorama and the aerial picture.
        turn: degrees by which the aerial picture lies turned clockwise.
        cut: whether it is cut to its inscribed circle; with several looks it always is.
        voting: how places vote, and how often is looked; the usual way if None.
        batch_size: pictures at a time.

    Raises:
        KinsightError: a picture cannot be used.
    """
    voting = voting or Voting()
    further = further_looks(voting.turns, mirrored=voting.mirrored)
    cut = cut or bool(further)
    panorama = open_picture(street)
    asked = {False: panorama, **({True: ImageOps.mirror(panorama)} if voting.mirrored else {})}
    views = dict(zip(asked, streams.street.views(list(asked.values()), batch_size=batch_size), strict=True))
    above = open_picture(aerial)
    shown = [lying(above, turn, cut=cut), *(_again(above, turn, look) for look in further)]
    first, *others = streams.aerial.views(shown, batch_size=batch_size)
    pair = Pair(views[False], first)
    again = ((look, Pair(views[look.mirrored], view)) for look, view in zip(further, others, strict=True))
    return pair, read(pair, voting, again)


def _again(above: Image.Image, turn: float, look: Look) -> Image.Image:
    """An aerial picture that lies turned, looked at: turned once, not twice, so that it stays sharp."""
    if look.mirrored:
        return lying(ImageOps.mirror(above), look.turn - turn, cut=True)
    return lying(above, look.turn + turn, cut=True)


def drawn_turns(count: int, seed: int) -> np.ndarray:
    """(count,): the angle by which each aerial picture is turned, drawn from the seed and its number alone."""
    return np.array([np.random.default_rng((seed, number)).uniform(0, 360) for number in range(count)])


def lying(source: Source, degrees: float, *, cut: bool) -> Image.Image:
    """An aerial picture turned clockwise about its middle; `cut` to its inscribed circle."""
    picture = open_picture(source)
    if degrees:
        picture = turned(picture, degrees)
    if not cut:
        return picture
    width, height = picture.size
    radius = min(width, height) / 2
    inside = Image.new("L", picture.size, 0)
    ImageDraw.Draw(inside).ellipse(
        (width / 2 - radius, height / 2 - radius, width / 2 + radius - 1, height / 2 + radius - 1), fill=255
    )
    return Image.composite(picture, Image.new("RGB", picture.size, BACKGROUND), inside)
