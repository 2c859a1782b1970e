"""The other verbs: evaluate, embed, report, data, recipes, and help."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from kinsight.cli import VERBS
from kinsight.settings.recipe import recipe_names
from tiny_run import PER_CLASS, write_table

Call = Callable[..., Any]


@pytest.fixture(scope="session")
def trained(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the finished run that may be evaluated in."""
    return Path(shutil.copytree(finished, tmp_path_factory.mktemp("runs") / "trained"))


@pytest.mark.long
def test_evaluate_a_run(kinsight: Call, trained: Path) -> None:
    said = kinsight("evaluate", trained, "--untrained", "--k", 1, 5)
    assert said.code == 0, said.err
    assert {"MAP@R", "R@5", "trained", "untrained"} <= set(said.out.split())
    assert f"report: {trained}/report.html" in said.out
    assert re.match(
        r"(Training|Cannot tell|There was nothing to gain).*P@1 on unseen classes [\d.]+ -> [\d.]+, [+-]", said.out
    )
    assert (trained / "report.html").is_file()
    record = json.loads((trained / "evaluation" / "test.json").read_text())
    assert record["metrics"]["queries"] == 6 * PER_CLASS
    assert record["model"] == "trained"
    assert record["protocol"]["unreadable_pictures"] == 0
    other = json.loads((trained / "evaluation" / "test-untrained.json").read_text())
    assert other["protocol"]["model"]["digest"] != record["protocol"]["model"]["digest"]
    with np.load(trained / "evaluation" / "test.npz", allow_pickle=False) as arrays:
        assert arrays["vectors"].shape == (6 * PER_CLASS, 16)
        np.testing.assert_allclose(np.linalg.norm(arrays["vectors"], axis=1), 1, atol=1e-5)


@pytest.mark.long
def test_evaluate_gives_flat_json(kinsight: Call, trained: Path, tmp_path: Path) -> None:
    said = kinsight("evaluate", trained, "--json", "--no-untrained", "--per_query", tmp_path / "queries.csv")
    metrics = json.loads(said.out)
    assert {"recall_at_1", "recall_at_8", "map_at_r", "r_precision", "precision_at_1", "nmi"} <= set(metrics)
    assert all(isinstance(value, (int, float)) for value in metrics.values())
    queries = pd.read_csv(tmp_path / "queries.csv")
    assert queries["map_at_r"].mean() == pytest.approx(metrics["map_at_r"])
    both = json.loads(kinsight("evaluate", trained, "--json").out)
    assert {**metrics, **{f"untrained_{key}": both[f"untrained_{key}"] for key in metrics}} == both


@pytest.mark.long
def test_evaluate_the_last_model_beside_the_best(kinsight: Call, trained: Path) -> None:
    assert kinsight("evaluate", trained, "--which", "last", "--split", "validation").code == 0
    assert (trained / "evaluation" / "validation-last.json").is_file()
    assert not (trained / "evaluation" / "validation.json").exists()


@pytest.mark.long
def test_evaluate_other_data(kinsight: Call, trained: Path, tmp_path: Path, pictures: Path) -> None:
    files = sorted(pictures.parent.glob("class_0[0-4]/*.png"))
    rows = [{"path": str(file), "label": file.parent.name} for file in files]
    table = write_table(tmp_path / "other.csv", rows)
    said = kinsight("evaluate", trained, "--data", table, "--split", "all", "--json")
    assert json.loads(said.out)["queries"] == len(rows)
    assert (trained / "evaluation" / "other-all.json").is_file()
    said = kinsight("evaluate", trained, "--data", table, "--json", "--k", 1)  # the second half of the classes
    assert json.loads(said.out)["classes"] == 3
    train_only = write_table(tmp_path / "known.csv", [{**row, "split": "train"} for row in rows])
    for split in ("all", "train"):
        said = kinsight("evaluate", trained, "--data", train_only, "--split", split, "--json", "--k", 1)
        assert json.loads(said.out)["queries"] == len(rows)
    sentence = kinsight("evaluate", trained, "--data", train_only).sentence
    assert sentence == f"{train_only} has no pictures in the split 'test'; it has: train, all"


