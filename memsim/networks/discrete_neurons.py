"""Discrete-time spiking neurons, as in-memory computing chips add them up between array reads.

    m[t] = lambda m[t-1] + g i[t] (+ compartments),   o[t] = 1 where m[t] exceeds theta,   m <- reset(m, o)

What lambda, theta, the reset, the compartments and the slope of o are is a choice of parts: memsim.networks.discrete.
Steps have no duration, potentials no unit: a current is what it adds to the membrane.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from memsim.errors import InputError
from memsim.networks.discrete.coefficients import (
    FREE,
    LEAK,
    THRESHOLD,
    Coefficient,
    Learned,
    Shape,
    coefficient,
    numbers,
)
from memsim.networks.discrete.compartments import INPUT, SPIKE, Compartment, check_compartments
from memsim.networks.discrete.fused import can_fuse, fused
from memsim.networks.discrete.resets import Reset
from memsim.networks.discrete.spikes import Spike
from memsim.transforms import transformed

FIRST_LEAK, FIRST_THRESHOLD = 0.9, 1.0


class State(NamedTuple):
    """Where neurons are between two steps.

    Attributes:
        membrane: [batch, ...], after a reset that acts at once, before one that acts at the next step.
        spikes: of the step before, [batch, ...], where a reset or a compartment needs them.
        compartments: one [batch, ...] for each.
        step: how many steps were taken.
    """

    membrane: Tensor
    spikes: Tensor | None = None
    compartments: tuple[Tensor, ...] = ()
    step: int = 0


class Unit(NamedTuple):
    """What others need to know of neurons to drive and read them: rest, firing level, a current that counts, a step."""

    rest: float
    level: float
    unit_current: float
    step: float


class _Held(NamedTuple):
    """Numbers at one step, or at all of them where they do not change."""

    leak: Tensor | float
    gain: Tensor | float
    threshold: Tensor | float | None


class DiscreteNeuron(nn.Module):
    """A layer of neurons. State goes in and comes out; the module keeps none.

    Args:
        leak: what is left of a membrane after a step, 0 to 1: a number, one for each neuron, or a policy.
        threshold: at which it fires, the same way.
        reset: what a spike does to the membrane.
        compartments: further states; see `Compartment`.
        spike: when it fires, and how gradients pass.
        gain: of the input, as for `leak`.
        spiking: whether it fires; the last layer of a network often only adds up.

    Raises:
        InputError: a number out of range, or compartments that do not fit together.
    """

    def __init__(
        self,
        leak: Coefficient | Tensor | float | None = None,
        threshold: Coefficient | Tensor | float | None = None,
        *,
        reset: Reset | None = None,
        compartments: Sequence[Compartment] = (),
        spike: Spike | None = None,
        gain: Coefficient | Tensor | float = 1.0,
        spiking: bool = True,
    ) -> None:
        super().__init__()
        check_compartments(tuple(compartments))
        self.leak = coefficient(Learned(FIRST_LEAK) if leak is None else leak)
        self.threshold = coefficient(Learned(FIRST_THRESHOLD) if threshold is None else threshold)
        self.gain = coefficient(gain)
        self.compartments: Sequence[Compartment] = nn.ModuleList(compartments)  # type: ignore[assignment]
        self.reset, self.spike, self.spiking = reset or Reset(), spike or Spike(), spiking
        self.shape: Shape | None = None
        if self.reset.waits and self.reset.takes_threshold and self.threshold.of_membranes:
            raise InputError(
                "a reset at the next step takes the threshold of the step before, which this one no longer tells; give "
                'the reset an amount, the kind zero, or when = "now"'
            )
        if not spiking and any(one.driven_by == SPIKE for one in compartments):
            raise InputError("spiking = False, but a compartment is driven by spikes; drive it by the input")
        self._bind(None)
        if not spiking:
            self.threshold.requires_grad_(False)

    def shaped(self, shape: Shape) -> DiscreteNeuron:
        """This layer, told that it has the shape (channels, ...), which numbers of columns or neurons need.

        Parameters that are not one for the layer are made here, so an optimiser is made afterwards.

        Raises:
            InputError: numbers that do not fit.
        """
        self.shape = tuple(shape)
        self._bind(self.shape)
        return self

    def _bind(self, shape: Shape | None) -> None:
        self.leak.bind(LEAK, shape)
        self.threshold.bind(THRESHOLD, shape)
        self.gain.bind(FREE, shape)
        for compartment in self.compartments:
            compartment.bind(shape)

    @property
    def unit(self) -> Unit:
        """Rest, level and unit current in the numbers of the membrane; one step is 1."""
        level = float(numbers(self.threshold.value()).mean())
        return Unit(rest=0.0, level=level, unit_current=level, step=1.0)

    def start(self, like: Tensor) -> State:
        """Neurons at rest, one for each element of `like` [batch, ...]."""
        zero = torch.zeros_like(like)
        return State(zero, zero if self._remembers else None, (zero,) * len(self.compartments))

    def forward(self, current: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Spikes [time, batch, ...], or membranes where nothing fires, and the state at the end.

        Args:
            current: [time, batch, ...] in units of the threshold's; [time, batch, neurons] will do, too, where the
                layer knows its shape, and gives spikes of that kind.
            state: at the start; rest where left out.

        Raises:
            InputError: no steps, or a state of another shape.
        """
        if not len(current):
            raise InputError(
                f"current has the shape {tuple(current.shape)}; give [time, batch, ...] with a step"
            )
        if self.shape is not None and len(self.shape) > 1 and current.ndim == 3:
            out, state = self(current.unflatten(-1, self.shape), state)
            return out.flatten(2), state
        state = self._checked(state, current[0])
        if can_fuse(self) and not transformed(current, state.membrane, *self.parameters()):
            gain = self.gain.value()
            out, membrane = fused(self, current if _is_one(gain) else gain * current, state.membrane)
            return out, State(membrane, step=state.step + len(current))
        held = self._held()
        steps: list[Tensor] = []
        for i in current:
            out, state = self._advance(i, state, held)
            steps.append(out)
        return torch.stack(steps), state

    def step(self, current: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """The same for one step, current and spikes [batch, ...]."""
        return self._advance(current, self._checked(state, current), self._held())

    def _held(self, step: int = 0) -> _Held:
        """Numbers that are the same at all steps are looked up once."""
        theta = None if self.threshold.changes or not self.spiking else self.threshold.value(step)
        return _Held(self.leak.value(step), self.gain.value(step), theta)

    def _advance(self, current: Tensor, state: State, held: _Held) -> tuple[Tensor, State]:
        step, spikes = state.step, state.spikes
        if self.leak.changes or self.gain.changes:
            held = self._held(step)
        drive, raised, compartments = self._fed(current, state, held.gain)
        m = self._charged(drive, state, held)
        if not self.spiking:
            return m, State(m, spikes, compartments, step + 1)
        reference = self.threshold.value(step, m) if held.threshold is None else held.threshold
        amount = self.threshold.amount(reference)
        out = self.spike(m, reference if raised is None else reference + raised, amount)
        if not self.reset.waits:
            m = self.reset(m, out, amount)
        return out, State(m, out if self._remembers else None, compartments, step + 1)

    def _fed(
        self, current: Tensor, state: State, gain: Tensor | float
    ) -> tuple[Tensor, Tensor | None, tuple[Tensor, ...]]:
        """What the membrane takes in, what the threshold is raised by, and the compartments after the step."""
        given = current if _is_one(gain) else gain * current
        if not state.compartments:
            return given, None, ()
        drives: dict[str, Any] = {INPUT: given, SPIKE: state.spikes}
        drives |= {one.name: c for one, c in zip(self.compartments, state.compartments, strict=True)}
        fed: dict[str, list[Tensor]] = {"membrane": [], "input": [], "threshold": [], "nothing": []}
        after: list[Tensor] = []
        for one, before in zip(self.compartments, state.compartments, strict=True):
            c, given = one.step(before, drives[one.driven_by], state.step)
            drives[one.name] = c
            after.append(c)
            fed[one.feeds].append(given)
        taken = sum(fed["input"]) if fed["input"] else drives[INPUT]
        for given in fed["membrane"]:
            taken = taken + given
        return taken, sum(fed["threshold"]) if fed["threshold"] else None, tuple(after)  # type: ignore[return-value]

    def _charged(self, drive: Tensor, state: State, held: _Held) -> Tensor:
        """Membranes before they fire."""
        m = state.membrane
        if not (self.spiking and self.reset.waits):
            return held.leak * m + drive
        assert state.spikes is not None  # noqa: S101 - such neurons remember them
        amount = self.threshold.amount(held.threshold) if self.reset.takes_threshold else 0.0
        if self.reset.leaks:
            return held.leak * self.reset(m, state.spikes, amount) + drive
        return self.reset(held.leak * m + drive, state.spikes, amount)

    @property
    def _remembers(self) -> bool:
        """Whether a step needs the spikes of the one before."""
        driven = any(one.driven_by == SPIKE for one in self.compartments)
        return self.spiking and (self.reset.waits or driven)

    def _checked(self, state: State | None, like: Tensor) -> State:
        if state is None:
            return self.start(like)
        whole = (
            len(state.compartments) == len(self.compartments) and (state.spikes is None) != self._remembers
        )
        if state.membrane.shape != like.shape or not whole:
            raise InputError(
                f"the state is of neurons {tuple(state.membrane.shape)} with {len(state.compartments)} compartments, "
                f"the current of {tuple(like.shape)} with {len(self.compartments)}; give the state that this layer "
                "returned for such a batch"
            )
        return state


def LeakyIntegrateAndFire(*, spiking: bool = True) -> DiscreteNeuron:  # noqa: N802 - it makes a layer, as a class does
    """Neurons with one trained leak and threshold for a layer, and a soft reset that is not differentiated.

    z = m / theta - 1 with do/dz taken as 0.3 max(0, 1 - |z|): Rathi and Roy, DIET-SNN, arXiv:2008.03658, and its public
    code (mapolinario94/DIET-SNN).

    Args:
        spiking: whether they fire; the last layer of a network only adds up.
    """
    neurons = DiscreteNeuron(spiking=spiking)
    neurons.register_load_state_dict_pre_hook(_of_earlier_checkpoints)
    return neurons


def _of_earlier_checkpoints(_module: nn.Module, tensors: dict[str, Any], prefix: str, *_: object) -> None:
    """Names that leak and threshold had before they became policies."""
    for name in ("leak", "threshold"):
        if f"{prefix}{name}" in tensors:
            tensors[f"{prefix}{name}.raw"] = tensors.pop(f"{prefix}{name}")


def _is_one(gain: Tensor | float) -> bool:
    return not isinstance(gain, Tensor) and gain == 1
