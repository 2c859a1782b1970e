"""Printed tables stand beside a study, apart from what it measured; what cannot be is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from kinsight.errors import KinsightError
from kinsight.studies.methods import method_names
from kinsight.studies.published import SHIPPED, read_published

# Table 3 of the DRML supplement as printed: the columns of R-precision and MAP@R are swapped.
AS_PRINTED = """method,precision_at_1,recall_at_2,r_precision,map_at_r,nmi
softmax,53.7,63.8,25.5,33.9,71.8
margin,46.3,56.5,23.7,33.1,74.6
"""


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_tables_name_the_shipped_methods(name: str) -> None:
    table = read_published(name)
    assert len(table.rows) == 2 * 17
    assert {row.method for row in table.rows} <= {*method_names(), "untrained"}


def test_printed_numbers_are_fractions() -> None:
    row = next(row for row in read_published("drml-cars").rows if (row.method, row.protocol) == ("margin", "separated"))
    assert row.cells["precision_at_1"] == (pytest.approx(0.71), pytest.approx(0.027))


def test_a_row_whose_map_at_r_exceeds_its_r_precision_is_refused_by_name(tmp_path: Path) -> None:
    """Property 11 of the relational facts."""
    file = tmp_path / "imagenet.csv"
    file.write_text(AS_PRINTED)
    with pytest.raises(
        KinsightError, match=r"line 2 \(softmax\): a MAP@R of 33.9 with an R-precision of 25.5 cannot be"
    ):
        read_published(file)
    swapped = AS_PRINTED.replace("r_precision,map_at_r", "map_at_r,r_precision")
    file.write_text(swapped)
    assert len(read_published(file).rows) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("method,map_at_r\na,110", "is '110', not a number of percent"),
        ("method,map_at_r\na,much", "is 'much', not a number of percent"),
        ("method,protocol,map_at_r\na,both,1", "write separated or concatenated"),
        ("method,map_at_x\na,1", "map_at_x"),
        ("name,map_at_r\na,1", "no rows with a column method"),
    ],
)
def test_what_is_no_table_is_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "table.csv"
    file.write_text(text)
    with pytest.raises(KinsightError, match=said):
        read_published(file)


def test_a_table_that_is_not_there_is_refused() -> None:
    with pytest.raises(KinsightError, match="no published numbers 'drml'; write drml-cub, drml-cars"):
        read_published("drml")
