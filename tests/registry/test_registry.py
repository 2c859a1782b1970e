"""One registry for choices by name: what it builds, completes and refuses, and whose code it imports."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from kinsight.errors import KinsightError
from kinsight.models import HEADS, make_head
from kinsight.objectives import LOSSES, MINERS
from kinsight.objectives.diversity import DIVERSITIES
from kinsight.registry import class_paths, is_class_path, own_code

HERE = Path(__file__).parent
GIVEN = {"num_classes": 3, "embedding_size": 4}


@pytest.fixture(autouse=True)
def in_the_folder_of_own_parts(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path not in ("", str(HERE))])
    monkeypatch.chdir(HERE)
    yield
    sys.modules.pop("own_parts", None)


@pytest.mark.parametrize("registry", [HEADS, LOSSES, MINERS, DIVERSITIES], ids=lambda each: each.kind)
def test_every_kind_refuses_in_the_same_words(registry: Any) -> None:
    name = next(iter(registry))
    for choice, words in (
        (
            {"name": name[:-1] + "x"},
            [f"'{name[:-1]}x' is not a known {registry.kind}", "class path such as", *registry],
        ),
        ({"name": name, "colour": 1}, [f"{registry.kind} {name}: 'colour' is not one of its options"]),
        ({"name": ["a"]}, [f"does not name a {registry.kind}"]),
        ([name], [f"does not name a {registry.kind}"]),
        (7, [f"does not name a {registry.kind}"]),
    ):
        for ask in (registry.build, registry.complete):
            with own_code(), pytest.raises(KinsightError) as caught:
                ask(choice)
            assert all(word in str(caught.value) for word in words), caught.value
            assert "\n" not in str(caught.value)


def test_own_classes_are_found_in_the_current_folder() -> None:
    with own_code():
        made = LOSSES.build({"name": "own_parts.Loss", "gain": 2.0, "plain": 1.5}, GIVEN)
        assert float(made(torch.ones(1, 4), torch.zeros(1))) == 8.0
        head = make_head({"name": "own_parts.Head", "dim": 3}, 5, (2, 2))
        assert head(torch.ones(2, 5, 2, 2)).whole.shape == (2, 3)
        assert HEADS.complete({"name": "own_parts.Head"}, importing=True) == {"name": "own_parts.Head", "dim": 4}


@pytest.mark.parametrize("registry", [HEADS, LOSSES, MINERS, DIVERSITIES], ids=lambda each: each.kind)
def test_nothing_is_imported_unasked(registry: Any) -> None:
    choice = {"name": "own_parts.Loss", "gain": 3, "more": {"name": "own_parts.Part"}}
    assert registry.complete(choice) == choice
    for refuse in (registry.build, lambda given: registry.complete(given, importing=True)):
        with pytest.raises(
            KinsightError, match=r"own_parts\.Loss is a class path, and code that a folder names is not run"
        ):
            refuse(choice)
    with pytest.raises(KinsightError, match=r"own_parts\.Distance is a class path"):
        LOSSES.build({"name": "triplet", "distance": {"name": "own_parts.Distance"}}, GIVEN)
    assert "own_parts" not in sys.modules


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("own_parts.Abstract", ["is an abstract class without forward"]),
        ("own_parts.WithoutForward", ["has no forward"]),
        ("own_parts.NoModule", ["is not a torch.nn.Module class"]),
        ("own_parts.function", ["is not a class but a function", "torch.nn.Module"]),
        ("own_parts.Head", ["a loss is called with embeddings, labels", "cannot be called so"]),
        ("torch.nn.Identity", ["a loss is called with embeddings, labels", "cannot be called so"]),
        ("torch.nn.Module", ["has no forward"]),
        ("pytorch_metric_learning.losses.BaseLossWrapper", ["has no forward"]),
        ("own_parts.Nothing", ["could not be imported", "Nothing", "current folder"]),
        ("no_such_module.Loss", ["could not be imported", "no_such_module"]),
        ("..losses.Loss", ["is not a known loss"]),
        (".Loss", ["is not a known loss"]),
        ("own_parts.", ["is not a known loss"]),
        ("......", ["is not a known loss"]),
        ("os.system('true').x", ["is not a known loss"]),
        ("", ["is not a known loss"]),
    ],
)
def test_what_is_no_loss_is_refused_in_a_sentence(name: str, words: list[str]) -> None:
    with own_code(), pytest.raises(KinsightError) as caught:
        LOSSES.build({"name": name}, GIVEN)
    assert all(word in str(caught.value) for word in words), caught.value
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("own_parts.HeadWithoutDim", ["attribute dim None"]),
        ("own_parts.HeadOfATensor", ["gives Tensor", "Embedding.single"]),
        ("own_parts.HeadOfNothing", ["gives NoneType", "Embedding.single"]),
        ("own_parts.HeadThatFails", ["fails on a map of 2 x 5 x 2 x 2", "own_parts.py line"]),
        ("own_parts.Loss", ["a head is called with feature_map"]),
        ("torch.nn.Identity", ["says in its attribute dim None"]),
    ],
)
def test_what_is_no_head_is_refused_in_a_sentence(name: str, words: list[str]) -> None:
    with own_code(), pytest.raises(KinsightError) as caught:
        make_head({"name": name}, 5, (2, 2))
    assert all(word in str(caught.value) for word in words), caught.value


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"gain": "1e-3"}, ["option gain: '1e-3' is not allowed; write a number"]),
        ({"gain": float("nan")}, ["option gain: nan is not allowed"]),
        ({"steps": 2.5}, ["option steps: 2.5 is not allowed; write a whole number"]),
        ({"mode": 3}, ["option mode: 3 is not allowed; write a text"]),
        ({"mode": None}, ["option mode: None is not allowed"]),
        ({"plain": "two"}, ["option plain: 'two' is not allowed; write a number such as 2"]),
        ({"steps": [10**5000]}, ["option steps: a very long list is not allowed"]),
    ],
)
def test_options_of_the_wrong_kind(options: dict[str, Any], words: list[str]) -> None:
    with own_code(), pytest.raises(KinsightError) as caught:
        LOSSES.build({"name": "own_parts.Loss", **options}, GIVEN)
    assert all(word in str(caught.value) for word in words), caught.value


@pytest.mark.parametrize(
    ("option", "value"),
    [("distance", 5), ("distance", "own_parts.Loss"), ("reducer", [1]), ("embedding_regularizer", True)],
)
def test_a_part_of_a_loss_must_be_a_choice(option: str, value: Any) -> None:
    with pytest.raises(KinsightError, match=f"option {option}: .* is not allowed; write a choice such as"):
        LOSSES.build({"name": "contrastive", option: value}, GIVEN)


def test_a_part_of_a_loss_must_be_of_its_kind() -> None:
    reducer = {"name": "pytorch_metric_learning.reducers.MeanReducer"}
    with pytest.raises(KinsightError, match=r"MeanReducer is not a pytorch_metric_learning\.BaseDistance class"):
        LOSSES.build({"name": "contrastive", "distance": reducer}, GIVEN)


def test_a_mistake_in_a_class_is_not_blamed_on_its_options() -> None:
    with own_code():
        for options in ({}, {"gain": 2.0}):
            with pytest.raises(
                KinsightError, match=r"its constructor fails \(AttributeError in own_parts.py line \d+: .*widht"
            ):
                LOSSES.build({"name": "own_parts.Broken", **options}, GIVEN)
        with pytest.raises(
            KinsightError, match=r"refuses its options gain: -1 \(ValueError in own_parts.py line \d+: gain"
        ):
            LOSSES.build({"name": "own_parts.Strict", "gain": -1}, GIVEN)


def test_class_paths_of_settings() -> None:
    circle: dict[str, Any] = {"name": "margin"}
    circle["distance"] = circle
    settings = {
        "model": {"head": {"name": "mine.Head", "inner": {"name": "mine.Inner"}}},
        "objective": {"loss": circle, "miner": {"name": "pytorch_metric_learning.miners.AngularMiner"}},
        "list": [{"name": "mine.InAList"}, "mine.text", {"name": 3}],
    }
    assert class_paths(settings) == {"mine.Head", "mine.Inner", "mine.InAList"}
    assert [is_class_path(name) for name in ("a.b", "a", ".a", "a..b", "a.b-c", None)] == [True, *[False] * 5]
