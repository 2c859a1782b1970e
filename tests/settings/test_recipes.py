"""The recipes that ship: each loads, can be built, says what it is, and has the values of its table."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import timm
import torch

from kinsight.files import digest
from kinsight.models.frozen_norm import check_frozen_norm
from kinsight.models.heads import make_head
from kinsight.models.network_input import preprocessing_of
from kinsight.objectives import Objective
from kinsight.pictures.augmentation import AUGMENTATIONS, augmentation
from kinsight.settings import parsing
from kinsight.settings.parsing import settings_from
from kinsight.settings.recipe import read_recipe, recipe_names, recipe_text, recipe_title
from kinsight.settings.recipe_table import table_recipes
from kinsight.settings.training import TrainingSettings
from kinsight.settings.yaml_mapping import yaml_mapping

NAMES = recipe_names()
PUBLISHED = [name for name in NAMES if "/" in name]
LOSSES = (
    "contrastive", "triplet", "nt-xent", "proxy-nca", "margin", "margin-per-class", "norm-softmax", "cosface", "arcface",
    "fastap", "snr", "multi-similarity", "ms-miner", "soft-triple",
)  # fmt: skip
CLASSIFICATION = ("proxy-nca", "norm-softmax", "cosface", "arcface", "soft-triple")


@pytest.fixture(scope="module", autouse=True)
def _one_parser() -> Iterator[None]:
    """Building the parser takes longer than reading a recipe with it, and it keeps no state."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parsing, "settings_parser", cache(parsing.settings_parser))
        yield


@cache
def loaded(name: str) -> TrainingSettings:
    return settings_from(name)


def value(settings: Any, key: str) -> Any:
    for part in key.split("."):
        settings = settings[part] if isinstance(settings, dict) else getattr(settings, part)
    return settings


