"""Distillation: a network on hardware learns from what the network in software says of the same batch, too.

    loss = (1 - d) loss(z, wanted) + d tau^2 KL(softmax(z' / tau) || softmax(z / tau))

with the scores z of the network, z' of its teacher, and the temperature tau, averaged over the batch: Hinton, Vinyals
and Dean, Distilling the knowledge in a neural network (arXiv:1503.02531), section 2. Of numbers

    loss = (1 - d) loss(z, wanted) + d mean (z - z')^2

over all outputs, those that nothing is known of included. For a high temperature and scores of mean zero, the gradient
of the first is that of squares, too (section 2.1 there).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import kl_div, log_softmax, mse_loss

from memsim.errors import InputError
from memsim.learn.data import Dataset
from memsim.learn.losses import LossFunction
from memsim.learn.stages import Stage
from memsim.learn.study import Study
from memsim.networks import Network


@dataclass(frozen=True)
class Distillation:
    """A teacher, and how much it says.

    Attributes:
        teacher: the network in software, in evaluation mode.
        share: d, above 0 and below 1.
        temperature: tau; None of numbers.
    """

    teacher: Network
    share: float
    temperature: float | None

    def of_batch(self, inputs: Tensor, loss: LossFunction) -> LossFunction:
        """The loss of a batch with these inputs, of which `loss` is a part."""
        with torch.no_grad():
            said = self.teacher(inputs)

        def mixed(scores: Tensor, wanted: Tensor) -> Tensor:
            return (1 - self.share) * loss(scores, wanted) + self.share * self._apart(scores, said)

        return mixed

    def _apart(self, scores: Tensor, said: Tensor) -> Tensor:
        """How far scores are from what the teacher said."""
        tau = self.temperature
        if tau is None:
            return mse_loss(scores, said)
        softened, softened_said = (log_softmax(one / tau, dim=-1) for one in (scores, said))
        return tau**2 * kl_div(softened, softened_said, reduction="batchmean", log_target=True)


def distilled(stage: Stage, teacher: Network, data: Dataset) -> Distillation:
    """What a stage that distils hears of its teacher."""
    return Distillation(teacher.eval(), stage.distil, None if data.regression else stage.temperature)


def check_distillation(study: Study, data: Dataset) -> None:
    """Raise InputError where a stage gives numbers, of which no distribution is known, a temperature."""
    usual = Stage.model_fields["temperature"].default
    for stage in study.stages:
        if stage.distil and data.regression and stage.temperature != usual:
            raise InputError(
                f"stage {stage.name!r}: temperature = {stage.temperature:g} is for classes, and labels of "
                f"{data.name!r} are numbers; leave it out"
            )
