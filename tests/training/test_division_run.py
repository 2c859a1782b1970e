"""Division, trained end to end: its schedule in the log, property 1 of the paper's facts, kills, processes, and what it composes with."""

from __future__ import annotations

import json
import os
import shutil
import signal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

import kinsight
from forked_processes import assert_same_run, on_two_processes
from killed_runs import killed, train_and_die
from kinsight.errors import KinsightError
from kinsight.evaluation.subspaces import seen_in
from kinsight.models import load_embedder
from kinsight.runs.folder import RunFolder
from kinsight.training import train
from kinsight.training.loop import Training
from kinsight.training.methods.division import Division, clustering
from tiny_run import draw_pictures, numbers_of
from tiny_run import stored_each_step as tiny

# 12 classes of 6 pictures, all of which train, so that four clusters can form pairs; 6 steps an epoch.
RARE = {"checkpoint_minutes": 60}
SLOWLY = partial(pytest.param, marks=pytest.mark.slow)  # further ones of a kind of which one is always run
DIVIDED: dict[str, Any] = {
    "data": {"fold": None, "split_by": "split"},
    "batches": {"size": 12},
    "epochs": 4,
    "model": {"head": {"dim": 16, "dropout": 0.0}},
    "method": {"name": "division", "subspaces": 4, "every": 1, "orthogonality": 0.1, "mask_lr": 0.01},
}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("divided")
    lines = draw_pictures(folder).read_text().splitlines()
    kinds = [f"kind_{int(line.split('/')[0][-2:]) // 3}" for line in lines[1:]]
    rows = [f"{line},train,{kind}" for line, kind in zip(lines[1:], kinds, strict=True)]
    (folder / "all.csv").write_text("\n".join([f"{lines[0]},split,category", *rows]) + "\n")
    return folder / "all.csv"


@pytest.fixture(scope="module")
def divided(tmp_path_factory: pytest.TempPathFactory, table: Path) -> Path:
    out = tmp_path_factory.mktemp("division") / "run"
    train(tiny(table, DIVIDED), out, progress=False)
    return out


def facts_of(run: Path) -> list[dict[str, Any]]:
    return [
        {key: value for key, value in record.items() if key != "seconds"}
        for record in RunFolder(run).history()
        if record["kind"] == "method"
    ]


def state_of(run: Path) -> dict[str, np.ndarray]:
    (file,) = run.glob("checkpoints/step-*/method.safetensors")
    return load_file(file)


def test_clusters_double_until_there_are_enough_and_are_then_renewed(divided: Path) -> None:
    facts = facts_of(divided)
    assert [(fact["epoch"], fact["step"], fact["clusters"]) for fact in facts] == [(2, 6, 2), (3, 12, 4), (4, 18, 4)]
    for fact in facts:
        assert sum(fact["sizes"]) + fact["set_aside"] == 72
        assert all(0 <= fact[name] <= 1 for name in ("agreement", "nmi") if name in fact)
    state = state_of(divided)
    assert np.array_equal(np.bincount(state["clusters"][state["clusters"] >= 0], minlength=4), facts[-1]["sizes"])
    assert state["history"].shape == (3, 72)
    lines = [line for line in numbers_of(divided) if line["kind"] == "train"]
    assert len(lines) == 24
    for line in lines:
        assert line["loss"] == pytest.approx(line["loss_whole"] + line["loss_orthogonality"], rel=1e-5)
    assert {line["loss_orthogonality"] for line in lines[:6]} == {0.0}


def test_the_model_has_the_masks_that_were_learned(divided: Path) -> None:
    model = load_embedder(divided / "model")
    assert model.subspaces == 4
    learned = np.maximum(state_of(divided)["masks.learned.2"], 0)
    np.testing.assert_array_equal(model.head.masks, learned)
    assert (learned != 1).any()


