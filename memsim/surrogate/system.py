"""Generated functions of a circuit's nodal equations, elementwise over torch tensors."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from memsim.circuits.feedback import feedbacks
from memsim.circuits.nodal import NodalEquations
from memsim.devices.numeric import Functions, generate, rebound
from memsim.surrogate.elementwise import larger, smaller
from memsim.surrogate.elimination import Elimination, Entries
from memsim.surrogate.hoisting import Hoister
from memsim.surrogate.massless import solve_massless

Values = Sequence[Any]
VOLTAGE_SCALE = 0.1
"""What counts as much of a potential [V], as its range does for a state."""


@dataclass(frozen=True)
class Linearisation:
    """The equations around one point.

    Attributes:
        flow: F.
        input_slope: dF/dt along the inputs.
        jacobian: entries of dF/dy.
        positive: J+ of the states that can push themselves further, by their row.
    """

    flow: list[Any]
    input_slope: list[Any]
    jacobian: Entries
    positive: dict[int, Any]


@dataclass(frozen=True)
class Pace:
    """What a run has to keep up with, of a state that can push itself further.

    Attributes:
        strongest: largest J+ [1/s]; None where no bound is known.
        relaxation: rate at which the state forgets [1/s].
    """

    strongest: Any
    relaxation: Any


class System:
    """F, dF/dt and dF/dy of nodal equations, with everything that depends on parameters alone taken out.

    Args:
        equations: the symbolic equations.
        record: names of the waveforms to compute; all where None.

    Attributes:
        constants: number of values that hold for a whole run.
        record: names of the computed waveforms.
    """

    def __init__(
        self,
        equations: NodalEquations,
        record: Collection[str] | None = None,
    ) -> None:
        self.equations = equations
        self.size = len(equations.unknowns)
        self.mass_pattern = list(equations.mass)
        self.jacobian_pattern = list(equations.jacobian)
        variables = (equations.unknowns, equations.inputs, equations.input_rates)
        hoist = Hoister([symbol for group in variables for symbol in group])
        flow = hoist(equations.flow)
        slope = hoist(equations.input_slope)
        jacobian = hoist(list(equations.jacobian.values()))
        self.feedbacks = feedbacks(equations)
        positive = hoist([feedback.positive for feedback in self.feedbacks])
        bounded = [feedback for feedback in self.feedbacks if feedback.strongest is not None]
        self.paced = [feedback.row for feedback in bounded]
        paces = hoist([pace for feedback in bounded for pace in (feedback.strongest, feedback.pace)])
        mass = hoist(list(equations.mass.values()))
        charge = hoist(equations.charge)
        self.record = tuple(equations.waveforms if record is None else record)
        waveforms = hoist([equations.waveforms[name] for name in self.record])
        constants = list(hoist.constants)
        self.constants = len(constants)
        arguments = (*variables, constants)
        self._constants = {
            engine: generate([list(equations.parameters)], list(hoist.constants.values()), engine)
            for engine in ("numpy", "torch")
        }
        self.generated_flow = generate(arguments, flow, "torch")
        self.generated_linearisation = generate(arguments, [*flow, *slope, *jacobian, *positive], "torch")
        self.generated_positive = generate(arguments, positive, "torch")
        self.generated_paces = generate([constants], paces, "torch")
        self.generated_mass = generate([constants], mass, "torch")
        self.generated_charge = generate((equations.inputs, constants), charge, "torch")
        self.generated_waveforms = generate(
            (equations.unknowns, equations.inputs, constants), waveforms, "torch"
        )
        self.elimination = Elimination(self.size, {*self.mass_pattern, *self.jacobian_pattern})
        self.mass_elimination = Elimination(self.size, self.mass_pattern)
        self.bounds = [_finite(equations.bounds.get(unknown)) for unknown in equations.unknowns]
        self.scales = [VOLTAGE_SCALE if bound is None else bound[1] - bound[0] for bound in self.bounds]
        rows, entries = equations.algebraic, dict(zip(self.jacobian_pattern, jacobian, strict=True))
        inner = [key for key in self.jacobian_pattern if key[0] in rows and key[1] in rows]
        self.algebraic_pattern = [(rows.index(row), rows.index(column)) for row, column in inner]
        self.algebraic_elimination = Elimination(len(rows), self.algebraic_pattern)
        self.generated_massless = generate(
            arguments, [*(flow[row] for row in rows), *(entries[key] for key in inner)], "torch"
        )

    def calling(self, functions: Functions) -> System:
        """The same code, made for torch, calling other functions by the names that torch has for them."""
        other = copy(self)
        for name, made in vars(self).items():
            if name.startswith("generated_"):
                setattr(other, name, rebound(made, functions))
        return other

    def bind(self, parameters: Mapping[str, Any]) -> BoundSystem:
        """The system with parameter values by name, numbers or tensors, for a whole run."""
        values = [parameters[symbol.name] for symbol in self.equations.parameters]
        tensors = [value for value in values if isinstance(value, Tensor)]
        if not tensors:
            return BoundSystem(self, [float(value) for value in self._constants["numpy"](values)])
        dtype, device = tensors[0].dtype, tensors[0].device
        values = [torch.as_tensor(value, dtype=dtype, device=device) for value in values]
        return BoundSystem(self, self._constants["torch"](values))


class BoundSystem:
    """A system with values for everything that holds for a whole run.

    Args:
        system: the generated functions.
        constants: values of what depends on parameters alone.

    Attributes:
        constants: those values.
        mass: entries of M.
        algebraic: rows without mass.
        states: number of the states, which come before the potentials.
        scales: what counts as much of each unknown: the range of a state, a tenth of a volt.
        paces: what a run has to keep up with, by the row of a state.
    """

    def __init__(self, system: System, constants: Values) -> None:
        self._system, self.constants = system, constants
        self.mass: Entries = dict(zip(system.mass_pattern, system.generated_mass(constants), strict=True))
        self.elimination, self.mass_elimination = system.elimination, system.mass_elimination
        self.jacobian_pattern, self.algebraic_pattern = system.jacobian_pattern, system.algebraic_pattern
        self.algebraic_elimination = system.algebraic_elimination
        self.algebraic, self.states = system.equations.algebraic, len(system.equations.bounds)
        self.bounds, self.scales = system.bounds, system.scales
        paces = iter(system.generated_paces(constants))
        self.paces = {row: Pace(next(paces), next(paces)) for row in system.paced}

    def flattened(self, like: Tensor, batch: Sequence[int]) -> BoundSystem:
        """The same with constants of one lane after another, for a batch of that shape, in the type of `like`.

        Numbers become tensors, too: torch chooses between two numbers in its default type, whatever they meet later.
        """
        constants = [torch.as_tensor(c, dtype=like.dtype, device=like.device) for c in self.constants]
        return BoundSystem(self._system, [c.expand(*batch).reshape(-1) if c.ndim else c for c in constants])

    def at(self, lanes: Tensor) -> BoundSystem:
        """The same for some lanes, by their numbers."""
        chosen = [c[lanes] if isinstance(c, Tensor) and c.ndim else c for c in self.constants]
        return BoundSystem(self._system, chosen)

    def initial(self, u: Values) -> list[Any]:
        """y at the start for inputs `u`, zero where M has no row."""
        matrix = self.mass | {(row, row): 1.0 for row in self._system.equations.algebraic}
        charge = self._system.generated_charge(u, self.constants)
        return self.mass_elimination.solve(self.mass_elimination.factor(matrix), charge)

    def flow(self, y: Values, u: Values, du: Values) -> list[Any]:
        """F(y, u, du/dt)."""
        return self._system.generated_flow(y, u, du, self.constants)

    def linearise(self, y: Values, u: Values, du: Values) -> Linearisation:
        """F with its derivatives, sharing common subexpressions."""
        values, n = self.linearised(y, u, du), self._system.size
        end = 2 * n + len(self.jacobian_pattern)
        jacobian = dict(zip(self.jacobian_pattern, values[2 * n : end], strict=True))
        return Linearisation(values[:n], values[n : 2 * n], jacobian, self._by_row(values[end:]))

    def linearised(self, y: Values, u: Values, du: Values) -> list[Any]:
        """The same in a row: F, its slopes along the inputs, entries of dF/dy, J+."""
        return self._system.generated_linearisation(y, u, du, self.constants)

    def massless(self, y: Values, u: Values) -> tuple[list[Any], Entries]:
        """G of the rows without mass, and its derivatives by the unknowns of those rows, numbered among themselves."""
        values = self._system.generated_massless(y, u, [0.0 * value for value in u], self.constants)
        flows = len(self.algebraic)
        return values[:flows], dict(zip(self.algebraic_pattern, values[flows:], strict=True))

    def positive(self, y: Values, u: Values, du: Values) -> dict[int, Any]:
        """J+ of the states that can push themselves further, by their row."""
        return self._by_row(self._system.generated_positive(y, u, du, self.constants))

    def _by_row(self, positive: Values) -> dict[int, Any]:
        return {f.row: value for f, value in zip(self._system.feedbacks, positive, strict=True)}

    def project(self, y: Values) -> list[Any]:
        """y with every state within its bounds."""
        bounds = zip(y, self.bounds, strict=True)
        return [v if bound is None else smaller(larger(v, bound[0]), bound[1]) for v, bound in bounds]

    def waveforms(self, y: Values, u: Values) -> dict[str, Any]:
        """Recorded node potentials and states by name."""
        values = self._system.generated_waveforms(y, u, self.constants)
        return dict(zip(self._system.record, values, strict=True))

    def mass_times(self, vector: Values) -> list[Any]:
        """M applied to a vector; rows without entries give zero."""
        product: list[Any] = [0.0] * len(vector)
        for (row, column), entry in self.mass.items():
            product[row] = product[row] + entry * vector[column]
        return product

    def settle(self, y: Values, u: Values) -> list[Any]:
        """y with the potentials of nodes without a capacitor solved for."""
        return solve_massless(self, y, u)


def _finite(bound: tuple[float, float] | None) -> tuple[float, float] | None:
    return bound if bound is not None and all(map(math.isfinite, bound)) else None