@pytest.mark.parametrize("name", NAMES)
def test_recipe_can_be_built(name: str) -> None:
    settings = loaded(name)
    model, batches = settings.model, settings.batches
    assert timm.is_model(model.trunk)
    assert timm.models.get_pretrained_cfg(model.trunk, allow_unregistered=False) is not None
    check_frozen_norm(model.frozen_norm)
    groups = model.head.get("groups", 1)
    head: Any = make_head(model.head, 32, (2, 2))
    assert head.dim == (model.head.get("dim", 512) or 32) // groups * groups
    preprocessing = preprocessing_of(model, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    assert settings.data.augmentation in AUGMENTATIONS
    assert callable(augmentation(settings.data.augmentation, preprocessing))
    assert batches.size % (batches.per_class or 1) == 0
    assert batches.per_class is not None or not batches.balanced

    objective = Objective(
        settings.objective,
        dim=head.dim,
        classes=8,
        kind=head.kind,
        parts=head.parts,
        part_dim=head.dim // head.parts,
        normalize=True,
        brings=[getattr(head, "terms", dict)],
    )
    maps = torch.randn(32, 32, 2, 2, generator=torch.Generator().manual_seed(0), requires_grad=True)
    loss = objective(head(maps), torch.arange(32) % 8, seed=0).total
    loss.backward()
    assert torch.isfinite(loss)
    assert maps.grad is not None
    assert torch.isfinite(maps.grad).all()


@pytest.mark.parametrize("name", NAMES)
def test_recipe_asks_nothing_of_the_network(name: str) -> None:
    settings = loaded(name)
    assert not settings.model.pretrained
    assert settings.model.weights is None
    assert settings.data.path == ""


@pytest.mark.parametrize("name", NAMES)
def test_recipe_says_what_it_is(name: str) -> None:
    lines = recipe_text(name).splitlines()
    assert lines[0].startswith("# ")
    assert len(recipe_title(name)) > 20
    assert max(map(len, lines)) <= 120
    assert recipe_text(name).endswith("\n")


def test_names_and_titles_are_unique() -> None:
    assert len({name.lower() for name in NAMES}) == len(NAMES)
    assert len({recipe_title(name) for name in NAMES}) == len(NAMES)
    assert max(map(len, NAMES)) < 50, "`kinsight recipes` gives names a column of 50 characters"


@pytest.mark.parametrize("dataset", ["cub", "cars", "sop", "cub256"])
@pytest.mark.parametrize("loss", LOSSES)
def test_reality_check_is_complete(dataset: str, loss: str) -> None:
    settings, base = loaded(f"reality-check/{dataset}-{loss}"), loaded(f"reality-check/{dataset}")
    assert (settings.data, settings.model, settings.schedule) == (base.data, base.model, base.schedule)
    assert (settings.epochs, settings.validate_every, settings.patience) == (
        base.epochs, base.validate_every, base.patience,
    )  # fmt: skip
    assert settings.batches.size == base.batches.size
    assert settings.batches.per_class == (1 if loss in CLASSIFICATION and dataset != "cub256" else 4)
    learns = Objective(settings.objective, dim=4, classes=8).loss_parameters()
    assert bool(learns) == (loss in CLASSIFICATION or loss.startswith("margin"))
    assert (settings.optimizer.loss_lr != base.optimizer.loss_lr) == (
        bool(learns) and (dataset, loss) != ("cub256", "margin")  # the search found the default rate there
    )


@pytest.mark.parametrize(
    ("dataset", "pictures", "interval", "patience"),
    # Training pictures: 75 of 100, 74 of 98, 8,488 of 11,318 classes with 5,864, 8,054, 59,551 pictures.
    [
        ("cub", 4_398, 200, 1_000),
        ("cars", 6_082, 500, 1_500),
        ("sop", 44_661, 2_000, 4_000),
        ("cub256", 4_398, 200, 1_000),
    ],
)
def test_reality_check_steps_become_passes(dataset: str, pictures: int, interval: int, patience: int) -> None:
    settings = loaded(f"reality-check/{dataset}")
    steps = pictures // settings.batches.size
    assert settings.patience is not None
    assert settings.epochs * steps == pytest.approx(100_000, rel=0.01)
    assert settings.validate_every * steps == pytest.approx(interval, rel=0.35)
    assert settings.validate_every * settings.patience * steps == pytest.approx(patience, rel=0.15)


# Of the settings that each table's recipes merge to, as they were when every recipe was a file of its own (but for trunks that have come
# since). Whoever renames a setting computes them anew; a value of a published table never changes.
@pytest.mark.parametrize(
    ("folder", "count", "expected"),
    [
        ("reality-check", 61, "ead20547ebd627a427aba9d936d77b5f1955e3a19011a27faade0a9e7c8f3e05"),
        ("divide-and-conquer", 15, "431fb607e2298e8bfe69871bf3cf35bcfe7f85a940823c9a8eeb0ebeaf553449"),
        ("relational", 24, "54f6aa80e398e7c97b39fb04757a62f68e7b62950c5b68ab51e92e37df4e3130"),
    ],
)
def test_tables_give_the_settings_that_their_files_gave(folder: str, count: int, expected: str) -> None:
    merged = {name: read_recipe(name) for name in NAMES if name.startswith(f"{folder}/")}
    assert len(merged) == count
    assert digest(json.dumps(merged, sort_keys=True)) == expected


def test_a_table_gives_a_recipe_for_each_row_and_column() -> None:
    table = """
title: "{row} on {column}: a test"
name: "{column}-{row}"
extends: "test/{column}"
printed: "Printed: {printed} ({source})."
columns:
  a: {title: Ants, source: Table 1}
  b: {title: Bees}
rows:
  margin:
    title: Margin loss
    printed: ["P@1 50.0", null]
    notes: {objective.loss.beta: "Beta is fixed.", epochs: "Only here."}
    settings: {objective.loss.name: margin}
    searched:
      objective.loss.beta: [1.5e-3, 0.5]
      epochs: [null, 3]
recipes:
  a: "# As it stands\\nepochs: 2\\n"
"""
    found = table_recipes(table)
    assert list(found) == ["a", "a-margin", "b-margin"]
    assert found["a"] == "# As it stands\nepochs: 2\n"
    assert found["a-margin"].splitlines() == [
        "# Margin loss on Ants: a test",
        "# Printed: P@1 50.0 (Table 1).",
        "# Beta is fixed.",
        "extends: test/a",
        "objective:",
        "  loss: {name: margin, beta: 0.0015}",
    ]
    assert "# Only here.\n" in found["b-margin"]
    assert "Printed" not in found["b-margin"]
    assert yaml_mapping(found["b-margin"])["epochs"] == 3


def test_plain_losses_beside_a_method_are_called_baselines() -> None:
    for folder in ("divide-and-conquer", "relational"):
        names = [name for name in NAMES if name.startswith(f"{folder}/")]
        assert all("baseline" in name or loaded(name).model.head["name"] == "relational" for name in names)
        plain = [name for name in names if name.endswith("-baseline")]
        assert all("plain-loss baseline" in recipe_title(name) for name in plain)


def test_relational_recipes_are_their_baselines_and_the_method() -> None:
    names = [name for name in NAMES if re.match("relational/(cub|cars)-", name) and not name.endswith("-baseline")]
    assert len(names) == 10
    for name in names:
        found, plain = loaded(name), loaded(f"{name}-baseline")
        assert found.model.head == {
            "name": "relational", "branches": 4, "dim": plain.model.head["dim"], "pooling": "avg+max",
        }  # fmt: skip
        assert found.objective.terms == {"assigned": 1.0, "whole": 10.0, "reconstruction": 1.0}
        assert found.objective.loss["name"] == plain.objective.loss["name"]
        assert (found.batches, found.schedule, found.epochs) == (plain.batches, plain.schedule, plain.epochs)
        assert (found.optimizer == plain.optimizer) == ("proxy-anchor" not in name or "128" in name)


def test_division_is_the_baseline_and_its_method() -> None:
    names = [name for name in NAMES if name.startswith("division/") and not name.endswith("-clml")]
    assert len(names) == 40
    for name in names:
        data, loss, kind = re.fullmatch(
            r"division/(.+?)-(margin|triplet|soft-triplet|n-pairs)-(learn|fix)", name
        ).groups()
        found, plain = loaded(name), loaded(f"divide-and-conquer/{data}-margin-baseline")
        table = {"cub": (4, 10), "cars": (4, 10), "in-shop": (8, 2), "sop": (32, 2), "vehicle-id": (16, 2)}[data]
        assert (found.method["subspaces"], found.method["every"]) == table
        assert found.method.get("fine_tune") == (80 if data in ("sop", "vehicle-id") else None)
        assert found.method["masks"] == kind
        assert (found.batches, found.optimizer, found.epochs) == (plain.batches, plain.optimizer, plain.epochs)
        if loss == "margin":
            assert found.objective == plain.objective
        elif data in ("cub", "cars", "sop"):
            assert found.objective == loaded(f"divide-and-conquer/{data}-{loss}-baseline").objective


def test_the_method_that_division_is_compared_with_differs_from_the_baseline_in_its_head_alone() -> None:
    for data in ("cub", "cars", "in-shop", "sop", "vehicle-id"):
        found, plain = loaded(f"division/{data}-margin-clml"), loaded(f"divide-and-conquer/{data}-margin-baseline")
        assert found.model.head["components"] == loaded(f"division/{data}-margin-fix").method["subspaces"]
        found.model.head = plain.model.head
        assert found == plain


def test_contrastive_recipes_say_which_pairs_they_average() -> None:
    for name in NAMES:
        if loaded(name).objective.loss.get("name") == "contrastive" and "extends: attentive-grouping/c" not in (
            recipe_text(name)
        ):
            assert "the two means are added" in " ".join(recipe_text(name).replace("\n#", " ").split()), name


def test_extended_recipe_keeps_what_it_does_not_say() -> None:
    chain = loaded("reality-check/cub-ms-miner")
    assert chain.epochs == 730  # of reality-check/cub
    assert chain.optimizer.name == "rmsprop"  # of reality-check/base
    assert chain.objective.miner == {"name": "multi-similarity", "epsilon": 0.39}
    head = loaded("relational/cub-triplet-128-baseline").model.head
    assert head == {**loaded("relational/baseline").model.head, "dim": 128}


def test_another_loss_drops_the_options_of_the_one_extended() -> None:
    assert loaded("divide-and-conquer/cub-margin-baseline").objective.loss["beta"] == 1.2
    assert loaded("divide-and-conquer/cub-triplet-baseline").objective.loss == {"name": "triplet", "margin": 0.2}
    assert loaded("divide-and-conquer/cub-n-pairs-baseline").objective.miner == {"name": "none"}


def test_settings_given_on_top_win() -> None:
    settings = settings_from("reality-check/sop-margin", {"data": {"fold": 2}, "objective": {"loss": {"name": "snr"}}})
    assert settings.data.fold == 2
    assert settings.data.split_by == "halves"
    assert settings.objective.loss == {"name": "snr"}
    assert settings.epochs == loaded("reality-check/sop").epochs


@pytest.mark.parametrize(
    ("name", "key", "expected"),
    [
        # Reality Check: section "Optimal hyperparameters" of the benchmark, and its fixed settings.
        ("reality-check/base", "model.size", 227),
        ("reality-check/base", "model.head.dim", 128),
        ("reality-check/base", "optimizer.trunk_lr", 1e-6),
        ("reality-check/base", "optimizer.weight_decay", 1e-4),
        ("reality-check/cub-contrastive", "objective.loss.pos_margin", -0.2),
        ("reality-check/cars-contrastive", "objective.loss.neg_margin", 0.5409),
        ("reality-check/sop-triplet", "objective.loss.margin", 0.0451),
        ("reality-check/sop-nt-xent", "objective.loss.temperature", 0.0002),
        ("reality-check/cub256-proxy-nca", "optimizer.loss_lr", 0.216),
        ("reality-check/cars-margin", "objective.loss.beta", 1.3164),
        ("reality-check/cub256-margin-per-class", "objective.loss.margin", -0.0204),
        ("reality-check/cars-norm-softmax", "optimizer.loss_lr", 0.011),
        ("reality-check/cars-cosface", "objective.loss.scale", 161.5),
        ("reality-check/cars-arcface", "optimizer.loss_lr", 7.39e-6),
        ("reality-check/sop-arcface", "objective.loss.margin", 18.63),
        ("reality-check/cub256-fastap", "objective.loss.num_bins", 86),
        ("reality-check/cub-snr", "objective.loss.embedding_reg_weight", 0.1382),
        ("reality-check/cub-multi-similarity", "objective.loss.alpha", 0.01),
        ("reality-check/sop-ms-miner", "objective.loss.beta", 156.61),
        ("reality-check/cars-soft-triple", "objective.loss.weight_reg_weight", 0.0669),
        # Divide and Conquer: Table IX, Table V (best augmentation), public code.
        ("divide-and-conquer/cub-margin-baseline", "data.augmentation", "geom+color"),
        ("divide-and-conquer/cars-n-pairs-baseline", "data.augmentation", "color-heavy"),
        ("divide-and-conquer/in-shop-margin-baseline", "epochs", 400),
        ("divide-and-conquer/sop-triplet-baseline", "epochs", 170),
        ("divide-and-conquer/sop-margin-baseline", "batches.per_class", 2),
        ("divide-and-conquer/vehicle-id-margin-baseline", "optimizer.head_lr", 1e-5),
        # Attentive grouping: text (Tables 1, 3), and the code where a recipe says so.
        ("attentive-grouping/cub-binomial", "batches.size", 112),
        ("attentive-grouping/cub-margin", "optimizer.loss_lr", 5e-4),
        ("attentive-grouping/cub-margin-code", "optimizer.loss_lr", 5e-5),
        ("attentive-grouping/cars-margin-code", "optimizer.weight_decay", 0.002),
        ("attentive-grouping/sop-margin-code", "optimizer.trunk_lr", 9e-6),
        ("attentive-grouping/cars-contrastive", "schedule.milestones", [100]),
        ("attentive-grouping/sop-margin", "model.head.bias", False),
        ("attentive-grouping/cub-a4-margin", "model.head", {"name": "attentive", "groups": 4, "dim": 512}),
        ("attentive-grouping/cub-a4-margin", "objective.diversity", {"weight": 0.01, "scale": "paper"}),
        ("attentive-grouping/cub-a4-margin", "objective.loss.per_class", True),
        ("attentive-grouping/cars-a4-binomial", "objective.loss.beta0", 25.0),
        ("attentive-grouping/cars-a4-contrastive", "epochs", 200),
        ("attentive-grouping/sop-a4-margin", "optimizer.weight_decay", 0.001),
        ("attentive-grouping/cars-a3", "objective.diversity.weight", 0.02),
        ("attentive-grouping/sop-a3", "optimizer.weight_decay", 0.003),
        ("attentive-grouping/cub-a3", "model.head.groups", 3),
        ("attentive-grouping/cub-a3-code", "objective.diversity", {"weight": 0.02, "scale": "code"}),
        ("attentive-grouping/cars-a3-code", "objective.diversity", {"weight": 0.01, "scale": "code"}),
        ("attentive-grouping/cars-a3-code", "optimizer.weight_decay", 0.002),
        ("attentive-grouping/sop-a3-code", "optimizer.loss_lr", 1e-5),
        ("attentive-grouping/in-shop-a3-code", "optimizer.trunk_lr", 1e-5),
        ("attentive-grouping/in-shop-a3-code", "schedule.milestones", [100]),
        ("attentive-grouping-resnet50", "model.head.groups", 4),
        ("attentive-grouping-resnet50", "model.trunk", "resnet50"),
        # Visual explanation: section 3 and the code that it follows.
        ("visual-explanation/cub-multi-similarity", "model.head.pooling", "max"),
        ("visual-explanation/cub-triplet", "optimizer.trunk_lr", 3e-5),
        ("visual-explanation/market1501-triplet", "model.size", [256, 128]),
        # DRML: README of the public code.
        ("relational/cub-proxy-anchor-baseline", "batches.size", 180),
        ("relational/cars-proxy-anchor-baseline", "objective.loss.alpha", 32),
        ("relational/cub-proxy-anchor-baseline", "optimizer.clip_norm", 10),
        ("relational/cub-proxy-anchor-baseline", "optimizer.clip_apart", True),
        ("relational/cub-proxy-anchor-baseline", "schedule.head_first", 1),
        ("relational/cars-proxy-anchor", "objective.loss.margin", 0.2),
        ("relational/cars-proxy-anchor", "objective.loss.alpha", 64),
        ("relational/cub-proxy-anchor", "optimizer.trunk_lr", 5e-5),
        ("relational/cub-proxy-anchor", "optimizer.head_lr", 1e-3),
        ("relational/cars-triplet-128-baseline", "model.head.dim", 128),
        ("attentive-grouping/cub-googlenet-a4-margin", "model.head.groups", 4),
        ("attentive-grouping/cub-a3-code", "optimizer.groups", {"head.queries": {"weight_decay": 0.001}}),
        ("attentive-grouping/cub-googlenet-a4-margin", "model.size", 227),
        ("attentive-grouping/cub-googlenet-a4-binomial", "objective.loss.beta0", 25),
        ("attentive-grouping/cars-googlenet-margin", "optimizer.trunk_lr", 2e-5),
        ("attentive-grouping/sop-googlenet-a3", "objective.diversity.weight", 0.02),
        ("attentive-grouping/sop-googlenet-a3", "model.frozen_norm", "none"),
    ],
)
def test_values_of_the_tables(name: str, key: str, expected: object) -> None:
    assert value(loaded(name), key) == expected


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_settings_start_from_the_weights_of_their_papers(name: str) -> None:
    if name.startswith(("reality-check", "relational", "visual-explanation/cub")):
        expected = "bn_inception"
    elif name == "visual-explanation/cvusa":
        expected = "vgg16"
    else:
        # timm's plain resnet50 is a later, stronger training than the torchvision weights that the papers had.
        expected = "googlenet" if "googlenet" in name else "resnet50.tv_in1k"
    assert loaded(name).model.trunk == expected
