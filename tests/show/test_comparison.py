"""A comparison as text, Markdown, CSV, JSON and a page."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from kinsight.errors import KinsightError
from kinsight.evaluation import Estimate
from kinsight.show import comparison_text, write_comparison
from kinsight.show.comparison.result import Comparison, Row
from kinsight.show.comparison.verdict import verdicts
from show.made_comparison import made, row
from show.made_page import Page


def test_text_says_values_intervals_marks_and_notes():
    text = comparison_text(made(), width=200)
    judged, keys, numbers, said = text.split("\n\n")
    assert judged.splitlines() == [
        "a|4 is better than n: MAP@R +1.2 [+0.4, +2.0] over 3 pairs of runs.",
        "Cannot tell <c> from n: MAP@R -1.0 [-3.0, +1.0]; the interval holds zero.",
        "alone was not compared with n: no run of the same seed and fold.",
    ]
    assert keys.splitlines()[2].split() == ["model.head.groups", "-", "4", "4", "true"]
    head, _, first, second, third, _ = (re.split(r"\s{2,}", line) for line in numbers.splitlines())
    to = "difference to n"
    assert head == ["test", "n", "pairs", "MAP@R, %", to, "NMI, %", to, "Hubness", to, "dim", "parameters", "minutes"]
    assert first == [
        "n", "3", "-", "36.1 [35.3, 37.2]", "-", "50.0", "-", "1.235 [1.1, 1.4]†", "-", "512", "2.88 M", "18.8",
    ]  # fmt: skip
    assert second[:5] == ["a|4", "3", "3", "36.1 [35.3, 37.2]", "+1.2 [+0.4, +2.0]*"]
    assert (second[6], second[8]) == ("-2.0", "+0.3 [+0.1, +0.5]†*")
    assert third[4] == "-1.0 [-3.0, +1.0]"
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
        "Without [ ]: fewer than three runs or pairs, and nothing to resample.",
    ]


@pytest.mark.parametrize("width", [60, 120])
def test_wide_tables_go_on_below(width: int):
    text = comparison_text(made(), width)
    assert max(map(len, text.splitlines())) <= width
    for part in ("36.1 [35.3, 37.2]", "+0.3 [+0.1, +0.5]†*", "2.88 M"):
        assert part in text
    heads = [line for line in text.splitlines() if line.startswith("test ")]
    assert len(heads) == (2 if width == 120 else 4)
    # A metric is never parted from its difference.
    assert all(line.count("difference to n") == sum(map(line.count, ("MAP@R", "NMI", "Hubness"))) for line in heads)


def test_markdown_is_tables_with_bold_where_zero_is_outside(tmp_path: Path):
    write_comparison(tmp_path / "new" / "table.md", made())
    text = (tmp_path / "new" / "table.md").read_text()
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert [len(table) for table in tables] == [3, 6]
    for table in tables:
        assert len({line.replace("\\|", "").count("|") for line in table}) == 1
    assert "**+1.2 [+0.4, +2.0]**\\*" in tables[1][3]
    assert "**+0.3 [+0.1, +0.5]†**\\*" in tables[1][3]
    assert "- a\\|4 is better than n: MAP@R" in text
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


def test_verdicts_of_few_runs():
    one = {"map_at_r": Estimate(0.02, 0.01, 0.03, "bootstrap")}
    two = {"map_at_r": Estimate(0.02, n=2)}
    alike = {"map_at_r": Estimate(0.02, method="t", n=3)}
    worse = {"map_at_r": Estimate(-0.02, -0.03, -0.01, "t", 3)}
    rows = [row("n"), row("a", 1, one), row("b", 2, two), row("c", 3, alike), row("d", 3, worse)]
    assert [sentence for _, sentence in verdicts(made(rows=rows))] == [
        "a is better than n in this one pair of runs: MAP@R +2.0 [+1.0, +3.0]; other seeds may say otherwise.",
        "Cannot tell b from n: MAP@R +2.0; from 2 pairs of runs no interval; train three seeds or more of each.",
        "Cannot tell c from n: MAP@R +2.0 [none]; all differences are alike.",
        "d is worse than n: MAP@R -2.0 [-3.0, -1.0] over 3 pairs of runs.",
    ]


def test_other_formats_are_refused(tmp_path: Path):
    with pytest.raises(KinsightError, match=r"says no known format; end it in \.md, \.csv, \.json or \.html"):
        write_comparison(tmp_path / "table.xlsx", made())


def test_page_holds_all_tables_and_nothing_from_outside(tmp_path: Path):
    write_comparison(tmp_path / "table.html", made())
    page = Page((tmp_path / "table.html").read_text())
    assert page.references == []
    assert page.count("table") == 4
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
    assert page.count("td", class_="right") == 1  # MAP@R up
    assert page.count("td", class_="wrong") == 1  # hubness up
    assert page.count("li", class_="right") == 1
    quiet = Page(_html(tmp_path, made(disagreements=[], rows=[row("n")], recipe={})))
    assert "notice" not in quiet.classes
    assert quiet.count("table") == 4


def _html(folder: Path, comparison: Comparison) -> str:
    write_comparison(folder / "page.html", comparison)
    return (folder / "page.html").read_text()
