"""The matrix that a crossbar with wires multiplies with, and its derivatives.

Word lines are eliminated one after the other, as in `direct`. With T_i = s_i B_i^-1 s_i, the admittance of word line i
at the bit lines, all word lines down to i have, one segment r_i below, the admittance S_i, and send the currents H_i
per volt on each of them into bit lines that are held:

    N_i = S_{i-1} + T_i,   M_i = (1 + N_i diag(r_i))^-1,   S_i = M_i N_i,   H_i = M_i [H_{i-1}, T_i 1].

Below the last segment H is the matrix, but for floating lines. Upwards, the voltages b_i of the bit lines at row i,
the currents q_i = H_i e - S_i b_{i+1} in the segments, b_i = b_{i+1} + r_i q_i, and the currents T_i (e_i - b_i) of
the cells follow for each word line at 1 V. So they do (with ') for bit lines held at -A, where A is the derivative of
a loss L with respect to the matrix. By Tellegen's theorem the two give all derivatives, summed over word lines,

    dL/dG = sum v v'  for the voltages of each cell,   dL/dr = -sum i i'  for the currents in each segment.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from memsim.crossbar.direct import end_voltage, inverse, loaded, segment
from memsim.crossbar.system import Scaled, System
from memsim.crossbar.wires import Drops

# What the matrices kept for derivatives may take; those of a larger array are made again, as many rows at a time.
_KEPT_BYTES = 2**29


class _Row(NamedTuple):
    """A word line once it is eliminated: T and S, [..., columns, columns], and H^T, [..., lines so far, columns]."""

    number: int
    own: Tensor
    seen: Tensor
    sent: Tensor


def effective(array: System) -> Tensor:
    """Bit line currents per word line voltage, [..., rows, columns] in S, differentiable in all of the array."""
    drop = array.drop
    if array.columns > array.rows and drop.right is None and drop.floating is None:
        # reciprocity: bit lines driven and word lines sensed give the transpose, and have smaller matrices
        return effective(_turned(array)).mT.flip(-1, -2)
    return _Effective.apply(array, array.conductance, drop.word, drop.bit, drop.right)


def _turned(array: System) -> System:
    """The same array with word lines for bit lines: transposed, its drivers and sense ends where they belong."""
    given = array.conductance, array.own, array.drop.word, array.drop.bit
    conductance, own, word, bit = (part.mT.flip(-1, -2) for part in given)
    return System(conductance, Drops(bit, word, None, None), own)


class _Effective(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, array: System, *parts: Tensor | None) -> Tensor:
        ctx.shapes = [None if part is None else part.shape for part in parts]
        ctx.matrix, ctx.spans = array.scaled(), []
        spans = _spans(ctx.matrix)
        above: _Row | None = None
        for span in spans:
            rows = _eliminate(ctx.matrix, span, above)
            kept = list(rows) if len(spans) == 1 and any(ctx.needs_input_grad) else None
            ctx.spans.append((span, above, kept))
            above = (kept or deque(rows, maxlen=1))[-1]
        ctx.last = above
        return (
            ctx.last.sent
            - end_voltage(ctx.matrix, ctx.last.seen[..., None, :, :], ctx.last.sent) @ ctx.last.seen
        )

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        below = _below(ctx.matrix, ctx.last, gradient)
        found: list[tuple[Tensor, ...]] = []
        for span, above, kept in reversed(ctx.spans):
            for row in reversed(kept or list(_eliminate(ctx.matrix, span, above))):
                below, derivatives = _upwards(ctx.matrix, row, below)
                found.append(derivatives)
        whole = (torch.stack(parts[::-1], -2) for parts in zip(*found, strict=True))
        pairs = zip(ctx.shapes, whole, strict=True)
        return None, *(None if shape is None else part.sum_to_size(shape) for shape, part in pairs)


def _spans(matrix: Scaled) -> list[range]:
    """Rows in groups whose matrices fit into `_KEPT_BYTES`."""
    rows, columns = matrix.scale.shape[-2:]
    row_bytes = matrix.scale[..., 0, :].numel() * (2 * columns + rows) * matrix.scale.element_size()
    size = max(1, _KEPT_BYTES // row_bytes)
    return [range(start, min(start + size, rows)) for start in range(0, rows, size)]


def _eliminate(matrix: Scaled, rows: range, above: _Row | None) -> Iterator[_Row]:
    for number in rows:
        scale = matrix.scale[..., number, :]
        seen = own = scale[..., :, None] * inverse(matrix, number) * scale[..., None, :]
        sent = own.sum(-1, keepdim=True)
        if above is not None:
            seen, sent = own + above.seen, torch.cat([above.sent.mT, sent], -1)
        both = torch.linalg.solve(loaded(matrix, number, seen), torch.cat([seen, sent], -1))
        above = _Row(number, own, both[..., : seen.shape[-1]], both[..., seen.shape[-1] :].mT)
        yield above


def _below(matrix: Scaled, last: _Row, gradient: Tensor) -> Tensor:
    """Bit line voltages below the last row, [..., 2 rows, columns]: for each word line at 1 V, then for each A_a."""
    floating = matrix.drop.floating
    held = -gradient if floating is None else -gradient.masked_fill(floating, 0)
    below = torch.cat([torch.zeros_like(held), held], -2)
    flow = torch.cat([last.sent, torch.zeros_like(last.sent)], -2) - below @ last.seen
    return below + end_voltage(matrix, last.seen[..., None, :, :], flow)


def _upwards(matrix: Scaled, row: _Row, below: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Bit line voltages at a row, and derivatives for its cells, word and bit line segments and right end."""
    drop, number = matrix.drop, row.number
    flow = -(below @ row.seen)
    flow[..., : number + 1, :] += row.sent
    here = below + segment(matrix, number)[..., None, :] * flow
    left = -here
    left[..., number, :] += 1
    current = left @ row.own
    carried = current.flip(-1).cumsum(-1).flip(-1)
    back = torch.zeros_like(carried[..., :1])
    if drop.share is not None:
        back = (_of_row(drop.share, number) * current).sum(-1, keepdim=True)
        carried = carried - back
    voltage = left - (_of_row(drop.word, number) * carried).cumsum(-1)
    return here, (_paired(voltage), -_paired(carried), -_paired(flow), -_paired(back))


def _of_row(lines: Tensor, number: int) -> Tensor:
    return lines[..., min(number, lines.shape[-2] - 1), None, :]


def _paired(both: Tensor) -> Tensor:
    """Sum over word lines of what flows or drops in the array times the same of its adjoint."""
    one, other = both.chunk(2, -2)
    return (one * other).sum(-2)
