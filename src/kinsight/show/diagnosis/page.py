"""The page that compares runs: what they find, where they look, and the pairs that they judge most differently."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from kinsight.evaluation.estimate import DECIMALS
from kinsight.explanation.measuring.localization import CENTRE, WHOLE
from kinsight.explanation.pair import Pair, Side
from kinsight.explanation.view import View
from kinsight.show.charts import Chart, Series, line_chart
from kinsight.show.diagnosis.conclusion import conclusion
from kinsight.show.diagnosis.result import Explained, Measured
from kinsight.show.diagnosis.table import methods_of, number_rows, rows_without_model, threshold_rows
from kinsight.show.overlay import overlay
from kinsight.show.page import environment
from kinsight.show.pair.data import short_name
from kinsight.show.splits import split_title
from kinsight.show.thumbnails import data_uri

SIDE, LIMIT = 320, 40_000


def diagnosis_html(measured: Sequence[Measured], explained: Sequence[Explained]) -> str:
    """The page as one HTML text with every style and picture inside it."""
    splits = list(dict.fromkeys(each.split for each in measured))
    by_split = {split: [each for each in measured if each.split == split] for split in splits}
    return (
        environment()
        .get_template("diagnosis.html")
        .render(
            conclusion=conclusion(measured),
            runs=list(dict.fromkeys(each.run for each in measured)),
            splits=[
                {
                    "title": split_title(split),
                    "extent": _extent(columns),
                    "runs": [each.run for each in columns],
                    "numbers": number_rows(columns),
                    "without_model": rows_without_model(columns),
                    "thresholds": threshold_rows(columns),
                }
                for split, columns in by_split.items()
            ],
            curves=[chart for split, columns in by_split.items() if (chart := _curves(split, columns)) is not None],
            explained=[_shown(each) for each in explained],
        )
    )


def _extent(measured: Sequence[Measured]) -> str:
    return f"{measured[0].pictures:,} pictures, {measured[0].metrics['classes']:,.0f} classes"


def _curves(split: str, measured: Sequence[Measured]) -> Chart | None:
    """The share of right boxes over the threshold, a line for each run and method."""
    series, legend = [], []
    for each in measured:
        for method in methods_of([each]):
            if method in (WHOLE, CENTRE) or each.localization is None:
                continue
            shares = np.array([estimate.value for estimate in each.localization.curve(method).values()])
            series.append(Series(f"{each.run}, {method}", np.array(each.localization.thresholds), shares))
            best = each.localization.best_threshold(method)
            legend.append((series[-1].name, f"{100 * shares.max():.1f} % at {best:g}"))
    if not series:
        return None
    name = f"On {split_title(split)}"
    svg = line_chart(
        series, f"Share of right boxes over the threshold, on {split_title(split)}", percent=True, across_name="cut at"
    )
    return Chart(name, svg, legend)


def _shown(explained: Explained) -> dict[str, Any]:
    first = explained.pairs[0]
    return {
        "names": [short_name(first.query, "query"), short_name(first.other, "other")],
        "pictures": [_plain(first.query), _plain(first.other)],
        "verdict": explained.verdict,
        "classes": explained.classes,
        "same_class": explained.same_class,
        "keen": explained.runs[explained.keen],
        "readings": [
            {
                "run": run,
                "similarity": DECIMALS(pair.similarity),
                "standard": f"{standard:+.1f}",
                "overall": [_overlay(pair, side, pair.overall(side)) for side in ("query", "other")],
                "peak": _peak(pair),
                "answer": _overlay(pair, "other", _answer(pair)),
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


def _peak(pair: Pair) -> tuple[str, str]:
    """Where the query's overall map peaks, in percent of its width and height."""
    found = pair.peak("query", pair.overall("query"))
    height, width = pair.query.size
    return f"{100 * (found.x + 0.5) / width:.1f}", f"{100 * (found.y + 0.5) / height:.1f}"


def _answer(pair: Pair) -> np.ndarray:
    """What answers in the other picture to that peak: the point map, (h', w')."""
    found = pair.peak("query", pair.overall("query"))
    return pair.point("query", found.y, found.x)


def _overlay(pair: Pair, side: Side, values: np.ndarray) -> str:
    view = pair.query if side == "query" else pair.other
    picture = np.full((*view.size, 3), 128, np.uint8) if view.picture is None else view.picture
    return data_uri(overlay(picture, values, view.drawn_at), SIDE, LIMIT)
