"""Policies of discrete neurons, as users write them."""

import torch

from memsim.networks.discrete import Coefficient, Fixed


class Tiring(Coefficient):
    changes = True

    def __init__(self, first: float = 1.0, growth: float = 0.1):
        super().__init__()
        self.first, self.growth = first, torch.nn.Parameter(torch.tensor(growth))

    def value(self, step=0, membrane=None):
        return self.first + self.growth * step

    def frozen(self):
        return Fixed(float(self.value()))


tired = Tiring(growth=0.3)


def halved(membrane, spikes, amount):  # noqa: ARG001 - the arguments of a reset
    return (1 - 0.5 * spikes) * membrane


def bell(x):
    return 1 / (1 + x**4)


def ramp(step):
    return torch.tensor(0.1 * step)
