"""The neurons of a layer: one compiled circuit, with parameters of its own for each neuron where they differ.

A parameter p that is trained or spread is held as an unbounded number z:

    p = low (high / low)^s,  s = 1 / (1 + exp(-z))      or  p = low + (high - low) s  where the bounds differ in sign

so that it never leaves its bounds, whatever an optimiser does, and a step of z changes p by a share of its range.
Spread is log-normal about the value of the circuit: p exp(sigma n), held just inside the bounds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from memsim.circuits import MEMBRANE, IntegrateAndFire, Neuron, ThresholdSwitching
from memsim.errors import InputError
from memsim.learn.study import NeuronName, ParameterTable
from memsim.surrogate import CompiledCircuit
from memsim.surrogate.reference import equilibrium

MEMBRANE_VOLTAGE = f"v({MEMBRANE})"
NEURONS: dict[NeuronName, Callable[[], Neuron]] = {
    "integrate-and-fire-set1": partial(IntegrateAndFire.published, 1),
    "integrate-and-fire-set2": partial(IntegrateAndFire.published, 2),
    "integrate-and-fire-set3": partial(IntegrateAndFire.published, 3),
    "threshold-switching-a": ThresholdSwitching.set_a,
    "threshold-switching-b": ThresholdSwitching.set_b,
}
DEFAULT_FACTOR = 2.0
"""Without bounds in the study a parameter may go from half to twice the circuit's value."""
MARGIN = 0.02
"""Share of the range that a start keeps from its ends, where the sigmoid has almost no slope."""


def resting_neuron(name: NeuronName) -> Neuron:
    """A neuron started from the state it relaxes to."""
    neuron = NEURONS[name]()
    return neuron.starting_from(equilibrium(neuron.circuit()))


class Bounded(nn.Module):
    """One parameter of the circuit, with a value for each neuron between two bounds.

    Args:
        name: of the parameter, for messages.
        nominal: its value in the circuit.
        table: bounds, spread, and whether it is trained.
        count: neurons.
        generator: source of the spread.

    Raises:
        InputError: bounds that do not enclose the nominal value.
    """

    def __init__(
        self, name: str, nominal: float, table: ParameterTable, count: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        ends = sorted((nominal / DEFAULT_FACTOR, nominal * DEFAULT_FACTOR))
        self.low = ends[0] if table.low is None else table.low
        self.high = ends[1] if table.high is None else table.high
        if not self.low < nominal < self.high:
            raise InputError(
                f"bounds of {name}, {self.low:g} to {self.high:g}, do not enclose its value of {nominal:g}; "
                "choose them around it"
            )
        noise = torch.randn(count, generator=generator, dtype=torch.float64)
        start = self._share(nominal * (table.spread * noise).exp()).clamp(MARGIN, 1 - MARGIN)
        position = torch.logit(start).float()
        self.position: Tensor
        if table.trainable:
            self.position = nn.Parameter(position)
        else:
            self.register_buffer("position", position)

    @property
    def _geometric(self) -> bool:
        return self.low * self.high > 0

    def _share(self, value: Tensor) -> Tensor:
        """Where values lie between the bounds, from 0 to 1."""
        if self._geometric:
            return torch.log((value / self.low).clamp(min=1e-300)) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def forward(self) -> Tensor:
        """Values [neurons]."""
        share = torch.sigmoid(self.position)
        if self._geometric:
            return self.low * (share * math.log(self.high / self.low)).exp()
        return self.low + (self.high - self.low) * share


class NeuronLayer(nn.Module):
    """Neurons of one layer, from the currents into their membranes to membrane potentials relative to rest.

    All start from the state in which the circuit with its nominal parameters rests.

    Args:
        cell: the compiled circuit, shared by all layers.
        rest: potential that waveforms are relative to [V].
        count: neurons.
        parameters: tables of the circuit parameters that differ between neurons, by name.
        generator: source of their spread.

    Raises:
        InputError: a parameter the circuit does not have, or bounds that do not fit.
    """

    def __init__(
        self,
        cell: CompiledCircuit,
        rest: float,
        count: int,
        parameters: Mapping[str, ParameterTable],
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        unknown = sorted(set(parameters) - set(cell.values))
        if unknown:
            raise InputError(
                f"the neuron has no parameter {unknown[0]!r}; it has: {', '.join(sorted(cell.values))}"
            )
        self._cell = (cell,)  # in a tuple, so that layers do not each count the shared module as their own
        self.rest = rest
        self.bounded = nn.ModuleDict(
            {
                name.replace(".", "__"): Bounded(name, cell.values[name], table, count, generator)
                for name, table in parameters.items()
            }
        )

    def parameters_by_name(self) -> dict[str, Tensor]:
        """Values [neurons] of the circuit parameters that differ between neurons."""
        return {name.replace("__", "."): bounded() for name, bounded in self.bounded.items()}

    def forward(self, current: Tensor, dt: float, *, refined: bool = False) -> Tensor:
        """Membrane potentials [time, batch, neurons] in V above rest for currents of that shape in A.

        Args:
            current: into the membranes.
            dt: time between samples [s].
            refined: divide steps twice as finely.
        """
        parameters = {name: value.to(current) for name, value in self.parameters_by_name().items()}
        waves, _ = self._cell[0](current, dt=dt, parameters=parameters, refined=refined)
        return waves[MEMBRANE_VOLTAGE] - self.rest
