import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kinsight.data.checking import check_table, describe, table_digest
from kinsight.data.table import read_table
from kinsight.errors import KinsightError


def _csv(folder: Path, text: str, name: str = "table.csv") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


ROWS = "path,label,split\na.jpg,0,train\nb.jpg,0,train\nc.jpg,1,test\nd.jpg,1,test\n"


# Columns


def test_a_plain_table(tmp_path: Path) -> None:
    table = read_table(_csv(tmp_path, ROWS))
    assert list(table.columns) == ["id", "path", "label", "split"]
    assert table["id"].tolist() == ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
    assert table["path"].tolist() == [f"{tmp_path}/{name}" for name in table["id"]]
    assert table["label"].dtype == np.int64
    assert table["split"].tolist() == ["train", "train", "test", "test"]
    assert table.index.equals(pd.RangeIndex(4))


def test_other_columns_stay_as_they_are(tmp_path: Path) -> None:
    table = read_table(_csv(tmp_path, "weight,path,label,role\n1.5,a.jpg,x,left\n2,b.jpg,y,right\n"))
    assert table["weight"].tolist() == [1.5, 2.0]
    assert table["role"].tolist() == ["left", "right"]
    assert "is_query" not in table


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (["1", "2"], [1, 2]),
        (["1.0", "2.0"], [1, 2]),
        (["007", "8"], [7, 8]),
        (["01", "1"], ["01", "1"]),  # two classes
        (["1", "b"], ["1", "b"]),
        (["1.5", "2"], ["1.5", "2"]),
        (["NA", "None"], ["NA", "None"]),
        (["12345678901234567890", "1"], ["12345678901234567890", "1"]),
        (["-1", "0"], [-1, 0]),
    ],
)
def test_labels_are_whole_numbers_or_strings(tmp_path: Path, written: list[str], read: list) -> None:
    rows = "".join(f"{number}.jpg,{label}\n" for number, label in enumerate(written))
    assert read_table(_csv(tmp_path, "path,label\n" + rows))["label"].tolist() == read


def test_an_empty_label_does_not_change_the_others(tmp_path: Path) -> None:
    table = read_table(_csv(tmp_path, "path,label,split\na.jpg,1,train\nb.jpg,,train\nc.jpg,3,test\n"))
    assert table["label"].tolist() == [1, None, 3]


def test_boxes_as_corner_and_size(tmp_path: Path) -> None:
    table = read_table(_csv(tmp_path, "path,label,x,y,w,h\na.jpg,0,10,20,30,40\nb.jpg,1,,,,\n"))
    assert table.loc[0, ["x_1", "y_1", "x_2", "y_2"]].tolist() == [10, 20, 40, 60]
    assert table.loc[1, ["x_1", "y_1", "x_2", "y_2"]].isna().all()
    assert not {"x", "y", "w", "h"} & set(table.columns)


def test_x_and_y_are_left_alone_beside_a_box(tmp_path: Path) -> None:
    table = read_table(_csv(tmp_path, "path,label,x,y,w,h,x_1,y_1,x_2,y_2\na.jpg,0,5,6,7,8,1,2,3,4\n"))
    assert table.loc[0, ["x_1", "y_1", "x_2", "y_2", "x", "h"]].tolist() == [1, 2, 3, 4, 5, 8]


def test_a_size_that_is_no_number_is_named(tmp_path: Path) -> None:
    with pytest.raises(KinsightError, match=r"table\.csv row 3, column w: 'wide' is not a number"):
        read_table(_csv(tmp_path, "path,label,x,y,w,h\na.jpg,0,1,2,3,4\nb.jpg,1,1,2,wide,4\n"))


def test_several_boxes_of_one_picture_get_ids_of_their_own(tmp_path: Path) -> None:
    rows = "path,label,x_1,y_1,x_2,y_2\na.jpg,0,0,0,10,10\na.jpg,1,10.5,0,20,10\nb.jpg,1,0,0,5,5\n"
    table = read_table(_csv(tmp_path, rows))
    assert table["id"].tolist() == ["a.jpg#0,0,10,10", "a.jpg#10.5,0,20,10", "b.jpg"]
    assert table["path"].tolist() == [f"{tmp_path}/{name}" for name in ("a.jpg", "a.jpg", "b.jpg")]


