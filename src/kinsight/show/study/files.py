"""The files of a study beside its runs: tables in three formats, and the page."""

from __future__ import annotations

from pathlib import Path

from kinsight.files import write_text
from kinsight.show.study.table import study_csv, study_latex, study_markdown
from kinsight.studies.tables import StudyTable


def write_tables(folder: str | Path, found: StudyTable) -> None:
    """`results.md`, `results.csv` and `results.tex`.

    Raises:
        KinsightError: they cannot be written.
    """
    for name, make in (("results.md", study_markdown), ("results.csv", study_csv), ("results.tex", study_latex)):
        write_text(Path(folder) / name, make(found))
