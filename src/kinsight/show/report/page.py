"""The report of a run: one HTML file that needs nothing beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from kinsight.evaluation import Estimate
from kinsight.files import write_text
from kinsight.runs.contents import RunContents, read_contents
from kinsight.runs.evaluations import UNTRAINED, EvaluationRecord
from kinsight.runs.gain import gains
from kinsight.runs.ranking import Ranking
from kinsight.show.metrics import title_of
from kinsight.show.page import environment
from kinsight.show.report import atlas, provenance
from kinsight.show.report.curves import run_charts
from kinsight.show.report.embedding_space import readings
from kinsight.show.report.failing_classes import SHOWN, failing_classes, named
from kinsight.show.report.queries import chosen_mistakes, chosen_queries
from kinsight.show.report.trained_and_untrained import (
    MetricRow,
    TrainedAndUntrained,
    headlines,
    metric_rows,
    side_by_side,
)
from kinsight.show.report.verdict import verdict
from kinsight.show.splits import split_title


@dataclass(frozen=True)
class Table:
    """All fractions measured on the same pictures."""

    title: str
    trained: bool
    untrained: bool
    rows: list[MetricRow]


def write_report(run: str | Path) -> Path:
    """Write `report.html` into a run folder from what the folder holds; pieces that are missing are left out.

    Raises:
        KinsightError: the folder is no run, or a piece of it is broken.
    """
    path = Path(run) / "report.html"
    write_text(path, report_html(read_contents(run)))
    return path


def report_html(run: RunContents) -> str:
    """The report as one HTML text with every style, script and picture inside it."""
    found = side_by_side(run.evaluations)
    main = found[0] if found else None
    result = main.main if main else None
    gained = {one.name: gains(run.folder.evaluations, one.trained) for one in found if one.trained}
    tables = [_table(measured, gained.get(measured.name, {})) for measured in found]
    judged = verdict(run.folder.path, main, gained.get(main.name, {})) if main else None
    shown = {
        **_pictured(run, result),
        "charts": run_charts(run.history, {key: title_of(key) for line in run.history for key in line}),
        "protocol": provenance.protocol_groups(run, result),
        "tables": [table for table in tables if table.rows],
        "diagnosis": readings(main) if main else [],
    }
    return (
        environment()
        .get_template("report.html")
        .render(
            name=run.name,
            verdict=judged,
            sentence=provenance.sentence(run, result),
            rendered=provenance.is_rendered(run, result),
            headlines=headlines(metric_rows(main)) if main else [],
            has_untrained=any(result.model == UNTRAINED for result in run.evaluations),
            main_split=f"on {split_title(main.split)}" if main else "",
            sections=_sections(shown),
            most_failing=SHOWN,
            named=named,
            events=[
                (f"{line.get('step', 0):,}", str(line.get("message", "")))
                for line in run.history
                if line.get("kind") == "event"
            ],
            commands=provenance.commands(run),
            recipe=run.recipe,
            facts=provenance.facts(run, result),
            **shown,
        )
    )


def _sections(shown: dict[str, object]) -> list[tuple[str, str]]:
    titles = {
        "mistakes": ("mistakes", "Mistakes"),
        "failing": ("classes", "Classes that fail"),
        "queries": ("queries", "Queries"),
        "atlas": ("map", "Map"),
        "charts": ("curves", "How it learned"),
        "tables": ("numbers", "All numbers"),
        "diagnosis": ("space", "State of the space"),
        "protocol": ("how", "How it was made"),
    }
    return [link for piece, link in titles.items() if shown.get(piece)] + [("again", "Make it again")]


def _table(measured: TrainedAndUntrained, gained: Mapping[str, Estimate]) -> Table:
    rows = metric_rows(measured, gained)
    name, split = measured.name, measured.split
    title = f"{name} split" if name == split else f"{name} ({split} split)"
    return Table(title, any(row.trained for row in rows), any(row.untrained for row in rows), rows)


def _pictured(run: RunContents, record: EvaluationRecord | None) -> dict[str, object]:
    """The pieces made from pictures: mistakes, classes that fail, queries with what they find, and the map."""
    ranking = run.folder.evaluations.ranking(record.name) if record else None
    if record is None or ranking is None or not len(ranking.ids):
        return {"mistakes": None, "failing": None, "queries": [], "atlas": None}
    ranking = replace(ranking, labels=ranking.titles)
    pages = {query: f"pairs/{file.name}" for query, file in run.folder.mistake_pages(record.name).items()}
    failing = failing_classes(ranking)
    return {
        "mistakes": chosen_mistakes(ranking, pages),
        "failing": failing if failing.classes and not failing.alone else None,  # of pairs, mistakes say it all
        "queries": chosen_queries(ranking),
        **_atlas(ranking),
    }


def _atlas(ranking: Ranking) -> dict[str, object]:
    made = atlas.atlas(ranking)
    classes = made.shown_classes
    number = {label: place for place, label in enumerate(classes)}
    # A wrong neighbour may be of a class that the sample left out; its name must still be told.
    named = [*classes, *sorted({point.mistaken_for for point in made.points} - {"", *classes})]
    number |= {label: place for place, label in enumerate(named)}
    points = [
        (number[point.label], point.name, number.get(point.mistaken_for, -1), point.average_precision)
        for point in made.points
    ]
    return {
        "atlas": made,
        "atlas_data": {"classes": named, "points": points},
        "atlas_sentence": _extent(made),
        "any_mistake": any(point.mistaken_for for point in made.points),
        "classes": classes,
        "atlas_width": atlas.WIDTH,
        "atlas_height": made.height,
        "tile": atlas.TILE,
    }


def _extent(made: atlas.Atlas) -> str:
    if len(made.points) == made.pictures:
        return f"All {made.pictures:,} pictures of {made.classes:,} classes."
    shown = len(made.shown_classes)
    classes = f"all {made.classes:,}" if shown == made.classes else f"{shown:,} of {made.classes:,}"
    return f"{len(made.points):,} of {made.pictures:,} pictures, from {classes} classes."
