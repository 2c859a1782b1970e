"""The report of a run: one HTML file that needs nothing beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from kinsight.files import write_text
from kinsight.runs.results import Ranking, Run, read_ranking, read_run
from kinsight.show.charts import run_charts
from kinsight.show.numbers import Comparison, Setting, comparisons, headlines, settings, title_of
from kinsight.show.page import environment
from kinsight.show.report import atlas, galleries, making
from kinsight.show.report.space import readings

QUERIES = 6
NEIGHBOURS = 8


@dataclass(frozen=True)
class Table:
    """All fractions of one setting."""

    title: str
    trained: bool
    untrained: bool
    rows: list[Comparison]


def write_report(run: str | Path) -> Path:
    """Write `report.html` into a run folder from what the folder holds; pieces that are missing are left out.

    Raises:
        KinsightError: the folder is no run, or a piece of it is broken.
    """
    path = Path(run) / "report.html"
    write_text(path, report_html(read_run(run)))
    return path


def report_html(run: Run) -> str:
    """The report as one HTML text with every style, script and picture inside it."""
    found = settings(run.results)
    main = found[0] if found else None
    result = main.main if main else None
    tables = [_table(setting) for setting in found]
    shown = {
        "protocol": making.protocol_groups(run, result),
        "charts": run_charts(run.lines, {key: title_of(key) for line in run.lines for key in line}),
        "tables": [table for table in tables if table.rows],
        **_pictured(result.arrays if result else None),
        "diagnosis": readings(main) if main else [],
    }
    return (
        environment()
        .get_template("report.html")
        .render(
            name=run.folder.resolve().name,
            sentence=making.sentence(run, result),
            rendered=making.is_rendered(run, result),
            headlines=headlines(comparisons(main)) if main else [],
            has_untrained=any(result.model == "untrained" for result in run.results),
            main_split=f"on the {main.split} split" if main else "",
            sections=_sections(shown),
            events=[
                (f"{line.get('step', 0):,}", str(line.get("message", "")))
                for line in run.lines
                if line.get("kind") == "event"
            ],
            commands=making.commands(run),
            recipe=run.recipe,
            facts=making.facts(run, result),
            **shown,
        )
    )


def _sections(shown: dict[str, object]) -> list[tuple[str, str]]:
    titles = {
        "protocol": ("how", "How it was made"),
        "charts": ("curves", "How it learned"),
        "tables": ("numbers", "All numbers"),
        "sheets": ("queries", "Queries"),
        "atlas": ("map", "Map"),
        "diagnosis": ("space", "State of the space"),
    }
    return [link for piece, link in titles.items() if shown.get(piece)] + [("again", "Make it again")]


def _table(setting: Setting) -> Table:
    rows = comparisons(setting)
    title = f"{setting.name} split" if setting.name == setting.split else f"{setting.name} ({setting.split} split)"
    return Table(title, any(row.trained for row in rows), any(row.untrained for row in rows), rows)


def _pictured(arrays: Path | None) -> dict[str, object]:
    """The pieces made from pictures: sheets of queries and the map."""
    ranking = read_ranking(arrays) if arrays else None
    if ranking is None or not len(ranking.ids):
        return {"sheets": [], "atlas": None}
    return {"sheets": query_sheets(ranking), **_atlas(ranking)}


def query_sheets(ranking: Ranking, queries: int = QUERIES, neighbours: int = NEIGHBOURS) -> list[Markup]:
    """The sheets of the best, the median and the worst queries."""
    worst = galleries.worst_queries(ranking, queries)
    mistaken = bool(worst) and bool((ranking.precision_at_1[worst] == 0).any())
    kinds = [
        (
            "Best",
            "Highest MAP@R, each of another class where there are enough.",
            galleries.best_queries(ranking, queries),
        ),
        ("Median", "Around the middle of all queries: what to expect.", galleries.median_queries(ranking, queries)),
        (
            "Worst",
            "The most confident mistakes: low MAP@R and a wrong first neighbour, the highest similarity first."
            if mistaken
            else "Lowest MAP@R; no query has a wrong first neighbour.",
            worst,
        ),
    ]
    return [
        galleries.sheet(title, note, galleries.rows_of(ranking, numbers, neighbours))
        for title, note, numbers in kinds
        if numbers
    ]


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