@pytest.mark.long
def test_evaluate_another_split_of_the_own_table(kinsight: Call, trained: Path) -> None:
    assert json.loads(kinsight("evaluate", trained, "--split_by", "halves", "--json").out)["classes"] == 6
    assert (trained / "evaluation" / "halves-test.json").is_file()


def test_a_k_larger_than_the_gallery(kinsight: Call, trained: Path) -> None:
    assert kinsight("evaluate", trained, "--k", 1, 99).sentence.startswith("k 99 is larger than the gallery")
    assert not list((trained / "evaluation").glob(".*"))


def test_evaluate_where_nothing_can_be_evaluated(kinsight: Call, tmp_path: Path, trained: Path) -> None:
    assert "holds no run (no recipe.yaml)" in kinsight("evaluate", tmp_path).sentence
    assert "give either a run folder, a model or vectors, or --embeddings FILE" in kinsight("evaluate").sentence
    assert "has no pictures in the split 'tset'" in kinsight("evaluate", trained, "--split", "tset").sentence
    shutil.copy(trained / "recipe.yaml", tmp_path)
    assert "has no best model yet; go on with it" in kinsight("evaluate", tmp_path).sentence


def test_changed_data_are_not_evaluated_as_the_own(
    kinsight: Call, tmp_path: Path, finished: Path, pictures: Path
) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    rows = [{"path": str(file), "label": file.parent.name} for file in sorted(pictures.parent.glob("*/*.png"))[:60]]
    recipe = yaml.safe_load((run / "recipe.yaml").read_text())
    recipe["data"]["path"] = str(write_table(tmp_path / "changed.csv", rows))
    (run / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    assert "changed.csv has changed since" in kinsight("evaluate", run).sentence


def test_evaluate_embeddings_of_any_model(kinsight: Call, tmp_path: Path) -> None:
    vectors = np.repeat(np.eye(4, dtype=np.float32), 3, axis=0)
    np.savez(tmp_path / "good.npz", vectors=vectors, labels=np.repeat(np.arange(4), 3))
    said = kinsight(
        "evaluate", "--embeddings", tmp_path / "good.npz", "--json", "--k", 1, "--per-query", tmp_path / "queries.csv"
    )
    assert json.loads(said.out)["map_at_r"] == 1.0
    queries = pd.read_csv(tmp_path / "queries.csv")
    assert queries["id"].tolist() == list(range(12))
    assert queries["label"].tolist() == np.repeat(np.arange(4), 3).tolist()
    assert "MAP@R" in kinsight("evaluate", "--embeddings", tmp_path / "good.npz", "--k", 1).out


@pytest.mark.long
def test_embeddings_of_other_tools(kinsight: Call, tmp_path: Path) -> None:
    vectors, labels = np.random.default_rng(0).normal(size=(12, 12)).astype(np.float32), np.repeat(list("abcd"), 3)
    np.savez(tmp_path / "ours.npz", vectors=vectors, labels=labels)
    np.savez(tmp_path / "features.npz", features=vectors, targets=labels, other=vectors.T)
    np.savez(tmp_path / "named.npz", left=vectors[:, :3], right=vectors, y=labels)
    np.save(tmp_path / "vectors.npy", vectors)
    np.save(tmp_path / "labels.npy", labels)
    (tmp_path / "labels.txt").write_text("\n".join(labels) + "\n")
    pd.DataFrame({"target": labels}).to_csv(tmp_path / "labels.csv", index=False)
    columns = {f"dim_{number}": vectors[:, number] for number in reversed(range(12))}
    table = pd.DataFrame({"Filename": np.arange(12), "Class": labels, **columns, "pca0": 0.0})
    table.to_csv(tmp_path / "table.csv", index=False)
    table.to_parquet(tmp_path / "table.parquet")
    pd.DataFrame({"label": labels, "embedding": list(vectors)}).to_parquet(tmp_path / "lists.parquet")

    def found(name: str, *options: object) -> dict[str, float]:
        said = kinsight("evaluate", "--embeddings", tmp_path / name, "--json", "--k", 1, *options)
        assert said.code == 0, said.err
        return json.loads(said.out)

    ours = found("ours.npz")
    for name, *options in (
        ("features.npz",),
        ("named.npz", "--vectors-key", "right"),
        *(("vectors.npy", "--labels", tmp_path / f"labels.{kind}") for kind in ("npy", "txt", "csv")),
        ("table.csv",),
        ("table.csv", "--vectors-key", "dim_"),
        ("table.parquet",),
        ("lists.parquet",),
    ):
        assert found(name, *options) == pytest.approx(ours, abs=1e-6), (name, options)
    refused = kinsight("evaluate", "--embeddings", tmp_path / "table.csv", "--vectors-key", "f")
    assert "has no columns of vectors that begin with 'f'" in refused.sentence
    refused = kinsight("evaluate", "--embeddings", tmp_path / "named.npz", "--vectors-key", "middle")
    assert "has no array 'middle' (it has: left, right, y)" in refused.sentence


def test_embeddings_that_cannot_be_used(kinsight: Call, tmp_path: Path) -> None:
    vectors, labels = np.eye(4, dtype=np.float32), np.array([0, 0, 1, 1])
    np.savez(tmp_path / "objects.npz", vectors=vectors, labels=np.array(["a", None, 3, {}], dtype=object))
    np.savez(tmp_path / "unlabelled.npz", vectors=vectors)
    np.savez(tmp_path / "short.npz", vectors=vectors, labels=labels[:3])
    np.savez(tmp_path / "nan.npz", vectors=vectors * np.nan, labels=labels)
    np.save(tmp_path / "single.npy", vectors)
    np.savez(tmp_path / "named.npz", a=vectors, b=vectors)
    np.save(tmp_path / "objects.npy", np.array([{}, None], dtype=object), allow_pickle=True)
    (tmp_path / "cut.npy").write_bytes((tmp_path / "single.npy").read_bytes()[:-5])
    (tmp_path / "words.csv").write_text("path,label,note\na,0,x\n")
    (tmp_path / "holes.csv").write_text("label,f0,f1\n0,1,2\n0,1,\n")
    (tmp_path / "unlabelled.csv").write_text("f0,f1\n0,1\n0,1\n")
    pd.DataFrame({"label": [0, 0], "embedding": [[1.0], [1.0, 2.0]]}).to_parquet(tmp_path / "ragged.parquet")
    (tmp_path / "text.npz").write_text("vectors and labels")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "short.npz").read_bytes()[:300])
    (tmp_path / "empty.npz").write_bytes(b"")
    for name, part in {
        "objects.npz": "is not an .npz of plain arrays (array labels holds Python objects",
        "unlabelled.npz": "has no array labels; give the class of each vector with --labels FILE",
        "short.npz": "3",
        "nan.npz": "row 0 holds NaN or infinity",
        "single.npy": "has no array labels; give the class of each vector with --labels FILE",
        "named.npz": "has no array vectors (it has: a, b); name the vectors with --vectors-key",
        "cut.npy": "is not a .npy of a plain array",
        "objects.npy": "holds Python objects",
        "words.csv": "has no columns of vectors; it has path, label, note: call them f0, f1, ...",
        "holes.csv": "column f1: not every row holds a number",
        "unlabelled.csv": "has no column label; add it, or give --labels FILE",
        "ragged.parquet": "column embedding: its lists differ in length",
        "text.npz": "is not an .npz of plain arrays",
        "cut.npz": "is not an .npz of plain arrays",
        "empty.npz": "is not an .npz of plain arrays",
        "missing.npz": "does not exist; write it with numpy.savez",
    }.items():
        assert part in kinsight("evaluate", "--embeddings", tmp_path / name).sentence, name


