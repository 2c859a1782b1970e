"""The verbs as Python functions."""

from __future__ import annotations

import argparse
import ast
import importlib
import inspect
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import kinsight
from kinsight.api.embed import Embeddings
from kinsight.cli import VERBS
from kinsight.runs.folder import RunFolder
from kinsight.settings.names import setting_types
from kinsight.settings.parsing import settings_from
from kinsight.training.building import starting_point
from tiny_run import PER_CLASS, finished, pictures, tiny, write_table

__all__ = ["finished", "pictures"]


# Every public function with its words and defaults. Who changes a line here changes programs of others: say so in CHANGELOG.md.
SIGNATURES = {
    "atlas": (
        "source, *, out=None, method='tsne', data=None, split=None, split_by=None, root=None, path_column=None, label_column=None, "
        "vectors_key=None, labels=None, which='best', limit=10000, seed=0, progress=False"
    ),
    "benchmark": (
        "data=None, methods=None, *, out, folds=None, trials=None, repeats=None, seed=None, search=None, metrics=None, settings=None, "
        "recipe=None, published=(), jobs=1, engine='local', progress=True"
    ),
    "calibrate": (
        "run, *, rates=(0.001, 0.01, 0.1), split='validation', check=None, data=None, split_by=None, root=None, path_column=None, "
        "label_column=None, limit=1500, seed=0, which='best', judgements=None, out=None"
    ),
    "check_data": "source, *, split_by=None, root=None, path_column=None, label_column=None, pictures=False",
    "compare": "runs, *, name='test', metrics=None, baseline=None, anyway=False, out=None",
    "correspond": (
        "run, *, split='test', data=None, split_by=None, root=None, path_column=None, label_column=None, stage=0, "
        "per_class=50, seed=0, out=None"
    ),
    "diagnose": (
        "runs, *, out=None, splits=('train', 'test'), data=None, split_by=None, root=None, path_column=None, label_column=None, pairs=6, "
        "stage=0, limit=None, seed=0"
    ),
    "division": "run, *, out=None, split='test', which='best', queries=6, limit=None, plane='auto', seed=0, progress=False",
    "embed": (
        "model, pictures, *, out=None, batch_size=64, workers=2, crop_to_box=False, on_unreadable='refuse', "
        "progress=False, group=None, stream=None, root=None, path_column=None, label_column=None"
    ),
    "evaluate": (
        "run=None, labels=None, *, embeddings=None, vectors_key=None, data=None, split=None, split_by=None, "
        "root=None, path_column=None, label_column=None, untrained=None, "
        "groups=False, subspace=None, which='best', mistakes=6, query_view=None, k=(1, 2, 4, 8), "
        "per_query=None, queries=None, gallery=None, cameras=None, "
        "sequences=None, clustering=True, diagnosis=True, intervals=True, whole_gallery=True, seed=0, "
        "device=None, budget_mb=512, progress=False"
    ),
    "explain": (
        "model, *pictures, gallery=None, split=None, split_by=None, root=None, path_column=None, label_column=None, "
        "top=5, out=None, stage='auto', layer=None, gates='declared', chunk=64, "
        "groups=False, group=None, subspaces=False, other=None, layout=None, preprocessing=None, tolerance=None, workers=2, "
        "progress=False, methods=None, drawing='centred'"
    ),
    "faithfulness": (
        "run, *, methods=('decomposition', 'grad-cam'), split='test', data=None, split_by=None, root=None, path_column=None, "
        "label_column=None, stage=0, pairs=64, "
        "replacement='blurred', sanity=False, seed=0, out=None"
    ),
    "gate": "value",
    "groups": (
        "*runs, out=None, top=12, data=None, split='test', split_by=None, root=None, path_column=None, label_column=None, "
        "limit=None, seed=0, shown=6, parts=None, progress=False"
    ),
    "index": (
        "model=None, pictures=None, *, out=None, update=False, prune=False, remove=(), stream=None, places=False, approximate=False, "
        "dtype='float16', crop_to_box=False, batch_size=64, workers=2, on_unreadable='refuse', progress=False, "
        "root=None, path_column=None, label_column=None"
    ),
    "judged_data": "judgements, *, out=None, parts=False, on_contradiction='refuse'",
    "list_data": "",
    "load": "path, device='cpu', *, own_code=False",
    "localize": (
        "run, *, methods=('decomposition', 'grad-cam'), partners='best match', thresholds=None, split='test', data=None, "
        "split_by=None, root=None, path_column=None, label_column=None, stage=0, limit=None, "
        "seed=0, which='best', drawing='centred', out=None"
    ),
    "open_index": "path, *, model=None, writable=False",
    "orient": (
        "run, street=None, aerial=None, *, split='test', data=None, split_by=None, root=None, path_column=None, label_column=None, "
        "stage=0, limit=None, turn=True, once=False, voting=None, seed=0, which='best', out=None"
    ),
    "own_code": "allowed=True",
    "read_table": "source, *, split_by=None, root=None, path_column=None, label_column=None",
    "recipes": "name=None",
    "render_data": (
        "folder, *, kind='birds', classes=None, per_class=None, places=None, size=96, seed=0, progress=False"
    ),
    "report": "run",
    "search": (
        "index, picture, *, region=None, without=None, without_weight=1.0, where=None, top=20, bias='shared', answers=True, by='picture', "
        "rerank=None, approximate=False, stream=None, stage='auto', model=None, out=None"
    ),
    "serve": "index, *, host='127.0.0.1', port=8765, token=None, model=None, approximate=False, stream=None, opened=None",
    "settings_from": "*layers",
    "train": "settings=None, out=None, *, recipe=None, progress=True",
}
OTHER_NAMES = {"KinsightError", "__version__"}

