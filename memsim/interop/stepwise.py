"""Memristive neurons in the two forms that other torch code knows: one time step a call, and a layer of a Sequential.

The circuit is advanced by its own equations. A spike is how far s(v) = 1 / (1 + exp(-(v - level) / width)) climbs
within a step, as `memsim.networks.readouts` counts spikes: between 0 and 1, about 1 in the step in which the potential
jumps over the level, and their sum over time is the number of spikes. Its derivative is its own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn

from memsim.circuits import impedance_scale
from memsim.errors import InputError
from memsim.networks.circuit_neurons import MEMBRANE_VOLTAGE, NEURONS, resting_neuron
from memsim.networks.readouts import SPIKES
from memsim.networks.tables import NeuronName
from memsim.surrogate import DEFAULT_STEPPER, CompiledCircuit
from memsim.surrogate.bounded import Bounds

__all__ = ["SpikingNeuron", "SpikingSequence"]


class _Cell(nn.Module):
    """A neuron circuit behind an input without unit.

    Args:
        name: of the circuit, such as `integrate-and-fire-set1` or `threshold-switching-a`.
        dt: time of one step [s].
        unit_current: current into the membrane for an input of 1 [A]; that of the published drive where left out.
        stepper: integrator.
        trainable: circuit parameters to train, such as `("cmem",)`, or their bounds, `{"cmem": (0.5e-9, 5e-9)}`; see
            `CompiledCircuit`. `circuit.trained_values()` gives their values in SI units.

    Raises:
        InputError: an unknown circuit, integrator or parameter, or a value out of range.
    """

    def __init__(
        self,
        name: NeuronName = "integrate-and-fire-set1",
        *,
        dt: float,
        unit_current: float | None = None,
        stepper: str = DEFAULT_STEPPER,
        trainable: Collection[str] | Mapping[str, Bounds] = (),
    ) -> None:
        super().__init__()
        if name not in NEURONS:
            raise InputError(f"unknown neuron {name!r}; known: {', '.join(NEURONS)}")
        if not 0 < dt < float("inf"):
            raise InputError(f"dt = {dt!r} s is out of range; allowed: > 0")
        neuron = resting_neuron(name)
        family, _, variant = name.rpartition("-")
        scale = impedance_scale(int(variant[-1])) if variant.startswith("set") else 1.0
        self.dt = dt
        self.unit_current = 5e-6 * scale if unit_current is None else unit_current
        self.level, self.width = SPIKES[family]
        self.rest = neuron.initial_voltage
        self.circuit = CompiledCircuit(
            neuron.circuit(),
            inputs=("iin",),
            stepper=stepper,
            trainable=trainable,
            record=(MEMBRANE_VOLTAGE,),
        )
        self.index = self.circuit.unknowns.index(MEMBRANE_VOLTAGE)

    def _climb(self, before: Tensor, after: Tensor) -> Tensor:
        """Spikes between potentials above rest."""
        low, high = (torch.sigmoid((v - self.level) / self.width) for v in (before, after))
        return (high - low).clamp(min=0)


class SpikingNeuron(_Cell):
    """`spk, mem = neuron(cur, mem)`: one step of `dt` with a constant current, as snnTorch's neurons are called.

    `mem` holds all unknowns of the circuit, [unknowns, batch...], and goes in and out: the module keeps nothing. Its
    row `neuron.index` is the membrane potential in V; `neuron.potential(mem)` is that above rest.

    Arguments as for `SpikingSequence`.
    """

    def init_mem(self, like: Tensor) -> Tensor:
        """Neurons at rest, one for each element of `like`."""
        return torch.stack(list(self.circuit.initial_state(torch.zeros_like(like))))

    def potential(self, mem: Tensor) -> Tensor:
        """Membrane potential above rest [V]."""
        return mem[self.index] - self.rest

    def forward(self, cur: Tensor, mem: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Spikes [batch...] and the state after the step.

        Args:
            cur: input [batch...], in units of `unit_current`.
            mem: state before the step; rest where left out.
        """
        before = self.init_mem(cur) if mem is None else mem
        held = torch.stack([cur, cur]) * self.unit_current
        _, state = self.circuit(held, tuple(before.unbind()), dt=self.dt)
        after = torch.stack(list(state))
        return self._climb(self.potential(before), self.potential(after)), after


class SpikingSequence(_Cell):
    """A layer of neurons over all time steps, for `torch.nn.Sequential`: inputs and spikes are [time, batch, neurons].

    Args:
        name: of the circuit, such as `integrate-and-fire-set1` or `threshold-switching-a`.
        dt: time of one step [s].
        unit_current: current into the membrane for an input of 1 [A]; that of the published drive where left out.
        stepper: integrator.
        trainable: circuit parameters to train, such as `("cmem",)`, or their bounds, `{"cmem": (0.5e-9, 5e-9)}`; see
            `CompiledCircuit`. `circuit.trained_values()` gives their values in SI units.
        output: `spikes`, or `potential`, the graded spikes themselves: potentials above rest over `level`.
    """

    def __init__(
        self, name: NeuronName = "integrate-and-fire-set1", *, output: str = "spikes", **options: object
    ) -> None:
        super().__init__(name, **options)  # type: ignore[arg-type]
        if output not in ("spikes", "potential"):
            raise InputError(f"output = {output!r} is unknown; use spikes or potential")
        self.output = output

    def forward(self, cur: Tensor) -> Tensor:
        """Spikes or potentials [time, batch, neurons] for inputs of that shape; the first sample is at rest."""
        waves, _ = self.circuit(cur * self.unit_current, dt=self.dt)
        above = waves[MEMBRANE_VOLTAGE] - self.rest
        if self.output == "potential":
            return above / self.level
        return torch.cat([torch.zeros_like(above[:1]), self._climb(above[:-1], above[1:])])