def test_embed_whatever_holds_pictures(kinsight: Call, finished: Path, pictures: Path, tmp_path: Path) -> None:
    folder = pictures.parent
    flat = tmp_path / "flat"
    flat.mkdir()
    for name in ("b.png", "a.png"):
        shutil.copy(folder / "class_03" / "0.png", flat / name)
    (flat / "notes.txt").write_text("not a picture")
    classes = tmp_path / "classes"
    for name in ("class_01", "class_02"):
        shutil.copytree(folder / name, classes / name)
    found = {}
    for name, source in {"table": pictures, "flat": flat, "classes": classes, "one": flat / "a.png"}.items():
        said = kinsight("embed", finished, source, "--out", tmp_path / f"{name}.npz", "--workers", 0)
        assert said.code == 0, said.err
        with np.load(tmp_path / f"{name}.npz", allow_pickle=False) as arrays:
            found[name] = dict(arrays)
        count = len(found[name]["ids"])
        assert said.out.startswith(f"{count} embeddings of 16 dimensions in {tmp_path / name}.npz (model ")
    assert found["table"]["vectors"].shape == (12 * PER_CLASS, 16)
    assert found["table"]["ids"][0] == "class_00/0.png"
    assert set(found["table"]["labels"]) == {f"class_{number:02d}" for number in range(12)}
    assert found["flat"]["ids"].tolist() == ["a.png", "b.png"]
    assert "labels" not in found["flat"]
    assert set(found["classes"]["labels"]) == {"class_01", "class_02"}
    np.testing.assert_allclose(found["one"]["vectors"][0], found["flat"]["vectors"][0], atol=1e-6)
    np.testing.assert_allclose(found["one"]["vectors"][0], found["table"]["vectors"][3 * PER_CLASS], atol=1e-6)


