"""The still figure of a pair for papers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch
from matplotlib.ticker import MaxNLocator

from kinsight.explanation.matches import Match
from kinsight.explanation.pair import Pair, Side
from kinsight.explanation.view import View
from kinsight.files import writing
from kinsight.show.pair.data import short_name
from kinsight.show.signed_colours import signed_colours, signed_ramp

SIDES: tuple[Side, Side] = ("query", "other")
WIDTH = 7.0  # inches: two columns of most papers
DPI = 300
LINKS = 5
LABELS = 1.85  # inches for the names of the terms
START = -LABELS / 2.2  # where they start, in widths of the terms' axes
DRAWN = 512  # pixels of the longer side of a map
STRENGTH = 0.8  # of the map over the picture
OUTLINE = 0.5  # of a map's highest value: the line round what it says most

INK, SOFT, RULE = "#20242a", "#5d646e", "#d5d2ca"
WARM, COLD, SCORE = "#e8683a", "#3f78ea", "#17667a"
# Beside each other on any picture; the numbers tell the links apart where colours do not.
LINK_COLOURS = ("#ffd23f", "#3bd1c9", "#ff7bb5", "#a5e065", "#b99cff", "#ffffff")
TERMS = ("places, both", "query's places, other's bias", "other's places, query's bias", "bias, both")
FONTS = ["Helvetica Neue", "Helvetica", "Arial", "Liberation Sans", "DejaVu Sans"]


def write_pair_figure(path: str | Path, pair: Pair, *, links: int = LINKS) -> Path:
    """Write the still figure as PNG: the pictures with their strongest matches, the overall maps, the four terms, one scale of colours.

    Args:
        path: the file.
        pair: what is shown.
        links: how many of its strongest matches are drawn at most.
    """
    import matplotlib

    style: Any = {
        "font.family": "sans-serif",
        "font.sans-serif": FONTS,
        "font.size": 8,
        "text.color": INK,
        "axes.unicode_minus": True,
    }
    with matplotlib.rc_context(style):
        figure = _figure(pair, links)
        with writing(path) as temporary:
            FigureCanvasAgg(figure)
            figure.savefig(temporary, format="png", dpi=DPI, facecolor="white", metadata={"Software": "Kinsight"})
    return Path(path)


def _figure(pair: Pair, links: int) -> Figure:
    aspects = [_aspect(_view(pair, side)) for side in SIDES]
    margin, gap, below = 0.1, 0.12, 1.45  # inches; `below` holds the terms and the colours
    height = min((WIDTH - 2 * margin - gap) / sum(aspects), 3.4)
    total = 0.5 + 2 * height + 0.36 + below
    figure = Figure(figsize=(WIDTH, total))
    left = (WIDTH - gap - height * sum(aspects)) / 2
    scale = max(float(np.abs(pair.overall(side)).max()) for side in SIDES)
    upper: list[Axes] = []
    lower: list[Axes] = []
    for side, aspect, start in zip(SIDES, aspects, (left, left + height * aspects[0] + gap), strict=True):
        box = (start / WIDTH, height * aspect / WIDTH)
        for axes, top in ((upper, 0.42), (lower, 0.42 + height + 0.34)):
            axes.append(figure.add_axes((box[0], 1 - (top + height) / total, box[1], height / total)))
        view = _view(pair, side)
        _picture(upper[-1], view, grey=False)
        room = height * aspect + gap / 2
        _title(upper[-1], _fitting(f"{side}: {short_name(view, 'picture')}", room), INK)
        _picture(lower[-1], view, grey=True)
        _map(lower[-1], pair, side, scale)
        added = f"{_signed(pair.overall(side).sum())} in all"
        _title(lower[-1], f"what its places say: {added}" if room > 2 else added, SOFT)
    _links(figure, upper[0], upper[1], pair.matches(links), pair)
    tall = 0.75  # inches of the terms
    edge = min(left, 0.3)
    _terms(figure.add_axes(((edge + LABELS) / WIDTH, 0.36 / total, 2.2 / WIDTH, tall / total)), pair)
    _colour_bar(figure.add_axes((5.0 / WIDTH, (0.36 + tall / 2) / total, (2 - edge) / WIDTH, 0.1 / total)), scale)
    return figure


def _title(axes: Axes, text: str, colour: str) -> None:
    # A file's name may hold dollar signs, which are no mathematics.
    axes.set_title(text, fontsize=8, loc="left", pad=4, color=colour, parse_math=False)


def _picture(axes: Axes, view: View, *, grey: bool) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    picture = np.full((*view.size, 3), 235, np.uint8) if view.picture is None else view.picture
    if grey:  # every colour then belongs to the map
        light = picture @ np.array([0.299, 0.587, 0.114])
        picture = np.round(light[..., None] * STRENGTH + picture * (1 - STRENGTH)).astype(np.uint8)
    # All positions are shares of the picture, whatever its pixels; maps are stretched over the whole of it.
    axes.imshow(picture, extent=(0, 1, 1, 0), aspect="auto", interpolation="antialiased")


def _map(axes: Axes, pair: Pair, side: Side, scale: float) -> None:
    height, width = _view(pair, side).size
    grow = max(DRAWN / max(height, width), 1)
    large = _view(pair, side).drawn_at.scaled((round(height * grow), round(width * grow)))
    values = large.upsample(pair.overall(side))
    colours = signed_colours(values, scale)
    colours[..., 3] = np.round(colours[..., 3] * STRENGTH)
    axes.imshow(colours, extent=(0, 1, 1, 0), aspect="auto", interpolation="antialiased")
    if values.max() > 0 and min(values.shape) > 1:
        rows, columns = ((np.arange(count) + 0.5) / count for count in values.shape)
        for thickness, tone in ((2.0, "#0009"), (0.9, "white")):
            axes.contour(columns, rows, values, [OUTLINE * values.max()], colors=tone, linewidths=thickness)


def _links(figure: Figure, one: Axes, two: Axes, links: list[Match], pair: Pair) -> None:
    if not links:
        return
    values = [match.value for match in links]
    first, last = (_short(value) for value in (max(values), min(values)))
    each = f"{first} to {last}" if len(links) > 1 else first
    said = (
        f"Linked: the places that answer each other most, {each} of the similarity each; the wider the line, the more."
    )
    figure.text(0.5, 0.1 / figure.get_figheight(), said, ha="center", va="baseline", fontsize=7, color=SOFT)
    for number, match in enumerate(links):
        share = match.value / max(values)
        colour = LINK_COLOURS[number % len(LINK_COLOURS)]
        ends = [_share(view, *at) for at, view in ((match.query, pair.query), (match.other, pair.other))]
        for width, tone, strength in ((2 * share + 1.1, "black", 0.45), (2 * share, colour, 1.0)):
            figure.add_artist(
                ConnectionPatch(
                    ends[0],
                    ends[1],
                    "data",
                    "data",
                    axesA=one,
                    axesB=two,
                    color=tone,
                    alpha=strength,
                    linewidth=width,
                    zorder=3,
                )
            )
        for axes, (x, y) in zip((one, two), ends, strict=True):
            _badge(figure, axes, x, y, str(number + 1), colour)


def _badge(figure: Figure, axes: Axes, x: float, y: float, text: str, colour: str) -> None:
    # On the figure, not on the axes: what is drawn on axes would lie below the links.
    box = axes.get_position()
    figure.text(
        box.x0 + x * box.width, box.y1 - y * box.height, text, zorder=5,
        ha="center", va="center_baseline", fontsize=6.5, fontweight="bold", color=INK,
        bbox={"boxstyle": "circle,pad=0.22", "facecolor": colour, "edgecolor": "#000000b0", "linewidth": 0.8},
    )  # fmt: skip


def _terms(axes: Axes, pair: Pair) -> None:
    ends = np.concatenate([[0.0], np.cumsum(pair.terms)])
    axes.set_title("the similarity and what it is made of", fontsize=8, loc="left", pad=5, x=START, fontweight="bold")
    for row, (name, value) in enumerate(zip(TERMS, pair.terms, strict=True)):
        axes.barh(row, value, left=ends[row], height=0.58, color=COLD if value < 0 else WARM)
        axes.plot([ends[row + 1]] * 2, [row + 0.29, row + 0.71], color=SOFT, linewidth=0.6)
        axes.text(START, row, name, transform=axes.get_yaxis_transform(), va="center", fontsize=7.5)
        axes.text(1.04, row, _signed(value), transform=axes.get_yaxis_transform(), va="center", fontsize=7.5)
    axes.barh(4, pair.similarity, height=0.58, color=SCORE)
    axes.text(
        START, 4, "similarity", transform=axes.get_yaxis_transform(), va="center", fontsize=7.5, fontweight="bold"
    )
    axes.text(
        1.04,
        4,
        _signed(pair.similarity).replace("+", ""),
        transform=axes.get_yaxis_transform(),
        va="center",
        fontsize=7.5,
        fontweight="bold",
    )
    axes.axvline(0, color=SOFT, linewidth=0.6)
    low, high = min(0.0, ends.min(), pair.similarity), max(0.0, ends.max(), pair.similarity)
    axes.set_xlim(low - 0.01 * (high - low), high + 0.01 * (high - low) or 1)
    axes.set_ylim(4.5, -0.5)
    axes.axis("off")


def _colour_bar(axes: Axes, scale: float) -> None:
    ramp = signed_ramp() / 255.0
    shown = ramp[:, :3] * ramp[:, 3:] + (1 - ramp[:, 3:])  # over white
    mappable = ScalarMappable(Normalize(-scale or -1, scale or 1), ListedColormap(shown))
    bar = axes.figure.colorbar(mappable, cax=axes, orientation="horizontal", ticks=MaxNLocator(4, symmetric=True))
    bar.outline.set_edgecolor(RULE)
    bar.outline.set_linewidth(0.6)
    axes.tick_params(labelsize=7, length=2, color=SOFT)
    axes.set_title("less alike   ·   more alike", fontsize=7.5, pad=4)
    axes.set_xlabel("similarity per place", fontsize=7.5, labelpad=3)


def _share(view: View, y: float, x: float) -> tuple[float, float]:
    """A pixel as shares of the picture's width and height."""
    return (x + 0.5) / view.size[1], (y + 0.5) / view.size[0]


def _view(pair: Pair, side: Side) -> View:
    return pair.query if side == "query" else pair.other


def _aspect(view: View) -> float:
    height, width = view.size if view.picture is None else view.picture.shape[:2]
    return width / height


def _short(value: float) -> str:
    """Two digits of a positive number, with a power of ten where it is tiny."""
    if value >= 1e-4:
        return f"{value:.2g}"
    digits, power = f"{value:.1e}".split("e")
    return rf"${digits}\times10^{{{int(power)}}}$"


def _fitting(text: str, inches: float) -> str:
    """The text, or its beginning and its end where there is not enough room for 8 points."""
    most = max(int(inches / 0.062), 8)
    return text if len(text) <= most else f"{text[: most - most // 2 - 1]}…{text[-(most // 2) :]}"


def _signed(value: float) -> str:
    text = f"{value:+.3f}".replace("-", "\N{MINUS SIGN}")
    return "0.000" if float(f"{value:.3f}") == 0 else text
