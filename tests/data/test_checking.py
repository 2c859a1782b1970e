import shutil
import time
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from kinsight.data.checking import check_table, require_sound
from kinsight.data.problems import LISTED, Problem
from kinsight.data.table import read_table
from kinsight.errors import KinsightError

SOUND = [("a", 0, "train"), ("b", 0, "train"), ("c", 1, "train"), ("d", 1, "train"), ("e", 2, "test"), ("f", 2, "test")]


def _table(folder: Path, rows: list[tuple], columns: str = "path,label,split", *, files: bool = True) -> pd.DataFrame:
    """Rows as a table read from `folder`/list.csv; the pictures are there as empty files."""
    frame = pd.DataFrame(rows, columns=columns.split(","))
    frame.to_csv(folder / "list.csv", index=False)
    for name in frame["path"].dropna() if files else []:
        (folder / name).touch()
    return read_table(folder / "list.csv")


def _sentences(table: pd.DataFrame, severity: str = "error", **options: bool) -> list[str]:
    return [str(problem) for problem in check_table(table, **options) if problem.severity == severity]


def test_a_sound_table_has_no_problem(tmp_path: Path) -> None:
    table = _table(tmp_path, SOUND)
    assert check_table(table) == []
    require_sound(table)


def test_missing_columns() -> None:
    sentences = _sentences(pd.DataFrame({"path": ["a"], "class": [0]}))
    assert [sentence.partition(":")[0] for sentence in sentences] == ["column id", "column label", "column split"]
    assert "the table has path, class" in sentences[0]


def test_empty_cells_are_named_by_their_spreadsheet_row(tmp_path: Path) -> None:
    sentences = _sentences(_table(tmp_path, [*SOUND, (None, 2, "test"), ("h", None, "test"), ("i", 2, None)]))
    assert sentences == [
        "row 8, column path: it is empty; give the picture's file or delete the row",
        "row 9, column label: it is empty; give its class or delete the row",
        "row 10, column split: it is empty; write train, validation or test",
    ]


def test_an_unknown_split(tmp_path: Path) -> None:
    problems = check_table(_table(tmp_path, [*SOUND, ("g", 2, "trian")]))
    assert problems == [
        Problem(8, "split", "trian", "'trian' is not a split; write train, validation or test", "error"),
    ]
    assert str(problems[0]) == "row 8, column split: 'trian' is not a split; write train, validation or test"


def test_all_problems_are_found_and_long_lists_are_counted(tmp_path: Path) -> None:
    table = _table(tmp_path, [*SOUND, *((f"x{number}", 2, "tset") for number in range(LISTED + 5))])
    sentences = _sentences(table)
    assert len(sentences) == LISTED + 1
    assert sum(problem.count for problem in check_table(table) if problem.severity == "error") == LISTED + 5
    with pytest.raises(KinsightError, match=f", and {LISTED + 4} more; "):
        require_sound(table)
    assert sentences[-1] == "column split: 5 more rows have the problem of row 8; repair them in the same way"


def test_a_picture_listed_twice(tmp_path: Path) -> None:
    sentences = _sentences(_table(tmp_path, [*SOUND, ("a", 1, "train")]))
    assert sentences == [
        f"row 8, column path: this picture is listed before ({tmp_path}/a); delete one of the rows",
    ]


BOXED = "path,label,split,x_1,y_1,x_2,y_2"


def _boxed(*boxes: tuple) -> list[tuple]:
    return [(*row, 0, 0, 10, 10) for row in SOUND] + [("b", 0, "train", *box) for box in boxes]


def test_several_boxes_of_one_picture_are_no_duplicates(tmp_path: Path) -> None:
    assert check_table(_table(tmp_path, _boxed((5, 0, 10, 10), (None,) * 4), BOXED)) == []
    rows = _boxed((5, 0, 10, 10), (5, 0, 10, 10))
    rows[-1] = ("b", 1, *rows[-1][2:])
    assert len(_sentences(_table(tmp_path, rows, BOXED))) == 1


