"""A comparison as text, Markdown, CSV, JSON and a page."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from kinsight.errors import KinsightError
from kinsight.evaluation import Estimate
from kinsight.show import comparison_text, write_comparison
from kinsight.show.comparison.result import Comparison, Row
from show.made_comparison import made, row
from show.made_page import Page


def test_text_says_values_intervals_marks_and_notes():
    text = comparison_text(made(), width=200)
    keys, means, differences, said = text.split("\n\n")
    assert keys.splitlines()[2].split() == ["model.head.groups", "-", "4", "4", "true"]
    assert means.splitlines()[0].split() == [
        "test",
        "n",
        "MAP@R,",
        "%",
        "NMI,",
        "%",
        "Hubness",
        "dim",
        "parameters",
        "minutes",
    ]
    line = " ".join(means.splitlines()[2].split())
    assert line == "n 3 36.1 [35.3, 37.2] 50.0 1.235 [1.1, 1.4]† 512 2.88 M 18.8"
    assert differences.splitlines()[0].startswith("less n")
    line = next(line for line in differences.splitlines() if line.startswith("a|4"))
    assert "+1.2 [+0.4, +2.0]*" in line
    assert "-2.0 " in line
    assert "+0.3 [+0.1, +0.5]†*" in line
    assert "-1.0 [-3.0, +1.0]   " in next(line for line in differences.splitlines() if line.startswith("<c>"))
    assert "-" in next(line for line in differences.splitlines() if line.startswith("alone"))
    for part in (
        "Not of one protocol: similarity",
        "Without a pair",
        "Student's t",
        "bootstrap",
        "excludes zero",
        "nothing to resample",
    ):
        assert part in said


def test_legend_speaks_only_of_what_is_there():
    plain = Row("n", 1, {"nmi": Estimate(0.5)}, 0, {}, None, None, None)
    text = comparison_text(
        made(rows=[plain], metrics=["nmi"], recipe={}, disagreements=[], notes=[]),
    )
    assert text.splitlines()[0].split() == ["test,", "%", "n", "NMI", "dim", "parameters", "minutes"]
    assert text.splitlines()[2].split() == ["n", "1", "50.0", "-", "-", "-"]
    assert text.splitlines()[3:] == [
        "",
        "Without [ ]: one run or pair, and nothing to resample.",
    ]


@pytest.mark.parametrize("width", [60, 120])
def test_wide_tables_go_on_below(width: int):
    text = comparison_text(made(), width)
    assert max(map(len, text.splitlines())) <= width
    for part in ("36.1 [35.3, 37.2]", "+0.3 [+0.1, +0.5]†*", "2.88 M"):
        assert part in text
    heads = [line for line in text.splitlines() if line.startswith("test ")]
    assert len(heads) == (1 if width == 120 else 2)


def test_markdown_is_tables_with_bold_where_zero_is_outside(tmp_path: Path):
    write_comparison(tmp_path / "new" / "table.md", made())
    text = (tmp_path / "new" / "table.md").read_text()
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert [len(table) for table in tables] == [3, 6, 5]
    for table in tables:
        assert len({line.replace("\\|", "").count("|") for line in table}) == 1
    assert "| a\\|4 | 3 | **+1.2 [+0.4, +2.0]**\\* | -2.0 | **+0.3 [+0.1, +0.5]†**\\* |" in tables[2]
    assert "- MAP@R (`map_at_r`): Precision at each hit" in text
    assert "**-1.0" not in text


def test_csv_has_fractions(tmp_path: Path):
    write_comparison(tmp_path / "table.csv", made())
    with (tmp_path / "table.csv").open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert [line["setting"] for line in lines] == ["n", "a|4", "<c>", "alone"]
    first, second = lines[:2]
    assert float(first["map_at_r"]) == 0.3612
    assert (first["map_at_r_difference"], first["map_at_r_method"], first["nmi_low"]) == ("", "t", "")
    assert float(second["map_at_r_difference_low"]) == 0.004
    assert (second["hubness_difference_method"], second["pairs"], second["baseline"]) == ("bootstrap", "3", "n")


def test_json_holds_everything(tmp_path: Path):
    write_comparison(tmp_path / "table.json", made())
    read = json.loads((tmp_path / "table.json").read_text())
    assert read == made().to_dict()
    assert read["rows"][1]["differences"]["map_at_r"] == {
        "value": 0.0121,
        "n": 3,
        "low": 0.004,
        "high": 0.0202,
        "method": "t",
    }
    assert read["metrics"]["nmi"]["definition"].startswith("Normalized mutual information")
    assert read["runs"][0]["run"] == "runs/n-0"


def test_other_formats_are_refused(tmp_path: Path):
    with pytest.raises(KinsightError, match=r"says no known format; end it in \.md, \.csv, \.json or \.html"):
        write_comparison(tmp_path / "table.xlsx", made())


def test_page_holds_all_tables_and_nothing_from_outside(tmp_path: Path):
    write_comparison(tmp_path / "table.html", made())
    page = Page((tmp_path / "table.html").read_text())
    assert page.references == []
    assert page.count("table") == 3
    assert page.count("script") == 0
    for part in (
        "not of one protocol",
        "similarity is cosine in runs/n-0",
        "Without a pair in n",
        "<c>",
        "36.1",
        "[35.3, 37.2]",
        "+1.2*",
        "[+0.4, +2.0]",
        "model.head.groups",
        "averaged over queries.",
    ):
        assert part in page.text
    assert page.classes.count("right") == 1  # MAP@R up
    assert page.classes.count("wrong") == 1  # hubness up
    quiet = Page(_html(tmp_path, made(disagreements=[], rows=[row("n")], recipe={})))
    assert "notice" not in quiet.classes
    assert quiet.count("table") == 1


def _html(folder: Path, comparison: Comparison) -> str:
    write_comparison(folder / "page.html", comparison)
    return (folder / "page.html").read_text()
