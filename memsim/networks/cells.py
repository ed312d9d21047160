"""Cells: neuron circuits with all that a network has to know of them, of the package and of the user."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any

from PySpice.Spice.Netlist import Circuit, Netlist

from memsim.circuits.cell import SOURCE, CellCircuit
from memsim.circuits.flatten import state_bounds
from memsim.circuits.neurons import (
    MEMBRANE,
    AfterHyperpolarising,
    IntegrateAndFire,
    Neuron,
    ThresholdSwitching,
    impedance_scale,
)
from memsim.devices import Device
from memsim.errors import ConvergenceError, InputError
from memsim.networks.regimes import Regime, graded, probed
from memsim.own_code import PIN, blamed, digest
from memsim.surrogate import DEFAULT_STEPPER, CompiledCircuit
from memsim.surrogate.reference import equilibrium


@dataclass(frozen=True, eq=False)
class Cell:
    """A neuron circuit as a network uses it.

    Attributes:
        name: as a study names it.
        circuit: the circuit, started at rest.
        regime: in which it fires.
    """

    name: str
    circuit: CellCircuit
    regime: Regime
    _twins: dict[str, CompiledCircuit] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls,
        neuron: Cell | Neuron | type[Neuron] | Netlist,
        *,
        source: str = SOURCE,
        output: str = MEMBRANE,
        regime: Regime | None = None,
        name: str | None = None,
        **changes: Any,
    ) -> Cell:
        """The cell of a neuron, or of any PySpice circuit of R, C, V, I and memsim devices.

        Rest is where the circuit settles without input; the regime is found by a probe unless it is stated.

        Args:
            neuron: a neuron or its class, or a circuit; a cell is taken as it is.
            source: the circuit's current source from ground into the cell, which networks replace by their currents.
            output: its output node.
            regime: in which it fires; found by a probe where left out.
            name: of the cell; that of the class or circuit where left out.
            **changes: entries of the regime to replace, such as `level=40e-3`.

        Raises:
            InputError: a class that needs arguments, no such source or node, an element without a memsim model, no
                rest, or a probe that never spikes or leaves the physical range.
        """
        if isinstance(neuron, Cell):
            if regime is None and name is None and not changes:
                return neuron
            return replace(
                neuron, regime=_changed(regime or neuron.regime, changes), name=name or neuron.name
            )
        circuit = neuron if isinstance(neuron, Netlist) else _drawn(instance(neuron))
        resting = at_rest(CellCircuit.of(circuit, source, output))
        found = _changed(probed(resting) if regime is None else regime, changes)
        return cls(name or _name(neuron), resting, found)

    @property
    def output(self) -> str:
        """Waveform of the output."""
        return f"v({self.circuit.output})"

    @property
    def rest(self) -> float:
        """Potential of the output at rest [V]."""
        return self.circuit.rest

    @property
    def digest(self) -> str:
        """Hexadecimal digits that differ where circuits or regimes do."""
        models = [device.model for device in self.circuit.devices]
        return hashlib.sha256(repr((self.circuit, models, self.regime)).encode()).hexdigest()[:PIN]

    @property
    def pin(self) -> str:
        """Hexadecimal digits that differ where what the user says of a circuit does, the same on every machine.

        Rests, and what a probe finds, differ in their last digits.
        """
        models = [(device.model, _own_equations(device)) for device in self.circuit.devices]
        regime = {name: _rounded(value) for name, value in vars(self.regime).items()}
        said = (self.circuit.parts, dict(self.circuit.values), self.circuit.output, models, regime)
        return digest(repr(said))

    def twin(self, stepper: str = DEFAULT_STEPPER) -> CompiledCircuit:
        """The compiled circuit, its output recorded; one for all who ask."""
        if stepper not in self._twins:
            self._twins[stepper] = CompiledCircuit(
                self.circuit.circuit(), inputs=(self.circuit.source,), stepper=stepper, record=(self.output,)
            )
        return self._twins[stepper]

    def __deepcopy__(self, memo: dict[int, Any]) -> Cell:
        return self


def _own_equations(device: Device) -> str:
    """Of a model of the user's."""
    if type(device).__module__.startswith("memsim."):
        return ""
    return repr(device.expressions)


def _rounded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _rounded(one) for name, one in value.items()}
    return f"{value:.3g}" if isinstance(value, float) else value


