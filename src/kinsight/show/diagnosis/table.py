"""The numbers of a diagnosis: the runs beside one another, on the classes they were trained on and on others."""

from __future__ import annotations

from collections.abc import Sequence

from kinsight.evaluation import Estimate
from kinsight.explanation.measuring.localization import CENTRE, WHOLE
from kinsight.explanation.measuring.localization_result import HELD_OUT, SAME
from kinsight.show.diagnosis.conclusion import conclusion
from kinsight.show.diagnosis.result import Explained, Measured
from kinsight.show.pair.data import short_name
from kinsight.show.splits import split_title
from kinsight.show.table import aligned, with_note

RETRIEVAL = {"precision_at_1": "Precision at 1", "r_precision": "R-precision", "map_at_r": "MAP@R"}
PLACES = {
    HELD_OUT: "right boxes",
    SAME: "right boxes, the paper's way",
    "box_energy": "energy inside the box",
    "mask_energy": "energy inside the mask",
}
WITHOUT_MODEL = (WHOLE, CENTRE)
Row = tuple[str, list[str]]  # a title, and a cell for each run and split; empty where nothing is known


def diagnosis_table(measured: Sequence[Measured], explained: Sequence[Explained] = ()) -> str:
    """The conclusion, the pairs that two runs judge most differently, then the numbers of the page, as plain text for a terminal."""
    tables = [conclusion(measured), *([_pairs(explained)] if explained else [])]
    for split in dict.fromkeys(each.split for each in measured):
        chosen = [each for each in measured if each.split == split]
        runs = [each.run for each in chosen]
        title = f"on {split_title(split)}"
        tables.append(aligned([[title, *runs], *([name, *_dashed(cells)] for name, cells in number_rows(chosen))]))
        if rows := rows_without_model(chosen):
            tables.append(aligned([["by no model", ""], *([name, *cells] for name, cells in rows)]))
        if curves := threshold_rows(chosen):
            tables.append(
                aligned([["right boxes at threshold", *runs], *([name, *_dashed(cells)] for name, cells in curves)])
            )
    return with_note("\n\n".join(tables))


def _pairs(explained: Sequence[Explained]) -> str:
    rows = [["judged most differently", "classes", "more alike for", "sd above random pairs"]]
    for each in explained:
        pair = each.pairs[0]
        high, low = (each.standard[number] for number in (each.keen, 1 - each.keen))
        names = f"{short_name(pair.query, 'query')}, {short_name(pair.other, 'other')}"
        rows.append([names, each.verdict, each.runs[each.keen], f"{high:+.1f} against {low:+.1f}"])
    return aligned(rows)


def methods_of(measured: Sequence[Measured]) -> list[str]:
    """The methods whose maps were held against boxes, by the first run that has any; the last two look at no picture."""
    return next((list(each.localization.scores) for each in measured if each.localization is not None), [])


def number_rows(measured: Sequence[Measured]) -> list[Row]:
    """Retrieval, localization without its curve, and the size of the space: what depends on a model."""
    rows = [
        (title, [_percent(Estimate.of(each.metrics, key)) for each in measured]) for key, title in RETRIEVAL.items()
    ]
    rows += _place_rows(measured, [method for method in methods_of(measured) if method not in WITHOUT_MODEL])
    spaces = [[f"{each.metrics[f'effective_dimensions_{share}']:,.0f}" for share in (90, 95, 99)] for each in measured]
    return [*rows, ("Effective dimensions at 90 / 95 / 99 % of the variance", [" / ".join(each) for each in spaces])]


def rows_without_model(measured: Sequence[Measured]) -> list[Row]:
    """What boxes are worth that look at no picture: once, for it is the same for every model."""
    known = [each for each in measured if each.localization is not None][:1]
    return _place_rows(known, [method for method in methods_of(known) if method in WITHOUT_MODEL])


def _place_rows(measured: Sequence[Measured], methods: Sequence[str]) -> list[Row]:
    rows = []
    for method in methods:
        for figure, title in PLACES.items():
            cells = [
                "" if each.localization is None else _percent(each.localization.figure(method, figure))
                for each in measured
            ]
            if any(cells):
                rows.append((f"{method}: {title}", cells))
    return rows


def threshold_rows(measured: Sequence[Measured]) -> list[Row]:
    """The share of right boxes at every threshold of every method that looks at pictures (Visual Explanation, Tables 4 to 6)."""
    found = [each.localization for each in measured]
    thresholds = next((each.thresholds for each in found if each is not None), ())
    return [
        (
            f"{method} at {threshold:g}",
            ["" if each is None else each.curve(method)[threshold].number() for each in found],
        )
        for method in methods_of(measured)
        if method not in WITHOUT_MODEL
        for threshold in thresholds
    ]


def _percent(estimate: Estimate) -> str:
    return estimate.text(unit="%") if estimate.known else ""


def _dashed(cells: Sequence[str]) -> list[str]:
    return [cell or "-" for cell in cells]
