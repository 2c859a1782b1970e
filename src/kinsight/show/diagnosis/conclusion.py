"""What to take from a diagnosis, in a sentence: which model finds more on the classes whose pairs are shown, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence

from kinsight.evaluation import Estimate
from kinsight.show.diagnosis.result import Measured
from kinsight.show.splits import split_title

JUDGED_BY = "precision_at_1"


def conclusion(measured: Sequence[Measured]) -> str:
    """By precision at 1 on the last split; the intervals stand side by side, so only what lies apart is called better."""
    split = measured[-1].split
    found = [(Estimate.of(each.metrics, JUDGED_BY), each.run) for each in measured if each.split == split]
    found.sort(key=lambda one: -one[0].value)
    (best, name), *others = found
    figures = ", ".join(f"{run} {estimate.number()} % {estimate.interval()}".rstrip() for estimate, run in found)
    where = split_title(split)
    if all(best.value == estimate.value for estimate, _ in others):
        return f"The models find equally much on {where}: P@1 {figures}."
    if best.ends and all(estimate.ends and estimate.ends[1] < best.ends[0] for estimate, _ in others):
        return f"{name} finds more on {where}: P@1 {figures}."
    return f"No model stands apart on {where}: P@1 {figures}; the intervals overlap, `kinsight compare` pairs them."
