"""States of first order beside the membrane, all of the same form: c <- decay c + gain drive.

    after-hyperpolarisation   driven by the spike before, gain = decay, weight -beta on the membrane
    synaptic current          driven by the input, in whose place it comes
    trace                     driven by the input or the spike, feeds nothing; a rule reads it from the state
    adaptive threshold        driven by the spike before, feeds the threshold
    kernel k/tau e^(1-k/tau)  two of them in a row: `alpha_kernel`

Each kind is a choice of what drives the state and what it feeds.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor, nn

from memsim.errors import InputError
from memsim.networks.discrete.coefficients import DECAY, FREE, Coefficient, Shape, coefficient

FEEDS = ("membrane", "input", "threshold", "nothing")
INPUT, SPIKE = "input", "spike"


class Compartment(nn.Module):
    """A state of first order of each neuron.

    Args:
        decay: what is left of it after a step, 0 to 1: a number or a policy.
        gain: of what drives it.
        driven_by: input, spike (of the step before), or the name of another compartment; one that stands before it is
            seen at this step, one that stands after it at the step before.
        feeds: membrane (adds to it), input (takes its place), threshold (raises it) or nothing.
        weight: with which it feeds that.
        name: by which another is driven; what drives it where left out.

    Raises:
        InputError: an unknown `feeds`, or a decay out of range.
    """

    def __init__(
        self,
        decay: Coefficient | Tensor | float,
        gain: Coefficient | Tensor | float = 1.0,
        *,
        driven_by: str = SPIKE,
        feeds: str = "membrane",
        weight: Coefficient | Tensor | float = 1.0,
        name: str | None = None,
    ) -> None:
        super().__init__()
        if feeds not in FEEDS:
            raise InputError(f"feeds = {feeds!r} of a compartment is unknown; allowed: {', '.join(FEEDS)}")
        self.decay, self.gain, self.weight = (coefficient(value) for value in (decay, gain, weight))
        self.driven_by, self.feeds, self.name = driven_by, feeds, name or f"of {driven_by}"
        self.bind(None)

    def bind(self, shape: Shape | None) -> None:
        """Learn the shape [channels, ...] of the layer."""
        self.decay.bind(DECAY, shape)
        self.gain.bind(FREE, shape)
        self.weight.bind(FREE, shape)

    def step(self, state: Tensor, drive: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """The state after a step, and what it feeds, both [batch, ...]."""
        state = self.decay.value(step) * state + self.gain.value(step) * drive
        return state, self.weight.value(step) * state


def alpha_kernel(
    tau: float, *, driven_by: str = INPUT, feeds: str = "input", weight: float = 1.0
) -> tuple[Compartment, ...]:
    """Two compartments that answer a drive of 1 with weight (k / tau) exp(1 - k / tau) after k steps.

    An input is seen from the step after it on, as the kernel is 0 at k = 0. A spike of the step before is k = 1.

    Args:
        tau: steps until the answer is highest, above 0.
        driven_by: as for a compartment.
        feeds: as for a compartment.
        weight: as for a compartment.

    Raises:
        InputError: tau out of range.
    """
    if not 0 < tau < math.inf:
        raise InputError(f"tau = {tau!r} steps is out of range; allowed: above 0")
    rho, inner = math.exp(-1 / tau), f"kernel of {driven_by}"
    first = Compartment(rho, driven_by=driven_by, feeds="nothing", name=inner)
    second = Compartment(rho, rho, driven_by=inner, feeds=feeds, weight=weight * math.e / tau)
    return (first, second) if driven_by == SPIKE else (second, first)


FIRST_ORDER = "first-order"
COMPARTMENTS: dict[str, Callable[..., Compartment | tuple[Compartment, ...]]] = {
    FIRST_ORDER: Compartment,
    "alpha-kernel": alpha_kernel,
}
"""What makes compartments, by the names that tables use."""


def check_compartments(compartments: tuple[Compartment, ...]) -> None:
    """Refuse compartments of the same name, and drives that are not there.

    Raises:
        InputError: the name.
    """
    names = [one.name for one in compartments]
    for one in compartments:
        if names.count(one.name) > 1 or one.name in (INPUT, SPIKE):
            raise InputError(f"two compartments are called {one.name!r}; give each a name of its own")
        known = [INPUT, SPIKE, *names]
        if one.driven_by not in known:
            raise InputError(f"driven_by = {one.driven_by!r} is no state; allowed: {', '.join(known)}")