def test_an_id_of_the_tables_own_is_kept(tmp_path: Path) -> None:
    assert read_table(_csv(tmp_path, "id,path,label\n007,a.jpg,0\n008,b.jpg,1\n"))["id"].tolist() == ["007", "008"]


def test_roles_become_flags_and_the_split(tmp_path: Path) -> None:
    rows = "path,label,role\na.jpg,0,train\nb.jpg,1,query\nc.jpg,1,gallery\n"
    table = read_table(_csv(tmp_path, rows))
    assert table["split"].tolist() == ["train", "test", "test"]
    assert table["is_query"].tolist() == [False, True, False]
    assert table["is_gallery"].tolist() == [False, False, True]
    assert table.dtypes[["is_query", "is_gallery"]].eq(bool).all()


def test_a_mistyped_role_is_named(tmp_path: Path) -> None:
    with pytest.raises(KinsightError, match=r"table\.csv row 3, column role: 'qeury' is no role; write train, query"):
        read_table(_csv(tmp_path, "path,label,role\na.jpg,0,query\nb.jpg,1,qeury\n"))


def test_masks_become_absolute_and_may_be_absent(tmp_path: Path) -> None:
    table = read_table(_csv(tmp_path, "path,label,mask_path\na.jpg,0,masks/a.png\nb.jpg,1,\n"))
    assert table["mask_path"].tolist() == [f"{tmp_path}/masks/a.png", None]


def test_an_open_metric_learning_table_loads_unchanged(tmp_path: Path) -> None:
    # Flags are empty on train rows, the box is ordered x_1, x_2, y_1, y_2, and the index was saved too.
    text = (
        ",label,path,split,is_query,is_gallery,category,sequence,x_1,x_2,y_1,y_2\n"
        "0,0,images/rect_1.jpg,train,,,rect,0,0,10,0,20\n"
        "1,0,images/rect_2.jpg,train,,,rect,0,5,10,5,20\n"
        "2,1,images/cross_1.jpg,validation,True,True,cross,1,0,10,0,20\n"
        "3,1,images/cross_2.jpg,validation,True,False,cross,2,,,,\n"
        "4,1,images/cross_3.jpg,validation,False,True,cross,3,0,10,0,20\n"
    )
    table = read_table(_csv(tmp_path, text))
    assert "Unnamed: 0" not in table
    assert table["label"].tolist() == [0, 0, 1, 1, 1]
    assert table["split"].tolist() == ["train", "train", "validation", "validation", "validation"]
    assert table["is_query"].tolist() == [False, False, True, True, False]
    assert table["is_gallery"].tolist() == [False, False, True, False, True]
    assert table["is_query"].dtype == bool
    assert table.loc[1, ["x_1", "y_1", "x_2", "y_2"]].tolist() == [5, 5, 10, 20]
    assert table.loc[3, ["x_1", "y_1", "x_2", "y_2"]].isna().all()
    assert table["category"].tolist() == ["rect", "rect", "cross", "cross", "cross"]
    assert table["sequence"].tolist() == [0, 0, 1, 2, 3]


def test_flags_as_0_and_1_are_booleans(tmp_path: Path) -> None:
    rows = "path,label,split,is_query,is_gallery\na,0,train,,\nb,1,test,1,0\nc,1,test,0,1\n"
    table = read_table(_csv(tmp_path, rows))
    assert table["is_query"].tolist() == [False, True, False]
    assert table.dtypes[["is_query", "is_gallery"]].eq(bool).all()


def test_flags_that_flag_nothing_are_absent(tmp_path: Path) -> None:
    table = read_table(_csv(tmp_path, "path,label,is_query,is_gallery\na,0,,\nb,1,,\n"))
    assert not {"is_query", "is_gallery"} & set(table.columns)