def instance(neuron: object) -> Neuron:
    """A neuron of a neuron or its class.

    Raises:
        InputError: neither of the two, or a class that cannot be made without arguments.
    """
    if isinstance(neuron, Neuron):
        return neuron
    if not (isinstance(neuron, type) and issubclass(neuron, Neuron)):
        raise InputError(
            f"{getattr(neuron, '__name__', type(neuron).__name__)} is no neuron; give a subclass of "
            "memsim.circuits.Neuron, one made of it, a PySpice circuit, or a Cell"
        )
    if inspect.isabstract(neuron):
        missing = ", ".join(sorted(neuron.__abstractmethods__))
        raise InputError(f"{neuron.__name__} does not say what it is made of; define {missing}")
    signature = inspect.signature(neuron)
    needed = [one.name for one in signature.parameters.values() if one.default is one.empty]
    if needed:
        raise InputError(
            f"{neuron.__name__} needs arguments: {', '.join(needed)}; give them defaults, or give an instance"
        )
    with blamed(f"{neuron.__name__} cannot be made"):
        made: Neuron = neuron()  # type: ignore[call-arg] # it needs none
    return made


def _drawn(neuron: Neuron) -> Circuit:
    with blamed(f"{type(neuron).__name__} cannot be made"):
        return neuron.circuit()


def at_rest(cell: CellCircuit) -> CellCircuit:
    """The cell, started where it settles without input.

    Raises:
        InputError: it does not settle, or outside of the range of a state.
    """
    circuit = cell.circuit()
    try:
        state = equilibrium(circuit)
    except ConvergenceError as error:
        raise InputError(
            f"the neuron finds no rest without input: {str(error).splitlines()[0]}; change its sources or devices so "
            "that it is silent then"
        ) from None
    for name, (low, high) in state_bounds(circuit).items():
        if not low - (slack := 1e-6 * (high - low)) <= state[name] <= high + slack:
            raise InputError(f"the neuron rests at {name} = {state[name]:g}, outside {low:g} to {high:g}")
    return cell.starting_from(state)


def _changed(regime: Regime, changes: dict[str, Any]) -> Regime:
    try:
        return replace(regime, **changes)
    except TypeError:
        unknown = sorted(set(changes) - set(vars(regime)))
        raise InputError(f"a regime has no entry {unknown[0]!r}; it has: {', '.join(vars(regime))}") from None


def _name(neuron: object) -> str:
    if isinstance(neuron, Circuit):
        return str(neuron.title)
    return (neuron if isinstance(neuron, type) else type(neuron)).__name__


@dataclass(frozen=True)
class Shipped:
    """A neuron of the package, and the regime that was published or measured for it."""

    neuron: Callable[[], Neuron]
    regime: Regime


def _published(number: int) -> Shipped:
    regime = Regime(
        unit_current=5e-6 * impedance_scale(number),
        level=30e-3,
        width=5e-3,
        window=10e-3,
        step=200e-6,
        pulse="alpha",
        tau=1e-3,
        mirror_ratio=0.3 * impedance_scale(number),
        scales={"mean": 2e-3, "maximum": 10e-3, "spike-count": 0.5, "first-spike": 0.05},
    )
    return Shipped(partial(IntegrateAndFire.published, number), regime)


def _switching(neuron: Callable[[], Neuron], window: float) -> Shipped:
    """Fires by itself; the level lies half way between hold and threshold voltage."""
    regime = Regime(
        unit_current=5e-6,
        level=65e-3,
        width=10e-3,
        window=window,
        step=window / 500,
        pulse="held",
        tau=1e-3,
        mirror_ratio=1.0,
        scales={"mean": 10e-3, "maximum": 10e-3, "spike-count": 2.0, "first-spike": 0.05},
    )
    return Shipped(neuron, regime)


SHIPPED: Mapping[str, Shipped] = {
    "integrate-and-fire-set1": _published(1),
    "integrate-and-fire-set2": _published(2),
    "integrate-and-fire-set3": _published(3),
    "after-hyperpolarising-set1": Shipped(
        AfterHyperpolarising.set_1, graded(unit_current=6e-6, level=36e-3, tau=1e-3)
    ),
    "threshold-switching-a": _switching(ThresholdSwitching.set_a, window=5e-3),
    "threshold-switching-b": _switching(ThresholdSwitching.set_b, window=0.5e-3),
}


@cache
def shipped_cell(name: str) -> Cell:
    """The cell of a neuron of the package."""
    return Cell.of(SHIPPED[name].neuron(), regime=SHIPPED[name].regime, name=name)
