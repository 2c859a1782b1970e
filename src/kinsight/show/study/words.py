"""How the numbers of a study are written, and what is said about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kinsight.evaluation import Estimate
from kinsight.evaluation.estimate import DECIMALS, PERCENT, Notation
from kinsight.show.metrics import is_fraction
from kinsight.studies.published import PublishedTable
from kinsight.studies.tables import CONCATENATED, PROTOCOLS, SEPARATED, StudyTable

TITLES = {
    SEPARATED: "Separated: the models of the folds one by one",
    CONCATENATED: "Concatenated: the models of the folds side by side",
}
MEANINGS = {
    SEPARATED: "Each fold's model is measured on the test classes; the mean over the folds is one number of a repeat.",
    CONCATENATED: "The embeddings of a picture by the models of all folds, each of length 1, stand side by side and are measured once.",
}


def judged_by(found: StudyTable) -> str:
    """The metric that leads: MAP@R, by which settings are chosen too, where it is measured."""
    return "map_at_r" if "map_at_r" in found.study.metrics else found.study.metrics[0]


def notation_of(metric: str) -> Notation:
    """Fractions in percent."""
    return PERCENT if is_fraction(metric) else DECIMALS


def estimate_text(metric: str, estimate: Estimate | None) -> str:
    """`41.2 [40.1, 42.3]`; `-` where there is nothing yet."""
    return "-" if estimate is None else estimate.text(notation_of(metric))


def difference_text(metric: str, estimate: Estimate | None) -> str:
    """As `estimate_text`, with its sign, and a star where the interval excludes zero."""
    if estimate is None:
        return "-"
    return estimate.text(notation_of(metric), signed=True) + ("*" if estimate.excludes_zero else "")


def minutes_text(minutes: float | None) -> str:
    """Minutes in two decimals below ten."""
    return "-" if minutes is None else f"{minutes:.2f}" if minutes < 10 else f"{minutes:,.0f}"


def values_text(values: Mapping[str, Any] | None) -> str:
    """`margin 0.2, loss_lr 0.01`; the last word of a setting says enough."""
    return ", ".join(f"{name.rpartition('.')[2]} {value:g}" for name, value in (values or {}).items())


def duration_text(seconds: float | None) -> str:
    """`about 12 minutes`."""
    if seconds is None:
        return "not known yet"
    if seconds < 90:
        return f"about {max(1, round(seconds))} seconds"
    if seconds < 90 * 60:
        return f"about {round(seconds / 60)} minutes"
    return f"about {seconds / 3600:.1f} hours"


def published_cells(table: PublishedTable) -> Iterator[list[str]]:
    """A line a method: its name, then for each protocol every metric as it is printed."""
    known = {(row.method, row.protocol): row.cells for row in table.rows}
    for method in dict.fromkeys(row.method for row in table.rows):
        cells = [
            (known.get((method, protocol), {}).get(metric), metric)
            for protocol in PROTOCOLS
            for metric in table.metrics
        ]
        yield [method, *("–" if cell is None else _printed(metric, *cell) for cell, metric in cells)]


def _printed(metric: str, value: float, beside: float | None) -> str:
    notation = notation_of(metric)
    return notation(value) if beside is None else f"{notation(value)} ± {notation(beside)}"


def notes(found: StudyTable) -> list[str]:
    """What must be known to read the tables."""
    study = found.study
    search = (
        f"Settings: the best of {study.trials} trials for each method, by the mean of the best validation MAP@R over {study.folds} folds."
        if study.trials
        else "Settings: those of the study's file; nothing was searched."
    )
    trunk = study.settings["model"]["trunk"]
    still = not study.settings["optimizer"]["trunk_lr"]
    dim = study.settings["model"]["head"].get("dim")
    said = [
        MEANINGS[SEPARATED],
        MEANINGS[CONCATENATED],
        f"Brackets: 95 % intervals of Student's t over repeats (from three on); {study.repeats} repeats, {study.folds} class folds. "
        "A star: the interval of the difference, repeat by repeat, to the method's own baseline excludes zero.",
        search,
        f"All methods: {trunk}{', its trunk standing still' if still else ''}, {dim or 'pooled'} dimensions, batches of "
        f"{study.settings['batches']['size']}, the same steps and patience; the step is chosen on validation classes, and the test classes "
        "chose nothing. The untrained trunk has all numbers of its pooled feature, which may be more.",
    ]
    if late := [f"{row.title} ({row.unfinished})" for row in found.rows if row.unfinished]:
        said.append(f"Trainings whose last step was their best, so that more --epochs might help: {', '.join(late)}.")
    for row in found.rows:
        if row.failed:
            said.append(f"{row.title}: {len(row.failed)} trainings failed ({row.failed[0]}).")
        if row.trials_failed:
            said.append(f"{row.title}: {row.trials_failed} trainings of the search failed and count as 0.")
    return said
