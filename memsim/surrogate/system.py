"""Generated functions of a circuit's nodal equations, elementwise over torch tensors."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from memsim.circuits.nodal import NodalEquations
from memsim.devices.numeric import Backend, Functions, generate
from memsim.surrogate.elimination import Elimination, Entries
from memsim.surrogate.hoisting import Hoister

Values = Sequence[Any]
NEWTON_STEPS = 50
"""Newton iterations allowed for the potentials of nodes without a capacitor at the start of a run."""
MILLIVOLT = 1e-3
"""Potentials below this count as this when Newton's method asks whether it has converged."""


@dataclass(frozen=True)
class Linearisation:
    """The equations around one point: F, its slope along the inputs, and the entries of dF/dy."""

    flow: list[Any]
    input_slope: list[Any]
    jacobian: Entries


class System:
    """F, dF/dt and dF/dy of nodal equations, with everything that depends on parameters alone taken out.

    Args:
        equations: the symbolic equations.
        backend: what the generated functions compute with.
        record: names of the waveforms to compute; all where None.

    Attributes:
        constants: number of values that hold for a whole run.
        record: names of the computed waveforms.
    """

    def __init__(
        self,
        equations: NodalEquations,
        backend: Backend | Functions = "torch",
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
        self.generated_flow = generate(arguments, flow, backend)
        self.generated_linearisation = generate(arguments, [*flow, *slope, *jacobian], backend)
        self.generated_mass = generate([constants], mass, backend)
        self.generated_charge = generate((equations.inputs, constants), charge, backend)
        self.generated_waveforms = generate(
            (equations.unknowns, equations.inputs, constants), waveforms, backend
        )
        self.elimination = Elimination(self.size, {*self.mass_pattern, *self.jacobian_pattern})
        self.mass_elimination = Elimination(self.size, self.mass_pattern)
        rows = equations.algebraic
        self.algebraic_pattern = [key for key in self.jacobian_pattern if key[0] in rows and key[1] in rows]
        self.algebraic_elimination = Elimination(self.size, self.algebraic_pattern)

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
    """

    def __init__(self, system: System, constants: Values) -> None:
        self._system, self.constants = system, constants
        self.mass: Entries = dict(zip(system.mass_pattern, system.generated_mass(constants), strict=True))
        self.elimination, self.mass_elimination = system.elimination, system.mass_elimination
        self.jacobian_pattern = system.jacobian_pattern

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
        values, n = self._system.generated_linearisation(y, u, du, self.constants), self._system.size
        jacobian = dict(zip(self._system.jacobian_pattern, values[2 * n :], strict=True))
        return Linearisation(values[:n], values[n : 2 * n], jacobian)

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
        """Solve the rows without mass for their unknowns by Newton's method; the last step carries the gradient."""
        if not self._system.equations.algebraic:
            return list(y)
        with torch.no_grad():
            for _ in range(NEWTON_STEPS):
                change = self._newton_change(y, u)
                y = _subtract(y, change)
                size = max(float(y[i].abs().max()) for i in change)
                tolerance = 8 * torch.finfo(y[0].dtype).eps * max(size, MILLIVOLT)
                if max(float(step.abs().max()) for step in change.values()) <= tolerance:
                    break
        return _subtract(y, self._newton_change(y, u))

    def _newton_change(self, y: Values, u: Values) -> dict[int, Any]:
        rows = self._system.equations.algebraic
        point = self.linearise(y, u, [torch.zeros_like(value) for value in u])
        matrix = {key: point.jacobian[key] for key in self._system.algebraic_pattern}
        matrix |= {(i, i): 1.0 for i in range(self._system.size) if i not in rows}
        right = [flow if i in rows else 0.0 for i, flow in enumerate(point.flow)]
        elimination = self._system.algebraic_elimination
        solution = elimination.solve(elimination.factor(matrix), right)
        return {i: solution[i] for i in rows}


def _subtract(y: Values, change: Mapping[int, Any]) -> list[Any]:
    return [value - change[i] if i in change else value for i, value in enumerate(y)]