@pytest.mark.long
def test_one_subspace_is_evaluated_alone(divided: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(divided, run)
    found = kinsight.evaluate(run, split="train", subspace=1, mistakes=0, k=(1,), untrained=False)
    (name, alone), *more = found.others.items()
    assert (name, more) == ("subspace 1", [])
    assert alone["intra_class_distance"] != found["intra_class_distance"]
    records = {record.name: record.model for record in RunFolder(run).evaluations.read_all()}
    assert records == {"train": "trained", "train-subspace-1": "subspace 1"}
    with pytest.raises(KinsightError, match="has the subspaces 0 to 3"):
        kinsight.evaluate(run, split="train", subspace=4)


@pytest.mark.long
def test_the_page_shows_the_clusters_masks_and_subspaces(divided: Path, tmp_path: Path) -> None:
    found = kinsight.division(divided, split="train", out=tmp_path / "page.html", queries=2)
    facts = facts_of(divided)
    assert [len(depth) for depth in found.tree] == [1, 2, 4]
    assert [cluster.pictures for cluster in found.tree[-1]] == facts[-1]["sizes"]
    assert [cluster.pictures for cluster in found.tree[1]] == facts[0]["sizes"]
    assert found.overlap.shape == (4, 4)
    np.testing.assert_allclose(np.diag(found.overlap), 1, atol=1e-6)
    assert [each["epoch"] for each in found.divisions] == [2, 3, 4]
    assert list(found.found[0].by) == ["whole", *(f"subspace {number}" for number in range(4))]
    text = (tmp_path / "page.html").read_text()
    assert text.count("<img") > 20
    assert text.count('class="cluster"') >= 7
    numbers = json.loads((tmp_path / "page.json").read_text())
    assert numbers["spaces"]["training pictures"]["pictures"] == 72
    model = load_embedder(divided / "model")
    pictures = sorted(map(str, next(iter(divided.parents[1].glob("divided*"))).glob("class_00/*.png")))
    whole, alone = model.encode(pictures), model.subspace(2).encode(pictures)
    np.testing.assert_allclose(seen_in(whole, model.subspace_shares[2].numpy()), alone, atol=1e-5)


def test_a_plain_run_has_no_division(finished: Path) -> None:
    with pytest.raises(KinsightError, match="was not trained with the method division"):
        kinsight.division(finished)


@pytest.mark.long
@pytest.mark.parametrize("loss", [{"name": "margin", "learn_beta": True}, {"name": "proxy-anchor"}])
@pytest.mark.parametrize("per_class", [4, None])
def test_property_1_one_fixed_subspace_is_the_plain_run_step_by_step(
    pictures: Path, tmp_path: Path, loss: dict[str, Any], per_class: int | None
) -> None:
    same = {
        "objective": {"loss": loss, "miner": {"name": "none"}},
        "batches": {"per_class": per_class},
        "epochs": 2,
        **RARE,
    }
    train(tiny(pictures, same), tmp_path / "plain", progress=False)
    one = {"method": {"name": "division", "subspaces": 1, "masks": "fix", "every": 1}}
    train(tiny(pictures, same, one), tmp_path / "one", progress=False)
    assert numbers_of(tmp_path / "one") == numbers_of(tmp_path / "plain")
    plain, other = (load_embedder(tmp_path / name / "model-last") for name in ("plain", "one"))
    for (name, value), (_, again) in zip(plain.named_parameters(), other.named_parameters(), strict=True):
        assert torch.equal(value, again), name


def train_and_die_inside(settings: Any, out: Path, call: int) -> None:
    """Train until that clustering begins."""
    cut, calls = clustering.kmeans, []

    def dying(*arguments: Any, **options: Any) -> np.ndarray:
        calls.append(1)
        if len(calls) == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return cut(*arguments, **options)

    clustering.kmeans = dying
    train(settings, out, progress=False)


@pytest.mark.long
@pytest.mark.parametrize(
    ("step", "inside"), [SLOWLY(2, False), SLOWLY(6, False), SLOWLY(15, False), SLOWLY(20, False), (3, True)]
)
def test_killed_and_gone_on_with_it_comes_to_the_same_division(
    divided: Path, table: Path, tmp_path: Path, step: int, inside: bool
) -> None:
    settings, out = tiny(table, DIVIDED), tmp_path / "run"
    assert killed(train_and_die_inside if inside else train_and_die, settings, out, step)
    train(settings, out, progress=False)
    assert_bit_for_bit(out, divided)


def assert_bit_for_bit(run: Path, other: Path) -> None:
    assert numbers_of(run) == numbers_of(other)
    assert facts_of(run) == facts_of(other)
    assert (run / "model" / "model.safetensors").read_bytes() == (other / "model" / "model.safetensors").read_bytes()
    for name in ("objective", "method", "watch", "optimizer"):
        (one,), (two,) = (each.glob(f"checkpoints/step-*/{name}.safetensors") for each in (run, other))
        assert one.read_bytes() == two.read_bytes(), name


@pytest.mark.long
def test_two_processes_have_the_clusters_and_losses_of_one(table: Path, tmp_path: Path) -> None:
    settings = tiny(table, DIVIDED, SMOOTH)
    train(settings, tmp_path / "one", progress=False)
    assert on_two_processes(train, settings, tmp_path / "two") == [0, 0]
    assert_same_run(tmp_path / "one", tmp_path / "two")
    assert facts_of(tmp_path / "two") == facts_of(tmp_path / "one")
    one, two = (state_of(tmp_path / name) for name in ("one", "two"))
    assert np.array_equal(one["clusters"], two["clusters"])
    np.testing.assert_allclose(one["masks.learned.2"], two["masks.learned.2"], rtol=0, atol=1e-5)


def stop_at(settings: Any, out: Path, step: int) -> None:
    whole = Training._step

    def stopping(self: Training, *arguments: Any) -> None:
        if self.position.step == step:
            raise KinsightError("stopped by the test")
        whole(self, *arguments)

    Training._step = stopping  # type: ignore[method-assign]
    train(settings, out, progress=False)


@pytest.mark.slow
def test_two_processes_go_on_after_a_stop_with_running_features(table: Path, tmp_path: Path) -> None:
    settings = tiny(table, DIVIDED, SMOOTH, {"method": {"features": "running"}})
    train(settings, tmp_path / "one", progress=False)
    assert on_two_processes(stop_at, settings, tmp_path / "two", 9) == [1, 1]
    assert on_two_processes(train, settings, tmp_path / "two") == [0, 0]
    assert_same_run(tmp_path / "one", tmp_path / "two")
    assert facts_of(tmp_path / "two") == facts_of(tmp_path / "one")


# Adam makes steps of one size out of differences as small as rounding.
SMOOTH: dict[str, Any] = {
    "optimizer": {"name": "sgd", "trunk_lr": 0.001, "head_lr": 0.01}, "epochs": 3, "objective": {"miner": {"name": "none"}}
}  # fmt: skip
ATTENTIVE = {"head": {"name": "attentive", "groups": 2, "dim": 16}}


@pytest.mark.long
@pytest.mark.parametrize(
    "changes",
    [
        {"model": ATTENTIVE, "objective": {"diversity": {"weight": 0.05}}},
        SLOWLY({"model": ATTENTIVE, "method": {"masks": "fix"}}),
        {"objective": {"loss": {"name": "proxy-anchor"}, "miner": {"name": "none"}}},
        SLOWLY({"objective": {"loss": {"name": "proxy-nca"}, "miner": {"name": "none"}}, "method": {"masks": "fix"}}),
        {"method": {"progressive": False, "masks": "none", "order": "round-robin", "matching": "overlap"}},
        {"method": {"clusters": "trunk", "freeze": 1, "conquer": "unmasked", "inverse_matching": True, "every": 2}},
        SLOWLY({"method": {"clusters": "random", "mask_start": "normal", "order": "proportional"}}),
        {"method": {"clusters": "category", "fine_tune": 2}},
        {"method": {"features": "running"}, "batches": {"per_class": None}},
        SLOWLY({"model": {"normalize": False}, "objective": {"loss": {"name": "triplet"}, "miner": {"name": "none"}}}),
    ],
    ids=lambda changes: "-".join(str(value) for part in changes.values() for value in part.values())[:50],
)
def test_it_composes(table: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    out = tmp_path / "run"
    train(tiny(table, DIVIDED, RARE, {"epochs": 3}, changes), out, progress=False)
    assert all(np.isfinite(line["loss"]) for line in numbers_of(out) if line["kind"] == "train")
    model = load_embedder(out / "model")
    method = tiny(table, DIVIDED, changes).method
    assert model.subspaces == (2 if method["every"] == 2 else 4)
    trunk_rates = [line["lr_trunk"] for line in numbers_of(out) if line["kind"] == "train"]
    assert [rate == 0 for rate in trunk_rates[::6]] == ([True, False, True] if method.get("freeze") else [False] * 3)
    if method.get("masks") == "fix":
        np.testing.assert_array_equal(model.head.masks.sum(0), 1)


@pytest.mark.long
def test_wrong_options_are_refused_in_a_sentence(table: Path, pictures: Path, tmp_path: Path) -> None:
    for options, words in {
        (("subspaces", 3),): "write a power of two, or progressive: false",
        (("masks", "fix"), ("subspaces", 32)): "32 subspaces that share nothing do not fit into 16 numbers",
        (("clusters", "colour"),): "option clusters: 'colour' is not known; write embedding, trunk, random, category",
        (("every", 0),): "option every: 0 is not allowed; write 1 or more",
        (("clusters", "category"),): "needs the column 'category' in the table",
        (("clusters", "trunk"), ("features", "running")): "write features: fresh",
        (("tau", 2),): "'tau' is not one of its options",
    }.items():
        settings = tiny(pictures, DIVIDED, {"data": {"fold": 0, "split_by": None}, "method": dict(options)})
        with pytest.raises(KinsightError, match=words):
            train(settings, tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_it_is_one_method_among_others() -> None:
    assert Division.__mro__[1].__name__ == "Method"
