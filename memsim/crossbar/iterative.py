"""Conjugate gradients on B y = b, many right sides at once (Hestenes and Stiefel, 1952)."""

from __future__ import annotations

import torch
from torch import Tensor

from memsim.crossbar.system import Scaled

MAX_ITERATIONS = 5000


def conjugate_gradients(matrix: Scaled, right: Tensor, target: Tensor) -> Tensor:
    """Solution y of B y = b, each right side until the norm of its residual is below its target.

    Ends without complaint after `MAX_ITERATIONS`: the caller checks the residual.

    Args:
        matrix: the operator B.
        right: b, [..., rows, columns].
        target: norm of the residual at which a right side is done, [..., 1, 1].
    """
    y = torch.zeros_like(right)
    residual = right.clone()
    direction = right.clone()
    size = _dot(residual, residual)
    for _ in range(MAX_ITERATIONS):
        waiting = size > target.square()
        if not bool(waiting.any()):
            break
        image = matrix(direction)
        # right sides that are done rest: what is left of theirs is rounding, and may be 0 / 0
        length = torch.where(waiting, size / _dot(direction, image), 0)
        y.addcmul_(length, direction)
        residual.addcmul_(length, image, value=-1)
        before, size = size, torch.where(waiting, _dot(residual, residual), size)
        direction.mul_(torch.where(waiting, size / before, 0)).add_(residual)
    return y


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return torch.linalg.vecdot(a.flatten(-2), b.flatten(-2))[..., None, None]
