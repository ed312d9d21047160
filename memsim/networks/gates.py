"""Gates: what becomes of the currents of a layer between its synapses and its neurons.

A gate that does the same to every current, g i(t) + r, may say so: `fold` gives g and r of a step. One whose g is the
same at all steps and whose r is zero is a mirror ratio, so that a network with it is still a circuit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from memsim.errors import InputError

Number = Tensor | float


class OfSteps(ABC):
    """What a layer does to its currents that differs from step to step, so that it is told which one comes first.

    Attributes:
        steps: that it knows.
    """

    steps: int

    @abstractmethod
    def forward(self, current: Tensor, first: int = 0) -> Tensor:
        """Currents [time, batch, neurons] of that shape, whose first step has this number."""

    @abstractmethod
    def fold(self, step: int) -> tuple[Number, Number]:
        """Gain and reference of a step, as of a gate."""


class Gate(ABC, nn.Module):
    """From currents to currents, [time, batch, neurons]; of circuits in A. Its parameters are trained.

    Attributes:
        causal: whether what comes out at a step depends on no later one, as on a chip that reads step by step.
        binary_safe: whether it can stand behind arrays whose word lines are binary.
        behind: whether it stands behind the neurons, and what it gets and gives are outputs in the place of currents.
    """

    causal: bool = False
    binary_safe: bool = False
    behind: bool = False

    @abstractmethod
    def forward(self, current: Tensor) -> Tensor:
        """Currents of the shape of those that come in."""

    def fold(self, step: int) -> tuple[Number, Number]:
        """Gain and reference of a step, one for all neurons or [neurons]: it gives gain times current plus reference.

        Raises:
            InputError: a gate that does more than that.
        """
        raise InputError(
            f"the gate {type(self).__name__} does not fold at step {step}; define fold if it does"
        )


class Identity(Gate):
    """Currents as they are."""

    causal = binary_safe = True

    def forward(self, current: Tensor) -> Tensor:
        return current

    def fold(self, step: int) -> tuple[Number, Number]:
        return 1.0, 0.0


class Gains(Gate, OfSteps):
    """A gain of each step, as a chip has it by what a unit of a column counts; trained with the rest.

    Args:
        gains: [steps, neurons].
    """

    causal = binary_safe = True

    def __init__(self, gains: Tensor) -> None:
        super().__init__()
        self.gains = nn.Parameter(gains)

    @property
    def steps(self) -> int:  # type: ignore[override]
        return len(self.gains)

    def forward(self, current: Tensor, first: int = 0) -> Tensor:
        if first + len(current) > self.steps:
            raise InputError(
                f"gains are of {self.steps} steps, and this is step {first + len(current)}; give no more steps"
            )
        return self.gains[first : first + len(current), None] * current

    def fold(self, step: int) -> tuple[Number, Number]:
        return self.gains[step], 0.0


def passed(part: nn.Module, current: Tensor, first: int) -> Tensor:
    """What a normalisation or gate makes of currents whose first step has this number."""
    return part(current, first) if isinstance(part, OfSteps) else part(current)


def constant_gain(gate: Gate, steps: int) -> Tensor | None:
    """The gain that a gate is over so many steps, as a tensor of one number or [neurons]; None where it is more."""
    try:
        folded = [gate.fold(step) for step in range(steps)]
    except InputError:
        return None
    gains = [torch.as_tensor(gain).detach() for gain, _ in folded]
    silent = not any(bool(torch.as_tensor(reference).any()) for _, reference in folded)
    same = all(torch.equal(gain, gains[0]) for gain in gains)
    return gains[0] if same and silent else None
