"""Recipes and run folders of strangers: whatever is in them, one sentence, and nothing waits, grows or runs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


@pytest.mark.parametrize("option", ["--model.head", "--epochs", "--objective.loss.beta", "--data"])
def test_values_of_the_command_line_without_bounds(kinsight: Call, tmp_path: Path, option: str) -> None:
    brackets = "{" + laughs().decode().replace("\n", ", ") + "}"
    for value in (brackets, "&a [*a]", "9" * 5_000, "[" * 2_000, "{a: " * 2_000):
        for given in ((option, value), (f"{option}={value}",)):
            sentence = kinsight("train", "--out", tmp_path / "run", *given).sentence
            assert "cannot be read (" in sentence
            assert len(sentence) < 300