def test_pairs_of_views_become_two_rows(tmp_path: Path) -> None:
    text = (
        "pair_id,ground_path,ground_width,aerial_path,aerial_width,place\n"
        "p0,g0.jpg,512,a0.jpg,256,north\np1,g1.jpg,513,a1.jpg,257,south\n"
    )
    table = read_table(_csv(tmp_path, text))
    assert table["id"].tolist() == ["g0.jpg", "a0.jpg", "g1.jpg", "a1.jpg"]
    assert table["label"].tolist() == table["pair"].tolist() == ["p0", "p0", "p1", "p1"]
    assert table["camera"].tolist() == ["ground", "aerial", "ground", "aerial"]
    assert table["width"].tolist() == [512, 256, 513, 257]
    assert table["place"].tolist() == ["north", "north", "south", "south"]
    assert table["split"].tolist() == ["train", "train", "test", "test"]


# Paths


def test_absolute_paths_and_root(tmp_path: Path) -> None:
    source = _csv(tmp_path, "path,label\n/data/a.jpg,0\nb.jpg,1\n./c/../d.jpg,1\n")
    assert read_table(source)["path"].tolist() == ["/data/a.jpg", f"{tmp_path}/b.jpg", f"{tmp_path}/d.jpg"]
    assert read_table(source, root="/pictures")["path"].tolist() == [
        "/data/a.jpg",
        "/pictures/b.jpg",
        "/pictures/d.jpg",
    ]
    assert read_table(source, root="/x.zip")["id"].tolist() == ["/data/a.jpg", "b.jpg", "./c/../d.jpg"]


def test_a_relative_source_gives_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _csv(tmp_path, ROWS)
    monkeypatch.chdir(tmp_path)
    assert read_table("table.csv")["path"].tolist()[0] == f"{tmp_path}/a.jpg"


# Splits


def test_without_a_split_the_classes_are_halved(tmp_path: Path) -> None:
    table = read_table(_csv(tmp_path, "path,label\na,9\nb,10\nc,9\nd,11\n"))
    assert table["split"].tolist() == ["train", "test", "train", "test"]


def test_split_by_halves_overrules_the_tables_split(tmp_path: Path) -> None:
    source = _csv(tmp_path, "path,label,split\na,0,test\nb,1,train\n")
    assert read_table(source, split_by="halves")["split"].tolist() == ["train", "test"]


def test_split_by_a_column(tmp_path: Path) -> None:
    source = _csv(tmp_path, "path,label,split,dml_split\na,0,test,Train\nb,1,train,val\nc,2,train,test\n")
    assert read_table(source, split_by="dml_split")["split"].tolist() == ["train", "validation", "test"]


def test_split_by_an_unknown_column_lists_the_columns(tmp_path: Path) -> None:
    with pytest.raises(KinsightError, match=r"no column dml to split by; give halves or one of .*path.*label.*split"):
        read_table(_csv(tmp_path, ROWS), split_by="dml")


def test_split_by_a_column_without_splits_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KinsightError, match="column fold: 0, 1 is no split"):
        read_table(_csv(tmp_path, "path,label,fold\na,0,0\nb,1,1\n"), split_by="fold")


def test_flags_of_another_split_are_dropped_unless_they_cover_it(tmp_path: Path) -> None:
    text = (
        "path,label,split,other,same,is_query,is_gallery\n"
        "a,0,train,train,train,,\nb,1,train,test,train,,\nc,2,test,test,test,1,0\nd,2,test,test,test,0,1\n"
    )
    source = _csv(tmp_path, text)
    assert read_table(source)["is_query"].tolist() == [False, False, True, False]
    assert read_table(source, split_by="same")["is_query"].tolist() == [False, False, True, False]
    assert "is_query" not in read_table(source, split_by="other")


# Files that are no table


def test_a_missing_source(tmp_path: Path) -> None:
    with pytest.raises(KinsightError, match=r"nothing\.csv does not exist; give a CSV"):
        read_table(tmp_path / "nothing.csv")


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    with pytest.raises(KinsightError, match=r"give a \.csv, \.tsv, \.parquet or \.zip"):
        read_table(_csv(tmp_path, ROWS, "table.xlsx"))


def test_missing_columns_list_what_was_found(tmp_path: Path) -> None:
    with pytest.raises(KinsightError, match=r"no column path and no column label; it has where, what.*--path-column"):
        read_table(_csv(tmp_path, "where,what\na,0\n"))
    with pytest.raises(KinsightError, match="no column label; it has path, what"):
        read_table(_csv(tmp_path, "path,what\na,0\n"))


