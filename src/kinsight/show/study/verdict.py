"""What a study has found, in sentences: the best method, and whether what is put around a loss makes it better."""

from __future__ import annotations

from kinsight.evaluation import Estimate
from kinsight.show.comparison.verdict import side_of
from kinsight.show.metrics import title_of
from kinsight.show.study.words import estimate_text, judged_by, notation_of
from kinsight.studies.tables import PROTOCOLS, MethodRow, StudyTable


def study_verdicts(found: StudyTable) -> list[tuple[str, str]]:
    """(a kind: `right`, `wrong` or nothing; a sentence): the best first, then each method beside its baseline."""
    key = judged_by(found)
    titles = {row.name: row.title for row in found.rows}
    said = [sentence for protocol in PROTOCOLS if (sentence := _best(found, protocol, key))]
    return said + [
        _compared(row, titles[row.baseline], protocol, key)
        for row in found.rows
        for protocol in PROTOCOLS
        if row.baseline and key in row.differences.get(protocol, {})
    ]


def _best(found: StudyTable, protocol: str, key: str) -> tuple[str, str] | None:
    """Who leads, and who cannot be told from it by the intervals."""
    rows = [row for row in found.rows if key in row.cells.get(protocol, {}) and row.cells[protocol][key].known]
    if len(rows) < 2:
        return None
    rows.sort(key=lambda row: -row.cells[protocol][key].value)
    best = rows[0].cells[protocol][key]
    near = [row.title for row in rows[1:] if _overlap(best, row.cells[protocol][key])]
    beside = f"; the intervals of {', '.join(near)} overlap with its" if near else ""
    return (
        "",
        f"{protocol.capitalize()}, {rows[0].title} has the highest {title_of(key)}: {estimate_text(key, best)} %{beside}.",
    )


def _overlap(best: Estimate, other: Estimate) -> bool:
    return best.ends is not None and other.ends is not None and other.ends[1] >= best.ends[0]


def _compared(row: MethodRow, baseline: str, protocol: str, key: str) -> tuple[str, str]:
    difference = row.differences[protocol][key]
    figures = f"{protocol}, {title_of(key)} {difference.text(notation_of(key), signed=True)}"
    side = side_of(key, difference)
    if side:
        return side, f"{row.title} is {'better' if side == 'right' else 'worse'} than {baseline}: {figures}."
    why = "the interval holds zero" if difference.ends else "no interval from fewer than three repeats"
    return "", f"Cannot tell {row.title} from {baseline}: {figures}; {why}."
