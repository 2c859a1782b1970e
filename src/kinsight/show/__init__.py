"""Results made visible: the report of a run, the page of a pair, and tables for the terminal."""

from kinsight.show.diagnosis_page import diagnosis_html, diagnosis_table
from kinsight.show.groups_page import groups_html
from kinsight.show.groups_table import groups_table
from kinsight.show.maps_table import correspondence_table, faithfulness_table, localization_table, sanity_table
from kinsight.show.notebook import attach
from kinsight.show.pair_files import write_pair
from kinsight.show.report import write_report
from kinsight.show.table import metric_table

__all__ = [
    "attach",
    "correspondence_table",
    "diagnosis_html",
    "diagnosis_table",
    "faithfulness_table",
    "groups_html",
    "groups_table",
    "localization_table",
    "metric_table",
    "sanity_table",
    "write_pair",
    "write_report",
]