@pytest.mark.parametrize(
    "header",
    ["image,class", "Filename,Target", " File , Class ", "IMAGE PATH,class id", "Path,Label", "img,class_name"],
)
def test_headers_of_other_tools(tmp_path: Path, header: str) -> None:
    table = read_table(_csv(tmp_path, f"{header},Split,Other\na.jpg,007,train,1\nb.jpg,7,test,2\n"))
    assert table[["id", "label", "split", "Other"]].to_numpy().tolist() == [
        ["a.jpg", "007", "train", 1],
        ["b.jpg", "7", "test", 2],
    ]
    assert table.attrs["notes"] == []


def test_the_standard_word_wins_and_a_choice_is_said(tmp_path: Path) -> None:
    table = read_table(_csv(tmp_path, "path,image,label,class\na,x,0,9\n"))
    assert (table["id"][0], table["label"][0], table["image"][0], table["class"][0]) == ("a", 0, "x", 9)
    table = read_table(_csv(tmp_path, "image,filename,class\nx,a.jpg,0\n"))
    assert table["id"][0] == "a.jpg"
    (note,) = table.attrs["notes"]
    assert note == "column 'filename' of table.csv is read as path, not 'image'; choose with --path-column"
    assert note in map(str, check_table(table))


def test_columns_that_the_user_names(tmp_path: Path) -> None:
    source = _csv(tmp_path, "path,Scan,label,species\na,x,0,9\n")
    table = read_table(source, path_column="scan", label_column="species")
    assert (table["id"][0], table["label"][0], table["other_path"][0], table["other_label"][0]) == ("x", 9, "a", 0)
    with pytest.raises(KinsightError, match="has no column 'none' to take as label; it has path, Scan, label, species"):
        read_table(source, label_column="none")


def test_paths_of_windows(tmp_path: Path) -> None:
    (tmp_path / "b\\c.jpg").touch()  # where a backslash may be part of a name
    table = read_table(_csv(tmp_path, "path,label\nbirds\\a.jpg,0\nb\\c.jpg,1\n"))
    assert table["id"].tolist() == ["birds/a.jpg", "b\\c.jpg"]
    assert table["path"].tolist() == [f"{tmp_path}/birds/a.jpg", f"{tmp_path}/b\\c.jpg"]


@pytest.mark.parametrize(
    ("encoding", "note"), [("utf-16", "is UTF-16 text"), ("latin-1", "was read as Latin-1"), ("utf-8", None)]
)
def test_encodings_of_spreadsheets(tmp_path: Path, encoding: str, note: str | None) -> None:
    (tmp_path / "table.csv").write_bytes("path;label\na.jpg;Mésange\n".encode(encoding))
    table = read_table(tmp_path / "table.csv")
    assert table["label"].tolist() == ["Mésange"]
    assert len(table.attrs["notes"]) == (note is not None)
    assert all(note in each for each in table.attrs["notes"] if note)


def test_rows_that_repeat_are_dropped_and_said(tmp_path: Path) -> None:
    table = read_table(_csv(tmp_path, "id,path,label,split\n1,a,0,train\n2,a,0,train\n3,b,0,trian\n4,a,1,train\n"))
    assert table["id"].tolist() == ["1", "3", "4"]
    assert table.index.tolist() == [0, 1, 2]
    assert table.attrs["notes"] == ["1 row repeats an earlier one and was dropped, the first in row 3 (2)"]
    rows = {problem.row for problem in check_table(table) if problem.column == "split"}
    assert 4 in rows  # as a spreadsheet counts, with the dropped row
    part = table.iloc[[1]].assign(split="test")
    part.attrs.update(table.attrs)
    assert {each.row for each in check_table(part) if each.column == "path"} == {4}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is not a CSV table"),
        (b"path,label\n", "has no rows"),
        (b"path,label\na.jpg,1\nb.jpg,2,3,4\n", "is not a CSV table"),
        (b"path,label\na.jpg,1,9\nb.jpg,2,9\n", "is not a CSV table"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "is no text; save it as CSV in UTF-8"),
        (b"\xff\xfepath", "has no rows"),
        (b"\xff\xfepat", "is no text"),
    ],
)
def test_what_is_no_csv_is_refused(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "table.csv").write_bytes(data)
    with pytest.raises(KinsightError, match=said):
        read_table(tmp_path / "table.csv")


