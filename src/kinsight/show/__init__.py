"""Results made visible: the report of a run, the page of a pair, and tables for the terminal."""

from kinsight.show.comparison.files import write_comparison
from kinsight.show.comparison.table import comparison_text
from kinsight.show.diagnosis.page import diagnosis_html
from kinsight.show.diagnosis.table import diagnosis_table
from kinsight.show.groups.page import groups_html
from kinsight.show.groups.table import groups_beside_table, groups_table
from kinsight.show.maps.table import correspondence_table, faithfulness_table, localization_table, sanity_table
from kinsight.show.method_grid.files import write_method_grid
from kinsight.show.orientation.table import orientation_table
from kinsight.show.pair.files import write_pair
from kinsight.show.pair.shown import ShownPair, ShownPairs
from kinsight.show.report.page import write_report
from kinsight.show.report.verdict import verdict_text
from kinsight.show.table import metric_table

__all__ = [
    "ShownPair",
    "ShownPairs",
    "comparison_text",
    "correspondence_table",
    "diagnosis_html",
    "diagnosis_table",
    "faithfulness_table",
    "groups_beside_table",
    "groups_html",
    "groups_table",
    "localization_table",
    "metric_table",
    "orientation_table",
    "sanity_table",
    "verdict_text",
    "write_comparison",
    "write_method_grid",
    "write_pair",
    "write_report",
]
