"""Conjugate gradients on B y = b, many right sides at once (Hestenes and Stiefel, 1952).

B has the Jacobi preconditioner in it. Line by line (`lines`) fewer iterations do, each of which costs more. Measured
with cells of 1 to 100 uS, one vector, to 1e-12:

    lines, ohm a segment      iterations      line by line     CPU time over that line by line, with its setup
    128, 10 and 100                 -         10, 22                0.8,  1.8
    256, 1, 10 and 100         18, 48, 200     8, 16, 40       0.6, 1.1,  2.5
    512, 1, 10 and 100         29, 94, 444    11, 28, 78       1.5, 2.9,  6.4
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
        right: b, [..., rows, columns], of norm 1 or less; the residual may be written over it.
        tolerance: norm of a residual at which its right side is done.
    """
    return (_one if right.ndim == 2 else _many)(matrix, right.contiguous(), tolerance)


def _one(matrix: Scaled, right: Tensor, tolerance: float) -> Tensor:
    """Scalars are numbers here: in a small array, small tensors would take as long as its lines.

    B is nearly 1 where wires are short, so that y = b is a better start than 0.
    """
    y = right.clone()
    residual = right.sub_(matrix(right))
    direction = residual.clone()
    left, along = residual.view(-1), direction.view(-1)
    size, goal = torch.dot(left, left).item(), tolerance**2
    for _ in range(MAX_ITERATIONS):
        if not size > goal:
            break
        image = matrix(direction)
        length = size / torch.dot(along, image.reshape(-1)).item()
        y.add_(direction, alpha=length)
        residual.add_(image, alpha=-length)
        before, size = size, torch.dot(left, left).item()
        if size > goal:
            direction.mul_(size / before).add_(residual)
    return y


def _many(matrix: Scaled, right: Tensor, tolerance: float) -> Tensor:
    # a right side that is done goes on beside the others until what is left of it is 0, and 0 / 0 shall be 0
    tiny = torch.finfo(right.dtype).tiny
    y = torch.zeros_like(right)
    residual, direction = right, right.clone()
    size = dot(residual, residual)
    for _ in range(MAX_ITERATIONS):
        if not bool((size > tolerance**2).any()):
            break
        image = matrix(direction)
        length = size / dot(direction, image).clamp_(min=tiny)
        y.addcmul_(length, direction)
        residual.addcmul_(length, image, value=-1)
        before, size = size, dot(residual, residual)
        direction.mul_(size / before.clamp_(min=tiny)).add_(residual)
    return y


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Scalar products of arrays [..., rows, columns], [..., 1, 1]."""
    if a.ndim == 2:  # vecdot would make the product first
        return torch.dot(a.reshape(-1), b.reshape(-1))[None, None]
    return torch.linalg.vecdot(a.flatten(-2), b.flatten(-2))[..., None, None]
