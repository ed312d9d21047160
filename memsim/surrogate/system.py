"""Generated functions of a circuit's nodal equations, elementwise over torch tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp
import torch
from torch import Tensor

from memsim.circuits.nodal import NodalEquations
from memsim.devices.numeric import generate
from memsim.surrogate.elimination import Elimination, Entries
from memsim.surrogate.hoisting import Hoister

Values = Sequence[Any]


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
    """

    def __init__(self, equations: NodalEquations) -> None:
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
        waveforms = hoist(list(equations.waveforms.values()))
        constants = list(hoist.constants)
        arguments = (*variables, constants)
        self._constants = {
            backend: generate([list(equations.parameters)], list(hoist.constants.values()), backend)
            for backend in ("numpy", "torch")
        }
        self._flow = generate(arguments, flow, "torch")
        self._linearised = generate(arguments, [*flow, *slope, *jacobian], "torch")
        self._mass = generate([constants], mass, "torch")
        self._charge = generate((equations.inputs, constants), charge, "torch")
        self._waveforms = generate((equations.unknowns, equations.inputs, constants), waveforms, "torch")
        self.elimination = Elimination(self.size, {*self.mass_pattern, *self.jacobian_pattern})
        self.mass_elimination = Elimination(self.size, self.mass_pattern)
        rows = equations.algebraic
        self.algebraic_pattern = [key for key in self.jacobian_pattern if key[0] in rows and key[1] in rows]
        self.algebraic_elimination = Elimination(self.size, self.algebraic_pattern)

    def constants(self, parameters: Mapping[str, Any]) -> list[Any]:
        """Values that hold for a whole run, from parameter values by name (numbers or tensors)."""
        values = [parameters[symbol.name] for symbol in self.equations.parameters]
        tensors = [value for value in values if isinstance(value, Tensor)]
        if not tensors:
            return [float(value) for value in self._constants["numpy"](values)]
        like = tensors[0]
        return self._constants["torch"](
            [torch.as_tensor(v, dtype=like.dtype, device=like.device) for v in values]
        )

    def mass(self, constants: Values) -> Entries:
        """Entries of M."""
        return dict(zip(self.mass_pattern, self._mass(constants), strict=True))

    def initial(self, u: Values, constants: Values) -> list[Any]:
        """y at the start for inputs `u`, zero where M has no row."""
        matrix = self.mass(constants) | {(row, row): 1.0 for row in self.equations.algebraic}
        return self.mass_elimination.solve(self.mass_elimination.factor(matrix), self._charge(u, constants))

    def flow(self, y: Values, u: Values, du: Values, constants: Values) -> list[Any]:
        """F(y, u, du/dt)."""
        return self._flow(y, u, du, constants)

    def linearise(self, y: Values, u: Values, du: Values, constants: Values) -> Linearisation:
        """F with its derivatives, sharing common subexpressions."""
        values = self._linearised(y, u, du, constants)
        n = self.size
        jacobian = dict(zip(self.jacobian_pattern, values[2 * n :], strict=True))
        return Linearisation(values[:n], values[n : 2 * n], jacobian)

    def waveforms(self, y: Values, u: Values, constants: Values) -> dict[str, Any]:
        """Every node potential and state by name."""
        return dict(zip(self.equations.waveforms, self._waveforms(y, u, constants), strict=True))


def mass_times(mass: Mapping[tuple[int, int], Any], vector: Values) -> list[Any]:
    """M applied to a vector; rows without entries give zero."""
    product: list[sp.Expr | Any] = [0.0] * len(vector)
    for (row, column), entry in mass.items():
        product[row] = product[row] + entry * vector[column]
    return product