def test_what_embed_writes_evaluate_reads(kinsight: Call, finished: Path, pictures: Path, tmp_path: Path) -> None:
    assert kinsight("embed", finished, pictures, "--out", tmp_path / "all.npz", "--workers", 0).code == 0
    said = kinsight("evaluate", "--embeddings", tmp_path / "all.npz", "--json")
    assert json.loads(said.out)["queries"] == 12 * PER_CLASS


def test_embed_refuses(kinsight: Call, finished: Path, tmp_path: Path, pictures: Path) -> None:
    out = tmp_path / "out.npz"
    (tmp_path / "corrupt.png").write_bytes(b"no picture")
    assert "corrupt.png" in kinsight("embed", finished, tmp_path / "corrupt.png", "--out", out, "--workers", 0).sentence
    assert "/nowhere does not exist" in kinsight("embed", finished, "/nowhere", "--out", out).sentence
    assert "is not a folder" in kinsight("embed", tmp_path / "none", pictures, "--out", out).sentence
    assert "needs the columns x_1" in kinsight("embed", finished, pictures, "--crop_to_box", "--out", out).sentence
    assert not out.exists()
    shutil.copy(pictures.parent / "class_00" / "0.png", tmp_path / "good.png")
    options = ("--out", out, "--workers", 0, "--on_unreadable", "skip")
    assert kinsight("embed", finished, tmp_path, *options).out.startswith("1 embeddings of 16 dimensions")


def test_report(kinsight: Call, trained: Path, tmp_path: Path) -> None:
    (trained / "report.html").unlink(missing_ok=True)
    assert kinsight("report", trained).out == f"report: {trained}/report.html\n"
    assert "<html" in (trained / "report.html").read_text()
    assert "holds no run" in kinsight("report", tmp_path).sentence


def test_data_check(kinsight: Call, pictures: Path, tmp_path: Path) -> None:
    said = kinsight("data", "check", pictures, "--pictures")
    assert said.code == 0
    counts = "36 in train (6 classes of 6), 36 in test (6 classes of 6)"
    assert said.out == f"{pictures}: 72 pictures: {counts}; no errors\n"
    table = write_table(tmp_path / "bad.csv", [{"path": "a.png", "label": "a"}, {"path": "b.png", "label": "b"}])
    said = kinsight("data", "check", table)
    assert "error: row 2, column path: " in said.out
    assert said.sentence.startswith(f"{table} has 3 errors; repair them")
    assert "2 pictures: 1 in train (1 class of 1), 1 in test (1 class of 1); 3 errors and 2 warnings\n" in said.out


def test_a_table_of_another_tool_trains_nothing_but_is_read(kinsight: Call, pictures: Path, tmp_path: Path) -> None:
    rows = pd.read_csv(pictures).rename(columns={"path": "Scan", "label": "Species"})
    rows["Scan"] = rows["Scan"].str.replace("/", "\\")
    pd.concat([rows, rows[:2]]).to_csv(tmp_path / "other.csv", index=False, encoding="utf-16", sep="\t")
    words = ("--path-column", "scan", "--label_column", "Species", "--root", pictures.parent)
    said = kinsight("data", "check", tmp_path / "other.csv", *words)
    assert said.code == 0, said.err
    assert "warning: 2 rows repeat earlier ones and were dropped, the first in row 74" in said.out
    assert said.out.endswith(
        "72 pictures: 36 in train (6 classes of 6), 36 in test (6 classes of 6); no errors and 2 warnings\n"
    )
    assert "has no column path and no column label" in kinsight("data", "check", tmp_path / "other.csv").sentence


