"""Results made visible: the report of a run, its sheets, its map, its curves, and tables for the terminal."""

from kinsight.show.report import write_report
from kinsight.show.table import metric_table

__all__ = ["metric_table", "write_report"]