# Options of the command line that are about the terminal, and not parameters of the verb's function.
PRINTED = {"help", "json", "verb"}
# What a verb's function is called where its name is not the verb's.
FUNCTIONS = {
    "data check": "check_data",
    "data list": "list_data",
    "data render": "render_data",
    "data judged": "judged_data",
}


def _words(function: Callable[..., Any]) -> str:
    signature = inspect.signature(function)
    bare = [parameter.replace(annotation=parameter.empty) for parameter in signature.parameters.values()]
    return str(signature.replace(parameters=bare, return_annotation=signature.empty))[1:-1]


def test_public_names_and_signatures() -> None:
    assert set(kinsight.__all__) == set(SIGNATURES) | OTHER_NAMES
    assert dir(kinsight) == kinsight.__all__ == sorted(kinsight.__all__)
    assert {name: _words(getattr(kinsight, name)) for name in SIGNATURES} == SIGNATURES
    assert issubclass(kinsight.KinsightError, Exception)
    assert kinsight.__version__
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        kinsight.nonsense  # noqa: B018


def test_the_reference_has_every_public_name() -> None:
    text = (Path(__file__).parents[1] / "docs" / "api.md").read_text()
    named = re.findall(r"^::: (\S+)$", text, re.MULTILINE)
    assert {f"kinsight.{name}" for name in kinsight.__all__ if name != "__version__"} <= set(named)
    for name in named:
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute), name


