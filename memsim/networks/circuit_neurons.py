"""The neurons of a layer: one compiled circuit, with parameters of its own for each neuron where they differ.

A parameter that is trained or spread is held between its bounds by `memsim.surrogate.bounded`.
Spread is log-normal about the value of the circuit: p exp(sigma n), held just inside the bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from memsim.circuits import MEMBRANE, IntegrateAndFire, Neuron, ThresholdSwitching
from memsim.errors import InputError
from memsim.networks.tables import NeuronName, ParameterTable
from memsim.surrogate import CompiledCircuit, Coupling, State
from memsim.surrogate.bounded import Bounded, check_enclosed
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


def bounded(
    name: str, nominal: float, table: ParameterTable, count: int, generator: torch.Generator
) -> Bounded:
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
    ends = sorted((nominal / DEFAULT_FACTOR, nominal * DEFAULT_FACTOR))
    low = ends[0] if table.low is None else table.low
    high = ends[1] if table.high is None else table.high
    check_enclosed(name, nominal, (low, high))
    noise = torch.randn(count, generator=generator, dtype=torch.float64)
    start = nominal * (table.spread * noise).exp()
    return Bounded(start, (low, high), margin=MARGIN, trainable=table.trainable).float()


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
                name.replace(".", "__"): bounded(name, cell.values[name], table, count, generator)
                for name, table in parameters.items()
            }
        )

    def parameters_by_name(self) -> dict[str, Tensor]:
        """Values [neurons] of the circuit parameters that differ between neurons."""
        return {name.replace("__", "."): values() for name, values in self.bounded.items()}

    def forward(
        self,
        current: Tensor,
        state: State | None = None,
        *,
        dt: float,
        refined: bool = False,
        coupling: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """Membrane potentials [time, batch, neurons] in V above rest for currents of that shape in A, and the state.

        Args:
            current: into the membranes.
            state: at the start; rest where left out.
            dt: time between samples [s].
            refined: divide steps twice as finely.
            coupling: current into each neuron over the potential of each above rest, [neurons, neurons] in S.
        """
        parameters = {name: value.to(current) for name, value in self.parameters_by_name().items()}
        coupled = None if coupling is None else Coupling(coupling, MEMBRANE_VOLTAGE, self.rest)
        waves, after = self._cell[0](
            current, state, dt=dt, parameters=parameters, refined=refined, coupling=coupled
        )
        return waves[MEMBRANE_VOLTAGE] - self.rest, after
