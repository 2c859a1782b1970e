"""kinsight.compare: runs by their numbers, settings side by side, paired by seed and fold."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean

import numpy as np

from kinsight.errors import KinsightError
from kinsight.evaluation import Estimate, describe
from kinsight.evaluation.comparison import difference_over_runs, differences_over_queries, over_runs
from kinsight.files import require_writable
from kinsight.runs.comparability import disagreements, remarks, sentence
from kinsight.runs.evaluated_run import EvaluatedRun, read_runs
from kinsight.runs.evaluations import UNTRAINED, how_to_make, is_group
from kinsight.runs.ranking import QueryValues
from kinsight.runs.repeats import (
    Setting,
    cells_in_words,
    find_setting,
    recipe_differences,
    settings_of,
)
from kinsight.show.comparison.files import check_format, write_comparison
from kinsight.show.comparison.result import Comparison, Row
from kinsight.show.metrics import is_fraction, least_of

DEFAULT_METRICS = ("precision_at_1", "map_at_r", "r_precision", "nmi")
_ANYTHING = (-math.inf, math.inf)
Pair = tuple[EvaluatedRun, EvaluatedRun]


def compare(
    runs: Sequence[str | Path],
    *,
    name: str = "test",
    metrics: Sequence[str] | None = None,
    baseline: str | None = None,
    anyway: bool = False,
    out: str | Path | None = None,
) -> Comparison:
    """Settings side by side: runs that differ only in seed and fold are one setting, paired with the baseline's by seed and fold.

    Means and differences over three or more runs have Student's t-interval, as far as is possible at all. One run has the interval of
    its own evaluation, one pair a bootstrap over classes and queries where both stored the values of each query (ranking metrics);
    otherwise there is none.

    Args:
        runs: run folders; plain files among them are passed over.
        name: which evaluation: `test` reads `evaluation/test.json`.
        metrics: keys such as `map_at_r`; None for P@1, MAP@R, R-precision and NMI, as far as all runs have them.
        baseline: a setting by its name, a part of it, or one of its runs; None for the first.
        anyway: compare also where protocols differ; the comparison says so.
        out: a file to write as well: .md, .csv, .json or .html.

    Raises:
        KinsightError: a run or evaluation is missing, protocols differ, or a metric or the baseline is not there.
    """
    if out is not None:
        check_format(out)
        require_writable(out)
    read = read_runs(runs, name)
    metrics = _metrics(read, metrics, name)
    found = disagreements(read, metrics)
    if found and not anyway:
        raise KinsightError(sentence(found))
    settings = settings_of(read)
    first = find_setting(settings, baseline)
    ordered = [first, *(setting for setting in settings if setting is not first)]
    notes: list[str] = []
    if is_group(name) and len(read) > 1:
        notes.append(
            "Groups have no order that runs share: the same number in two runs need not look at the same things."
        )
    rows = [_row(setting, first, metrics, notes) for setting in ordered]
    comparison = Comparison(
        name=name,
        baseline=first.name,
        metrics=metrics,
        rows=rows,
        recipe=recipe_differences(ordered),
        disagreements=[str(each) for each in found],
        notes=[*notes, *remarks(read)],
        runs=[_record(setting, run, metrics) for setting in ordered for run in setting.runs],
    )
    if out is not None:
        write_comparison(out, comparison)
    return comparison


def _metrics(runs: Sequence[EvaluatedRun], wanted: Sequence[str] | None, name: str) -> list[str]:
    if wanted is None:
        found = [key for key in DEFAULT_METRICS if all(key in run.metrics for run in runs)]
        if not found:
            known = ", ".join(runs[0].metrics)
            raise KinsightError(f"the evaluations share none of {', '.join(DEFAULT_METRICS)}; name others, of: {known}")
        return found
    for key in wanted:
        describe(key)
        without = next((run for run in runs if key not in run.metrics), None)
        if without is not None:
            k = key.removeprefix("recall_at_")
            ks = f" --k {' '.join(map(str, [*(without.evaluation.protocol.ks or []), k]))}" if k.isdecimal() else ""
            raise KinsightError(
                f"{without.path} was evaluated without {key}; leave it out, or {how_to_make(without.path, name, ks)}"
            )
    if not wanted:
        raise KinsightError("no metric was given; name one or more, or leave the choice out")
    return list(dict.fromkeys(wanted))


def _row(setting: Setting, baseline: Setting, metrics: Sequence[str], notes: list[str]) -> Row:
    runs = _distinct([(run, run) for run in setting.runs])
    if len(runs) < len(setting.runs):
        notes.append(f"The {len(setting.runs)} runs of {setting.name} measured {len(runs)} model(s); each counts once.")
    pairs = [] if setting is baseline else _pairs(setting, baseline, notes)
    trained = [run for run, _ in runs if run.evaluation.model != UNTRAINED]
    minutes = [value for run in trained if (value := run.protocol.training.minutes) is not None]
    return Row(
        setting=setting.name,
        n=len(runs),
        values={key: _value([run for run, _ in runs], key) for key in metrics},
        pairs=len(pairs),
        differences=_differences(pairs, metrics, notes) if pairs else {},
        dimension=_first(run.evaluation.protocol.dimension for run, _ in runs),
        parameters=_first(run.protocol.model.parameters for run in trained),
        minutes=fmean(minutes) if minutes else None,
    )


def _value(runs: Sequence[EvaluatedRun], key: str) -> Estimate:
    if len(runs) > 1:
        return over_runs([run.metrics[key] for run in runs], (least_of(key), 1) if is_fraction(key) else _ANYTHING)
    return Estimate.of(runs[0].metrics, key)


def _pairs(setting: Setting, baseline: Setting, notes: list[str]) -> list[Pair]:
    theirs = {run.cell: run for run in baseline.runs}
    ours = {run.cell: run for run in setting.runs}
    for one, cells in ((setting, ours.keys() - theirs.keys()), (baseline, theirs.keys() - ours.keys())):
        if cells:
            other = baseline if one is setting else setting
            ordered = sorted(cells, key=lambda cell: (-1 if cell[1] is None else cell[1], cell[0]))
            notes.append(f"Without a pair in {other.name}: {one.name} {cells_in_words(ordered)}; its mean counts them.")
    return _distinct([(run, theirs[cell]) for cell, run in ours.items() if cell in theirs])


def _distinct(pairs: Iterable[Pair]) -> list[Pair]:
    """Pairs of models, each once: a model measured twice is not two runs."""
    return list({(ours.model, theirs.model): (ours, theirs) for ours, theirs in reversed(list(pairs))}.values())[::-1]


def _differences(pairs: Sequence[Pair], metrics: Sequence[str], notes: list[str]) -> dict[str, Estimate]:
    found = {
        key: difference_over_runs(
            [ours.metrics[key] for ours, _ in pairs],
            [theirs.metrics[key] for _, theirs in pairs],
            (least_of(key) - 1, 1 - least_of(key)) if is_fraction(key) else _ANYTHING,
        )
        for key in metrics
    }
    ranking = [key for key in metrics if describe(key).ranking]
    if len(pairs) > 1 or not ranking:
        return found
    ours, theirs = (_queries(run, ranking) for run in pairs[0])
    if (
        ours is None
        or theirs is None
        or not np.array_equal(ours.ids, theirs.ids)
        or not np.array_equal(ours.labels, theirs.labels)
    ):
        names = " and ".join(run.path for run in pairs[0])
        notes.append(
            f"No interval for the one pair {names}: they do not store the same queries, one by one, in one order."
        )
        return found
    return found | dict(zip(ranking, differences_over_queries(ours.values, theirs.values, ours.labels), strict=True))


def _queries(run: EvaluatedRun, metrics: Sequence[str]) -> QueryValues | None:
    """The values of each query; None where they are not stored, or are of another evaluation."""
    found = run.folder.evaluations.query_values(run.evaluation.name, metrics)
    stored = [run.metrics[key] for key in metrics]
    same = found is not None and np.allclose(found.values.mean(axis=0), stored, rtol=0, atol=1e-6)
    return found if same else None


def _record(setting: Setting, run: EvaluatedRun, metrics: Sequence[str]) -> dict[str, object]:
    numbers = {key: run.metrics[key] for key in metrics}
    return {"setting": setting.name, "run": run.path, "seed": run.seed, "fold": run.fold, "metrics": numbers}


def _first(values: Iterable[int | None]) -> int | None:
    return next((value for value in values if value is not None), None)
