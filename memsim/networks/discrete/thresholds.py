"""Thresholds that are more than a number: of the statistics of membranes, and of the step.

    Hoyer:      c = clip(u, 0, 1),  E = sum c^2 / sum |c|    (Datta et al., arXiv:2212.10170)
    Scheduled:  spikes are decided at theta + R_t; a reset takes theta

With a soft reset, R_t = lambda R_(t-1) + b_t is what a bias b_t of the step amounts to: it leaks as the membrane does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from memsim.errors import InputError
from memsim.networks.discrete.coefficients import (
    COEFFICIENTS,
    Coefficient,
    Fixed,
    Role,
    Shape,
    check_fits,
    coefficient,
)

Schedule = Tensor | Callable[[int], Tensor]


class Hoyer(Coefficient):
    """The Hoyer extremum of the membranes: one for each channel of images, one for a dense layer.

    In training it is that of the batch, and a running mean, which begins at 0, follows it; in evaluation it is the
    running mean. No gradient goes through it. Membranes must be so scaled that 1 is what counts as full.

    Args:
        momentum: share of the batch in the running mean.
    """

    changes = of_membranes = True
    running: Tensor
    batches: Tensor

    def __init__(self, momentum: float = 0.1) -> None:
        super().__init__()
        if not 0 < momentum <= 1:
            raise InputError(f"momentum = {momentum!r} is out of range; allowed: above 0, at most 1")
        self.momentum = momentum
        self.register_buffer("running", torch.zeros(()))
        self.register_buffer("batches", torch.tensor(0))

    def bind(self, role: Role, shape: Shape | None) -> None:
        if shape is not None and len(shape) > 1 and self.running.ndim == 0:
            self.running = self.running.new_zeros((shape[0], *(1 for _ in shape[1:])))

    def value(self, step: int = 0, membrane: Tensor | None = None) -> Tensor:
        if membrane is None or not self.training:
            if not self.batches:
                raise InputError("the Hoyer threshold has seen no batch; train the network first")
            return self.running
        found = hoyer_extremum(membrane.detach())
        with torch.no_grad():
            self.running = (1 - self.momentum) * self.running + self.momentum * found
            self.batches += 1
        return found

    def frozen(self) -> Fixed:
        return Fixed(self.value())


class Scheduled(Coefficient):
    """A threshold that follows a schedule, as a ramp on the reference of a comparator does.

    Args:
        schedule: R, added to the threshold: [steps], [steps, channels, ...], or a function of the step.
        threshold: a number or another policy, which is also what a reset takes.
    """

    changes = True
    schedule: Any  # a buffer, a parameter, or a function

    def __init__(self, schedule: Schedule, threshold: Coefficient | Tensor | float = 1.0) -> None:
        super().__init__()
        self.threshold = coefficient(threshold)
        if isinstance(schedule, Tensor) and not isinstance(schedule, nn.Parameter):
            self.register_buffer("schedule", schedule)
        else:
            self.schedule = schedule

    def bind(self, role: Role, shape: Shape | None) -> None:
        self.threshold.bind(role, shape)
        if isinstance(self.schedule, Tensor):
            check_fits("schedule", self.schedule[0], shape)

    def value(self, step: int = 0, membrane: Tensor | None = None) -> Tensor | float:
        return self.threshold.value(step, membrane) + self._offset(step)

    def amount(self, reference: Tensor | float | None) -> Tensor | float:
        return self.threshold.amount(None)

    def _offset(self, step: int) -> Tensor:
        if not isinstance(self.schedule, Tensor):
            return self.schedule(step)
        if step >= len(self.schedule):
            raise InputError(
                f"the threshold is scheduled for {len(self.schedule)} steps, and this is step {step + 1}; "
                "give a longer schedule"
            )
        return self.schedule[step]

    def frozen(self) -> Scheduled:
        held = self.schedule.detach() if isinstance(self.schedule, Tensor) else self.schedule
        return Scheduled(held, self.threshold.frozen())


THRESHOLDS: dict[str, Callable[..., Coefficient]] = {**COEFFICIENTS, "hoyer": Hoyer, "scheduled": Scheduled}
"""Policies by the names that tables use."""


def _clipped(u: Tensor) -> tuple[Tensor, tuple[int, ...]]:
    """Membranes cut to 0 to 1, and the dimensions that one threshold is for."""
    return u.clamp(0, 1), tuple(d for d in range(u.ndim) if u.ndim <= 2 or d != 1)


def hoyer_extremum(u: Tensor) -> Tensor:
    """E of membranes [batch, n] or, for each channel, [batch, channels, ...]; 0 where none is above 0."""
    c, over = _clipped(u)
    total = c.sum(over)
    extremum = c.square().sum(over) / total.where(total > 0, torch.ones_like(total))
    return extremum.reshape(-1, *(1 for _ in u.shape[2:])) if u.ndim > 2 else extremum


def hoyer_penalty(u: Tensor) -> Tensor:
    """(sum |c|)^2 / sum c^2, what training adds to the loss; smallest where membranes are few and full."""
    c = u.clamp(0, 1)
    return c.sum().square() / c.square().sum().clamp(min=torch.finfo(u.dtype).tiny)
