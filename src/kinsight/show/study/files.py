"""The files of a study beside its runs: tables in three formats, and the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kinsight.files import write_text
from kinsight.show.study.page import study_html
from kinsight.show.study.table import study_csv, study_latex, study_markdown
from kinsight.studies.published import PublishedTable
from kinsight.studies.running import State
from kinsight.studies.tables import StudyTable


def write_study(folder: Path, found: StudyTable, state: State, published: Sequence[PublishedTable] = ()) -> None:
    """`results.md`, `results.csv`, `results.tex` and `report.html`; published tables stand in the first and the last, apart.

    Raises:
        KinsightError: they cannot be written.
    """
    write_text(folder / "results.md", study_markdown(found, published))
    write_text(folder / "results.csv", study_csv(found))
    write_text(folder / "results.tex", study_latex(found))
    write_text(folder / "report.html", study_html(found, state, published))
