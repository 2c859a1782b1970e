"""The typed settings of a training run: everything a recipe may say, and nothing else.

The command line, the recipe files and the stored `recipe.yaml` are all read through these dataclasses, so a key that is not
here is an error everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Literal

from kinsight.errors import KinsightError
from kinsight.settings.model import ModelSettings
from kinsight.settings.objective import ObjectiveSettings
from kinsight.typed import type_hints

# What a setting says of itself beside its type and its default.
_MOVES_NO_NUMBER = {"moves_numbers": False}
_TELLS_REPEATS = {"tells_repeats": True}


@dataclass
class DataSettings:
    """Which pictures, how they are split, and how they reach the network."""

    path: str = field(default="", metadata=_MOVES_NO_NUMBER)  # data may lie elsewhere; their digest is compared
    """Image table (CSV, parquet), folder or zip."""
    path_column: str | None = field(default=None, metadata=_MOVES_NO_NUMBER)
    """Column of the table that holds the pictures' files; null: `path`, or what other tools call it (image, filename, file, ...)."""
    label_column: str | None = field(default=None, metadata=_MOVES_NO_NUMBER)
    """Column that holds the classes; null: `label`, or what other tools call it (class, target, ...)."""
    root: str | None = field(default=None, metadata=_MOVES_NO_NUMBER)
    """Folder or zip that relative paths of the table begin at; null: the table's own place."""
    split_by: str | None = None
    """Column that holds the split, or `halves` (first half of the sorted classes trains); default: `split` if there, else halves."""
    split: Literal["train", "all"] = "train"
    """Which pictures train: those of the split, or all of them, for a model to be used: no class is left to choose or to measure on."""
    fold: int | None = field(default=0, metadata=_TELLS_REPEATS)
    """Which fold of the training classes is held out for validation; null: none, train on all of them."""
    folds: int = 4
    """Number of class folds (Reality Check: 4)."""
    augmentation: str = "standard"
    """Training preset: standard, mild, geom, geom+color, color-heavy, reality-check, color, turn, turn+color, roll, roll+color, none."""
    stream_augmentation: dict[str, str] | None = None
    """Of streams: another preset for the pictures of a view, `{aerial: turn+color, street: color}`; null: `augmentation` for all."""
    crop_to_box: bool = False
    """Cut every picture to its box (x_1, y_1, x_2, y_2) before anything else."""
    on_unreadable: Literal["refuse", "skip"] = field(default="refuse", metadata=_MOVES_NO_NUMBER)
    """What a corrupt picture does: stop the run with its path, or be left out and named in the log."""
    workers: int = field(default=2, metadata=_MOVES_NO_NUMBER)
    """Processes that decode pictures; 0: none beside the main one."""


@dataclass
class BatchSettings:
    """How a batch is drawn. Sizes count the whole batch over all processes."""

    size: int = 64
    """Pictures in a batch, over all processes together."""
    per_class: int | None = None
    """Pictures of each class in a batch (m-per-class sampling); null: uniform permutation of the pictures."""
    balanced: bool = False
    """With per_class: every class equally often instead of in proportion to its pictures."""


@dataclass
class OptimizerSettings:
    """One optimizer with separate rates for trunk, head and the loss's own parameters."""

    name: Literal["adamw", "adam", "sgd", "rmsprop"] = "adamw"
    """Which optimizer of torch."""
    trunk_lr: float = 1e-4
    """Learning rate of the trunk."""
    head_lr: float = 1e-3
    """Learning rate of the head."""
    loss_lr: float = 1e-2
    """Learning rate of the loss's own parameters (proxies, class weights, beta)."""
    weight_decay: float = 1e-4
    """Weight decay of trunk and head."""
    groups: dict[str, dict[str, float]] | None = None
    """Groups, or beginnings of parameters' names, with other lr, weight_decay or waits: `{head.queries: {weight_decay: 0.001}}`."""
    loss_weight_decay: float = 0.0
    """Weight decay of the loss's own parameters."""
    momentum: float = 0.9
    """Momentum of sgd and rmsprop."""
    clip_norm: float | None = None
    """Largest norm of the gradient of trunk and head together; null: not clipped."""
    clip_apart: bool = False
    """Clip the gradients of trunk, head, and the loss's own parameters each on their own, each to clip_norm."""


@dataclass
class ScheduleSettings:
    """How the rates move; a pure function of the step, so nothing of it needs to be saved."""

    name: Literal["constant", "cosine", "steps"] = "cosine"
    """Shape over the whole run."""
    warmup: float = 0.0
    """Epochs over which a rate rises from zero when its part starts to train."""
    head_first: float = 0.0
    """Epochs that the trunk waits while head and loss train already."""
    milestones: list[int] = field(default_factory=list)
    """`steps`: epochs at which the rates are multiplied by gamma."""
    gamma: float = 0.1
    """`steps`: the factor."""


