"""The page that compares runs: what they find, where they look, and the pairs that they judge most differently."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from kinsight.evaluation.estimate import DECIMALS, Estimate
from kinsight.explanation.measuring.localization_result import HELD_OUT, Localization
from kinsight.explanation.pair import Pair, Side, View
from kinsight.show.page import environment
from kinsight.show.pair.data import short_name
from kinsight.show.signed_colours import signed_colours
from kinsight.show.table import aligned
from kinsight.show.thumbnails import data_uri

SIDE, LIMIT = 320, 40_000
RETRIEVAL = {"precision_at_1": "Precision at 1", "r_precision": "R-precision", "map_at_r": "MAP@R"}
PLACES = {HELD_OUT: "right boxes", "box_energy": "energy inside the box", "mask_energy": "energy inside the mask"}
SPLITS = {"train": "classes it was trained on", "test": "unseen classes", "validation": "validation classes"}


@dataclass(frozen=True)
class Measured:
    """One run on one split.

    Attributes:
        run: its name.
        split: train, test, ...
        pictures: how many.
        metrics: what `evaluate` gave.
        localization: where its maps look, if the data have boxes.
    """

    run: str
    split: str
    pictures: int
    metrics: dict[str, float]
    localization: Localization | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        found = None if self.localization is None else self.localization.to_dict()
        return {
            "run": self.run,
            "split": self.split,
            "pictures": self.pictures,
            "metrics": self.metrics,
            "localization": found,
        }


@dataclass(frozen=True)
class Explained:
    """A pair of pictures that two runs judge differently, explained by both.

    Attributes:
        runs: their names.
        pairs: the same pictures, explained by the one and by the other.
        standard: their similarities in standard deviations above the mean of random pairs.
        same_class: whether the pictures are of one class.
    """

    runs: tuple[str, str]
    pairs: tuple[Pair, Pair]
    standard: tuple[float, float]
    same_class: bool

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "runs": list(self.runs),
            "pictures": [self.pairs[0].query.name, self.pairs[0].other.name],
            "same_class": self.same_class,
            "similarities": [pair.similarity for pair in self.pairs],
            "standard_deviations": list(self.standard),
            "terms": [pair.terms._asdict() for pair in self.pairs],
            "completeness_errors": [pair.completeness_error for pair in self.pairs],
        }


def diagnosis_html(measured: Sequence[Measured], explained: Sequence[Explained]) -> str:
    """The page as one HTML text with every style and picture inside it."""
    runs = list(dict.fromkeys(each.run for each in measured))
    splits = list(dict.fromkeys(each.split for each in measured))
    blocks = [_block(split, [each for each in measured if each.split == split], runs) for split in splits]
    template = environment().get_template("diagnosis.html")
    return template.render(runs=runs, blocks=blocks, explained=[_shown(each) for each in explained])


def diagnosis_table(measured: Sequence[Measured]) -> str:
    """The numbers of the page as plain text, for a terminal."""
    runs = list(dict.fromkeys(each.run for each in measured))
    tables = []
    for split in dict.fromkeys(each.split for each in measured):
        block = _block(split, [each for each in measured if each.split == split], runs)
        head = [f"on {block['title']}", *runs]
        tables.append(aligned([head, *([title, *(cell or "-" for cell in cells)] for title, cells in block["rows"])]))
    return "\n\n".join(tables)


def _block(split: str, measured: Sequence[Measured], runs: Sequence[str]) -> dict[str, Any]:
    by_run = {each.run: each for each in measured}
    columns = [by_run[run] for run in runs]
    rows = [(title, [_percent(Estimate.of(each.metrics, key)) for each in columns]) for key, title in RETRIEVAL.items()]
    located = [each.localization for each in columns]
    known = [each for each in located if each is not None]
    if known:
        # The baselines that look at no picture are the same for all runs.
        for method in known[0].scores:
            for figure, title in PLACES.items():
                cells = ["" if each is None else _percent(each.figure(method, figure)) for each in located]
                if any(cells):
                    rows.append((f"{method}: {title}", cells))
    spaces = [[f"{each.metrics[f'effective_dimensions_{share}']:,.0f}" for share in (90, 95, 99)] for each in columns]
    rows.append(("Effective dimensions at 90 / 95 / 99 % of the variance", [" / ".join(each) for each in spaces]))
    return {
        "title": SPLITS.get(split, f"split {split}"),
        "note": f"{columns[0].pictures:,} pictures, {columns[0].metrics['classes']:,.0f} classes",
        "rows": rows,
    }


def _percent(estimate: Estimate) -> str:
    return estimate.text(unit="%") if estimate.known else ""


def _shown(explained: Explained) -> dict[str, Any]:
    first = explained.pairs[0]
    keen = 0 if explained.standard[0] > explained.standard[1] else 1
    return {
        "names": [short_name(first.query, "query"), short_name(first.other, "other")],
        "pictures": [_plain(first.query), _plain(first.other)],
        "verdict": "same class" if explained.same_class else "different classes",
        "same_class": explained.same_class,
        "keen": explained.runs[keen],
        "readings": [
            {
                "run": run,
                "similarity": DECIMALS(pair.similarity),
                "standard": f"{standard:+.1f}",
                "maps": [_overlay(pair, "query"), _overlay(pair, "other")],
                "terms": [
                    ("places to places", DECIMALS(pair.terms.places, signed=True)),
                    ("places to bias", DECIMALS(pair.terms.query_bias + pair.terms.other_bias, signed=True)),
                    ("bias to bias", DECIMALS(pair.terms.bias, signed=True)),
                ],
            }
            for run, pair, standard in zip(explained.runs, explained.pairs, explained.standard, strict=True)
        ],
    }


def _plain(view: View) -> str:
    return "" if view.picture is None else data_uri(Image.fromarray(view.picture), SIDE, LIMIT)


def _overlay(pair: Pair, side: Side) -> str:
    view = pair.query if side == "query" else pair.other
    scale = max(float(np.abs(pair.overall(each)).max()) for each in ("query", "other"))
    picture = np.full((*view.size, 3), 128, np.uint8) if view.picture is None else view.picture
    ground = Image.fromarray(picture).convert("L").convert("RGBA")
    colours = signed_colours(pair.pixels(side, pair.overall(side)), scale)  # (H, W, 4)
    coloured = Image.fromarray(colours, "RGBA").resize(ground.size, Image.Resampling.BILINEAR)
    return data_uri(Image.alpha_composite(ground, coloured).convert("RGB"), SIDE, LIMIT)
