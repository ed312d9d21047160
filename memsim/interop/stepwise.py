"""Memristive neurons in the two forms that other torch code knows: one time step a call, and a layer of a Sequential.

The circuit is advanced by its own equations. A spike is how far s(v) = 1 / (1 + exp(-(v - level) / width)) climbs
within a step, as `memsim.networks.readouts` counts spikes: between 0 and 1, about 1 in the step in which the potential
jumps over the level, and their sum over time is the number of spikes. Its derivative is its own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from PySpice.Spice.Netlist import Netlist
from torch import Tensor, nn

from memsim.circuits import Neuron
from memsim.errors import InputError
from memsim.networks.cells import Cell
from memsim.networks.named_cells import load_cell
from memsim.networks.tables import DEFAULT_NEURON
from memsim.surrogate import DEFAULT_STEPPER, CompiledCircuit
from memsim.surrogate.bounded import Bounds

__all__ = ["SpikingNeuron", "SpikingSequence"]


class _Cell(nn.Module):
    """A neuron circuit behind an input without unit.

    Args:
        cell: a neuron circuit: a `Cell`, what `Cell.of` makes one of, or a name such as `integrate-and-fire-set1`.
        dt: time of one step [s].
        unit_current: current into the membrane for an input of 1 [A]; that of the cell where left out.
        stepper: integrator.
        trainable: circuit parameters to train, such as `("cmem",)`, or their bounds, `{"cmem": (0.5e-9, 5e-9)}`; see
            `CompiledCircuit`. `circuit.trained_values()` gives their values in SI units.

    Raises:
        InputError: an unknown circuit, integrator or parameter, or a value out of range.
    """

    def __init__(
        self,
        cell: str | Cell | Neuron | type[Neuron] | Netlist = DEFAULT_NEURON,
        *,
        dt: float,
        unit_current: float | None = None,
        stepper: str = DEFAULT_STEPPER,
        trainable: Collection[str] | Mapping[str, Bounds] = (),
    ) -> None:
        super().__init__()
        if not 0 < dt < float("inf"):
            raise InputError(f"dt = {dt!r} s is out of range; allowed: > 0")
        self.cell = load_cell(cell) if isinstance(cell, str) else Cell.of(cell)
        regime = self.cell.regime
        self.dt = dt
        self.unit_current = regime.unit_current if unit_current is None else unit_current
        self.level, self.width, self.rest = regime.level, regime.width, self.cell.rest
        self.circuit = CompiledCircuit(
            self.cell.circuit.circuit(),
            inputs=(self.cell.circuit.source,),
            stepper=stepper,
            trainable=trainable,
            record=(self.cell.output,),
        )

    def _climb(self, before: Tensor, after: Tensor) -> Tensor:
        """Spikes between potentials above rest."""
        low, high = (torch.sigmoid((v - self.level) / self.width) for v in (before, after))
        return (high - low).clamp(min=0)


class SpikingNeuron(_Cell):
    """`spk, mem = neuron(cur, mem)`: one step of `dt` with a constant current, as snnTorch's neurons are called.

    `mem` holds all unknowns of the circuit, [unknowns, batch...], and goes in and out: the module keeps nothing.
    `neuron.potential(mem)` is the potential above rest.

    Arguments as for `SpikingSequence`.
    """

    def init_mem(self, like: Tensor) -> Tensor:
        """Neurons at rest, one for each element of `like`."""
        return torch.stack(list(self.circuit.initial_state(torch.zeros_like(like))))

    def potential(self, mem: Tensor) -> Tensor:
        """Membrane potential above rest [V]."""
        return self.circuit.observe(tuple(mem.unbind()))[self.cell.output] - self.rest

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
        cell: a neuron circuit: a `Cell`, what `Cell.of` makes one of, or a name such as `integrate-and-fire-set1`.
        dt: time of one step [s].
        unit_current: current into the membrane for an input of 1 [A]; that of the cell where left out.
        stepper: integrator.
        trainable: circuit parameters to train, such as `("cmem",)`, or their bounds, `{"cmem": (0.5e-9, 5e-9)}`; see
            `CompiledCircuit`. `circuit.trained_values()` gives their values in SI units.
        output: `spikes`, or `potential`, the graded spikes themselves: potentials above rest over `level`.
    """

    def __init__(
        self,
        cell: str | Cell | Neuron | type[Neuron] | Netlist = DEFAULT_NEURON,
        *,
        output: str = "spikes",
        **options: object,
    ) -> None:
        super().__init__(cell, **options)  # type: ignore[arg-type]
        if output not in ("spikes", "potential"):
            raise InputError(f"output = {output!r} is unknown; use spikes or potential")
        self.output = output

    def forward(self, cur: Tensor) -> Tensor:
        """Spikes or potentials [time, batch, neurons] for inputs of that shape; the first sample is at rest."""
        waves, _ = self.circuit(cur * self.unit_current, dt=self.dt)
        above = waves[self.cell.output] - self.rest
        if self.output == "potential":
            return above / self.level
        return torch.cat([torch.zeros_like(above[:1]), self._climb(above[:-1], above[1:])])
