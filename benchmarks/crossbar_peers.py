"""The solvers beside memsim, each as a function from one array and its vectors to column currents.

All take conductances g [rows, columns] in S, voltages v [batch, rows] in V and one resistance for every segment in
ohm, drive at the left and hold the bit lines at virtual ground, and return [batch, columns] in A.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import badcrossbar
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_array, csc_array
from scipy.sparse.linalg import splu

from memsim import spice
from memsim.crossbar import Wires, column_currents, crossbar_deck, effective_conductance

logging.getLogger("badcrossbar").setLevel(logging.WARNING)

Array = NDArray[np.float64]
Solver = Callable[[Array, Array, float], Array]


def memsim(g: Array, v: Array, ohm: float) -> Array:
    """memsim's own choice of method, at its default tolerance."""
    return column_currents(torch.from_numpy(g), torch.from_numpy(v), Wires(ohm, ohm)).numpy()


def memsim_coarse(g: Array, v: Array, ohm: float) -> Array:
    """memsim at the tolerance that CrossSim is given here."""
    return column_currents(torch.from_numpy(g), torch.from_numpy(v), Wires(ohm, ohm), tolerance=1e-6).numpy()


def memsim_gradient(g: Array, v: Array, ohm: float) -> Array:
    """memsim with derivatives for all conductances and voltages."""
    conductance, voltage = torch.from_numpy(g).requires_grad_(), torch.from_numpy(v).requires_grad_()
    currents = column_currents(conductance, voltage, Wires(ohm, ohm))
    currents.square().sum().backward()
    return currents.detach().numpy()


@cache
def _matrix(key: int, ohm: float) -> torch.Tensor:
    return effective_conductance(_arrays[key], Wires(ohm, ohm))


_arrays: dict[int, torch.Tensor] = {}


def memsim_cached(g: Array, v: Array, ohm: float) -> Array:
    """memsim once the effective matrix of the array is there: all calls but the first."""
    _arrays[id(g)] = torch.from_numpy(g)
    return (torch.from_numpy(v) @ _matrix(id(g), ohm)).numpy()


def matmul(g: Array, v: Array, ohm: float) -> Array:
    """No wires at all: the plain product, what `memsim cached` is measured against."""
    del ohm
    return (torch.from_numpy(v) @ torch.from_numpy(g)).numpy()


def badcrossbar_solver(g: Array, v: Array, ohm: float) -> Array:
    """badcrossbar, from resistances."""
    return np.asarray(badcrossbar.compute(v.T, 1 / g, ohm).currents.output)


def nodal_matrix(g: Array, ohm: float) -> csc_array:
    """Nodal conductances; unknowns are the word line nodes, then the bit line nodes, row by row."""
    m, n = g.shape
    word = np.arange(m * n).reshape(m, n)
    bit = word + m * n
    wire = 1 / ohm
    pairs = [
        (word, bit, g),
        (word[:, 1:], word[:, :-1], np.full((m, n - 1), wire)),
        (bit[1:], bit[:-1], np.full((m - 1, n), wire)),
    ]
    diagonal = np.zeros(2 * m * n)
    diagonal[word[:, 0]] += wire
    diagonal[bit[-1]] += wire
    parts = [(np.arange(2 * m * n), np.arange(2 * m * n), diagonal)]
    for one, other, value in pairs:
        a, b, x = one.ravel(), other.ravel(), value.ravel()
        parts += [(a, b, -x), (b, a, -x), (a, a, x), (b, b, x)]
    row, column, value = (np.concatenate(part) for part in zip(*parts, strict=True))
    return coo_array((value, (row, column))).tocsc()


def _sources(g: Array, v: Array, ohm: float) -> Array:
    m, n = g.shape
    right = np.zeros((2 * m * n, len(v)))
    right[np.arange(m) * n] = v.T / ohm
    return right


def _column_currents(g: Array, nodes: Array, ohm: float) -> Array:
    return nodes[-g.shape[1] :].T / ohm


def _superlu(matrix: csc_array) -> Callable[[Array], Array]:
    """SuperLU in the order and mode that suit a symmetric matrix."""
    options = {"SymmetricMode": True}
    return splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options).solve


def _cholesky(matrix: csc_array) -> Callable[[Array], Array]:
    from sksparse.cholmod import cholesky

    return cholesky(matrix)


def scipy_sparse(g: Array, v: Array, ohm: float) -> Array:
    """Nodal analysis by SciPy alone."""
    return _column_currents(g, _superlu(nodal_matrix(g, ohm))(_sources(g, v, ohm)), ohm)


def cholmod(g: Array, v: Array, ohm: float) -> Array:
    """Nodal analysis with a sparse Cholesky factorisation."""
    return _column_currents(g, _cholesky(nodal_matrix(g, ohm))(_sources(g, v, ohm)), ohm)


def reference(g: Array, v: Array, ohm: float) -> Array:
    """Nodal analysis with one step of refinement."""
    matrix, right = nodal_matrix(g, ohm), _sources(g, v, ohm)
    solve = (_cholesky if find_spec("sksparse") else _superlu)(matrix)
    nodes = solve(right)
    nodes += solve(right - matrix @ nodes)
    return _column_currents(g, nodes, ohm)


def ngspice(g: Array, v: Array, ohm: float) -> Array:
    """One operating point for each vector, each in a process of its own."""
    currents = []
    for vector in v:
        waves = spice.simulate(crossbar_deck(torch.from_numpy(g), torch.from_numpy(vector), Wires(ohm, ohm)))
        currents.append([float(waves[f"i(vsense{column})"]) for column in range(g.shape[1])])
    return np.array(currents)


def crosssim(checkout: str, tolerance: float = 1e-6) -> Solver:
    """The circuit solver of a CrossSim checkout by itself, without the layers around it."""
    sys.path.insert(0, checkout)
    from simulator.backend import ComputeBackend
    from simulator.circuits.array.NonInterleaved_InputSource import NoninterleavedInputSourceArray
    from simulator.parameters.core_parameters import CoreStyle

    ComputeBackend(use_gpu=False)

    def solve(g: Array, v: Array, ohm: float) -> Array:
        largest = g.max()
        array = NoninterleavedInputSourceArray(
            _crosssim_parameters(ohm * largest, tolerance, CoreStyle.OFFSET)
        )
        # to CrossSim an array is [outputs, inputs], conductances and voltages are shares of the largest
        currents = array.iterative_solve((g / largest).T.copy(), (v[0] if len(v) == 1 else v.T) / v.max())
        return np.atleast_2d(currents.T) * largest * v.max()

    return solve


def _crosssim_parameters(resistance: float, tolerance: float, style: Any) -> SimpleNamespace:
    parasitics = SimpleNamespace(
        Rp_row_norm=resistance, Rp_col_norm=resistance, Rp_row_terminal_norm=0, Rp_col_terminal_norm=0
    )
    device = SimpleNamespace(nonlinear_IV=SimpleNamespace(enable=False))
    simulation = SimpleNamespace(
        fast_matmul=True,
        Niters_max_parasitics=100,
        Verr_th_mvm=tolerance,
        hide_convergence_msg=True,
        Verr_matmul_criterion="max_max",
        relaxation_gamma=1.0,
    )
    return SimpleNamespace(
        xbar=SimpleNamespace(array=SimpleNamespace(parasitics=parasitics), device=device),
        simulation=simulation,
        core=SimpleNamespace(style=style),
    )
