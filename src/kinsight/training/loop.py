"""The training loop: the same for CPU and GPU, for one process and many, from the start and after a kill."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from accelerate import Accelerator, DistributedDataParallelKwargs, PartialState
from accelerate.utils import broadcast
from torch import Tensor, nn

from kinsight.data import BatchSampler, MPerClassBatches, UniformBatches, share
from kinsight.errors import KinsightError
from kinsight.models import Embedder, Embedding, build_embedder
from kinsight.objectives import CollapseWatch, Objective, check_finite
from kinsight.pictures import Draw, PictureBatch, PictureSet, augmentation, load
from kinsight.training.checkpoints import Position, load_checkpoint, newest_checkpoint, save_checkpoint
from kinsight.training.optimisers import make_optimiser
from kinsight.training.precision import fastest_precision
from kinsight.training.progress import Progress
from kinsight.training.protocol import data_protocol, training_protocol
from kinsight.training.run import RunFolder
from kinsight.training.schedules import factor
from kinsight.training.settings import TrainingSettings
from kinsight.training.tables import boxes_of, prepare_table
from kinsight.training.validation import validate

logger = logging.getLogger("kinsight")


def train(settings: TrainingSettings, out: str | Path, *, progress: bool = True) -> RunFolder:
    """Train an embedder, or go on with the run that `out` holds.

    Args:
        settings: everything that moves a number; stored as `recipe.yaml`.
        out: the run folder; killed and started again with the same settings, the run goes on to the same numbers.
        progress: show a bar on a terminal.

    Raises:
        KinsightError: the settings, the data, or the run folder cannot be used; a loss became non-finite.
    """
    processes = PartialState(cpu=not torch.cuda.is_available())
    run = RunFolder(out)
    if processes.is_main_process:
        run.claim(settings)
    processes.wait_for_everyone()
    table = prepare_table(settings.data)
    Training(settings, run, table, progress=progress).fit()
    processes.wait_for_everyone()
    return run


class Training:
    """One training run in memory. `fit` does it; everything else is its steps."""

    def __init__(
        self, settings: TrainingSettings, run: RunFolder, table: pd.DataFrame, *, progress: bool = True
    ) -> None:
        self.settings, self.run, self.table = settings, run, table
        processes = PartialState()
        self.rows = np.flatnonzero((table["split"] == "train").to_numpy())
        self.ids = table["id"].to_numpy()[self.rows]
        codes, classes = pd.factorize(table["label"].to_numpy()[self.rows], sort=True)
        self.labels, self.classes = codes.astype(np.int64), len(classes)
        self.sampler = make_sampler(settings, self.labels)
        self.steps_per_epoch = len(self.sampler)
        if self.steps_per_epoch == 0:
            raise KinsightError(
                f"{len(self.rows)} training pictures do not fill one batch of {settings.batches.size}; lower --batches.size"
            )

        embedder = build_embedder(settings.model, seed=settings.seed).to(processes.device)
        if settings.channels_last:
            embedder = embedder.to(memory_format=torch.channels_last)
        self.embedder: Embedder = embedder
        self.objective = Objective(settings.objective, dim=embedder.dim, classes=self.classes, seed=settings.seed).to(
            processes.device
        )

        self.precision = self._precision(processes)
        unused = DistributedDataParallelKwargs(find_unused_parameters=settings.schedule.head_first > 0)
        self.accelerator = Accelerator(
            cpu=processes.device.type == "cpu",
            mixed_precision="no" if self.precision == "fp32" else self.precision,
            kwargs_handlers=[unused],
        )
        optimiser = make_optimiser(settings.optimiser, embedder.trunk, embedder.head, self.objective.loss_parameters())
        self.forward, self.optimiser = self.accelerator.prepare(_Forward(embedder, settings.compile), optimiser)

        self.position = Position()
        self.collapse = CollapseWatch(self.objective.collapsed_value)
        self.progress = Progress(self.total_steps, shown=progress and processes.is_main_process)
        self._seconds_before = 0.0
        self._started = self._saved = time.monotonic()
        self._tensorboard = _tensorboard(run, settings) if processes.is_main_process else None

    @property
    def total_steps(self) -> int:
        """Optimiser steps of the whole run."""
        return self.steps_per_epoch * self.settings.epochs

    def fit(self) -> None:
        """Train to the end from wherever the run stands."""
        self._resume()
        if self.position.finished:
            self._say(f"{self.run.path} is finished: {self.position.step} steps; nothing to do")
            return
        if self.accelerator.is_main_process:
            self.run.update_protocol(self._protocol())
        for epoch in range(self.position.epoch, self.settings.epochs):
            self._epoch(epoch)
            stop = self._close_epoch(epoch)
            if stop:
                break
        self._finish()

    def _epoch(self, epoch: int) -> None:
        self.embedder.train()
        self.objective.train()
        for batch in self._batches(epoch, self.position.batch):
            self._step(epoch, batch)
            self.position.batch += 1
            if time.monotonic() - self._saved > 60 * self.settings.checkpoint_minutes:
                self._checkpoint()

    def _step(self, epoch: int, batch: PictureBatch) -> None:
        step = self.position.step
        torch.manual_seed(_mix(self.settings.seed, step, self.accelerator.process_index))  # dropout
        rates = self._set_rates(step)
        trunk_trains = any(group["name"] == "trunk" and group["lr"] > 0 for group in self.optimiser.param_groups)
        images = batch.images.to(self.accelerator.device, non_blocking=True)  # (B, 3, H, W)
        if self.settings.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        labels = torch.from_numpy(self.labels[batch.indices.numpy()]).to(self.accelerator.device)  # (B,)

        with self.accelerator.autocast():
            embedding: Embedding = self.forward(images, trunk_trains)
        whole = embedding.normalised if self.settings.model.l2 else embedding.whole.float()  # (B, D)
        loss = self.objective(whole, labels, seed=_mix(self.settings.seed, step, -1))
        check_finite(loss, whole, step, self.ids[batch.indices.numpy()].tolist(), self.objective.name)
        sentence = self.collapse.look(loss, whole)
        if sentence:
            self._say(sentence)

        self.optimiser.zero_grad(set_to_none=True)
        self.accelerator.backward(loss)
        if self.settings.optimiser.clip_norm is not None:
            self.accelerator.clip_grad_norm_(self.embedder.parameters(), self.settings.optimiser.clip_norm)
        self.optimiser.step()

        self.position.step += 1
        self.position.window_loss += loss.item()
        self.position.window_steps += 1
        self.progress.advance(loss.item(), self.settings.batches.size)
        if self.position.step % self.settings.log_every == 0 or self.position.step % self.steps_per_epoch == 0:
            self._log_train(epoch, rates)

    def _close_epoch(self, epoch: int) -> bool:
        """Validate if it is time, checkpoint, and say whether patience is exhausted."""
        position = self.position
        position.epoch, position.batch = epoch + 1, 0
        last = position.epoch == self.settings.epochs
        if (self.table["split"] == "validation").any() and (position.epoch % self.settings.validate_every == 0 or last):
            metrics = validate(self.embedder, self.table, self.settings, self.accelerator)
            score = metrics["map_at_r"]
            if position.best is None or score > position.best:
                position.best, position.best_step, position.since_best = score, position.step, 0
                if self.accelerator.is_main_process:
                    self.embedder.save(self.run.model)
            else:
                position.since_best += 1
            self.progress.restart_clock()
            self._record({"kind": "validation", "step": position.step, "epoch": position.epoch, **metrics})
            self._say(
                f"epoch {position.epoch}/{self.settings.epochs}: validation MAP@R {score:.4f}, "
                f"P@1 {metrics['precision_at_1']:.4f} (best MAP@R {position.best:.4f} at step {position.best_step})"
            )
        patience = self.settings.patience
        stop = patience is not None and position.since_best >= patience
        if not last and not stop:
            self._checkpoint()
        return stop

    def _finish(self) -> None:
        self.position.finished = True
        self.progress.close()
        if self.accelerator.is_main_process:
            self.embedder.save(self.run.last_model if self.position.best is not None else self.run.model)
            selection = (
                f"best validation MAP@R, at step {self.position.best_step} of {self.position.step}"
                if self.position.best is not None
                else f"last step ({self.position.step}); no validation classes were held out"
            )
            seconds = self._seconds()
            self.run.update_protocol(
                {
                    "training": {"steps_done": self.position.step, "minutes": round(seconds / 60, 2)},
                    "selection": selection,
                }
            )
        self._checkpoint()
        if self._tensorboard is not None:
            self._tensorboard.close()

    def _resume(self) -> None:
        checkpoint = newest_checkpoint(self.run.checkpoints)
        if checkpoint is not None:
            self.position = load_checkpoint(
                checkpoint, self._modules(), self._bare_optimiser(), self.accelerator.scaler
            )
            self._seconds_before = self.position.seconds
            self.progress.start_at(self.position.step)
            if not self.position.finished:
                self._say(f"going on at step {self.position.step} of {self.total_steps}")
        if self.accelerator.is_main_process and not self.position.finished:
            self.run.rewind(self.position.step)

    def _checkpoint(self) -> None:
        self.position.seconds = self._seconds()
        if self.accelerator.is_main_process:
            save_checkpoint(
                self.run.checkpoints, self.position, self._modules(), self._bare_optimiser(), self.accelerator.scaler
            )
        self.accelerator.wait_for_everyone()
        self._saved = time.monotonic()

    def _batches(self, epoch: int, start: int) -> Iterator[PictureBatch]:
        settings, accelerator = self.settings, self.accelerator
        pictures = PictureSet(
            self.table["path"].iloc[self.rows].tolist(),
            augmentation(settings.data.augmentation, self.embedder.preprocessing),
            boxes=boxes_of(self.table, self.rows) if settings.data.crop_to_box else None,
            shorter_side=self.embedder.preprocessing.shorter_side,
        )
        mine: list[list[Draw]] = [
            share(batch, accelerator.process_index, accelerator.num_processes)
            for batch in self.sampler.epoch(epoch, start)
        ]
        return load(
            pictures,
            mine,
            workers=settings.data.workers,
            on_unreadable=settings.data.on_unreadable,
            pin=accelerator.device.type == "cuda",
        )

    def _set_rates(self, step: int) -> dict[str, float]:
        rates = {}
        for group in self.optimiser.param_groups:
            scale = factor(self.settings.schedule, group["name"], step, self.steps_per_epoch, self.settings.epochs)
            group["lr"] = group["base_rate"] * scale
            rates[f"rate_{group['name']}"] = group["lr"]
        return rates

    def _log_train(self, epoch: int, rates: dict[str, float]) -> None:
        position = self.position
        record = {
            "kind": "train",
            "step": position.step,
            "epoch": epoch,
            "loss": position.window_loss / position.window_steps,
            **rates,
            "pictures_per_second": round(self.progress.pictures_per_second, 1),
        }
        position.window_loss, position.window_steps = 0.0, 0
        self._record(record)

    def _record(self, record: dict[str, Any]) -> None:
        if self.accelerator.is_main_process:
            self.run.log(record)
            if self._tensorboard is not None:
                for key, value in record.items():
                    if isinstance(value, float):
                        self._tensorboard.add_scalar(f"{record['kind']}/{key}", value, record["step"])

    def _say(self, message: str) -> None:
        if self.accelerator.is_main_process:
            logger.info(message)
            self._record({"kind": "event", "step": self.position.step, "message": message})

    def _modules(self) -> dict[str, nn.Module]:
        return {"model": self.embedder, "objective": self.objective}

    def _bare_optimiser(self) -> torch.optim.Optimizer:
        return self.optimiser.optimizer

    def _seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._started

    def _precision(self, processes: PartialState) -> str:
        """The arithmetic of this run: as set, as found before a kill, or measured on the main process."""
        if self.settings.precision != "auto":
            return self.settings.precision
        names = ["fp32", "bf16", "fp16"]
        known = self.run.read_protocol().get("training", {}).get("precision")
        if known is None and processes.is_main_process:
            per_process = max(1, self.settings.batches.size // processes.num_processes)
            known = fastest_precision(
                self.embedder.trunk,
                self.embedder.preprocessing.height_width,
                batch=min(32, per_process),
                device=processes.device,
                channels_last=self.settings.channels_last,
            )
        chosen = torch.tensor(names.index(known) if known else 0, device=processes.device)
        return names[int(broadcast(chosen))]

    def _protocol(self) -> dict[str, Any]:
        return {
            "data": data_protocol(self.table, self.settings.data),
            **training_protocol(self.settings, self.embedder, self.precision, self.total_steps),
        }


class _Forward(nn.Module):
    """What processes replicate: the embedder, whose trunk may stand still (then nothing of it is kept for the backward pass)."""

    def __init__(self, embedder: Embedder, compiled: bool) -> None:
        super().__init__()
        self.embedder = embedder
        # In a tuple, so that the compiled copy is not registered a second time.
        self._trunk = (torch.compile(embedder.trunk) if compiled else embedder.trunk,)

    def forward(self, images: Tensor, trunk_trains: bool) -> Embedding:
        with torch.set_grad_enabled(trunk_trains and torch.is_grad_enabled()):
            features = self._trunk[0](images)  # (B, C, h, w)
        return self.embedder.head(features)


def make_sampler(settings: TrainingSettings, labels: np.ndarray) -> BatchSampler:
    """The batch sampler that the settings ask for."""
    batches = settings.batches
    if batches.per_class is None:
        return UniformBatches(len(labels), batches.size, seed=settings.seed)
    return MPerClassBatches(labels, batches.size, batches.per_class, seed=settings.seed, balanced=batches.balanced)


def _mix(*numbers: int) -> int:
    """One 63-bit seed from several numbers."""
    return int(np.random.SeedSequence([number & 0xFFFFFFFF for number in numbers]).generate_state(1, np.uint64)[0] >> 1)


def _tensorboard(run: RunFolder, settings: TrainingSettings) -> Any:
    if not settings.tensorboard:
        return None
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise KinsightError(
            "--tensorboard needs a package that is not installed: pip install 'kinsight[tensorboard]'"
        ) from None
    return SummaryWriter(str(run.path / "tensorboard"))
