"""What the loop does beside resuming and sharing: selection, precision, standing still, leaving out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from kinsight.errors import KinsightError
from kinsight.models import Embedding, build_embedder, load_embedder
from kinsight.runs.folder import RunFolder
from kinsight.runs.protocol import Selection
from kinsight.training import loop as loop_module
from kinsight.training import train
from kinsight.training import validation as validation_module
from kinsight.training.loop import Training
from kinsight.training.precision import ruled_precision
from kinsight.training.tables import boxes_of, prepare_table
from tiny_run import CLASSES, PER_CLASS, dumped, numbers_of, tiny, write_table


def tensors_of(folder: Path) -> dict[str, np.ndarray]:
    return load_file(folder / "model.safetensors")


def events_of(run: Path) -> list[str]:
    return [record["message"] for record in RunFolder(run).history() if record["kind"] == "event"]


def test_the_folder_of_a_finished_run(finished: Path) -> None:
    names = sorted(entry.name for entry in finished.iterdir())
    assert names == ["checkpoints", "metrics.jsonl", "model", "model-last", "protocol.json", "recipe.yaml"]
    assert [entry.name for entry in (finished / "checkpoints").iterdir()] == ["step-000000009"]
    steps = [(record["kind"], record["step"], record["epoch"]) for record in numbers_of(finished)]
    train_steps = [("train", step, (step - 1) // 3 + 1) for step in range(1, 10)]
    assert [each for each in steps if each[0] == "train"] == train_steps
    assert [each for each in steps if each[0] == "validation"] == [
        ("validation", 3 * epoch, epoch) for epoch in (0, 1, 2, 3)
    ]
    protocol = json.loads((finished / "protocol.json").read_text())
    assert protocol["data"]["splits"]["train"]["pictures"] == 4 * PER_CLASS
    assert protocol["data"]["splits"]["validation"]["classes"] == 2
    assert protocol["training"]["steps"] == protocol["training"]["steps_done"] == 9
    assert protocol["training"]["precision"] == "fp32"


def test_the_model_is_the_best_one_on_validation_classes(
    tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([0.1, 0.2, 0.5, 0.4])
    kept: list[dict[str, np.ndarray]] = []

    def validate(embedder: Any, *_: Any) -> dict[str, float]:
        kept.append({name: value.numpy().copy() for name, value in embedder.state_dict().items()})
        return {"precision_at_1": 0.0, "r_precision": 0.0, "map_at_r": next(scores)}

    monkeypatch.setattr(loop_module, "validate", validate)
    run = train(tiny(pictures), tmp_path / "run", progress=False)
    for folder, expected in ((run.model, kept[2]), (run.last_model, kept[3])):
        found = tensors_of(folder)
        assert all(np.array_equal(found[name], value) for name, value in expected.items())
    assert run.read_protocol().selection == Selection("map_at_r", 6, 0.5, start=0.1)


@pytest.mark.parametrize(("metric", "better", "worse"), [("map_at_r", 0.6, 0.4), ("intra_class_distance", 0.4, 0.6)])
def test_better_is_what_the_metric_says(
    metric: str, better: float, worse: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(validation_module, "CHOSEN_BY", metric)
    assert validation_module.is_better(better, None)
    assert validation_module.is_better(better, 0.5)
    assert not validation_module.is_better(worse, 0.5)
    assert not validation_module.is_better(0.5, 0.5)


@pytest.mark.long
def test_patience_ends_the_run(tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = iter([0.6, 0.5, 0.4, 0.3, 0.2])
    monkeypatch.setattr(
        loop_module, "validate", lambda *_: {"precision_at_1": 0.0, "r_precision": 0.0, "map_at_r": next(scores)}
    )
    run = train(tiny(pictures, {"epochs": 9, "patience": 2}), tmp_path / "run", progress=False)
    assert [record["step"] for record in numbers_of(run.path) if record["kind"] == "validation"] == [0, 3, 6, 9]
    assert run.read_protocol().selection == Selection("map_at_r", 0, 0.6, start=0.6)


def test_validation_every_other_epoch_and_at_the_end(tmp_path: Path, pictures: Path) -> None:
    run = train(tiny(pictures, {"validate_every": 2}), tmp_path / "run", progress=False)
    assert [record["epoch"] for record in numbers_of(run.path) if record["kind"] == "validation"] == [0, 2, 3]


def test_without_validation_classes_the_last_model_is_the_model(tmp_path: Path, pictures: Path) -> None:
    run = train(tiny(pictures, {"data": {"fold": None}, "epochs": 1, "log_every": 2}), tmp_path / "run", progress=False)
    assert run.trained_model("best") == run.trained_model("last") == run.model
    assert not run.last_model.exists()
    assert [record["step"] for record in numbers_of(run.path)] == [2, 4]  # 36 pictures in batches of 8
    assert run.read_protocol().selection == Selection("last_step", 4)


def test_logged_losses_are_means_since_the_line_before(tmp_path: Path, pictures: Path, finished: Path) -> None:
    run = train(tiny(pictures, {"log_every": 2}), tmp_path / "run", progress=False)
    single = {record["step"]: record["loss"] for record in numbers_of(finished) if record["kind"] == "train"}
    means = {record["step"]: record["loss"] for record in numbers_of(run.path) if record["kind"] == "train"}
    assert means == {
        step: pytest.approx(np.mean([single[each] for each in window]))
        for step, window in {2: [1, 2], 3: [3], 4: [4], 6: [5, 6], 8: [7, 8], 9: [9]}.items()
    }


def test_one_validation_class_is_said_to_choose_nothing(tmp_path: Path, pictures: Path) -> None:
    run = train(tiny(pictures, {"data": {"folds": 4}, "epochs": 1}), tmp_path / "run", progress=False)
    assert events_of(run.path)[0].startswith("there is one validation class only, on which every model scores 100 %")
    assert run.read_protocol().selection == Selection("map_at_r", 3, 1.0, start=1.0)


def scored(monkeypatch: pytest.MonkeyPatch, *scores: float) -> None:
    """Let the validations of a run, the start's first, have these scores."""
    coming = iter(scores)
    answer = lambda *_: {"precision_at_1": 0.5, "r_precision": 0.0, "map_at_r": next(coming)}  # noqa: E731
    monkeypatch.setattr(loop_module, "validate", answer)