def test_editors_see_what_python_finds() -> None:
    """The imports that only type checkers read name the places where the names are found at run time."""
    tree = ast.parse(Path(kinsight.__file__).read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    assert {alias.name: node.module for node in imports for alias in node.names} == kinsight._HOME


def _parsers() -> dict[str, argparse.ArgumentParser]:
    parsers = {verb: importlib.import_module(f"kinsight.cli.{verb}").parser() for verb in VERBS}
    (nested,) = [action for action in parsers.pop("data")._actions if isinstance(action, argparse._SubParsersAction)]
    return parsers | {f"data {name}": parser for name, parser in nested.choices.items()}


SETTINGS = ("train", "benchmark")


def test_every_verb_is_a_function_with_the_same_words() -> None:
    for verb, parser in _parsers().items():
        function = getattr(kinsight, FUNCTIONS.get(verb, verb))
        words = {action.dest for action in parser._actions} - PRINTED
        if verb in SETTINGS:  # its options are settings, and `--quiet` is progress=False
            words = {word for word in words if not any(name.startswith(word) for name in setting_types())} - {"quiet"}
            words -= {"pictures", *(word for word in words if word.startswith(("config", "print_config")))}  # data.path
        missing = words - set(inspect.signature(function).parameters)
        assert not missing, f"kinsight {verb}: {missing}"


def test_options_are_shown_with_hyphens_and_settings_as_in_recipes() -> None:
    for verb, parser in _parsers().items():
        for action in parser._actions:
            for option in action.option_strings:
                assert ("-" if verb in SETTINGS else "_") not in option.removeprefix("--").removeprefix("-"), option


def test_load_encodes_pictures(finished: Path, pictures: Path) -> None:
    files = sorted(pictures.parent.glob("class_00/*.png"))[:3]
    model = kinsight.load(finished)
    vectors = model.encode(files)
    assert vectors.shape == (3, 16)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    with Image.open(files[1]) as image:
        np.testing.assert_allclose(model.encode(image)[0], vectors[1], atol=1e-6)
    np.testing.assert_array_equal(kinsight.load(finished / "model").encode(files), vectors)


def test_load_where_there_is_no_model(tmp_path: Path, finished: Path) -> None:
    with pytest.raises(kinsight.KinsightError, match="is not a folder"):
        kinsight.load(tmp_path / "nothing")
    shutil.copy(finished / "recipe.yaml", tmp_path)
    with pytest.raises(kinsight.KinsightError, match="has no best model yet"):
        kinsight.load(tmp_path)


@pytest.mark.long
def test_train_and_evaluate_from_python(tmp_path: Path, pictures: Path) -> None:
    run = kinsight.train(tiny(pictures, {"epochs": 1}), tmp_path / "run", progress=False)
    result = kinsight.evaluate(run.path, k=(1, 3))
    assert result["recall_at_3"] >= result["recall_at_1"]
    found = kinsight.embed(run.path, pictures, workers=0)
    assert found.digest == kinsight.load(run.path).digest() == result.protocol["model"]["digest"]
    rows = [int(label[-2:]) >= 6 for label in found.labels]  # the test classes
    again = kinsight.evaluate(found.vectors[rows], found.labels[rows], k=(1, 3))
    assert again["map_at_r"] == pytest.approx(result["map_at_r"])


@pytest.mark.long
def test_a_model_is_evaluated_on_any_pictures(finished: Path, pictures: Path, tmp_path: Path) -> None:
    files = sorted(pictures.parent.glob("class_0[0-3]/*.png"))
    labels = [file.parent.name for file in files]
    model = kinsight.load(finished)
    wanted = kinsight.evaluate(model.encode(files), labels, k=(1,), clustering=False)
    listed = kinsight.evaluate(model, labels, data=files, k=(1,), clustering=False, per_query=tmp_path / "queries.csv")
    assert dict(listed) == pytest.approx(dict(wanted), abs=1e-6)
    queries = (tmp_path / "queries.csv").read_text().splitlines()
    assert len(queries) == 1 + len(files)
    assert queries[1].startswith(f"{files[0]},class_00,")
    table = write_table(tmp_path / "t.csv", [{"path": str(f), "label": f.parent.name, "split": "train"} for f in files])
    for given in (model, finished / "model"):
        assert dict(kinsight.evaluate(given, data=table, k=(1,), clustering=False)) == pytest.approx(
            dict(wanted), abs=1e-6
        )
    with pytest.raises(kinsight.KinsightError, match="has no pictures in the split 'test'"):
        kinsight.evaluate(model, data=table, split="test")


def test_what_belongs_to_another_way_of_evaluating(finished: Path, pictures: Path) -> None:
    model, vectors = kinsight.load(finished), np.eye(4)
    for call, sentence in {
        lambda: kinsight.evaluate(): "give either a run folder, a model or vectors",
        lambda: kinsight.evaluate(finished, embeddings="e.npz"): "a run and --embeddings were given; give one of them",
        lambda: kinsight.evaluate(finished, seed=3): "seed cannot be given with a run; leave it out",
        lambda: kinsight.evaluate(finished, ["a"]): "labels cannot be given with a run; leave it out",
        lambda: kinsight.evaluate(finished, data=[pictures]): "data of a run is a table, folder or zip",
        lambda: kinsight.evaluate(model): "a model was given without pictures; add --data",
        lambda: kinsight.evaluate(model, data=pictures, untrained=True): "untrained cannot be given with a model",
        lambda: kinsight.evaluate(model, ["a"], data=pictures): "labels were given beside",
        lambda: kinsight.evaluate(model, ["a"], data=["a.png", "b.png"]): "1 labels were given for 2 pictures",
        lambda: kinsight.evaluate(model, data=["a.png", "b.png"]): "no labels were given for 2 pictures",
        lambda: kinsight.evaluate(vectors): "vectors were given without labels",
        lambda: kinsight.evaluate(vectors, [0, 0, 1, 1], split="train"): "split cannot be given with vectors",
    }.items():
        with pytest.raises(kinsight.KinsightError, match=sentence):
            call()


def test_two_trainings_of_one_process_may_differ_in_precision(tmp_path: Path, pictures: Path) -> None:
    for precision in ("bf16", "fp32"):
        settings = tiny(pictures, {"epochs": 1, "precision": precision, "data": {"fold": None}})
        run = kinsight.train(settings, tmp_path / precision, progress=False)
        assert run.read_protocol().training.precision == precision


def test_embed_a_list_keeps_its_order(finished: Path, pictures: Path) -> None:
    files = sorted(pictures.parent.glob("class_0[12]/*.png"))[::-1]
    found = kinsight.embed(finished, files, workers=0, batch_size=5)
    assert found.ids.tolist() == [str(file) for file in files]
    assert found.labels is None
    np.testing.assert_allclose(found.vectors, kinsight.load(finished).encode(files), atol=1e-6)
    with pytest.raises(kinsight.KinsightError, match="no pictures were given"):
        kinsight.embed(finished, [])


def test_a_folder_with_a_table_is_read_by_its_table(finished: Path, pictures: Path, tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "spare.png"):
        shutil.copy(pictures.parent / "class_00" / "0.png", tmp_path / name)
    write_table(tmp_path / "metadata.csv", [{"path": "a.png", "label": "x"}, {"path": "b.png", "label": "y"}])
    found = kinsight.embed(finished, tmp_path, workers=0)
    assert found.ids.tolist() == ["a.png", "b.png"]
    assert found.labels is not None
    assert found.labels.tolist() == ["x", "y"]


def test_boxes_are_cut_out_where_wanted(finished: Path, pictures: Path, tmp_path: Path) -> None:
    file = pictures.parent / "class_00" / "0.png"
    row = {"path": str(file), "label": "x", "x_1": 2, "y_1": 3, "x_2": 30, "y_2": 33}
    table = write_table(tmp_path / "boxes.csv", [row, {**row, "path": str(file.with_name("1.png"))}])
    with Image.open(file) as image:
        cut = image.crop((2, 3, 30, 33))
    found = kinsight.embed(finished, table, workers=0, crop_to_box=True)
    np.testing.assert_allclose(found.vectors[0], kinsight.load(finished).encode(cut)[0], atol=1e-5)
    assert not np.allclose(found.vectors[0], kinsight.embed(finished, table, workers=0).vectors[0], atol=1e-3)


def test_embeddings_are_saved_without_pickle(tmp_path: Path) -> None:
    path = Embeddings(np.array(["a"]), np.ones((1, 2), np.float32), None, "d1").save(tmp_path / "new" / "e.npz")
    with np.load(path, allow_pickle=False) as arrays:
        assert sorted(arrays.files) == ["digest", "ids", "vectors"]
        assert str(arrays["digest"]) == "d1"


def test_what_training_started_from(finished: Path, pictures: Path) -> None:
    settings = settings_from(RunFolder(finished).settings())
    start = starting_point(settings)
    assert start.dim == start.trunk.channels
    file = pictures.parent / "class_00" / "0.png"
    np.testing.assert_array_equal(start.encode([file]), starting_point(settings).encode([file]))


def test_skipped_pictures_are_counted(tmp_path: Path, finished: Path, pictures: Path) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    files = sorted(pictures.parent.glob("class_0[12]/*.png"))
    rows = [{"path": str(file), "label": file.parent.name, "split": "test"} for file in files]
    (tmp_path / "corrupt.png").write_bytes(b"no picture")
    table = write_table(tmp_path / "some.csv", [*rows, {**rows[0], "path": str(tmp_path / "corrupt.png")}])
    with pytest.raises(kinsight.KinsightError, match=r"corrupt\.png"):
        kinsight.evaluate(run, data=table)
    recipe = (run / "recipe.yaml").read_text()
    (run / "recipe.yaml").write_text(recipe.replace("on_unreadable: refuse", "on_unreadable: skip"))
    result = kinsight.evaluate(run, data=table, k=(1,))
    assert result.protocol["unreadable_pictures"] == 1
    assert result["queries"] == 2 * PER_CLASS


@pytest.mark.long
def test_the_report_calls_classes_by_their_names(tmp_path: Path, finished: Path, pictures: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    rows = [
        {"path": str(file), "label": number, "class_name": f"heron {number}"}
        for number, folder in enumerate(sorted(pictures.parent.glob("class_*")))
        for file in sorted(folder.iterdir())
    ]
    kinsight.evaluate(run, data=write_table(tmp_path / "named.csv", rows), split="all")
    with np.load(run / "evaluation" / "named-all.npz") as arrays:
        assert set(arrays["labels"]) == {str(number) for number in range(12)}
        assert set(arrays["names"]) == {f"heron {number}" for number in range(12)}
    assert "heron 3" in (run / "report.html").read_text()
    ambiguous = [{**row, "class_name": "heron"} for row in rows]
    kinsight.evaluate(run, data=write_table(tmp_path / "same.csv", ambiguous), split="all")
    with np.load(run / "evaluation" / "same-all.npz") as arrays:
        assert "names" not in arrays