def test_data_list(kinsight: Call) -> None:
    said = kinsight("data", "list")
    assert "CUB-200-2011" in said.out
    assert "Kinsight downloads none of them" in said.out


def test_data_render(kinsight: Call, tmp_path: Path) -> None:
    options = ("--classes", 4, "--per_class", 2, "--size", 32)
    said = kinsight("data", "render", tmp_path / "scenes", *options)
    assert said.code == 0
    assert said.out == f"8 rendered pictures of 4 species in {tmp_path / 'scenes'}\n"
    assert kinsight("data", "check", tmp_path / "scenes", "--pictures").out.endswith("no errors\n")


@pytest.mark.long
def test_data_render_towns(kinsight: Call, tmp_path: Path) -> None:
    said = kinsight("data", "render", tmp_path / "towns", "--kind", "towns", "--places", 8, "--size", 48)
    assert said.out == f"16 rendered pictures of 8 towns in {tmp_path / 'towns'}\n"
    assert kinsight("data", "check", tmp_path / "towns").out.endswith("no errors\n")
    said = kinsight("data", "render", tmp_path / "more", "--kind", "towns", "--classes", 8)
    assert said.sentence == "classes=8 says nothing of towns; give places, or another kind"


def test_recipes(kinsight: Call) -> None:
    lines = kinsight("recipes").out.splitlines()
    headings = [line for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert headings == ["start here:", "photographs:", "paper tables:"]
    assert {line.split()[0] for line in lines if line.startswith("  ")} == set(recipe_names())
    assert lines[1].startswith("  demo ")
    said = kinsight("recipes", "margin-resnet50")
    assert yaml.safe_load(said.out)["model"]["trunk"] == "resnet50"
    assert "there is no recipe 'nonsense'" in kinsight("recipes", "nonsense").sentence
    assert "did you mean photos-mobilenetv2" in kinsight("recipes", "fotos-mobilenetv2").sentence


def test_an_unknown_option_is_answered_with_known_ones(kinsight: Call) -> None:
    said = kinsight("evaluate", "run", "--untraind")
    assert (said.code, said.err.splitlines()[-1]) == (
        2,
        "kinsight evaluate: error: '--untraind' is not an option; did you mean '--untrained'?",
    )
    assert "did you mean '--classes'?" in kinsight("data", "render", "x", "--clases", 3).err
    assert "kinsight report has --help" in kinsight("report", "x", "--qqq").err


@pytest.mark.parametrize("verb", list(VERBS))
def test_every_verb_helps(kinsight: Call, verb: str) -> None:
    said = kinsight(verb, "--help")
    assert said.code == 0
    assert said.out.startswith(f"usage: kinsight {verb}")


def test_usage(kinsight: Call) -> None:
    assert kinsight().code == 2
    said = kinsight("trian")
    assert (said.code, said.err.startswith("kinsight: 'trian' is not a verb; use one of: train, ")) == (2, True)
    assert kinsight("embed").code == 2
    assert kinsight("--version").out.startswith("kinsight ")
    assert all(verb in kinsight("--help").out for verb in VERBS)


@pytest.mark.long
def test_words_do_not_wait_for_torch() -> None:
    program = """
import sys, kinsight
from kinsight.cli import VERBS, main
for words in (["--help"], ["--version"], ["recipes"], ["recipes", "demo"], *([verb, "--help"] for verb in VERBS)):
    try:
        main(words)
    except SystemExit as stop:
        assert not stop.code, words
    assert "torch" not in sys.modules, words
kinsight.recipes(), kinsight.KinsightError, dir(kinsight)
sys.exit("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: kinsight VERB")


def test_the_module_is_a_program() -> None:
    done = subprocess.run([sys.executable, "-m", "kinsight", "nonsense"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")


def test_output_that_nobody_reads_to_its_end() -> None:
    command = f"{sys.executable} -m kinsight recipes | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1