@dataclass
class FeatureSettings:
    """Features of a trunk that stands still: computed once, kept in a file, and read instead of pictures from then on."""

    once: Literal["auto", "always", "never"] = "auto"
    """auto: where the trunk stands still all the time, or waits two epochs and more and nothing augments; always: also while it waits."""
    copies: int = 0
    """Augmented copies of each training picture, among which every draw chooses; 0: one as at test time, without augmentation."""
    dtype: Literal["float32", "float16"] = "float32"
    """Numbers of the file; float16 halves it and costs exactness."""
    folder: str | None = field(default=None, metadata=_MOVES_NO_NUMBER)
    """Folder that several runs share such files in; null: `features` of the run folder."""


@dataclass
class TrainingSettings:
    """A whole training run."""

    data: DataSettings = field(default_factory=DataSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    objective: ObjectiveSettings = field(default_factory=ObjectiveSettings)
    batches: BatchSettings = field(default_factory=BatchSettings)
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    schedule: ScheduleSettings = field(default_factory=ScheduleSettings)
    features: FeatureSettings = field(default_factory=FeatureSettings)
    method: dict[str, Any] = field(default_factory=lambda: {"name": "plain"})
    """What changes the training between epochs: its name (or a class path) and its options; plain: nothing does."""
    epochs: int = 20
    """Passes over the training pictures."""
    validate_every: int = 1
    """Epochs between two validations."""
    patience: int | None = None
    """Stop after this many validations without a better MAP@R; null: never."""
    keep_start: bool = True
    """Whether the network as it starts may be the best one on the validation classes; false: it is only measured there."""
    precision: Literal["auto", "fastest", "fp32", "bf16", "fp16"] = "auto"
    """Arithmetic of the network; auto: by a rule of device and trunk; fastest: measured once. The loss is always float32."""
    channels_last: bool = True
    """Memory layout that convolutions are fastest in."""
    compile: bool = False
    """Compile the trunk with torch.compile."""
    seed: int = field(default=0, metadata=_TELLS_REPEATS)
    """Seed of everything: initialisation, batches, augmentation, miners, dropout."""
    checkpoint_minutes: float = field(default=5.0, metadata=_MOVES_NO_NUMBER)
    """Minutes between two checkpoints inside an epoch; one is always written at its end."""
    log_every: int = field(default=10, metadata=_MOVES_NO_NUMBER)
    """Steps between two lines of metrics.jsonl."""
    tensorboard: bool = field(default=False, metadata=_MOVES_NO_NUMBER)
    """Also write TensorBoard events (needs `pip install kinsight[tensorboard]`)."""


def moves_numbers(name: str) -> bool:
    """Whether the setting of that full name (`data.workers`) moves a number of a training."""
    return bool(_metadata(name).get("moves_numbers", True))


def tells_repeats(name: str) -> bool:
    """Whether the setting of that full name tells apart the runs of one recipe that repeat it: seed and fold."""
    return bool(_metadata(name).get("tells_repeats", False))


def _metadata(name: str) -> Mapping[str, Any]:
    """What a setting says of itself; nothing where the name is an option of a choice, such as `model.head.dim`."""
    kind: Any = TrainingSettings
    known: Mapping[str, Any] = {}
    for part in name.split("."):
        found = {each.name: each for each in fields(kind)} if is_dataclass(kind) else {}
        if part not in found:
            return {}
        known, kind = found[part].metadata, type_hints(kind)[part]
    return known


# The smallest allowed value of each number that could be nonsense; null is let through where it is allowed.
_SMALLEST = {
    "data.workers": 0,
    "batches.size": 1,
    "batches.per_class": 1,
    "optimizer.trunk_lr": 0,
    "optimizer.head_lr": 0,
    "optimizer.loss_lr": 0,
    "optimizer.weight_decay": 0,
    "optimizer.loss_weight_decay": 0,
    "optimizer.momentum": 0,
    "optimizer.clip_norm": 0,
    "schedule.warmup": 0,
    "schedule.head_first": 0,
    "schedule.gamma": 0,
    "features.copies": 0,
    "epochs": 1,
    "validate_every": 1,
    "patience": 1,
    "seed": 0,
    "checkpoint_minutes": 0,
    "log_every": 1,
}


_LARGEST_SEED = 10**18 - 1  # what torch takes and the recipe of a run can be read with


def check_ranges(settings: TrainingSettings) -> None:
    """Refuse numbers that make no sense.

    Raises:
        KinsightError: naming the setting, its value and the smallest one allowed.
    """
    for name, smallest in _SMALLEST.items():
        value: Any = settings
        for part in name.split("."):
            value = getattr(value, part)
        if value is not None and not value >= smallest:  # so that nan is refused too
            raise KinsightError(f"setting {name}: {value} is not allowed; write {smallest} or more")
    if settings.seed > _LARGEST_SEED:
        raise KinsightError(f"setting seed: {str(settings.seed)[:40]} is not allowed; write {_LARGEST_SEED} or less")