def test_a_run_that_ends_below_its_start_keeps_it_and_says_so(
    tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored(monkeypatch, 0.5, 0.4, 0.3, 0.2)
    run = train(tiny(pictures), tmp_path / "run", progress=False)
    settings = tiny(pictures)
    start = build_embedder(settings.model, seed=settings.seed).state_dict()
    kept = tensors_of(run.model)
    assert all(np.array_equal(kept[name], value.numpy()) for name, value in start.items())
    assert run.read_protocol().selection == Selection("map_at_r", 0, 0.5, start=0.5)
    assert events_of(run.path)[-1].startswith(
        "training did not help: on the 2 validation classes the network as it started has MAP@R 0.5000"
    )


@pytest.mark.long
def test_a_run_may_keep_its_trained_model_below_the_start(
    tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored(monkeypatch, 0.5, 0.4, 0.3, 0.2)
    run = train(tiny(pictures, {"keep_start": False}), tmp_path / "run", progress=False)
    assert run.read_protocol().selection == Selection("map_at_r", 3, 0.4, start=0.5)
    assert events_of(run.path)[-1].startswith("training did harm: on the 2 validation classes MAP@R 0.4000")


@pytest.mark.long
def test_of_equal_validations_the_last_is_kept(tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scored(monkeypatch, 1.0, 1.0, 0.4, 1.0)
    run = train(tiny(pictures), tmp_path / "run", progress=False)
    assert run.read_protocol().selection == Selection("map_at_r", 9, 1.0, start=1.0)
    best, last = tensors_of(run.model), tensors_of(run.last_model)
    assert all(np.array_equal(best[name], last[name]) for name in last)
    assert "cannot tell whether training helped" in events_of(run.path)[-1]


@pytest.mark.parametrize("changes", [{"schedule": {"head_first": 9.0}}, {"optimizer": {"trunk_lr": 0.0}}])
def test_a_trunk_that_stands_still_keeps_weights_and_statistics(
    tmp_path: Path, pictures: Path, changes: dict[str, Any]
) -> None:
    settings = tiny(pictures, changes, {"model": {"frozen_norm": "none"}, "epochs": 1})
    training = Training(settings, RunFolder(tmp_path / "run"), prepare_table(settings.data), progress=False)
    training.run.claim(settings)
    before = {name: value.clone() for name, value in training.embedder.state_dict().items()}
    training.fit()
    changed = {name for name, value in training.embedder.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"head.layers.0.weight", "head.layers.0.bias"}


def test_a_trunk_that_trains_also_trains_its_norm(tmp_path: Path, pictures: Path) -> None:
    settings = tiny(pictures, {"model": {"frozen_norm": "none"}, "epochs": 1})
    training = Training(settings, RunFolder(tmp_path / "run"), prepare_table(settings.data), progress=False)
    training.run.claim(settings)
    before = {name: value.clone() for name, value in training.embedder.state_dict().items()}
    training.fit()
    changed = {name for name, value in training.embedder.state_dict().items() if not torch.equal(value, before[name])}
    assert {name for name in changed if "running_mean" in name}
    assert {name for name in changed if "conv" in name}


@pytest.mark.parametrize("normalize", [True, False])
def test_the_loss_sees_what_the_model_will_answer(
    tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch, normalize: bool
) -> None:
    settings = tiny(pictures, {"model": {"normalize": normalize}, "epochs": 1})
    training = Training(settings, RunFolder(tmp_path / "run"), prepare_table(settings.data), progress=False)
    training.run.claim(settings)
    seen: list[torch.Tensor] = []
    whole = training.objective.terms["whole"].forward

    def forward(embedding: Embedding, labels: torch.Tensor, *, subset: int) -> torch.Tensor:
        seen.append(embedding.whole.detach().norm(dim=1))
        return whole(embedding, labels, subset=subset)

    monkeypatch.setattr(training.objective.terms["whole"], "forward", forward)
    training.fit()
    unit = torch.ones(8)
    assert all(torch.allclose(norms, unit, atol=1e-5) == normalize for norms in seen)
    answers = np.linalg.norm(load_embedder(training.run.model).encode([next(pictures.parent.glob("*/*.png"))]), axis=1)
    assert np.allclose(answers, 1, atol=1e-5) == normalize


def test_lower_precision_trains_near_the_full_one(tmp_path: Path, pictures: Path, finished: Path) -> None:
    run = train(tiny(pictures, {"precision": "bf16", "epochs": 1}), tmp_path / "run", progress=False)
    losses = [record["loss"] for record in numbers_of(run.path) if record["kind"] == "train"]
    full = [record["loss"] for record in numbers_of(finished) if record["kind"] == "train"]
    assert losses[0] == pytest.approx(full[0], rel=0.05)
    assert losses[0] != full[0]


def test_half_precision_needs_a_gpu(tmp_path: Path, pictures: Path) -> None:
    if torch.cuda.is_available():
        train(tiny(pictures, {"precision": "fp16", "epochs": 1}), tmp_path / "run", progress=False)
    else:
        with pytest.raises(KinsightError, match="precision fp16 needs a GPU; write fp32, bf16 or auto"):
            train(tiny(pictures, {"precision": "fp16"}), tmp_path / "run", progress=False)
        assert not (tmp_path / "run").exists()


def test_the_measured_precision_is_remembered_and_leaves_the_trunk_alone(
    tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tiny(pictures, {"precision": "fastest", "model": {"frozen_norm": "none"}})
    run, table = RunFolder(tmp_path / "run"), prepare_table(settings.data)
    measured = Training(settings, run, table, progress=False)
    fixed = Training(tiny(pictures, {"model": {"frozen_norm": "none"}}), run, table, progress=False)
    for name, value in fixed.embedder.state_dict().items():
        assert torch.equal(value, measured.embedder.state_dict()[name]), name
    assert measured.precision in ("fp32", "bf16")
    run.claim(settings)
    run.update_protocol({"training": {"precision": "bf16"}})
    monkeypatch.setattr("kinsight.training.precision.fastest_precision", lambda *_, **__: "fp32")
    assert Training(settings, run, table, progress=False).precision == "bf16"


@pytest.mark.parametrize(
    ("instructions", "groups", "expected"), [(False, 1, "fp32"), (True, 1, "bf16"), (True, 4, "fp32")]
)
def test_auto_precision_is_a_rule_of_processor_and_network(
    monkeypatch: pytest.MonkeyPatch, instructions: bool, groups: int, expected: str
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: instructions)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.Conv2d(4, 4, 3, groups=groups))
    assert ruled_precision(network, torch.device("cpu")) == expected


def test_a_batch_without_readable_pictures_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = []
    for number in range(8):
        (tmp_path / f"{number}.png").write_bytes(b"not a picture")
        rows.append({"path": f"{number}.png", "label": number // 2, "split": "train" if number < 4 else "test"})
    data = write_table(tmp_path / "broken.csv", rows)
    changes = {"data": {"on_unreadable": "skip", "fold": None}, "batches": {"size": 4, "per_class": 2}, "epochs": 1}
    with caplog.at_level("WARNING", "kinsight"):
        run = train(tiny(data, changes), tmp_path / "run", progress=False)
    assert sorted(message.split()[2].rsplit("/", 1)[1] for message in caplog.messages) == [f"{n}.png" for n in range(4)]
    (record,) = numbers_of(run.path)
    assert (record["step"], record["loss"]) == (1, 0.0)


def test_a_corrupt_picture_is_refused_by_name_or_left_out(
    tmp_path: Path, pictures: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [
        {"path": str(file.resolve()), "label": file.parent.name, "split": "train" if number < 12 else "test"}
        for number, file in enumerate(sorted(pictures.parent.glob("class_0[0-3]/*.png")))
    ]
    broken = tmp_path / "broken.png"
    broken.write_bytes(Path(rows[0]["path"]).read_bytes()[:200])
    rows[0]["path"] = str(broken)
    data = write_table(tmp_path / "table.csv", rows)
    changes: dict[str, Any] = {"data": {"fold": None}, "batches": {"size": 12, "per_class": 6}, "epochs": 2}
    with pytest.raises(
        KinsightError, match=r"broken\.png .*or leave such pictures out with --data\.on_unreadable skip"
    ):
        train(tiny(data, changes), tmp_path / "run", progress=False)
    # The same run may go on when it is told to leave such pictures out.
    changes["data"]["on_unreadable"] = "skip"
    with caplog.at_level("WARNING", "kinsight"):
        run = train(tiny(data, changes), tmp_path / "run", progress=False)
    assert len([message for message in caplog.messages if "broken.png" in message]) == 1  # once, not every epoch
    assert run.model.is_dir()


def test_a_loss_that_is_not_finite_names_step_loss_and_files(tmp_path: Path, pictures: Path) -> None:
    absurd = {"optimizer": {"name": "sgd", "trunk_lr": 1e30, "head_lr": 1e30, "loss_lr": 1e30}}
    with pytest.raises(KinsightError, match=r"^step \d: the .*class_\d\d/\d\.png.*the loss margin .*learning rate"):
        train(tiny(pictures, absurd), tmp_path / "run", progress=False)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model": {"trunk": "resnt18"}}, "trunk 'resnt18' is not a network of timm; did you mean"),
        ({"model": {"head": {"dims": 3}}}, "head linear: 'dims' is not one of its options"),
        ({"objective": {"loss": {"name": "tripplet"}}}, "'tripplet' is not a known loss .did you mean triplet"),
        ({"objective": {"loss": {"name": "margin", "bta": 1}}}, "loss margin: 'bta' is not one of its options"),
        ({"data": {"augmentation": "wild"}}, "augmentation 'wild'"),
        ({"batches": {"size": 9, "per_class": 4}}, "batch_size 9 is not a multiple of per_class 4"),
    ],
)
def test_settings_that_cannot_be_used_leave_no_folder(
    tmp_path: Path, pictures: Path, changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(KinsightError, match=sentence):
        train(tiny(pictures, changes), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.long
def test_data_may_move(tmp_path: Path, pictures: Path, finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(Training, "_close_epoch", stop)
        with pytest.raises(ZeroDivisionError):
            train(tiny(pictures), tmp_path / "run", progress=False)
    moved = tmp_path / "elsewhere"
    moved.symlink_to(pictures.parent)
    monkeypatch.chdir(tmp_path)
    run = train(tiny(Path("elsewhere") / pictures.name), tmp_path / "run", progress=False)
    assert numbers_of(run.path) == numbers_of(finished)
    assert Path(run.settings()["data"]["path"]).is_absolute()


def test_boxes_may_be_missing_in_some_rows(tmp_path: Path, pictures: Path) -> None:
    rows = [
        {
            "path": str(file.resolve()),
            "label": file.parent.name,
            **dict.fromkeys(("x_1", "y_1"), "" if number % 2 else 4),
            **dict.fromkeys(("x_2", "y_2"), "" if number % 2 else 30),
        }
        for number, file in enumerate(sorted(pictures.parent.glob("*/*.png")))
    ]
    data = write_table(tmp_path / "boxes.csv", rows)
    settings = tiny(data, {"data": {"crop_to_box": True}, "epochs": 1})
    boxes = boxes_of(prepare_table(settings.data), np.arange(2))
    np.testing.assert_array_equal(boxes, [[4, 4, 30, 30], [np.nan] * 4])
    assert train(settings, tmp_path / "run", progress=False).model.is_dir()
    with pytest.raises(KinsightError, match=r"crop_to_box needs the columns x_1, y_1, x_2, y_2"):
        prepare_table(tiny(pictures, {"data": {"crop_to_box": True}}).data)


@pytest.mark.long
def test_tensorboard_gets_the_same_numbers(tmp_path: Path, pictures: Path) -> None:
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run = train(tiny(pictures, {"tensorboard": True, "epochs": 1}), tmp_path / "run", progress=False)
    events = event_accumulator.EventAccumulator(str(run.path / "tensorboard")).Reload()
    found = [(event.step, event.value) for event in events.Scalars("train/loss")]
    expected = [(record["step"], record["loss"]) for record in numbers_of(run.path) if record["kind"] == "train"]
    assert found == [(step, pytest.approx(loss)) for step, loss in expected]


def test_the_tiny_settings_are_a_recipe_too() -> None:
    assert json.loads(dumped({"epochs": CLASSES})) == {"epochs": CLASSES}
