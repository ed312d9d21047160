"""The matrix that a crossbar with wires multiplies with, from blocks of cells that are merged two by two.

A block of lines has the inputs x = (u, j, d, t): voltages u at the left ends of its word lines, currents j out of
their right ends, voltages d below its bit lines, currents t into their tops. Its outputs are y = (a, v, -q, -h):
currents into the left, voltages at the right, less the currents out of the bottom, less the voltages at the top. With
these signs y = H x, where H is symmetric and no entry is a difference of large numbers. A leaf of a few cells has

    e = E x,  E = (1, -p, -1, -z),   I = M e,  M = (1/G + K)^-1,   H = D + E' M E

with p and z the ohm from its left and to its bottom, K the drops along its own wires (see `wires`), and D what passes
by its cells. Two neighbours share k lines, P with an impedance there and R with an admittance: side by side P is the
left one with its j, R the right one with its u, and s = -1; one above the other P is the lower one with its t, R the
upper one with its d, and s = 1. With Z = -P_kk, Y = R_kk, F = (1 + Z Y)^-1, where Z, Y >= 0,

    c = [Y F P_kx, -s F' R_kx] x,    g = [-s F P_kx, -F Z R_kx] x      flow and stand on the shared lines,
    H = [P_xx + P_xk Y F P_kx,  -s P_xk F' R_kx;   its transpose,  R_xx - R_xk F Z R_kx].

Nothing flows out of the right edge or into the top: these inputs are left out of the last merges. What is left is the
matrix, -H_du'. All of it holds for ideal wires and open cells as it stands. N^3 steps, where `effective` takes N^4.

Backwards, with T_P and T_R the maps from x to the inputs of P and R, a gradient A with respect to H becomes T_P A T_P'
and T_R A T_R', and in leaves dL/dG = diag(V A V') with the voltages V = E - K M E of the cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from memsim.crossbar.merging_plan import Merge, Part, Plan, Ports, plan_of
from memsim.crossbar.system import System

# Bytes of blocks that are merged at a time: on a CPU they shall stay in its caches.
_GROUP_ON_CPU, _GROUP_ELSEWHERE = 2**21, 2**29
_PER_CELL = 16


Maps = tuple[Tensor, Tensor]
"""From the inputs of merged blocks to c and to g."""


def can_merge(array: System) -> bool:
    """Whether word lines have one driver, all bit lines are sensed, and wires have no gradient."""
    drop = array.drop
    with_gradient = drop.word.requires_grad or drop.bit.requires_grad
    return drop.right is None and drop.floating is None and not with_gradient


def merged(array: System) -> Tensor:
    """Bit line currents per word line voltage, [..., rows, columns] in S, differentiable in the conductances."""
    rows, columns = array.own.shape[-2:]
    conductance = array.conductance.broadcast_to(array.own.shape).reshape(-1, rows, columns)
    most = _GROUP_ON_CPU if conductance.device.type == "cpu" else _GROUP_ELSEWHERE
    size = max(1, most // (_PER_CELL * rows * columns * conductance.element_size()))
    plan = plan_of(rows, columns, conductance.device)
    groups = conductance.split(size)
    wires = zip(
        *(_wires(part, array, size, len(groups)) for part in (array.drop.word, array.drop.bit)), strict=True
    )
    found: list[Tensor] = [
        _Merged.apply(group, *part, plan) for group, part in zip(groups, wires, strict=True)
    ]
    return torch.cat(found).view(array.own.shape)


def _wires(ohm: Tensor, array: System, size: int, groups: int) -> Sequence[Tensor]:
    """Segments of each group of arrays, [arrays, rows, columns]; of one array where they are alike in all."""
    rows, columns = array.own.shape[-2:]
    if ohm.shape[:-2].numel() == 1:
        return [ohm.broadcast_to(*ohm.shape[:-2], rows, columns).reshape(1, rows, columns)] * groups
    return ohm.broadcast_to(array.own.shape).reshape(-1, rows, columns).split(size)


class _Merged(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, conductance: Tensor, word: Tensor, bit: Tensor, plan: Plan) -> Tensor:
        keep = ctx.needs_input_grad[0]
        grids: list[Tensor] = []
        ctx.plan, ctx.voltages, ctx.maps, ctx.like = plan, [], [], conductance
        for leaves in plan.leaves:
            leaf, voltages = _leaf(*(leaves.cut(part) for part in (conductance, word, bit)), keep=keep)
            grids.append(leaf)
            ctx.voltages.append(voltages)
        for step in plan.merges:
            grid, maps = _joined(_of(grids, step.first), _of(grids, step.second), step, keep=keep)
            grids.append(grid)
            ctx.maps.append(maps)
        ctx.shapes = [grid.shape for grid in grids]
        return -grids[-1][:, 0, 0].index_select(1, plan.sensed).index_select(2, plan.driven).mT

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        plan: Plan = ctx.plan
        found = [gradient.new_zeros(shape) for shape in ctx.shapes]
        # half of it for either triangle of a symmetric matrix
        found[-1][:, 0, 0, plan.sensed[:, None], plan.driven] = gradient.mT / -2
        found[-1][:, 0, 0, plan.driven[:, None], plan.sensed] = gradient / -2
        for step, maps, of_joined in reversed(
            [*zip(plan.merges, ctx.maps, found[len(plan.leaves) :], strict=True)]
        ):
            own = len(step.ports_first.kept)
            _put(_of(found, step.first), step.ports_first, maps[0], of_joined, slice(0, own))
            _put(_of(found, step.second), step.ports_second, maps[1], of_joined, slice(own, None))
        total = torch.empty_like(ctx.like)
        for leaves, voltages, of_leaf in zip(plan.leaves, ctx.voltages, found, strict=False):
            place = leaves.cut(total)
            place.copy_(((voltages @ of_leaf) * voltages).sum(-1).view(place.shape))
        return total, None, None, None


def _of(grids: list[Tensor], part: Part) -> Tensor:
    return grids[part.grid][:, part.lines, part.columns]


def _leaf(conductance: Tensor, word: Tensor, bit: Tensor, *, keep: bool) -> tuple[Tensor, Tensor | None]:
    """H [..., ports, ports] of leaves [..., height, width], and where gradients are wanted V [..., cells, ports]."""
    height, width = conductance.shape[-2:]
    word, bit = torch.broadcast_tensors(word, bit)
    left, below = word.cumsum(-1), bit.flip(-2).cumsum(-2).flip(-2)
    row = torch.eye(height, dtype=word.dtype, device=word.device).repeat_interleave(width, 0)
    column = torch.eye(width, dtype=word.dtype, device=word.device).repeat(height, 1)
    p, z = left.flatten(-2), below.flatten(-2)
    drops = torch.minimum(p[..., :, None], p[..., None, :]) * (row @ row.mT)
    drops += torch.minimum(z[..., :, None], z[..., None, :]) * (column @ column.mT)
    seen = torch.cat(
        [row.expand(*p.shape, -1), -p[..., None] * row, -column.expand(*p.shape, -1), -z[..., None] * column],
        -1,
    )
    root = conductance.flatten(-2).sqrt()
    load = root[..., :, None] * drops * root[..., None, :]
    load.diagonal(dim1=-2, dim2=-1).add_(1)
    current = root[..., None] * torch.linalg.solve(load, root[..., None] * seen)
    h = seen.mT @ current
    u, j, d, t = torch.arange(h.shape[-1], device=h.device).split([height, height, width, width])
    for one, other, value in ((u, j, 1.0), (d, t, -1.0)):
        h[..., one, other] += value
        h[..., other, one] += value
    h[..., j, j] -= left[..., -1]
    h[..., t, t] -= below[..., 0, :]
    return h, seen - drops @ current if keep else None


def _joined(first: Tensor, second: Tensor, step: Merge, *, keep: bool) -> tuple[Tensor, Maps | None]:
    """H of merged pairs, and where gradients are wanted the maps from its inputs to c and g."""
    z, p, top = step.ports_first.parts(first)
    y, r, low = step.ports_second.parts(second)
    z.neg_()
    load = z @ y
    load.diagonal(dim1=-2, dim2=-1).add_(1)
    f = torch.linalg.inv(load)
    # Y F and F Z = Z F' are symmetric
    fp, fr = f @ p, f.mT @ r
    flow, stand = y @ fp, z @ fr
    across = (p.mT @ fr).mul_(-step.sign)
    h = torch.cat(
        [torch.cat([top + p.mT @ flow, across], -1), torch.cat([across.mT, low - r.mT @ stand], -1)], -2
    )
    if not keep:
        return h, None
    maps = torch.cat([flow, fr.mul_(-step.sign)], -1), torch.cat([fp.mul_(-step.sign), stand.neg_()], -1)
    return h, maps


def _put(found: Tensor, ports: Ports, inner: Tensor, of_joined: Tensor, own: slice) -> None:
    """Write the gradient T A T' of one of two neighbours."""
    shared, kept = ports
    across = inner @ of_joined
    found[..., kept[:, None], kept] = of_joined[..., own, own]
    found[..., shared[:, None], kept] = across[..., own]
    found[..., kept[:, None], shared] = across[..., own].mT
    found[..., shared[:, None], shared] = across @ inner.mT
