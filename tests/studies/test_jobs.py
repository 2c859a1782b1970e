"""What is to be done next is a function of the study and of what is finished, and of nothing else."""

from __future__ import annotations

import random
from dataclasses import asdict

import pytest
import yaml

from kinsight.errors import KinsightError
from kinsight.settings.parsing import settings_from
from kinsight.settings.yaml_mapping import yaml_mapping
from kinsight.studies.jobs import Job, best_values, count_jobs, next_jobs, settings_of
from kinsight.studies.methods import method_names, methods_named, with_found_values
from kinsight.studies.results import Result
from kinsight.studies.search import proposed
from kinsight.studies.study import Dimension, Study, plain, study_from

METHODS = methods_named(["margin", "fastap"])
STUDY = Study({"epochs": 2}, tuple(METHODS), "digest", folds=2, trials=3, repeats=2)


def made_result(job: Job) -> Result:
    """A result that depends on nothing but the job."""
    value = random.Random(f"{job.path} {sorted(job.values.items())}").random()
    return Result(value=value, step=1, values=job.values, metrics={"map_at_r": value} if job.kind != "trial" else {})


def walked(order: random.Random) -> dict[str, Result]:
    """A study done to its end, each time with any one of the jobs that can be begun."""
    finished: dict[str, Result] = {}
    while jobs := next_jobs(STUDY, finished):
        job = order.choice(jobs)
        assert job.path not in finished
        finished[job.path] = made_result(job)
    return finished


def test_every_order_ends_at_the_same_results() -> None:
    one, two = walked(random.Random(1)), walked(random.Random(2))
    assert one == two
    assert len(one) == count_jobs(STUDY) == 1 + 2 * 3 * 2 + 2 * 2 * (2 + 1)
    assert {"untrained", "margin/trial-2/fold-1", "fastap/repeat-1/fold-0", "fastap/repeat-1/concatenated"} < set(one)


def test_repeats_train_the_best_trial_and_every_method_has_as_many_trials() -> None:
    finished = walked(random.Random(3))
    for method in METHODS:
        trials = [[finished[f"{method.name}/trial-{n}/fold-{fold}"] for fold in range(2)] for n in range(3)]
        best = max(trials, key=lambda folds: sum(each.value or 0 for each in folds))
        assert best_values(STUDY, method, finished) == best[0].values
        assert finished[f"{method.name}/repeat-0/fold-0"].values == best[0].values


def test_a_failed_training_loses_the_search_and_does_not_stop_it() -> None:
    finished = {}
    for number in range(3):
        for job in next_jobs(STUDY, finished):
            if job.method == "margin":
                assert job.path.startswith(f"margin/trial-{number}")
                failed = "the loss is nan" if number != 1 else None
                finished[job.path] = Result(value=None if failed else 0.1, values=job.values, failed=failed)
    assert best_values(STUDY, METHODS[0], finished) == finished["margin/trial-1/fold-0"].values


def test_the_first_trial_takes_the_defaults_and_the_others_stay_in_their_ranges() -> None:
    space = {
        "a": Dimension(0.001, 10.0, 0.5, log=True),
        "b": Dimension(5, 100, 10, whole=True),
        "c": Dimension(-1.0, 1.0, 0.0),
    }
    assert proposed(space, [], seed=0, name="x") == {"a": 0.5, "b": 10, "c": 0.0}
    tried = []
    for _ in range(14):  # beyond the sampler's random beginning
        values = proposed(space, tried, seed=0, name="x")
        assert values == proposed(space, list(tried), seed=0, name="x")
        assert all(space[key].low <= value <= space[key].high for key, value in values.items())
        assert isinstance(values["b"], int)
        tried.append((values, -abs(values["c"] - 0.7)))
    assert proposed(space, tried, seed=0, name="x") != proposed(space, tried, seed=1, name="x")
    assert proposed(space, tried, seed=0, name="x") != proposed(space, tried, seed=0, name="y")
    assert len({str(values) for values, _ in tried}) == 14


def test_repeats_share_their_seeds_over_methods_and_differ_from_one_another() -> None:
    def seed(*job: object) -> int:
        return settings_of(STUDY, Job(*job), "features").seed  # type: ignore[arg-type]

    assert seed("repeat", "margin", 1, 0) == seed("repeat", "fastap", 1, 0)
    others = [seed("repeat", "margin", n, fold) for n in range(2) for fold in range(2)] + [
        seed("trial", "margin", 0, 0)
    ]
    assert len(set(others)) == 5
    made = settings_of(STUDY, Job("trial", "margin", 0, 1, {"objective.loss.margin": 0.25}), "features")
    assert (made.data.fold, made.data.folds, made.epochs) == (1, 2, 2)
    assert made.objective.loss == {"name": "margin", "learn_beta": True, "margin": 0.25}
    assert made.features.folder == "features"


@pytest.mark.parametrize("name", method_names())
def test_every_shipped_method_is_a_training_with_what_it_searches(name: str) -> None:
    (method,) = methods_named([name])
    values = proposed(method.search, [], seed=0, name=name)
    study = Study({}, (method,), "digest")
    made = settings_of(study, Job("trial", name, values=values), "features")
    for key, value in values.items():
        found: object = made
        for part in key.split("."):
            found = found[part] if isinstance(found, dict) else getattr(found, part)
        assert found == value
    assert study_from(plain(study), "x") == study
    published = with_found_values(method, "cars")
    assert not published.search
    settings_from(published.settings)


def test_published_values_are_those_of_the_recipes() -> None:
    (method,) = methods_named(["margin"])
    found = with_found_values(method, "cars").settings
    assert (found["objective"]["loss"]["margin"], found["optimizer"]["loss_lr"]) == (0.0781, 1.11e-4)


def test_losses_stands_for_the_thirteen() -> None:
    assert len(methods_named(["losses"])) == 13
    assert methods_named(["cosface", "losses"])[0].name == "cosface"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("marginn", "did you mean margin"),
        ("", "no method was named"),
        ("{folder}/a.yaml", "objective.loss.margins? is no"),
    ],
)
def test_a_method_that_cannot_be_used_is_named(name: str, said: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "a.yaml").write_text("search: {objektive.loss.margin: {low: 0, high: 1, default: 0.5}}")
    said = "search.objektive.loss.margin is no setting" if "folder" in name else said
    with pytest.raises(KinsightError, match=said):
        methods_named([name.format(folder=tmp_path)] if name else [])


def test_a_recipe_is_a_method_with_what_is_its_own(tmp_path) -> None:  # type: ignore[no-untyped-def]
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(
        "epochs: 99\nmodel: {trunk: resnet18, size: 64}\nbatches: {size: 7, per_class: 2}\nobjective: {loss: {name: triplet}}"
    )
    (method,) = methods_named([str(recipe)])
    assert method.name == "mine"
    assert method.settings == {"objective": {"loss": {"name": "triplet"}}, "batches": {"per_class": 2}}


@pytest.mark.long
def test_the_recipe_of_a_training_that_a_kill_cuts_off_can_be_read() -> None:
    for number in range(20):
        settings = settings_of(STUDY, Job("repeat", "margin", number, 1), "features")
        assert yaml_mapping(yaml.safe_dump(asdict(settings)))["seed"] == settings.seed
