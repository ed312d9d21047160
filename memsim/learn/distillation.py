"""Distillation: a network on hardware learns from what the network in software says of the same batch, too.

    loss = (1 - d) loss(z, wanted) + d tau^2 KL(softmax(z' / tau) || softmax(z / tau))

with the scores z of the network, z' of its teacher, and the temperature tau, averaged over the batch: Hinton, Vinyals
and Dean, Distilling the knowledge in a neural network (arXiv:1503.02531), section 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import kl_div, log_softmax

from memsim.errors import InputError
from memsim.learn.data import Dataset
from memsim.learn.losses import LossFunction
from memsim.learn.study import Study
from memsim.networks import Network


@dataclass(frozen=True)
class Distillation:
    """A teacher, and how much it says.

    Attributes:
        teacher: the network in software, in evaluation mode.
        share: d, above 0 and below 1.
        temperature: tau.
    """

    teacher: Network
    share: float
    temperature: float

    def of_batch(self, inputs: Tensor, loss: LossFunction) -> LossFunction:
        """The loss of a batch with these inputs, of which `loss` is a part."""
        with torch.no_grad():
            said = self._softened(self.teacher(inputs))

        def mixed(scores: Tensor, wanted: Tensor) -> Tensor:
            heard = kl_div(self._softened(scores), said, reduction="batchmean", log_target=True)
            return (1 - self.share) * loss(scores, wanted) + self.share * self.temperature**2 * heard

        return mixed

    def _softened(self, scores: Tensor) -> Tensor:
        return log_softmax(scores / self.temperature, dim=-1)


def check_distillation(study: Study, data: Dataset) -> None:
    """Raise InputError where a stage distils numbers, of which no distribution is known."""
    for stage in study.stages:
        if stage.distil and data.train.labels.is_floating_point():
            raise InputError(
                f"stage {stage.name!r}: distil = {stage.distil:g} is for classes, and labels of {data.name!r} are "
                "numbers; leave it out"
            )