@pytest.mark.parametrize(
    "text",
    [
        "path;label;split\na, b.jpg;0;train\n",
        "path\tlabel\tsplit\na, b.jpg\t0\ttrain\n",
        '\ufeffpath, label, split\r\n"a, b.jpg", 0, train\r\n\r\n\r\n',
    ],
)
def test_csv_as_spreadsheets_write_it(tmp_path: Path, text: str) -> None:
    table = read_table(_csv(tmp_path, text))
    assert table[["id", "label", "split"]].to_numpy().tolist() == [["a, b.jpg", 0, "train"]]


def test_a_parquet_table_reads_as_its_csv(tmp_path: Path) -> None:
    frame = pd.DataFrame({"path": ["a.jpg", "b.jpg"], "label": pd.Categorical(["x", "y"]), "x_1": [0.0, np.nan]})
    frame.to_parquet(tmp_path / "table.parquet")
    frame.to_csv(tmp_path / "table.csv", index=False)
    pd.testing.assert_frame_equal(read_table(tmp_path / "table.parquet"), read_table(tmp_path / "table.csv"))


def test_parquet_without_pyarrow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pd.DataFrame({"path": ["a"], "label": [0]}).to_parquet(tmp_path / "t.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(KinsightError, match=r"pip install kinsight\[parquet\]"):
        read_table(tmp_path / "t.parquet")


def test_what_is_no_parquet_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KinsightError, match="is not a parquet table"):
        read_table(_csv(tmp_path, ROWS, "t.parquet"))


def test_what_is_no_zip_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KinsightError, match="is not a readable zip"):
        read_table(_csv(tmp_path, ROWS, "t.zip"))


# Digest and description

FLAGGED = (
    "path,label,split,is_query,is_gallery,x_1,y_1,x_2,y_2\n"
    "a,0,train,,,,,,\nb,0,train,,,0,0,5,5\nc,1,test,1,0,0,0,9,9\nd,1,test,0,1,1,1,9,9\n"
)


def test_the_digest_is_the_same_on_every_machine(tmp_path: Path) -> None:
    here = read_table(_csv(tmp_path / "here", FLAGGED))
    there = read_table(_csv(tmp_path / "there", FLAGGED))
    assert here["path"].tolist() != there["path"].tolist()
    assert table_digest(here) == table_digest(there)
    assert table_digest(here) == table_digest(here[here.columns[::-1]])
    assert table_digest(here) == table_digest(here.assign(remark="new"))


def test_absolute_ids_are_digested_from_their_common_folder_on(tmp_path: Path) -> None:
    texts = [f"path,label\n{root}/x1/a.jpg,0\n{root}/x2/b.jpg,1\n" for root in ("/data", "/mnt/disk/data")]
    here, there = (read_table(_csv(tmp_path, text)) for text in texts)
    assert table_digest(here) == table_digest(there)
    other = read_table(_csv(tmp_path, texts[0].replace("x2", "x3")))
    assert table_digest(here) != table_digest(other)


@pytest.mark.parametrize(
    ("column", "value"),
    [("id", "z"), ("label", 7), ("split", "validation"), ("is_query", True), ("is_gallery", True), ("x_2", 8.0)],
)
def test_the_digest_sees_every_value(tmp_path: Path, column: str, value: object) -> None:
    table = read_table(_csv(tmp_path, FLAGGED))
    changed = table.copy()
    changed.loc[2, column] = value if table.loc[2, column] != value else not value
    assert table_digest(changed) != table_digest(table)
    assert table_digest(table.iloc[::-1]) != table_digest(table)


def test_description(tmp_path: Path) -> None:
    rows = FLAGGED + "e,2,test,1,1,,,,\nf,1,test,1,1,,,,\n"
    assert describe(read_table(_csv(tmp_path, rows))) == {
        "train": {"pictures": 2, "classes": 1, "min_per_class": 2, "median_per_class": 2.0, "max_per_class": 2},
        "test": {
            "pictures": 4, "classes": 2, "min_per_class": 1, "median_per_class": 2.0, "max_per_class": 3,
            "queries": 3, "gallery": 3,
        },
    }  # fmt: skip
