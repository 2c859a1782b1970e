"""Recipes and run folders of strangers: whatever is in them, one sentence, and nothing waits, grows or runs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluated_runs import write_run

Call = Callable[..., Any]


def laughs() -> bytes:
    lines = ["a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]" for old, new in zip("abcdefgh", "bcdefghi", strict=True)]
    return "\n".join(lines).encode()


RECIPES = {
    "not UTF-8": (b"epochs: \xff", "is no UTF-8 text"),
    "not YAML": (b"data: [", "expected the node content"),
    "a tab": (b"a:\t- b", "cannot start any token"),
    "a list": (b"- epochs", "a list, not a mapping"),
    "a text": (b"epochs", "a text, not a mapping"),
    "empty": (b"", "nothing, not a mapping"),
    "a tag": (b"epochs: !!python/object/apply:os.mkdir [ran]", "is not allowed"),
    "a tag of YAML": (b"epochs: !!binary aGVsbG8=", "is not allowed"),
    "a wrong tag": (b"epochs: !!int many", "many"),
    "two documents": (b"epochs: 3\n---\nepochs: 4", "found another document"),
    "an impossible date": (b"epochs: 2024-13-45", "setting epochs: '2024-13-45' is not allowed"),
    "digits": (b"epochs: " + b"9" * 5_000, "a number of 5,000 digits"),
    "digits to the base 60": (b"epochs: " + b"1:" * 5_000 + b"1", "a number of 10,001 digits"),
    "a cycle": (b"data: &a {path: *a}", "*a stands inside itself"),
    "a cycle of merging": (b"data: &a {<<: *a}", "*a stands inside itself"),
    "billion laughs": (laughs(), "more than 5,000 values"),
    "deep lists": (b"epochs: " + b"[" * 100_000, "more than 50 values inside one another"),
    "deep mappings": (b"{a: " * 50_000, "more than 50 values inside one another"),
    "a number as key": (b"1: 2", "the key 1 is no text"),
    "a list as key": (b"? [a]\n: b", "unhashable key"),
    "half a character": (b'data: {path: "\\ud800"}', "half a character"),
    "a NUL": (b'data: {path: "a\\0b"}', "a text with a NUL"),
    "a group that is none": (b"data: 3", "'data' is a group of settings and cannot be 3"),
    "a long text": (b"epochs: " + b"x" * 100_000, "xxx...' is not allowed; write a whole number"),
    "too large": (b"#" * 300_000, "has 300,000 bytes where at most 262,144 make sense"),
}


@pytest.mark.parametrize("kind", RECIPES)
def test_a_recipe_of_a_stranger(kinsight: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.chdir(tmp_path)
    content, said = RECIPES[kind]
    (tmp_path / "recipe.yaml").write_bytes(content)
    sentence = kinsight("train", "--recipe", "recipe.yaml", "--out", "run").sentence
    assert said in sentence
    assert len(sentence) < 400
    assert [file.name for file in tmp_path.iterdir()] == ["recipe.yaml"]


@pytest.mark.parametrize("kind", RECIPES)
def test_a_stored_recipe_of_a_stranger(kinsight: Call, tmp_path: Path, kind: str) -> None:
    content, said = RECIPES[kind]
    run = write_run(tmp_path / "run", {"map_at_r": 0.5})
    (run / "recipe.yaml").write_bytes(content)
    for verb in (("train", "--out", run), ("compare", run), ("evaluate", run)):
        assert said in kinsight(*verb).sentence, verb
    # The report shows the recipe as the text that it is.
    assert kinsight("report", run).code == (1 if kind in ("not UTF-8", "too large") else 0)


def test_what_is_no_recipe_file(kinsight: Call, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, said in (
        (tmp_path / "pipe", "is a pipe or a device and no file; give a recipe file"),
        ("/dev/zero", "is a pipe or a device and no file"),
        (tmp_path, "is a folder where a file is read"),
        (tmp_path / "none.yaml", "there is no recipe '"),
        ("x" * 5_000, "there is no recipe 'xxx"),
        ("cub-margin", "reality-check/cub-margin"),
    ):
        sentence = kinsight("train", "--recipe", path, "--out", tmp_path / "run").sentence
        assert said in sentence
        assert len(sentence) < 500


@pytest.mark.long
@pytest.mark.parametrize(
    "option",
    [
        "--model.head",
        "--data",
        *(pytest.param(each, marks=pytest.mark.slow) for each in ("--epochs", "--objective.loss.beta")),
    ],
)
def test_values_of_the_command_line_without_bounds(kinsight: Call, tmp_path: Path, option: str) -> None:
    brackets = "{" + laughs().decode().replace("\n", ", ") + "}"
    for value in (brackets, "&a [*a]", "9" * 5_000, "[" * 2_000, "{a: " * 2_000):
        for given in ((option, value), (f"{option}={value}",)):
            sentence = kinsight("train", "--out", tmp_path / "run", *given).sentence
            name = option == "--data" and value.isdigit()  # a path of that many digits is a path
            assert ("cannot be used (File name too long)" if name else "cannot be read (") in sentence
            assert len(sentence) < 300


JSON = {
    "not UTF-8": b'{"a": "\xff"}',
    "not JSON": b'{"data": ',
    "a list": b"[]",
    "a text": b'"text"',
    "null": b"null",
    "deep": b"[" * 100_000,
    "digits": b'{"data": ' + b"9" * 5_000 + b"}",
    "half a character": rb'{"data": {"source": "\ud800"}}',
    "data that are none": b'{"data": 3, "protocol": {"data": 3}}',
    "splits that are none": b'{"data": {"splits": []}, "protocol": {"data": {"splits": []}}}',
    "pictures that are none": b'{"data": {"splits": {"train": {"pictures": "x"}}}, "metrics": 3}',
    "training that is none": b'{"training": {"minutes": "long"}, "metrics": {"map_at_r": "high"}}',
    "a choice that is none": b'{"selection": "the best one", "metrics": []}',
    "a choice without a step": b'{"selection": {"by": "map_at_r"}, "metrics": {"map_at_r": null}}',
    "versions that are none": b'{"versions": [1], "split": 3}',
    "a huge number": b'{"training": {"minutes": 1' + b"0" * 400 + b'}, "metrics": {"map_at_r": 1' + b"0" * 400 + b"}}",
}


@pytest.mark.parametrize("kind", JSON)
@pytest.mark.parametrize("file", ["protocol.json", "evaluation/test.json"])
def test_records_of_a_stranger(kinsight: Call, tmp_path: Path, kind: str, file: str) -> None:
    run = write_run(tmp_path / "run", {"map_at_r": 0.5}, fold=0)
    (run / file).write_bytes(JSON[kind])
    for verb in ("compare", "report"):
        sentence = kinsight(verb, run).sentence
        assert str(run / file) in sentence
        assert len(sentence) < 400


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"kind": "train"}\n', "line 1 is no record with a step"),
        (b"[]\n", "line 1 is no record with a step"),
        (b'{"step": "one"}\n{"step": 2}\n', "line 1 is no record with a step"),
        (b'{"step": ' + b"9" * 5_000 + b'}\n{"step": 2}\n', "line 1 is not valid JSON"),
        (b"[" * 100_000 + b'\n{"step": 2}\n', "line 1 is not valid JSON"),
        (rb'{"step": 1, "kind": "event", "message": "\ud800"}' + b'\n{"step": 2}\n', "line 1 is not valid JSON"),
    ],
)
def test_a_log_of_a_stranger(kinsight: Call, tmp_path: Path, content: bytes, said: str) -> None:
    run = write_run(tmp_path / "run", {"map_at_r": 0.5})
    (run / "metrics.jsonl").write_bytes(content)
    assert said in kinsight("report", run).sentence


def test_values_of_a_log_that_are_no_numbers_are_passed_over(kinsight: Call, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {"map_at_r": 0.5})
    values = ['"x"', "[]", "{}", "null", "true", "NaN", "1e400", "-1"]
    for kind in ("train", "validation", "event", "other"):
        with (run / "metrics.jsonl").open("a") as stream:
            for step, value in enumerate(values):
                names = ("epoch", "loss", "loss_whole", "lr_trunk", "map_at_r", "message", "pictures_per_second")
                stream.write(
                    f'{{"kind": "{kind}", "step": {step}, {", ".join(f"{chr(34)}{n}{chr(34)}: {value}" for n in names)}}}\n'
                )
            stream.write('{"kind": [], "step": 3}\n')
    assert kinsight("report", run).code == 0


def arrays(rows: int = 30) -> dict[str, np.ndarray]:
    texts = np.array([str(row) for row in range(rows)])
    numbers = np.linspace(0, 1, rows)
    return {
        "ids": texts, "paths": texts, "labels": np.array([str(row // 5) for row in range(rows)]),
        "vectors": np.random.default_rng(0).normal(size=(rows, 4)).astype(np.float32),
        "query_rows": np.arange(rows), "neighbours": (np.arange(rows)[:, None] + [1, 2]) % rows,
        "scores": np.ones((rows, 2)), "precision_at_1": numbers, "average_precision": numbers, "map_at_r": numbers,
    }  # fmt: skip


@pytest.mark.parametrize(
    "changed",
    [
        {"ids": np.arange(30)},
        {"ids": np.array("x")},
        {"labels": np.zeros((30, 2))},
        {"vectors": np.array(["x"] * 30)},
        {"vectors": np.zeros(30)},
        {"vectors": np.zeros((29, 4))},
        {"query_rows": np.linspace(0, 1, 30)},
        {"query_rows": np.full(30, -1)},
        {"query_rows": np.array(3)},
        {"neighbours": np.full((30, 2), 30)},
        {"neighbours": np.full((30, 2), 0.5)},
        {"neighbours": np.arange(30)},
        {"scores": np.array([["x", "y"]] * 30)},
        {"average_precision": np.zeros(29)},
        {"precision_at_1": np.array(["x"] * 30)},
        {"names": np.zeros(3)},
    ],
)
def test_arrays_of_a_stranger(kinsight: Call, tmp_path: Path, changed: dict[str, np.ndarray]) -> None:
    run = write_run(tmp_path / "run", {"map_at_r": 0.5})
    np.savez(run / "evaluation" / "test.npz", **{**arrays(), **changed})
    assert str(run / "evaluation" / "test.npz") in kinsight("report", run).sentence


@pytest.mark.parametrize("file", ["protocol.json", "metrics.jsonl", "evaluation/test.json", "evaluation/test.npz"])
def test_pipes_and_folders_in_a_run(kinsight: Call, tmp_path: Path, file: str) -> None:
    for kind, make in (("a pipe or a device", os.mkfifo), ("a folder", os.mkdir)):
        run = write_run(tmp_path / make.__name__, {"map_at_r": 0.5})
        (run / file).unlink(missing_ok=True)
        make(run / file)
        assert kind in kinsight("report", run).sentence


def test_pairs_of_values_that_do_not_fit(kinsight: Call, tmp_path: Path) -> None:
    values = {"map_at_r": 0.5}
    first = write_run(tmp_path / "a-0", values)
    second = write_run(tmp_path / "b-0", values, recipe={"model": {"size": 64}})
    np.savez(first / "evaluation" / "test.npz", **arrays())
    for changed in ({"query_rows": np.full(30, 99)}, {"map_at_r": np.array(["x"] * 30)}, {"ids": np.array("x")}):
        np.savez(second / "evaluation" / "test.npz", **{**arrays(), **changed})
        assert "its arrays do not fit one another" in kinsight("compare", first, second).sentence
