"""What was measured of maps as plain text, for a terminal; fractions in percent with their 95 % intervals."""

from __future__ import annotations

from textwrap import fill

from kinsight.evaluation.estimate import DECIMALS
from kinsight.explanation.measuring.correspondence import ROWS, Correspondence
from kinsight.explanation.measuring.faithfulness import Faithfulness
from kinsight.explanation.measuring.localization_result import HELD_OUT, SAME, Localization
from kinsight.explanation.measuring.sanity import SanityCheck
from kinsight.show.maps.verdict import correspondence_verdict, faithfulness_verdict, localization_verdict
from kinsight.show.table import aligned, with_note


def wrapped(text: str) -> str:
    """A sentence in lines that a terminal shows whole."""
    return fill(text, 100)


def localization_rows(found: Localization) -> list[list[str]]:
    """A head, and the figures of each method."""
    with_masks = any(found.figure(name, "mask_energy").known for name in found.scores)
    figures = {
        "right boxes": HELD_OUT,
        "paper's way*": SAME,
        "energy in box": "box_energy",
        "peak in box": "box_peak",
        **({"energy in mask": "mask_energy", "peak in mask": "mask_peak"} if with_masks else {}),
    }
    head = [f"{len(found.labels)} pictures, against: {found.partners}", *figures]
    return [
        head,
        *([name, *(found.figure(name, figure).text() for figure in figures.values())] for name in found.scores),
    ]


def localization_table(found: Localization) -> str:
    """What the figures say, the figures of each method, and below the whole threshold curve."""
    curve = [["right boxes at threshold", *(f"{each:g}" for each in found.thresholds)]]
    curve += [[name, *(each.number() for each in found.curve(name).values())] for name in found.scores]
    note = (
        f"Right: IoU >= {found.iou:g}, the threshold chosen on the other half of the classes.\n"
        "* as in the paper, the best threshold of the very pictures it is reported on: too good."
    )
    said = wrapped(localization_verdict(found))
    return with_note(f"{said}\n\n{aligned(localization_rows(found))}\n\n{aligned(curve)}\n\n{note}")


def correspondence_rows(found: Correspondence) -> list[list[str]]:
    """A head, and how often parts are answered by the same part, for each way to answer."""
    head = [f"{len(found.part)} points", *(f"PCK@{alpha:g}" for alpha in found.alphas)]
    return [head, *([name, *(found.pck(name, alpha).text() for alpha in found.alphas)] for name in ROWS)]


def correspondence_table(found: Correspondence) -> str:
    """What the figures say, and the figures."""
    return with_note(f"{wrapped(correspondence_verdict(found))}\n\n{aligned(correspondence_rows(found))}")


def faithfulness_rows(found: Faithfulness) -> list[list[str]]:
    """A head, and areas under deletion (small is good) and insertion (large is good), and their differences to random order."""
    head = [f"{len(found.labels)} pairs", "deletion", "less random", "insertion", "less random"]
    rows = []
    for name in found.curves["deletion"]:
        row = [name]
        for kind in ("deletion", "insertion"):
            row += [each.text(DECIMALS, signed=True) for each in (found.area(kind, name), found.difference(kind, name))]
        rows.append(row)
    return [head, *rows]


def faithfulness_table(found: Faithfulness) -> str:
    """What the figures say, and the figures."""
    return with_note(f"{wrapped(faithfulness_verdict(found))}\n\n{aligned(faithfulness_rows(found))}")


def sanity_table(found: SanityCheck) -> str:
    """Rank correlation with the original maps after randomising more and more of the trunk, from its top."""
    head = ["randomised down to", *found.stages]
    rows = [
        [name, *(found.correlation(name, stage).number(DECIMALS, signed=True) for stage in range(len(found.stages)))]
        for name in found.correlations
    ]
    return aligned([head, *rows])
