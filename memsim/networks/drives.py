"""Drives: how inputs in [0, 1] become voltages on the word lines of the first crossbar.

The window is divided into `slots` of equal length. The voltage of word line r is

    V_r(t) = sum over k of a[k, r] p(t - t_k),        t_k = k window / slots

with one pulse shape p per slot and amplitudes a that the encoding makes from the input:

    amplitude   a[k, r] = x_r in every slot, or the value x[k, r] of a time-domain input, one slot for each time bin
    rate        a[k, r] = 1 with probability x_r, else 0: Bernoulli events, at most slots / window per second
    latency     a single 1, in slot round((1 - x_r) (slots - 1)): the stronger, the sooner; none where x_r = 0

The pulse is alpha-shaped (peak at `tau` after the slot begins), exponential (jumps to its peak and decays: what the
public torch code of the published networks steps in place of the alpha function), or held until the slot ends;
`amplitude` with one held slot is direct current.

Shapes and amplitudes stay apart: a crossbar is linear, so it multiplies [batch, slots, rows] once, not every time step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from memsim.circuits.samples import Samples
from memsim.circuits.stimuli import AlphaTrain, Array, ExponentialTrain, Stimulus, check_positive
from memsim.errors import InputError
from memsim.networks.synapses import Synapse
from memsim.transforms import left_to_python

Encoding = Literal["amplitude", "rate", "latency"]
Pulse = Literal["alpha", "exponential", "held"]
EDGE = 0.01
"""Transition between two held values, as a share of a slot: circuits cannot jump."""


@dataclass(frozen=True)
class Drive:
    """A choice of encoding and pulse.

    Attributes:
        encoding: how inputs become amplitudes; `rate` and `latency` take static inputs.
        pulse: shape of one pulse.
        voltage: peak of a pulse of amplitude 1 [V]; pulses that overlap add up.
        tau: time constant of alpha and exponential pulses [s].
        window: time for one input [s].
        slots: instants at which a pulse can begin; for time-domain inputs the number of their time bins.
    """

    encoding: Encoding = "amplitude"
    pulse: Pulse = "alpha"
    voltage: float = 0.1
    tau: float = 1e-3
    window: float = 10e-3
    slots: int = 2

    def __post_init__(self) -> None:
        for name, kinds in (("encoding", get_args(Encoding)), ("pulse", get_args(Pulse))):
            if getattr(self, name) not in kinds:
                raise InputError(
                    f"drive {name} = {getattr(self, name)!r} is unknown; allowed: {', '.join(kinds)}"
                )
        for name in ("voltage", "tau", "window"):
            check_positive(f"drive {name}", getattr(self, name))
        if self.slots < 1:
            raise InputError(f"drive slots = {self.slots} is out of range; allowed: >= 1")

    def __call__(self, inputs: Tensor, generator: torch.Generator | None = None) -> WordLines:
        """The word lines for a batch of inputs.

        Args:
            inputs: [batch, rows], or [batch, slots, rows] in the time domain; in [0, 1].
            generator: makes the events of rate coding; needed there only.

        Raises:
            InputError: inputs that the encoding cannot take, or no generator for rate coding.
        """
        if inputs.ndim == 2:
            return WordLines(self, self._encode(inputs, generator))
        if inputs.ndim != 3 or inputs.shape[1] != self.slots or self.encoding != "amplitude":
            raise InputError(
                f"inputs of shape {tuple(inputs.shape)} do not fit {self.encoding!r} encoding in {self.slots} slots; "
                f"allowed: [batch, rows], or with 'amplitude' [batch, {self.slots}, rows]"
            )
        return WordLines(self, inputs)

    def _encode(self, inputs: Tensor, generator: torch.Generator | None) -> Tensor:
        if self.encoding == "rate":
            return _rate(inputs, self.slots, generator)
        if self.encoding == "latency":
            return first_events(inputs, self.slots)
        return inputs[:, None, :]

    def stimulus(self, amplitudes: ArrayLike) -> Stimulus:
        """The voltage of one word line with the given amplitude in each slot."""
        amplitudes = np.broadcast_to(np.asarray(amplitudes, dtype=float), (self.slots,))
        starts: Array = np.arange(self.slots, dtype=float) * (self.window / self.slots)
        if self.pulse == "held":
            return _held(self.voltage * amplitudes, starts, self.window / self.slots)
        train = AlphaTrain if self.pulse == "alpha" else ExponentialTrain
        used = np.flatnonzero(amplitudes)
        return train(
            tuple((self.voltage * amplitudes[used]).tolist()), self.tau, tuple(starts[used].tolist())
        )


@dataclass(frozen=True)
class WordLines:
    """Voltages of all word lines for a batch of inputs, as amplitudes of the pulses that they share.

    Attributes:
        drive: gives the pulses.
        amplitude: [batch, slots, rows], or [batch, 1, rows] where one train of pulses serves all slots.
    """

    drive: Drive
    amplitude: Tensor

    @property
    def shared(self) -> Stimulus | None:
        """The one stimulus that every word line follows, scaled by its amplitude; None where they differ."""
        return self.drive.stimulus(1.0) if self.amplitude.shape[1] == 1 else None

    @left_to_python
    def pulses(self, times: ArrayLike) -> Tensor:
        """The pulses of amplitude 1 at `times` [s], [time, slots] (or [time, 1]) in V."""
        shared = self.shared
        stimuli = [shared] if shared else [self.drive.stimulus(unit) for unit in np.eye(self.drive.slots)]
        columns = np.stack([stimulus(times) for stimulus in stimuli], axis=-1)
        return torch.as_tensor(columns, dtype=self.amplitude.dtype, device=self.amplitude.device)

    def over(self, times: ArrayLike) -> LinesOverTime:
        """The voltages at `times` [s]."""
        return LinesOverTime(self, times)

    def voltages(self, times: ArrayLike) -> Tensor:
        """The voltages at `times` [s], [time, batch, rows] in V."""
        return torch.einsum("tk,bkr->tbr", self.pulses(times), self.amplitude)

    def stimuli(self, number: int = 0) -> list[Stimulus]:
        """What each word line does while input `number` of the batch is applied, for a circuit simulator."""
        amplitudes: Array = self.amplitude[number].detach().double().cpu().numpy()
        return [self.drive.stimulus(column) for column in amplitudes.T]


@dataclass(frozen=True)
class LinesOverTime:
    """Word lines at given times [s], for synapses: see `memsim.networks.network.Signal`."""

    lines: WordLines
    times: ArrayLike

    @property
    def values(self) -> Tensor:
        """[time, batch, rows] in V."""
        return self.lines.voltages(self.times)

    def through(self, synapse: Synapse) -> Tensor:
        """Currents [time, batch, neurons] in A."""
        return synapse.driven(self.lines.amplitude, self.lines.pulses(self.times))

    def on(self, lines: Callable[[Tensor], Tensor]) -> LinesOverTime:
        """Other word lines, that follow these linearly."""
        return replace(self, lines=replace(self.lines, amplitude=lines(self.lines.amplitude)))


def _rate(inputs: Tensor, slots: int, generator: torch.Generator | None) -> Tensor:
    if generator is None:
        raise InputError("rate coding draws random events; give a torch.Generator")
    return torch.bernoulli(inputs[:, None, :].expand(-1, slots, -1), generator=generator)


def first_events(inputs: Tensor, slots: int) -> Tensor:
    """A single 1 in slot round((1 - x) (slots - 1)), none where x = 0: [batch, slots, rows] from [batch, rows]."""
    slot = torch.round((1 - inputs) * (slots - 1))
    events = torch.arange(slots, device=inputs.device)[None, :, None] == slot[:, None, :]
    return (events & (inputs > 0)[:, None, :]).to(inputs.dtype)


def _held(values: Array, starts: Array, slot: float) -> Samples:
    """Each value from its start until the next one, with short straight edges; the last one stays."""
    times = np.stack([starts + EDGE * slot, starts + slot], axis=1).ravel()
    times[0] = 0.0
    return Samples(tuple(times.tolist()), tuple(np.repeat(values, 2).tolist()))