@pytest.mark.parametrize(
    ("box", "sentence"),
    [
        ((-1, 0, 5, 5), "row 8, column x_1: the box begins at -1, outside the picture; begin at 0 or more"),
        ((7, 0, 7, 5), "row 8, column x_2: 7 is not greater than x_1; the box is x_1 < x_2 and y_1 < y_2"),
        ((0, 7, 5, 6), "row 8, column y_2: 6 is not greater than y_1; the box is x_1 < x_2 and y_1 < y_2"),
        ((0, 0, "five", 5), "row 8, column x_2: 'five' is not a number; write the box's edge in pixels"),
        ((0, 0, 5, None), "row 8, column y_2: the box lacks this edge; give all four or none"),
        ((0, 0, "inf", 5), "row 8, column x_2: inf is not a number; write the box's edge in pixels"),
    ],
)
def test_boxes_that_are_none(tmp_path: Path, box: tuple, sentence: str) -> None:
    assert [text.replace(".0 ", " ") for text in _sentences(_table(tmp_path, _boxed(box), BOXED))] == [sentence]


def test_a_missing_box_column(tmp_path: Path) -> None:
    rows = [(*row, 0, 0, 10) for row in SOUND]
    sentences = _sentences(_table(tmp_path, rows, "path,label,split,x_1,y_1,x_2"))
    assert sentences == [
        "column y_2: the column is missing; a box is x_1, y_1, x_2, y_2 in pixels, so give all four or none",
    ]


