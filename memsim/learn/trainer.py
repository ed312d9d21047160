"""Training one stage of a study by backpropagation through time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from memsim.errors import ConvergenceError, InputError
from memsim.imc.mapping import mapped_layers
from memsim.learn.alive import check_gradients, check_weights
from memsim.learn.augment import Augmentation
from memsim.learn.checkpoint import STUDY, EpochRecord
from memsim.learn.data import Dataset
from memsim.learn.distillation import Distillation, distilled
from memsim.learn.evaluation import MAIN, activity, evaluate, first, scores_of
from memsim.learn.honesty import shorten_steps
from memsim.learn.losses import LossFunction, make_loss
from memsim.learn.metrics import Metric, chosen_metrics, main_metric
from memsim.learn.optimization import make_optimizer, rate_factor, set_learning_rate
from memsim.learn.rules import Batch, Rule, check_state, loss_from, name_of, rule_of
from memsim.learn.run import best_epoch
from memsim.learn.seeds import global_draws, of_epoch, of_stage
from memsim.learn.shares import batch_of, shares_of
from memsim.learn.study import Study, save_study
from memsim.learn.writing import Arrays, writer_of
from memsim.networks import MemristiveNetwork, Network
from memsim.networks.nonidealities import realised

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Progress = Callable[[int, int, EpochRecord | None], None]
"""Called after every batch with batches done, batches in all, and the record once an epoch has ended."""
TRAINING_SAMPLE = 2_000
"""Training examples that the training accuracy is taken from after each epoch."""
REMEDY = {
    False: "lower learning_rate or mirror_ratio, or shorten step.",
    True: "lower learning_rate of this stage, or widen its gradient.",
}
"""What to do where the loss is no number, of circuits and of discrete neurons."""


class Trainer:
    """The parts of one stage of a training run, and its epochs.

    Attributes:
        network: the network itself, for everything but the training step.
        optimizer: of its parameters.
        shuffling: source of the order of the examples, whose state is part of a checkpoint.
        teacher: what else the loss of a batch listens to, if the stage distils.
        history: what the epochs so far gave.
        arrays: the cells of the weights, where the study writes them in place.
        best: weights of the best epoch so far, where the study keeps those.
    """

    def __init__(  # noqa: PLR0913 - the parts of a run
        self,
        study: Study,
        network: Network,
        data: Dataset,
        fabric: Fabric,
        *,
        number: int = 0,
        software: Network | None = None,
        rule: Rule | None = None,
        loss: LossFunction | None = None,
        metrics: Mapping[str, Metric] | None = None,
    ) -> None:
        self.study, self.network, self.data, self.fabric = study, network, data, fabric
        self.number, self.stage = number, study.every_stage[number]
        self.rule = rule_of(self.stage.rule or study.rule) if rule is None else rule
        self.optimizer: Optimizer = make_optimizer(network, study.training, self.stage)
        writing = study.training.writing
        self.arrays = None if writing is None else Arrays(network, writer_of(writing), study.synapses.device)
        self._module: nn.Module
        self._module, self._stepping = fabric.setup(network, self.optimizer)
        training = study.training
        self.examples, self.held_out = shares_of(study, data)
        labels = fabric.to_device(self.examples.labels)
        self.loss = make_loss(
            labels,
            data.classes,
            loss=loss or training.loss,
            class_weights=training.class_weights,
            smoothing=training.label_smoothing,
        )
        self.teacher: Distillation | None = None
        if self.stage.distil and software is not None:
            self.teacher = distilled(self.stage, software, data)
        self.metrics = {**chosen_metrics(training.metrics, labels), **(metrics or {})}
        self.best: dict[str, Tensor] | None = None
        seed = of_stage(study.seed, number) if study.stages else study.seed
        self.shuffling = torch.Generator().manual_seed(seed)
        self.history: list[EpochRecord] = []

    @property
    def batch(self) -> int:
        """Examples an update is made from."""
        return batch_of(self.study, self.stage)

    @property
    def dropout(self) -> float:
        """Share of hidden neurons that are silent in a batch."""
        return self.study.training.dropout if self.stage.dropout is None else self.stage.dropout

    @property
    def updates(self) -> int:
        """Batches of an epoch."""
        count = min(self.stage.examples or len(self.examples), len(self.examples))
        return -(-count // self.batch)

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or the last ones have not helped."""
        if len(self.history) >= self.stage.epochs:
            return True
        patience = self.study.training.patience
        if patience is None or not self.history:
            return False
        return len(self.history) - 1 - best_epoch(self.history) >= patience

    def keep_step_error(self, folder: Path) -> None:
        """Shorten the steps where the study limits their error, and note the new step in the run's study."""
        limit, network = self.study.step_error, self.network
        if limit is None or not isinstance(network, MemristiveNetwork):
            return
        if shorten_steps(network, self.examples, limit):
            self.study = self.study.model_copy(update={"step": network.clock.step})
            if self.fabric.is_global_zero:
                save_study(self.study, folder / STUDY)

    def run_epoch(self, progress: Progress | None = None) -> None:
        """Train on all examples once in shuffled order, and record what came of it."""
        began, epoch = time.perf_counter(), len(self.history)
        with global_draws(of_stage(self._seed(epoch)), self.fabric.device):
            losses = self._losses(epoch, progress)
            check_weights(self.network, name_of(self.rule), epoch + 1)
            record = self._record(losses, began)
        self.history.append(self.fabric.broadcast(record))
        if self.study.training.keep == "best" and best_epoch(self.history) == epoch:
            self.best = {name: value.clone() for name, value in self.network.state_dict().items()}

    def _losses(self, epoch: int, progress: Progress | None) -> list[float]:
        """Train on all examples once, and give the loss of each batch."""
        noise = torch.Generator(self.fabric.device).manual_seed(self._seed(epoch))
        for layer in mapped_layers(self.network).values():
            layer.generator = noise
        self.network.train()
        order = torch.randperm(len(self.examples), generator=self.shuffling)[: self.stage.examples]
        losses: list[float] = []
        with realised(self.network, self.study.nonidealities.train, noise):
            for chosen in order.split(self.batch):
                self._set_pace(epoch + len(losses) / self.updates)
                losses.append(self._update(chosen, noise, first=not losses and epoch == 0))
                if not math.isfinite(losses[-1]):
                    raise ConvergenceError(
                        f"the loss is {losses[-1]} after {len(losses)} updates of epoch {epoch + 1}",
                        remedy=REMEDY[self.study.discrete],
                    )
                if progress:
                    progress(epoch * self.updates + len(losses), self.stage.epochs * self.updates, None)
        return losses

    def _seed(self, epoch: int) -> int:
        """Of the noise of an epoch, drawn anew from seed, stage, epoch and rank: resuming needs no state of it."""
        rank = self.fabric.global_rank
        if not self.study.stages:
            return of_epoch(self.study.seed, epoch, rank)
        return of_stage(self.study.seed, self.number, epoch + 1, *([rank] if rank else []))

    def _set_pace(self, epoch: float) -> None:
        """Learning rate and width of gradients, so many epochs into the stage."""
        set_learning_rate(self.optimizer, rate_factor(self.study.training, self.stage.epochs, epoch))
        for layer in mapped_layers(self.network).values():
            if layer.decides:
                layer.trains_with(self.stage.gradient, self.stage.width_at(epoch / self.stage.epochs))

    def _record(self, losses: list[float], began: float) -> EpochRecord:
        loss = cast("Tensor", self.fabric.all_reduce(torch.tensor(losses, dtype=torch.float64).mean()))
        test = self.study.nonidealities.test
        metrics = {MAIN: main_metric(self.data.test.labels), **self.metrics}
        others = [
            None if split is None else evaluate(self.network, split, test)
            for split in (first(self.examples, TRAINING_SAMPLE), self.held_out)
        ]
        scores = scores_of(self.network, self.data.test, metrics, test)
        return EpochRecord(
            epoch=len(self.history) + 1,
            loss=float(loss),
            train_accuracy=others[0] or 0.0,
            test_accuracy=scores.pop(MAIN),
            seconds=time.perf_counter() - began,
            validation_accuracy=others[1],
            scores=scores | (self.arrays.figures if self.arrays is not None else {}),
            activity=activity(self.network, self.examples),
        )

    def _update(self, chosen: Tensor, noise: torch.Generator, *, first: bool) -> float:
        """One step along the gradient of a batch, of which each processor takes a part; returns the loss."""
        training = self.study.training
        mine = chosen[self.fabric.global_rank :: self.fabric.world_size]
        images, labels = self.fabric.to_device(self.examples.batch(mine))
        masks = self._masks(len(images), noise) if self.dropout else None
        mixed, inputs = training.precision == "bf16-mixed", self._distorted(images, noise)

        def scores() -> Tensor:
            # Fabric's own precision plugins would round the inputs as well
            with torch.autocast(self.fabric.device.type, torch.bfloat16, enabled=mixed):
                return self._module(inputs, masks=masks, generator=noise)

        self._stepping.zero_grad()
        loss_of = self.loss if self.teacher is None else self.teacher.of_batch(inputs, self.loss)
        batch = Batch(self.network, inputs, labels, scores, loss_of, self._backward)
        before = (
            {name: one.detach().clone() for name, one in self.network.named_parameters()} if first else {}
        )
        loss = loss_from(self.rule, batch)
        if first and bool(loss.isfinite().all()):
            check_gradients(self.network, before, name_of(self.rule))
            check_state(self.rule, self.network)
        if training.gradient_clip is not None:
            self.fabric.clip_gradients(
                self._module, self._stepping, max_norm=training.gradient_clip, error_if_nonfinite=False
            )
        self._stepping.step()
        self.network.keep_in_range()
        if self.arrays is not None:
            self.arrays.write(noise)
        return loss.item()

    def _backward(self, loss: Tensor) -> None:
        if not loss.requires_grad:
            name = getattr(self.loss, "__name__", "loss")
            raise InputError(
                f"loss {name!r} has no gradient: it does not depend on the weights, or only by argmax, comparisons or "
                "numbers of Python, which have no slope; correct it"
            )
        self.fabric.backward(loss)

    def _distorted(self, images: Tensor, noise: torch.Generator) -> Tensor:
        distortion = Augmentation(**self.study.augmentation.model_dump())
        if distortion == Augmentation():
            return images
        return distortion(images, self.data.plane, noise, rails=self.data.rails)

    def _masks(self, batch: int, noise: torch.Generator) -> list[Tensor]:
        """Factors that silence the share `dropout` of hidden neurons and keep the mean current of the others."""
        kept = 1 - self.dropout
        sizes = [layer.neurons for layer in self.network.chain[:-1]]
        return [
            (torch.rand(batch, size, generator=noise, device=noise.device) < kept) / kept for size in sizes
        ]
