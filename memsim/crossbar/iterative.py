"""Conjugate gradients on B y = b, many right sides at once (Hestenes and Stiefel, 1952).

B has the Jacobi preconditioner in it. Eliminating all word lines and preconditioning with all bit lines, both by
tridiagonal recurrences, takes a quarter of the iterations or fewer (10 ohm a segment: 10 for 27 with 128 lines, 26 for
94 with 512, 47 for 201 with 1024), but each costs more: measured for one vector in CPU time over that without, 2.0
with 128 lines, 1.2 with 512, 0.9 with 1024, and at 100 ohm 1.2, 0.8 and 0.5. It gains too late to be worth its memory.
"""

from __future__ import annotations

import torch
from torch import Tensor

from memsim.crossbar.system import Scaled

MAX_ITERATIONS = 5000


def conjugate_gradients(matrix: Scaled, right: Tensor, tolerance: float) -> Tensor:
    """Solution y of B y = b, once the norm of every residual is below `tolerance`.

    Ends without complaint after `MAX_ITERATIONS`: the caller checks the residual.

    Args:
        matrix: the operator B.
        right: b, [..., rows, columns], of norm 1 or less; the residual is written over it.
        tolerance: norm of a residual at which its right side is done.
    """
    return (_one if right.ndim == 2 else _many)(matrix, right, tolerance)


def _one(matrix: Scaled, right: Tensor, tolerance: float) -> Tensor:
    """Scalars are numbers here: in a small array, small tensors would take as long as its lines."""
    y = torch.zeros_like(right)
    residual, direction = right, right.clone()
    size = _norm_squared(residual)
    for _ in range(MAX_ITERATIONS):
        if not size > tolerance**2:
            break
        image = matrix(direction)
        length = size / torch.dot(direction.view(-1), image.view(-1)).item()
        y.add_(direction, alpha=length)
        residual.add_(image, alpha=-length)
        before, size = size, _norm_squared(residual)
        direction.mul_(size / before).add_(residual)
    return y


def _norm_squared(x: Tensor) -> float:
    flat = x.view(-1)
    return torch.dot(flat, flat).item()


def _many(matrix: Scaled, right: Tensor, tolerance: float) -> Tensor:
    # a right side that is done goes on beside the others until what is left of it is 0, and 0 / 0 shall be 0
    tiny = torch.finfo(right.dtype).tiny
    y = torch.zeros_like(right)
    residual, direction = right, right.clone()
    size = _dot(residual, residual)
    for _ in range(MAX_ITERATIONS):
        if not bool((size > tolerance**2).any()):
            break
        image = matrix(direction)
        length = size / _dot(direction, image).clamp_(min=tiny)
        y.addcmul_(length, direction)
        residual.addcmul_(length, image, value=-1)
        before, size = size, _dot(residual, residual)
        direction.mul_(size / before.clamp_(min=tiny)).add_(residual)
    return y


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return torch.linalg.vecdot(a.flatten(-2), b.flatten(-2))[..., None, None]
