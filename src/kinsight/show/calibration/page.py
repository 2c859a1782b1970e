"""The page of a calibration: what similarity means the same, in words, as curves, as tables."""

from __future__ import annotations

import numpy as np

from kinsight.evaluation.verification import curve
from kinsight.show.calibration.result import Calibrated
from kinsight.show.calibration.table import SHARE, all_rows, conclusion
from kinsight.show.charts import Chart, Series, line_chart
from kinsight.show.page import environment

BINS = 60


def calibration_html(found: Calibrated) -> str:
    """The page as one HTML text with every style and picture inside it."""
    known = found.calibration
    record = {
        "run": found.run,
        "data": f"{known.data} (digest {known.data_digest})",
        "split": known.split,
        "model": f"digest {known.model}",
        **({} if known.judged is None else {"judgements": f"{known.judged.table} (digest {known.judged.digest})"}),
        "intervals": "95 %, over classes drawn with replacement",
    }
    return (
        environment()
        .get_template("calibration.html")
        .render(
            run=found.run,
            conclusion=conclusion(found),
            charts=_charts(found),
            tables=all_rows(found),
            doubts=found.doubts,
            record=record,
        )
    )


def _charts(found: Calibrated) -> list[Chart]:
    return [_distributions(found), _probability(found), _receiver(found)]


def _distributions(found: Calibrated) -> Chart:
    """How similarities of both kinds of pairs are spread."""
    pairs = found.comparisons
    edges = np.linspace(pairs.scores.min(), pairs.scores.max(), BINS + 1)
    middles = (edges[1:] + edges[:-1]) / 2
    shares = [np.histogram(each, edges)[0] / len(each) for each in (pairs.genuine, pairs.impostors)]
    series = [Series(name, middles, share) for name, share in zip(("one class", "two classes"), shares, strict=True)]
    svg = line_chart(
        series,
        "Share of the pairs over their cosine",
        percent=True,
        across_name="cosine",
        marks=[point.threshold for point in found.calibration.pairs],
    )
    legend = [("pairs of one class", f"{len(pairs.genuine):,}"), ("pairs of two classes", f"{len(pairs.impostors):,}")]
    return Chart("How alike pairs are", svg, legend, "The vertical lines are the thresholds.")


def _probability(found: Calibrated) -> Chart:
    scores = found.comparisons.scores
    across = np.linspace(scores.min(), scores.max(), 200)
    said = np.asarray(found.probability(across))
    svg = line_chart(
        [Series("the same", across, said)], "Probability over the cosine", percent=True, across_name="cosine"
    )
    return Chart(
        "How likely it is the same",
        svg,
        [("where both are equally likely beforehand", "")],
        "A rarer match needs a higher cosine.",
    )


def _receiver(found: Calibrated) -> Chart:
    false, true = curve(found.comparisons)
    svg = line_chart(
        [Series("true accepts", np.log10(false), true)],
        "True accepts over false accepts",
        percent=True,
        across_name="log10",
    )
    rate = SHARE(found.calibration.equal_error_rate)
    legend = [("true accepts of pairs", f"equal error\u00a0{rate}\u00a0%")]
    return Chart("What strictness costs", svg, legend, "Across: false accepts, as a power of ten; -2 is 1 %.")