def test_missing_files_in_folders_and_zips(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("in/a", "")
    (tmp_path / "broken.zip").touch()
    (tmp_path / "folder").mkdir()
    names = ["a", "b", "x.zip/in/a", "x.zip/in/b", "x.zip/in", "folder", "no/a", "broken.zip/a", "b/a"]
    rows = [(name, label // 2, "train") for label, name in enumerate(names)] + SOUND[4:]
    (tmp_path / "a").touch()
    (tmp_path / "b").touch()
    table = _table(tmp_path, rows, files=False)
    missing = [problem.value for problem in check_table(table) if "there is no file" in problem.message]
    assert missing == [f"{tmp_path}/{name}" for name in [*names[3:], "e", "f"]]


def test_a_missing_mask(tmp_path: Path) -> None:
    rows = [(*row, None) for row in SOUND] + [("g", 2, "test", "m.png")]
    sentences = _sentences(_table(tmp_path, rows, "path,label,split,mask_path"))
    assert sentences == [
        f"row 8, column mask_path: there is no file {tmp_path}/m.png; correct the path or leave it empty",
    ]


FLAGGED = "path,label,split,is_query,is_gallery"


def _flagged(*rows: tuple) -> list[tuple]:
    return [(*row, None, None) for row in SOUND[:4]] + [("e", 2, "test", 1, 0), ("f", 2, "test", 0, 1), *rows]


def test_sound_flags(tmp_path: Path) -> None:
    assert check_table(_table(tmp_path, _flagged(("g", 3, "test", 0, 1)), FLAGGED)) == []


def test_flags_that_are_no_booleans(tmp_path: Path) -> None:
    sentences = _sentences(_table(tmp_path, _flagged(("g", 2, "test", "maybe", 1)), FLAGGED))
    assert sentences == ["row 8, column is_query: 'maybe' is neither true nor false; write one"]


def test_one_flag_needs_the_other(tmp_path: Path) -> None:
    rows = [row[:4] for row in _flagged()]
    sentences = _sentences(_table(tmp_path, rows, "path,label,split,is_query"))
    assert sentences == ["column is_gallery: the column is missing; is_query has a meaning only beside it"]


def test_a_query_that_cannot_find_its_class(tmp_path: Path) -> None:
    # The gallery of the train split, or of another class, does not help.
    table = _table(tmp_path, _flagged(("g", 3, "test", 1, 0), ("h", 4, "test", 0, 1)), FLAGGED)
    assert _sentences(table) == [
        "row 8, column label: a query of class 3, of which the gallery has no picture; add one or unflag the query",
    ]


def test_a_query_does_not_find_itself(tmp_path: Path) -> None:
    table = _table(tmp_path, _flagged(("g", 3, "test", 1, 1)), FLAGGED)
    assert _sentences(table) == []
    assert _sentences(table, "warning") == [
        "column label: 1 class with one picture in test are skipped at evaluation (3); add pictures or drop them",
    ]


def test_pictures_without_a_role_are_warned_of(tmp_path: Path) -> None:
    warnings = _sentences(_table(tmp_path, _flagged(("g", 2, "test", 0, 0)), FLAGGED), "warning")
    assert len(warnings) == 1
    assert "1 pictures of the evaluated splits are neither query nor gallery" in warnings[0]


def test_single_pictures_are_warned_of(tmp_path: Path) -> None:
    rows = [*SOUND, ("g", 7, "train"), *((f"t{label}", label, "test") for label in range(10, 17))]
    table = _table(tmp_path, rows)
    assert _sentences(table, "warning") == [
        "column label: 1 class with one picture in train form no pair in training (7); add pictures or drop them",
        "column label: 7 classes with one picture in test are skipped at evaluation (10, 11, 12, 13, 14, ...); "
        "add pictures or drop them",
    ]
    assert _sentences(table) == []
    require_sound(table)


def test_seen_classes_are_refused_and_a_clean_column_is_proposed(tmp_path: Path) -> None:
    rows = [("a", 0, "train"), ("b", 0, "test"), ("c", 1, "train"), ("d", 1, "test"), ("e", 1, "train")]
    sides = ["train", "train", "test", "test", "test"]
    columns = "path,label,split,official,dml_split"
    table = _table(tmp_path, [(*row, row[2], side) for row, side in zip(rows, sides, strict=True)], columns)
    assert _sentences(table) == [
        "column split: class 0 is both in train (1 pictures) and in test (1) (1 other class too), but it must be "
        "measured on classes never seen; split by whole classes: --data.split_by dml_split"
    ]
    assert _sentences(table, seen_classes_allowed=True) == []
    assert _sentences(table.drop(columns="dml_split"))[0].endswith("--data.split_by halves")


def test_seen_classes_in_validation(tmp_path: Path) -> None:
    rows = [*SOUND, ("g", 0, "validation"), ("h", 0, "validation")]
    assert _sentences(_table(tmp_path, rows)) == []
    assert (
        "class 0 is both in train (2 pictures) and in validation (2)"
        in _sentences(_table(tmp_path, rows), "warning")[0]
    )
    rows = [*SOUND, ("g", 2, "validation"), ("h", 2, "validation")]
    assert "class 2 is both in validation (2 pictures) and in test (2)" in _sentences(_table(tmp_path, rows))[0]


@pytest.mark.parametrize(("classes", "what"), [(1, "nothing to train on"), (3, "only one class to train on")])
def test_too_few_class_folders_are_told_how_many_it_takes(tmp_path: Path, classes: int, what: str) -> None:
    for label in range(classes):
        for number in range(2):
            (tmp_path / f"class {label}").mkdir(exist_ok=True)
            (tmp_path / f"class {label}" / f"{number}.jpg").touch()
    (said,) = _sentences(read_table(tmp_path))
    assert said.startswith(
        f"column split: there is {what}; mark rows of two or more classes as train, or give four classes"
    )
    assert said.endswith(f"{classes})")


def test_nothing_to_train_on(tmp_path: Path) -> None:
    tested = [(name, label, "test") for name, label, _ in SOUND]
    table = _table(tmp_path, tested)
    assert _sentences(table) == [
        "column split: there is nothing to train on; mark rows of two or more classes as train",
    ]
    assert _sentences(table, evaluation_only=True) == []
    require_sound(table, evaluation_only=True)


def test_nothing_to_evaluate(tmp_path: Path) -> None:
    table = _table(tmp_path, [(name, label, "train") for name, label, _ in SOUND])
    assert _sentences(table) == []
    assert _sentences(table, "warning") == [
        "column split: there is nothing to evaluate; mark rows as validation or test",
    ]
    assert len(_sentences(table, evaluation_only=True)) == 1


def test_the_first_error_refuses_the_table(tmp_path: Path) -> None:
    with pytest.raises(KinsightError, match=r"^list\.csv row 8, column split: 'trian' is not a split; write [^`]*$"):
        require_sound(_table(tmp_path, [*SOUND, ("g", 2, "trian")]))
    table = _table(tmp_path, [*SOUND, ("g", 2, "trian"), ("h", 2, "tset"), ("i", 9, "test")])
    with pytest.raises(KinsightError, match=rf", and 1 more; `kinsight data check {tmp_path}/list\.csv` lists them$"):
        require_sound(table)


def _pictures(folder: Path) -> pd.DataFrame:
    table = _table(folder, [(*row, 0, 0, 10, 8) for row in SOUND], BOXED, files=False)
    for number, path in enumerate(table["path"]):
        Image.new("RGB", (10, 8), (number, 0, 0)).save(path, format="png")
    return table


def test_pictures_are_opened_only_when_asked(tmp_path: Path) -> None:
    table = _pictures(tmp_path)
    Path(table["path"][1]).write_bytes(b"no picture")
    assert check_table(table) == []
    problems = check_table(table, pictures=True)
    assert [(problem.row, problem.column, problem.severity) for problem in problems] == [(3, "path", "error")]
    assert "picture" in problems[0].message


def test_boxes_are_held_against_the_pictures(tmp_path: Path) -> None:
    table = _pictures(tmp_path)
    assert check_table(table, pictures=True) == []
    table.loc[[0, 2], "x_2"] = [11, 12]
    table.loc[5, "y_2"] = 9
    assert _sentences(table, pictures=True) == [
        "row 2, column x_2: the box ends at 11, where the picture is less wide; cut the box to the picture",
        "row 4, column x_2: the box ends at 12, where the picture is less wide; cut the box to the picture",
        "row 7, column y_2: the box ends at 9, where the picture is less high; cut the box to the picture",
    ]


def test_copies_are_told_with_the_row_that_has_the_same_picture(tmp_path: Path) -> None:
    table = _pictures(tmp_path)
    assert len(table) == 6
    for row, of in ((1, 0), (4, 0), (5, 3)):
        shutil.copy(table["path"][of], table["path"][row])
    table["label"], table["split"] = list("aabbac"), ["train"] * 3 + ["test"] * 3
    assert [
        text
        for text in _sentences(table, "warning", pictures=True, seen_classes_allowed=True)
        if "same picture" in text
    ] == [
        "row 7, column path: the same picture as in row 5, of class b in test; keep it in the class it is of",
        "row 6, column path: the same picture as in row 2, of class a in train; keep it in one split",
        "row 3, column path: the same picture as in row 2, of class a in train; keep one",
    ]
    table["x_2"] = [9, 10, 8, 10, 10, 10]  # other parts of one picture are other pictures
    assert len([text for text in _sentences(table, "warning", pictures=True) if "same picture" in text]) == 2


@pytest.mark.long
def test_a_large_table_is_checked_at_once() -> None:
    count = 200_000
    labels = np.arange(count) // 4
    table = pd.DataFrame({"id": [f"{row}.jpg" for row in range(count)], "label": labels})
    table["path"] = f"{Path(__file__).parent}/" + table["id"]
    table["split"] = np.where(labels < count // 8, "train", "test")
    table[["x_1", "y_1"]], table[["x_2", "y_2"]] = 0, 10
    start = time.process_time()
    problems = check_table(table)
    # Below a second; looking at the rows one by one takes more than ten.
    assert time.process_time() - start < 5
    assert len(problems) == LISTED + 1
    assert f"{count - LISTED} more rows" in problems[-1].message
