"""Conditions on columns: what they mean, and that nothing written there becomes SQL."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinsight.errors import KinsightError
from kinsight.retrieval.about import About
from kinsight.retrieval.opening import create_store
from kinsight.retrieval.store import Store
from kinsight.retrieval.where import parse_condition
from retrieval.made_index import DIM, entry, vectors

ROWS = [
    {"camera": 1, "label": "wren", "height": 1.5, "a b": "x"},
    {"camera": 2, "label": "robin", "height": -2.0},
    {"camera": 3, "label": "o'hare", "seen": 1},
    {"camera": 3, "label": "", "height": 4.0, "seen": 0},
    {"label": "wren"},
]


@pytest.fixture(scope="module")
def store() -> Store:
    made = create_store(None, About(DIM))
    made.add([entry(f"{n}.jpg", vector, **row) for n, (vector, row) in enumerate(zip(vectors(5), ROWS, strict=True))])
    return made


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("camera = 3", [2, 3]),
        ("camera == 3 and label = ''", [3]),
        ("camera != 3", [0, 1]),
        ("camera <> 3 OR camera is null", [0, 1, 4]),
        ("not camera = 3", [0, 1]),
        ("label in ('wren', 'o''hare')", [0, 2, 4]),
        ("label not in ('wren')", [1, 2, 3]),
        ("height > -2.5 and height < 1.6e0", [0, 1]),
        ("height >= 4 or (camera <= 1 and label like 'w%')", [0, 3]),
        ("label not like '%r%'", [3]),
        ("seen", [2]),
        ("not seen", [0, 1, 3, 4]),
        ("seen = false", [3]),
        ("seen is not null", [2, 3]),
        ("\"a b\" = 'x'", [0]),
        ("id = '4.jpg' or path like '%/0.jpg'", [0, 4]),
        ("camera = 1 or camera = 2 and label = 'robin'", [0, 1]),
        ("(camera = 1 or camera = 2) and label = 'robin'", [1]),
        ("camera=+1", [0]),
    ],
)
def test_conditions_mean_what_they_say(store: Store, where: str, found: list[int]) -> None:
    numbers = store.numbers(where).tolist()
    assert [int(known.listed.id[0]) for known in store.pictures(numbers).values()] == found


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        ("", "it is empty"),
        (
            "colour = 3",
            "'colour', which is no column of this index; it has: a b, camera, height, id, label, path, seen",
        ),
        ("camera = wren", r"wren is no value; write a number, or a text in single quotes \('wren'\)"),
        ('camera = "wren"', "is no value"),
        ("camera = 3; drop table pictures", "cannot be read"),
        ("camera = 3 -- label", "cannot be read"),
        ("camera = 3 union", "union cannot follow"),
        ("camera in 3", r"\( is missing before 3"),
        ("camera in (3", r"\) is missing at its end"),
        ("camera =", "a value is missing at its end"),
        ("camera not 3", "in or like is missing"),
        ("3 = camera", "3 stands where the name of a column belongs"),
        ("camera is 3", "null is missing before 3"),
        ("camera = 'open", "cannot be read"),
        ("camera = 3x", "cannot be read"),
        ("(" * 60 + "camera" + ")" * 60, "more than 50 brackets"),
        ("x" * 10_001, "too long"),
        ("c0 = 1", "'c0', which is no column"),
        ("number = 1", "'number', which is no column"),
    ],
)
def test_what_is_no_condition_is_refused_in_a_sentence(store: Store, where: str, sentence: str) -> None:
    with pytest.raises(KinsightError, match=sentence):
        store.numbers(where)


_PIECES = st.sampled_from(
    [
        "camera",
        "label",
        "=",
        "!=",
        "in",
        "(",
        ")",
        ",",
        "'a'",
        "''",
        "'",
        '"',
        "--",
        ";",
        "/*",
        "*/",
        "1",
        "not",
        "and",
        "or",
        "like",
    ]
    + [
        "is",
        "null",
        "union select sql from sqlite_schema",
        "drop table pictures",
        "?",
        ":x",
        "||",
        "\0",
        "%",
        "x'41'",
        "\\",
    ]
)


@settings(max_examples=50, deadline=None)
@given(st.lists(_PIECES, max_size=12).map(" ".join) | st.text(max_size=40))
def test_whatever_is_written_the_sql_holds_known_words_alone(where: str) -> None:
    known = re.compile(r"(c0|c1|AND|OR|NOT|IN|LIKE|IS|NULL|=|!=|<=|>=|<|>|\(|\)|,|\?|0|''|\s)+")
    try:
        sql, values = parse_condition(where, {"camera": "c0", "label": "c1"})
    except KinsightError:
        return
    assert known.fullmatch(sql)
    assert sql.count("?") == len(values)


def test_names_and_values_of_injections_stay_names_and_values() -> None:
    made = create_store(None, About(DIM))
    bad = "x) ; DROP TABLE pictures; --"
    made.add([entry("0.jpg", vectors(1)[0], **{bad: "' OR 1=1 --", 'q"u"o': 5})])
    assert made.numbers(f"\"{bad}\" = ''' OR 1=1 --'").tolist() == [1]
    assert made.numbers('"q""u""o" = 5').tolist() == [1]
    assert made.numbers(f"\"{bad}\" = 'other'").tolist() == []
    assert len(made) == 1
