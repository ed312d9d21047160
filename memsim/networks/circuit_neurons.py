"""The neurons of a layer: one compiled circuit, with parameters of its own for each neuron where they differ.

A parameter that is trained or spread is held between its bounds by `memsim.surrogate.bounded`.
Spread is log-normal about the value of the circuit: p exp(sigma n), held just inside the bounds.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from PySpice.Spice.Netlist import Netlist
from torch import Tensor, nn

from memsim.circuits import Neuron
from memsim.errors import InputError
from memsim.networks.cells import Cell
from memsim.networks.named_cells import load_cell
from memsim.networks.tables import ParameterTable
from memsim.surrogate import DEFAULT_STEPPER, CompiledCircuit, Coupling, State
from memsim.surrogate.bounded import Bounded, check_enclosed

DEFAULT_FACTOR = 2.0
"""Without bounds in the study a parameter may go from half to twice the circuit's value."""
MARGIN = 0.02
"""Share of the range that a start keeps from its ends, where the sigmoid has almost no slope."""


def bounded(
    name: str, nominal: float, table: ParameterTable, count: int, generator: torch.Generator | None
) -> Bounded:
    """One parameter of the circuit, with a value for each neuron between two bounds.

    Args:
        name: of the parameter, for messages.
        nominal: its value in the circuit.
        table: bounds, spread, and whether it is trained.
        count: neurons.
        generator: source of the spread.

    Raises:
        InputError: bounds that do not enclose the nominal value, or a spread without a generator.
    """
    ends = sorted((nominal / DEFAULT_FACTOR, nominal * DEFAULT_FACTOR))
    low = ends[0] if table.low is None else table.low
    high = ends[1] if table.high is None else table.high
    check_enclosed(name, nominal, (low, high))
    if generator is None and table.spread:
        raise InputError(f"{name} has a spread of {table.spread:g}, which is random; give a torch.Generator")
    if generator is None:
        noise = torch.zeros(count, dtype=torch.float64)
    else:
        noise = torch.randn(count, generator=generator, dtype=torch.float64)
    start = nominal * (table.spread * noise).exp()
    return Bounded(start, (low, high), margin=MARGIN, trainable=table.trainable).float()


class CircuitNeuron(nn.Module):
    """Neurons that are any circuit, from the currents into them to output potentials relative to rest.

    All start from the state in which the circuit with its nominal parameters rests. Layers of one cell share its
    compiled circuit; nothing is kept between calls.

    Args:
        cell: a `Cell`, or what one is made of: a neuron or its class, a PySpice circuit, or the name of a cell.
        count: neurons; needed where parameters differ between them.
        parameters: tables of the circuit parameters that differ between neurons, by name.
        generator: source of their spread.
        stepper: integrator.

    Attributes:
        cell: the cell.
        rest: potential of its output at rest [V].
        level: potential above rest that a spike crosses [V].
        width: of the transition at the level [V].
        unit_current: that makes it fire well [A].
        step: that resolves it in training [s].

    Raises:
        InputError: no cell, a parameter the circuit does not have, or bounds that do not fit.
    """

    def __init__(
        self,
        cell: Cell | Neuron | type[Neuron] | Netlist | str,
        count: int | None = None,
        *,
        parameters: Mapping[str, ParameterTable] | None = None,
        generator: torch.Generator | None = None,
        stepper: str = DEFAULT_STEPPER,
    ) -> None:
        super().__init__()
        self.cell = load_cell(cell) if isinstance(cell, str) else Cell.of(cell)
        values, given = self.cell.circuit.values, dict(parameters or {})
        unknown = sorted(set(given) - set(values))
        if unknown:
            raise InputError(
                f"the neuron has no parameter {unknown[0]!r}; it has: {', '.join(sorted(values))}"
            )
        if given and count is None:
            raise InputError(
                f"{', '.join(given)} may differ from neuron to neuron; give count, how many there are"
            )
        self._twin = (
            self.cell.twin(stepper),
        )  # in a tuple, so that layers do not each count it as their own
        self.bounded = nn.ModuleDict(
            {
                name.replace(".", "__"): bounded(name, values[name], table, count or 0, generator)
                for name, table in given.items()
            }
        )

    @property
    def twin(self) -> CompiledCircuit:
        """The compiled circuit."""
        return self._twin[0]

    @property
    def rest(self) -> float:
        return self.cell.rest

    @property
    def level(self) -> float:
        return self.cell.regime.level

    @property
    def width(self) -> float:
        return self.cell.regime.width

    @property
    def unit_current(self) -> float:
        return self.cell.regime.unit_current

    @property
    def step(self) -> float:
        return self.cell.regime.step

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
        coupling: tuple[Tensor, float] | None = None,
    ) -> tuple[Tensor, State]:
        """Output potentials [time, batch, neurons] in V above rest, and the state at the last sample.

        Args:
            current: into the neurons, [time, batch, neurons] in A.
            state: where to start, as an earlier call returned it; rest where left out.
            dt: time between samples [s].
            refined: divide steps twice as finely.
            coupling: current into each neuron over the potential of the line of each, [neurons, neurons] in S, and the
                time constant of the lines [s]: see memsim.surrogate.coupling.
        """
        parameters = {name: value.to(current) for name, value in self.parameters_by_name().items()}
        coupled = None
        if coupling is not None:
            matrix, tau = coupling
            coupled = Coupling(matrix, self.cell.output, tau, self.rest)
        waves, state = self.twin(
            current, state, dt=dt, parameters=parameters, refined=refined, coupling=coupled
        )
        return waves[self.cell.output] - self.rest, state
