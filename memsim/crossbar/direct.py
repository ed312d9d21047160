"""Elimination of a crossbar word line by word line, for many input vectors on one array.

With the bit lines at voltages b_i where they cross it, word line i has scaled currents

    y_i = B_i^-1 (t_i - s_i b_i),   B_i = diag(1 / (1 + k G_i)) + s_i K_w,i s_i   dense, of size columns,

for a right side t. All word lines down to i, looked at from one segment r_i below, are a Norton source: into bit
lines that are held at b_{i+1} they send the currents q_i = h_i - S_i b_{i+1}, where

    N_i = S_{i-1} + s_i B_i^-1 s_i,      M_i = (1 + N_i diag(r_i))^-1 = 1 - S_i diag(r_i),
    S_i = M_i N_i,                       h_i = M_i (h_{i-1} + s_i B_i^-1 t_i).

Below the last segment b is 0, or what makes the current of a floating line 0. Upwards, b_i = b_{i+1} + r_i q_i.
Each row costs some products of columns x columns matrices, and each right side three products with a vector.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from memsim.crossbar.system import Scaled


@dataclass(frozen=True, eq=False)
class Factors:
    """B_i^-1 and S_i of each row, [..., columns, columns]; 2 rows x columns^2 numbers in all."""

    matrix: Scaled
    inverses: list[Tensor]
    admittances: list[Tensor]

    def solve(self, right: Tensor) -> Tensor:
        """Solution y of B y = t for right sides t [..., rows, columns]."""
        own, sent = [], []
        current = torch.zeros_like(right[..., 0, :])
        for row, (inverted, admittance) in enumerate(zip(self.inverses, self.admittances, strict=True)):
            own.append(times(right[..., row, :], inverted))
            current = current + self.matrix.scale[..., row, :] * own[-1]
            current = current - times(segment(self.matrix, row) * current, admittance)
            sent.append(current)
        below = end_voltage(self.matrix, self.admittances[-1], current)
        rows = []
        for row in reversed(range(len(own))):
            flow = sent[row] - times(below, self.admittances[row])
            below = below + segment(self.matrix, row) * flow
            rows.append(own[row] - times(self.matrix.scale[..., row, :] * below, self.inverses[row]))
        return torch.stack(rows[::-1], -2)


def factorise(matrix: Scaled) -> Factors:
    """Eliminate all word lines, for `Factors.solve`."""
    inverses: list[Tensor] = []
    admittances: list[Tensor] = []
    for row in range(matrix.scale.shape[-2]):
        inverses.append(inverse(matrix, row))
        scale = matrix.scale[..., row, :]
        own = scale[..., :, None] * inverses[-1] * scale[..., None, :]
        seen = own + admittances[-1] if admittances else own
        admittances.append(torch.linalg.solve(loaded(matrix, row, seen), seen))
    return Factors(matrix, inverses, admittances)


def inverse(matrix: Scaled, row: int) -> Tensor:
    """B_i^-1 of a row, [..., columns, columns]."""
    scale = matrix.scale[..., row, :]
    block = scale[..., :, None] * matrix.drop.word_line_matrix(row) * scale[..., None, :]
    block.diagonal(dim1=-2, dim2=-1).add_(matrix.own[..., row, :])
    return torch.cholesky_inverse(torch.linalg.cholesky(block))


def loaded(matrix: Scaled, row: int, seen: Tensor) -> Tensor:
    """1 + N diag(r)."""
    return (
        torch.eye(seen.shape[-1], dtype=seen.dtype, device=seen.device)
        + seen * segment(matrix, row)[..., None, :]
    )


def segment(matrix: Scaled, row: int) -> Tensor:
    """r_i below a row, [..., columns or 1] in ohm."""
    return matrix.drop.bit[..., row, :]


def end_voltage(matrix: Scaled, admittance: Tensor, sent: Tensor) -> Tensor:
    """Voltage of the floating lines below the last segment, 0 for all others, like `sent`."""
    floating = matrix.drop.floating
    voltage = torch.zeros_like(sent)
    if floating is not None:
        block = admittance[..., floating, :][..., floating]
        voltage[..., floating] = torch.linalg.solve(block, sent[..., floating, None])[..., 0]
    return voltage


def times(vectors: Tensor, matrices: Tensor) -> Tensor:
    """Products of vectors [..., k] with the matrix of their array [..., k, l]; as one product where they share it."""
    if matrices.ndim == 2:
        return vectors @ matrices
    if matrices.shape[-3] == 1:
        return vectors @ matrices[..., 0, :, :]
    return (vectors[..., None, :] @ matrices)[..., 0, :]
