"""Solution of a crossbar and its derivatives.

At the solution I* of (1/G + K) I = e, a Jacobi step leaves I as it is: I* = s^2 (e - (K - k) I*). Let t be the
right side with I* held fixed. For any change of G, K or e

    (1/G + K) dI = (1/G + k) dt,

so a gradient a with respect to I becomes the gradient (1/G + k) c = a - (K - k) c with respect to t, where c solves
the same symmetric system for the source a. One solve, whatever the parameters; autograd does the rest, from t on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from memsim.crossbar.direct import factorise
from memsim.crossbar.iterative import conjugate_gradients
from memsim.crossbar.lines import lines
from memsim.crossbar.system import Scaled, System
from memsim.errors import ConvergenceError, InputError

Method = Literal["auto", "iterative", "lines", "direct"]

TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-6}
REMEDY = 'use float64, give shorted cells less conductance or `method="iterative"`, or accept a larger `tolerance`.'
# Where elimination has cost less than conjugate gradients: 64 to 256 columns, 1 to 100 uS cells, 1 and 10 ohm.
_DIRECT_FROM = 16
_COLUMNS_PER_VECTOR = 4
_FACTOR_BYTES = 2**30
# Weight of wires from which on lines have cost less than plain conjugate gradients: see `iterative`.
_LINES_FROM = 6000
# Elements solved at a time on a CPU: conjugate gradients want to stay in its caches, matrix products to be large.
_ITERATIVE_CHUNK = 2**16
_DIRECT_CHUNK = 2**20
_REFINEMENTS = 4

Solve = Callable[[Tensor], Tensor]
Invert = Callable[[Tensor, float], Tensor]


def cell_currents(system: System, source: Tensor, *, method: Method, tolerance: float | None) -> Tensor:
    """Current of each cell, differentiable in everything that `system` and `source` were made of.

    Args:
        system: the arrays.
        source: voltage that each cell would see without wires, to be broadcast to [..., rows, columns], in V.
        method: see `prefers_direct`.
        tolerance: residual over right side; `TOLERANCE` where None.

    Returns:
        [..., rows, columns] in A.

    Raises:
        ConvergenceError: the residual stayed above ten times the tolerance.
    """
    source = system.broadcast(source)
    solve = solver_of(system, source.shape, method, tolerance_of(source, tolerance))
    with torch.no_grad():
        current = solve(source)
    if not (torch.is_grad_enabled() and (source.requires_grad or system.own.requires_grad)):
        return current
    return with_gradients(system, source, current, solve)


def with_gradients(system: System, source: Tensor, current: Tensor, solve: Solve) -> Tensor:
    """The solution `current` for `source`, differentiable in what both arguments before it were made of."""
    remaining = system.remaining(source, current)
    own = remaining - system.float_voltage(remaining).detach()
    return _Implicit.apply(system.squared_scale * own, current, solve, system)


def prefers_direct(columns: int, vectors: int, method: Method) -> bool:
    """Whether to eliminate: for `auto` from 16 vectors an array on, with more than 64 columns from columns / 4 on."""
    if method not in get_args(Method):
        raise InputError(f"method = {method!r} is unknown; use {', '.join(get_args(Method))}")
    if method != "auto":
        return method == "direct"
    return vectors >= max(_DIRECT_FROM, columns // _COLUMNS_PER_VECTOR)


def prefers_lines(matrix: Scaled, method: Method) -> bool:
    """Whether to iterate line by line: for `auto` on a CPU where the wires of an array weigh enough.

    Their weight is the sum over cells of k G / (1 + k G): how many cells there are, times the share of wires in
    the voltage of a cell that is on alone.
    """
    if method != "auto":
        return method == "lines"
    arrays = matrix.own.shape[:-2].numel()
    if matrix.own.device.type != "cpu" or matrix.own.numel() <= _LINES_FROM * arrays:
        return False
    return matrix.own.numel() - matrix.own.sum().item() >= _LINES_FROM * arrays


def tolerance_of(like: Tensor, tolerance: float | None) -> float:
    """The tolerance asked for, or the default of this precision."""
    if tolerance is None:
        return TOLERANCE.get(like.dtype, 1e-6)
    if not 0 < tolerance < 1:
        raise InputError(f"tolerance = {tolerance!r} is out of range; allowed: between 0 and 1")
    return tolerance


class _Implicit(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, _step: Tensor, current: Tensor, solve: Solve, system: System) -> Tensor:
        ctx.solve, ctx.system = solve, system
        return current.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        remaining = ctx.system.remaining(gradient, ctx.solve(gradient))
        return remaining - ctx.system.float_voltage(remaining), None, None, None


@contextmanager
def no_breakdown() -> Iterator[None]:
    """Says what to do where a matrix of an elimination is singular in this precision."""
    try:
        yield
    except torch.linalg.LinAlgError as cause:  # type: ignore[attr-defined]
        raise ConvergenceError(f"the elimination of a crossbar broke down: {cause}", remedy=REMEDY) from cause


@dataclass(frozen=True, eq=False)
class _Solver:
    """Sources to cell currents; `invert` takes right sides of norm 1 and the norm their residuals shall have."""

    matrix: Scaled
    invert: Invert
    tolerance: float
    chunk: int

    def __call__(self, source: Tensor) -> Tensor:
        """Currents for sources [..., rows, columns]; many vectors on one array go by as many as caches hold."""
        if self.matrix.scale.ndim > 2 or source.ndim == 2:
            return self._solve(source)
        if source.shape[:-2].numel() == 1:
            return self._solve(source.view(source.shape[-2:])).view(source.shape)
        vectors = source.flatten(0, -3)
        if source.device.type != "cpu":
            return self._solve(source)
        current = torch.empty(vectors.shape, dtype=source.dtype)
        size = self.chunk // self.matrix.scale.numel()
        parts = (vectors.split(size), current.split(size)) if size > 1 else (vectors, current)
        for some, place in zip(*parts, strict=True):
            place.copy_(self._solve(some))
        return current.reshape(source.shape)

    def _solve(self, source: Tensor) -> Tensor:
        """Currents whose residual was seen to be small, improved where it was not."""
        right = self.matrix.scale * source
        norm = torch.linalg.vector_norm(right, dim=(-2, -1), keepdim=True).clamp_(
            min=torch.finfo(right.dtype).tiny
        )
        # of norm 1 before the projection: what that leaves may be rounding only, which need not be followed
        y = self.matrix.project(self.invert(self.matrix.project(right.div_(norm)), self.tolerance))
        del right  # written over; large arrays are short of memory, not of sums
        for _ in range(_REFINEMENTS):
            residual = self._residual(source, norm, y)
            if torch.linalg.vector_norm(residual, dim=(-2, -1)).max().item() <= 10 * self.tolerance:
                return y.mul_(self.matrix.scale).mul_(norm)
            y += self.matrix.project(self.invert(residual, self.tolerance))
        raise _not_converged(self._residual(source, norm, y), self.tolerance)

    def _residual(self, source: Tensor, norm: Tensor, y: Tensor) -> Tensor:
        right = self.matrix.project((self.matrix.scale * source).div_(norm))
        return right.sub_(self.matrix(y))


def solver_of(system: System, shape: torch.Size, method: Method, tolerance: float) -> Solve:
    """Function from sources of this shape to cell currents."""
    matrix = system.scaled()
    arrays = matrix.scale.numel()
    fits = method == "direct" or 2 * arrays * shape[-1] * matrix.scale.element_size() <= _FACTOR_BYTES
    if not (prefers_direct(shape[-1], shape.numel() // arrays, method) and fits):
        return _Solver(matrix, _iteration(system, matrix, method), tolerance, _ITERATIVE_CHUNK)
    with torch.no_grad(), no_breakdown():
        factors = factorise(matrix)
    return _Solver(matrix, lambda right, _: factors.solve(right), tolerance, _DIRECT_CHUNK)


def _iteration(system: System, matrix: Scaled, method: Method) -> Invert:
    if not prefers_lines(matrix, method):
        return partial(conjugate_gradients, matrix)
    with torch.no_grad():
        return lines(matrix, system.conductance.detach()).solve


def _not_converged(residual: Tensor, tolerance: float) -> ConvergenceError:
    relative = torch.nan_to_num(residual.norm(dim=(-2, -1)), nan=torch.inf)
    worst = torch.unravel_index(relative.argmax(), relative.shape) if relative.ndim else ()
    row, column = torch.unravel_index(residual[worst].abs().argmax(), residual.shape[-2:])
    return ConvergenceError(
        f"the currents of a crossbar did not converge: residual {relative.max().item():.2g} of the right side, "
        f"asked for {tolerance:.2g}; it is largest at cell [{int(row)}, {int(column)}]",
        remedy=REMEDY,
    )
