"""Whether training helped, in one sentence, with the paired gain and its interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kinsight.evaluation import Estimate
from kinsight.evaluation.estimate import PERCENT
from kinsight.runs.evaluations import EvaluationRecord
from kinsight.runs.folder import RunFolder
from kinsight.runs.gain import gains
from kinsight.show.metrics import title_of
from kinsight.show.report.failing_classes import failing_classes, failing_text
from kinsight.show.report.trained_and_untrained import TrainedAndUntrained, side_by_side
from kinsight.show.splits import split_title

JUDGED_BY = "precision_at_1"
Kind = Literal["better", "worse", "unsure", "unknown"]


@dataclass(frozen=True)
class Verdict:
    """What a reader should take from a run.

    Attributes:
        kind: whether the trained model is better, worse, not to be told apart, or was not compared.
        claim: `Training helped`.
        figures: `P@1 on unseen classes 41.2 -> 55.0, +13.8 [+9.1, +18.6]`; how to get them where they are not there.
        kept: that the run stands for the network as it started, in a sentence; empty where it does not.
    """

    kind: Kind
    claim: str
    figures: str
    kept: str = ""

    @property
    def text(self) -> str:
        """Everything in a line."""
        return " ".join(filter(None, [self.kept, f"{self.claim}: {self.figures}"]))


def verdict(run: str | Path, measured: TrainedAndUntrained, gained: Mapping[str, Estimate]) -> Verdict | None:
    """The verdict on a run by one of its evaluations; None where the trained model was not measured."""
    trained = measured.trained
    if trained is None or JUDGED_BY not in trained.metrics:
        return None
    kept = _kept(trained)
    where = f"{title_of(JUDGED_BY)} on {split_title(trained.split)}"
    now = PERCENT(trained.metrics[JUDGED_BY])
    if measured.untrained is None:
        how = f"`kinsight evaluate {run}{'' if trained.name == 'test' else ' ...'} --untrained` also measures what it started from"
        return Verdict("unknown", "Whether training helped is not known", f"{where} {now}; {how}", kept)
    before = PERCENT(measured.untrained.metrics[JUDGED_BY])
    figures = f"{where} {before} -> {now}"
    gain = gained.get(JUDGED_BY)
    if gain is None:
        return Verdict(
            "unknown", "Whether training helped is not known", f"{figures}, but not on the same queries", kept
        )
    figures += f", {gain.text(signed=True)}"
    if _seen(trained):
        return Verdict("unknown", "Classes that it was trained on do not say whether training helped", figures, kept)
    if gain.excludes_zero:
        return (
            Verdict("better", "Training helped", figures, kept)
            if gain.value > 0
            else Verdict("worse", "Training did not help", f"{figures}: it made the network worse", kept)
        )
    if gain.ends is None and gain.value == 0 and trained.metrics[JUDGED_BY] == 1:
        return Verdict("unsure", "There was nothing to gain", f"{figures}: every query found its class before", kept)
    if gain.ends is None and gain.value == 0:
        return Verdict("worse", "Training did not help", f"{figures}: every query finds what it found before", kept)
    return Verdict("unsure", "Cannot tell whether training helped", f"{figures}: the interval holds zero", kept)


def verdict_text(run: str | Path, name: str) -> str:
    """The verdict on an evaluation of a run and the classes that fail, for a terminal; empty where there is none.

    Raises:
        KinsightError: the evaluation or what it ranked is damaged.
    """
    folder = RunFolder(run)
    if name not in folder.evaluations.names():
        return ""
    found = next((one for one in side_by_side(folder.evaluations.read_all()) if one.name == name), None)
    if found is None or found.trained is None:
        return ""
    judged = verdict(run, found, gains(folder.evaluations, found.trained))
    ranking = folder.evaluations.ranking(name)
    lines = [judged.text if judged else "", failing_text(failing_classes(ranking)) if ranking is not None else ""]
    return "\n".join(filter(None, lines))


def _seen(trained: EvaluationRecord) -> bool:
    """Whether the classes are the run's own training classes, or are among what was measured."""
    return trained.split in ("train", "all") and trained.name.removesuffix("-last") == trained.split


def _kept(trained: EvaluationRecord) -> str:
    if trained.selection is None or trained.selection.step != 0:
        return ""
    return "The network as it started was kept: no step of training was better on the validation classes."
