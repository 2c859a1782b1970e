"""What a person sees of a study while it runs: a bar, a sentence for each method, and the page and tables written anew."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from kinsight.show.metrics import title_of
from kinsight.show.study.files import write_study
from kinsight.show.study.words import estimate_text, judged_by, values_text
from kinsight.studies.published import PublishedTable
from kinsight.studies.running import State
from kinsight.studies.study import Study
from kinsight.studies.tables import PROTOCOLS, StudyTable, study_table_of

logger = logging.getLogger("kinsight")
EVERY = 10.0
"""Seconds between two versions of page and tables."""


class StudyProgress:
    """Called whenever a job has begun or ended.

    Args:
        folder: where page and tables are written.
        published: tables to be shown beside.
        shown: draw a bar on a terminal.
    """

    def __init__(
        self, study: Study, folder: Path, state: State, *, published: Sequence[PublishedTable] = (), shown: bool
    ) -> None:
        self.study, self.folder, self.state, self.published = study, folder, state, published
        self._bar = tqdm(
            total=state.total, initial=state.done, unit="job", desc="benchmark", disable=None if shown else True,
            smoothing=0.1,
        )  # fmt: skip
        self._written = -EVERY
        self._said: set[str] = set()
        self._tell(study_table_of(study, state.finished), aloud=False)

    def __call__(self, state: State) -> None:
        """Show where the study stands."""
        self.state = state
        ended = state.done > self._bar.n
        self._bar.n = state.done
        self._bar.set_postfix_str(", ".join(list(state.running)[:2]), refresh=True)
        # While something runs, as it does but for the moment between two jobs: a page written then would call the study stopped.
        due = bool(state.running) and time.monotonic() - self._written > EVERY
        if ended or due:
            found = study_table_of(self.study, state.finished)
        if ended:
            self._tell(found)
        if due:
            self._write(found)

    def close(self) -> StudyTable:
        """The last version of page and tables."""
        self._bar.close()
        self.state.running.clear()
        found = study_table_of(self.study, self.state.finished)
        self._write(found)
        return found

    def _write(self, found: StudyTable) -> None:
        write_study(self.folder, found, self.state, self.published)
        self._written = time.monotonic()

    def _tell(self, found: StudyTable, *, aloud: bool = True) -> None:
        metric = judged_by(found)
        for row in found.rows:
            if row.values and row.name not in self._said:
                self._said.add(row.name)
                if aloud and self.study.trials:
                    best = f"validation MAP@R {100 * (row.validation or 0):.1f} %"
                    logger.info("%s: searched; best with %s (%s)", row.name, values_text(row.values), best)
            if row.repeats.get(PROTOCOLS[-1]) == self.study.repeats and f"{row.name} done" not in self._said:
                self._said.add(f"{row.name} done")
                if aloud:
                    cells = [f"{each} {estimate_text(metric, row.cells[each][metric])}" for each in PROTOCOLS]
                    logger.info("%s: measured; %s %% %s", row.name, title_of(metric), ", ".join(cells))
