"""The training loop: the same for CPU and GPU, for one process and many, from the start and after a kill."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from torch import nn

from kinsight import processes
from kinsight.data import Batch
from kinsight.errors import KinsightError
from kinsight.files import sweep
from kinsight.models import Embedding, Model, TwoStreams, load_embedder, take_head
from kinsight.objectives import CollapseWatch, Losses, check_finite
from kinsight.runs.folder import RunFolder
from kinsight.runs.protocol import data_protocol, training_protocol
from kinsight.settings.training import TrainingSettings
from kinsight.training.building import (
    make_embedder,
    make_groups,
    make_method,
    make_objective,
    still_epochs,
    trunk_may_rest,
)
from kinsight.training.checkpoints import (
    Position,
    keep_class_weights,
    load_checkpoint,
    newest_checkpoint,
    save_checkpoint,
)
from kinsight.training.head_start import fit_head, is_fitted, refit_head, unfit_head
from kinsight.training.inputs import TrainingBatch
from kinsight.training.log import RunLog
from kinsight.training.optimizers import clip_gradients, leave_out_still_groups, make_optimizer, set_rates
from kinsight.training.precision import DTYPES, choose_precision
from kinsight.training.progress import Progress
from kinsight.training.replica import replicate, share_buffers
from kinsight.training.schedules import extension
from kinsight.training.seeds import mixed, seed_torch
from kinsight.training.selection import ONE_CLASS, numbers, selection_of, take, take_start, verdict
from kinsight.training.stream_inputs import make_inputs
from kinsight.training.validation import CHOSEN_BY, is_better, validate, who_searches

logger = logging.getLogger("kinsight")


class Training:
    """One training run in memory. `fit` does it; everything else is its steps."""

    def __init__(
        self, settings: TrainingSettings, run: RunFolder, table: pd.DataFrame, *, progress: bool = True
    ) -> None:
        self.settings, self.run, self.table = settings, run, table
        self.device = processes.device()
        self.rows = np.flatnonzero((table["split"] == "train").to_numpy())
        self.ids = table["id"].to_numpy()[self.rows]
        codes, classes = pd.factorize(table["label"].to_numpy()[self.rows], sort=True)
        self.labels, self.classes = codes.astype(np.int64), len(classes)
        if settings.batches.size < processes.count():
            raise KinsightError(
                f"a batch of {settings.batches.size} cannot be shared by {processes.count()} processes; "
                "raise --batches.size or start fewer processes"
            )

        embedder = make_embedder(settings).to(self.device)
        self.warm_start = take_head(embedder, settings.model.weights)
        if settings.channels_last:
            embedder = embedder.to(memory_format=torch.channels_last)
        self.embedder: Model = embedder
        self.inputs = make_inputs(settings, embedder, table, self.rows, lambda: self.position.epoch)
        self.method = make_method(settings, embedder, table, self.rows, self.labels, self.inputs.embed).to(self.device)
        self.steps_per_epoch = len(self.method.sampler())
        self.objective = make_objective(settings, embedder, self.method, self.classes).to(self.device)
        groups = make_groups(settings, embedder, self.objective, self.method)
        self.optimizer = make_optimizer(settings.optimizer, groups)
        self.still_epochs = still_epochs(groups, self.method, settings.epochs)
        self.precision = choose_precision(settings, run, embedder, still_epochs=self.still_epochs)
        self.inputs.keep_features(run, self.still_epochs, self.precision, progress=progress)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision == "fp16")
        may_rest = trunk_may_rest(groups, self.method, settings.epochs)
        self.forward = replicate(embedder, compiled=settings.compile, some_unused=may_rest)

        self.position = Position()
        self.collapse = CollapseWatch(self.objective.collapsed_value)
        self.progress = Progress(self.total_steps, settings.epochs, shown=progress and processes.is_main())
        self.log = RunLog(run, writes=processes.is_main(), tensorboard=settings.tensorboard)
        self._seconds_before = 0.0
        self._started = self._saved = time.monotonic()

    @property
    def total_steps(self) -> int:
        """Optimizer steps of the whole run."""
        return self.steps_per_epoch * self.settings.epochs

    @property
    def validation_classes(self) -> int:
        """How many classes choose the best checkpoint."""
        return int(self.table.loc[self.table["split"] == "validation", "label"].nunique())

    @property
    def validation_pictures(self) -> int:
        """How many pictures they have."""
        return int((self.table["split"] == "validation").sum())

    @property
    def validation_queries(self) -> int:
        """How many of them search: of two views one."""
        if not isinstance(self.embedder, TwoStreams):
            return self.validation_pictures
        rows = np.flatnonzero((self.table["split"] == "validation").to_numpy())
        return int(who_searches(self.embedder, self.table, rows)["queries"].sum())

    def fit(self) -> None:
        """Train to the end from wherever the run stands."""
        try:
            self._fit()
        finally:
            self.progress.close()

    def _fit(self) -> None:
        resumed = self._resume()
        if self.validation_classes == 1:
            self.log.say(ONE_CLASS, self.position.step)
        if not resumed:
            if self.warm_start:
                self.log.say(self.warm_start, 0)
            self._measure_start()
            self._advance()
            if self.method.state_dict():  # stored before the first batch that uses it
                self._checkpoint()
        elif self.position.finished:
            self._extend()
        for epoch in range(self.position.epoch, self.settings.epochs):
            self._epoch(epoch)
            if self._close_epoch():
                break
        self._finish()

    def _extend(self) -> None:
        """Go on beyond the end of a shorter training; nothing is stored before the first checkpoint, so a kill repeats this."""
        position, settings = self.position, self.settings
        self.log.say(extension(settings, position.epoch, position.step, self.steps_per_epoch), position.step)
        if processes.is_main():
            before = self.run.read_protocol().training.extended_from or []
            told = {"extended_from": sorted({*before, position.epoch}), "steps_done": None}
            self.run.update_protocol({"training": told, "selection": None})
        position.finished, position.since_best = False, 0
        self._advance()

    def _epoch(self, epoch: int) -> None:
        self.embedder.train()
        self.objective.train()
        for batch in self.inputs.batches(self._batches(epoch, self.position.batch)):
            self._step(epoch, batch)
            self.position.batch += 1
            # The last step of an epoch is saved after the validation that belongs to it.
            due = time.monotonic() - self._saved > 60 * self.settings.checkpoint_minutes
            if due and self.position.batch < self.steps_per_epoch:
                self._checkpoint()

    def _step(self, epoch: int, batch: TrainingBatch) -> None:
        step = self.position.step
        seed_torch(mixed(self.settings.seed, step, processes.rank()), self.device)  # dropout
        rates = set_rates(
            self.optimizer,
            self.settings.schedule,
            step,
            steps_per_epoch=self.steps_per_epoch,
            epochs=self.settings.epochs,
            method_factor=self.method.lr_factor,
        )
        trunk_trains = any(rate > 0 for name, rate in rates.items() if name.partition(".")[0] == "trunk")
        if self.embedder.trunk.training != trunk_trains:
            self.embedder.trunk.train(trunk_trains)
        labels = torch.from_numpy(self.labels[batch.indices.numpy()]).to(self.device)  # (B,)

        with torch.autocast(self.device.type, DTYPES[self.precision], enabled=self.precision != "fp32"):
            embedding: Embedding = self.forward(batch.given, trunk_trains)
        self.method.observe(batch.indices, embedding)
        seed = mixed(self.settings.seed, step, -1)
        losses: Losses = self.objective(embedding, labels, seed=seed, subset=batch.subset)
        check_finite(losses.total, embedding.whole, step, self.ids[batch.indices.numpy()].tolist(), self.objective.name)
        sentence = self.collapse.look(losses.total, embedding.whole)
        if sentence:
            self.log.say(sentence, step)

        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(losses.total).backward()
        if self.settings.optimizer.clip_norm is not None:
            self.scaler.unscale_(self.optimizer)
            clip_gradients(self.optimizer, self.settings.optimizer.clip_norm, apart=self.settings.optimizer.clip_apart)
        leave_out_still_groups(self.optimizer)
        self.scaler.step(self.optimizer)
        self.scaler.update()

        self.position.step += 1
        values = losses.values()
        self.position.count(values)
        self.progress.advance(epoch, values["loss"], self.settings.batches.size)
        if self.position.step % self.settings.log_every == 0 or self.position.step % self.steps_per_epoch == 0:
            self._log_window(epoch, rates)

    def _close_epoch(self) -> bool:
        """Validate if it is time, checkpoint, and say whether patience is exhausted."""
        position, settings = self.position, self.settings
        position.epoch, position.batch = position.epoch + 1, 0
        last = position.epoch == settings.epochs
        self.method.settle()
        self._tell_of_epoch()
        if (self.table["split"] == "validation").any() and (position.epoch % settings.validate_every == 0 or last):
            self._validate()
        stop = settings.patience is not None and position.since_best >= settings.patience
        if not last and not stop:
            self._advance()
            self._checkpoint()
        return stop

    def _tell_of_epoch(self) -> None:
        """What the objective has seen in it."""
        facts, sentences = self.objective.end_epoch()
        if facts:
            self.log.record("objective", self.position.step, epoch=self.position.epoch, **facts)
        for sentence in sentences:
            self.log.say(sentence, self.position.step)

    def _advance(self) -> None:
        """Let the method get ready for the epoch that comes."""
        facts = self.method.advance(self.position.epoch)
        share_buffers(self.method)
        self.progress.restart_clock()
        if facts:
            self.log.record("method", self.position.step, epoch=self.position.epoch + 1, **facts)

    def _measure_start(self) -> None:
        """The network before its first step, on the validation classes: what training is held against. Then a head may be fitted."""
        if self.validation_classes:
            if processes.is_main():
                counts = self.validation_pictures, self.validation_classes
                logger.info("measuring the start on %d pictures of %d validation classes", *counts)
            metrics = self._validated()
            if take_start(self.position, metrics, candidate=self.settings.keep_start) and processes.is_main():
                self.embedder.save(self.run.model)
            self.log.say(f"start: validation {numbers(metrics)}", 0)
        if is_fitted(self.embedder):
            fit_head(self.embedder, self.table, self.rows, self.labels, self.settings, self.inputs.standing)
            if self.validation_classes:
                self._keep_fitted_head()

    def _keep_fitted_head(self) -> None:
        metrics = self._validated()
        if is_better(self.position.start[CHOSEN_BY], metrics[CHOSEN_BY]) and unfit_head(self.embedder):
            self.log.say(f"head fitted: validation {numbers(metrics)}, so it is left as it was", 0)
            return
        self.log.say(f"head fitted: validation {numbers(metrics)}", 0)
        if take_start(self.position, metrics, candidate=self.settings.keep_start, fitted=True) and processes.is_main():
            self.embedder.save(self.run.model)

    def _validate(self) -> None:
        position, metrics = self.position, self._validated()
        if take(position, metrics, self.validation_queries) and processes.is_main():
            keep_class_weights(self.run.checkpoints, self.objective, self.embedder.digest())
            self.embedder.save(self.run.model)
        best = f"best: step {position.best_step}" if position.best_step else "best: before the first step"
        self.log.say(
            f"epoch {position.epoch}/{self.settings.epochs}: validation {numbers(metrics)} ({best})", position.step
        )

    def _validated(self) -> dict[str, float]:
        self.progress.say("validating")
        share_buffers(self.embedder)
        metrics = validate(self.embedder, self.table, self.settings, self.inputs.standing)
        self.progress.restart_clock()
        self.log.record("validation", self.position.step, epoch=self.position.epoch, **metrics)
        return metrics

    def _finish(self) -> None:
        position = self.position
        position.finished, position.planned = True, self.settings.epochs
        self.progress.close()
        self._refit_kept_head()
        if processes.is_main():
            self.embedder.save(self.run.model if position.best is None else self.run.last_model)
            training = {"steps_done": position.step, "minutes": round(self._seconds() / 60, 2)}
            self.run.update_protocol({"training": training, "selection": selection_of(position)})
        self.log.say(verdict(position, self.validation_classes), position.step)
        self._checkpoint()
        self.log.close()

    def _refit_kept_head(self) -> None:
        """A fitted head that no trained step has beaten is fitted to the validation classes too."""
        if self.position.best_step != 0 or not is_fitted(self.embedder):
            return
        processes.wait()  # until the main one has written it
        kept = load_embedder(self.run.model).to(self.device)
        if classes := refit_head(kept, self.table, self.settings, self.inputs.standing):
            if processes.is_main():
                kept.save(self.run.model)
                self.run.update_protocol({"training": {"saw_validation": True}})
            self.log.say(f"head fitted anew to all {classes} classes, those of validation too", self.position.step)

    def _resume(self) -> bool:
        """Go to where the run stands, and bring the folder to the same point; whether there was anything to go on with."""
        protocol = {
            "data": data_protocol(self.table, self.settings.data),
            **training_protocol(self.settings, self.embedder, self.precision, self.total_steps, self.still_epochs),
        }
        checkpoint = newest_checkpoint(self.run.checkpoints)
        if checkpoint is not None:
            known = self.run.read_protocol().data.digest
            if known is not None and known != protocol["data"]["digest"]:
                raise KinsightError(
                    f"{self.settings.data.path} has changed since {self.run.path} was started (other pictures, labels "
                    "or splits); restore it, or choose another --out"
                )
            self.position = load_checkpoint(checkpoint, self._modules(), self.optimizer, self.scaler)
            self._seconds_before = self.position.seconds
            self.progress.start_at(self.position.step)
        # No process may still be reading when the main one begins to write.
        processes.wait()
        if processes.is_main():
            sweep(self.run.path)
            self.run.rewind(-1 if checkpoint is None else self.position.step)
            self.run.update_protocol(protocol)
        if checkpoint is not None:
            self.log.say(f"going on at step {self.position.step} of {self.total_steps}", self.position.step)
        return checkpoint is not None

    def _checkpoint(self) -> None:
        # Only the main process looks at the clock and writes; the others wait for it where they next exchange numbers.
        if processes.is_main():
            self.position.seconds = self._seconds()
            save_checkpoint(self.run.checkpoints, self.position, self._modules(), self.optimizer, self.scaler)
            self._saved = time.monotonic()

    def _batches(self, epoch: int, start: int) -> list[Batch]:
        """The batches of an epoch from one of them on."""
        sampler = self.method.sampler()
        if len(sampler) != self.steps_per_epoch:
            raise KinsightError(
                f"the method {self.settings.method['name']} gives {len(sampler)} batches for epoch {epoch + 1} but gave "
                f"{self.steps_per_epoch} before the training; let its sampler keep its length"
            )
        return list(sampler.epoch(epoch, start))

    def _log_window(self, epoch: int, rates: Mapping[str, float]) -> None:
        speed = round(self.progress.pictures_per_second, 1)
        named = {f"lr_{name}": rate for name, rate in rates.items()}
        step = self.position.step
        self.log.record("train", step, epoch=epoch + 1, **self.position.means(), **named, pictures_per_second=speed)

    def _modules(self) -> dict[str, nn.Module]:
        return {"model": self.embedder, "objective": self.objective, "method": self.method, "watch": self.collapse}

    def _seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._started
