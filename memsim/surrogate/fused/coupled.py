"""A run of a kernel whose lanes drive each other, as one node of autograd: products and steps in turn.

With X_0 = v_0 - rest and X_k+1 = ahead(v, k) - rest, inputs are u_k = given_k + X_k M. Backwards, with g_k the gradient
by u_k once the steps before and behind it are done,

    given_k: g_k,    M: sum_k X_k^T g_k,    v_k: (1 + s_k) g_k+1 M^T - s_k+1 g_k+2 M^T,    v_0 also: g_0 M^T

where s_k = h_k / h_k-1, 0 for the first step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from memsim.surrogate.coupling import Coupling, ahead, share
from memsim.surrogate.fused.kernel import Course, Drive, Gradients
from memsim.surrogate.fused.scan import Plan, Scanned, lanes_of, numbers, split


def scan_coupled(  # noqa: PLR0917 - as `scan`, and what couples
    plan: Plan,
    y: Sequence[Tensor],
    u: Tensor,
    h: Sequence[float],
    constants: Sequence[Tensor],
    coupling: Coupling,
    driving: int,
) -> Scanned:
    """As `scan`, of a circuit with one input, whose copies along the last axis of the batch drive each other.

    Args:
        plan: kernel and what to keep; without segments.
        y: unknowns at the start, each [..., n].
        u: the input without what is coupled, [samples, ..., n].
        h: sizes of the steps [s], one less than samples.
        constants: values of the program's constants, to be broadcast to [..., n].
        coupling: what they do to each other.
        driving: number of the unknown that drives.
    """
    batch = u.shape[1:]
    lanes, (signal,), values = lanes_of(y, [u], constants)
    *results, levels = _Coupled.apply(
        plan, h, (len(lanes), driving, coupling.rest), *lanes, signal, *values, coupling.matrix.to(u)
    )
    kept, last = results[: len(plan.keep)], results[len(plan.keep) :]
    return Scanned(
        [part.reshape(-1, *batch) for part in kept],
        [part.reshape(batch) for part in last],
        levels.reshape(-1, *batch),
    )


class _Coupled(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, plan: Plan, h: Sequence[float], sizes: tuple[int, int, float], *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        unknowns, driving, rest = sizes
        *others, matrix = (tensor.detach() for tensor in tensors)
        y, (given,), c = split(others, unknowns, 1)
        u, constants = given.clone(), numbers(c)
        columns = [given.new_empty((len(u), given.shape[1])) for _ in y]
        levels = torch.zeros((len(h), given.shape[1]), dtype=torch.uint8, device=given.device)
        for column, part in zip(columns, y, strict=True):
            column[0] = part
        course, v = Course(columns, levels), columns[driving]
        u -= _product(torch.full_like(v[0], rest), matrix)
        _add_product(u[0], v[0], matrix)
        for k in range(len(h)):
            _add_product(u[k + 1], ahead(v, h, k), matrix)
            drive = Drive([u[k : k + 2]], h[k : k + 1], constants)
            plan.kernel.advance(course, k, drive)
        ctx.plan, ctx.h, ctx.sizes = plan, h, sizes
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(levels)
        ctx.save_for_backward(*columns, u, *c, matrix, levels)
        return (*(columns[index] for index in plan.keep), *(column[-1].clone() for column in columns), levels)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *by_result: Tensor | None) -> tuple[Tensor | None, ...]:
        unknowns, driving, rest = ctx.sizes
        *tensors, matrix, levels = ctx.saved_tensors
        columns, (u,), c = split(tensors, unknowns, 1)
        needs, h, v, keep = ctx.needs_input_grad[3:], ctx.h, columns[driving], ctx.plan.keep
        kept: dict[int, Tensor] = {
            index: g.contiguous() for index, g in zip(keep, by_result, strict=False) if g is not None
        }
        seeds = [
            torch.zeros_like(column[0]) if g is None else g.clone()
            for column, g in zip(columns, by_result[len(keep) : -1], strict=True)
        ]
        for index, g in kept.items():
            seeds[index] += g[-1]
        by_u = torch.zeros_like(u)
        by_c = {i: torch.zeros_like(u[0]) for i in range(len(c)) if needs[unknowns + 1 + i]}
        constants, by_v, back = numbers(c), torch.zeros_like(u[0]), matrix.mT.contiguous()
        for k in reversed(range(len(h))):
            rows = slice(k, k + 2)
            course = Course([column[rows] for column in columns], levels[k : k + 1])
            gradients = Gradients(
                [kept[i][rows] if i in kept else None for i in range(unknowns)], seeds, [by_u[rows]], by_c
            )
            seeds = ctx.plan.kernel.backward(course, Drive([u[rows]], h[k : k + 1], constants), gradients)
            # what the step behind took from this sample, then what this step takes
            seeds[driving].sub_(by_v, alpha=share(h, k + 1) if k + 1 < len(h) else 0.0)
            by_v = _product(by_u[k + 1], back)
            seeds[driving].add_(by_v, alpha=1 + share(h, k))
        _add_product(seeds[driving], by_u[0], back)
        by_matrix = _by_matrix(v, h, rest, by_u, len(matrix)) if needs[-1] else None
        by_constant = [by_c[i].sum() if i in by_c and c[i].ndim == 0 else by_c.get(i) for i in range(len(c))]
        return (None, None, None, *seeds, by_u, *by_constant, by_matrix)


def _product(x: Tensor, matrix: Tensor) -> Tensor:
    """x M of flattened copies."""
    return (x.reshape(-1, len(matrix)) @ matrix).reshape(-1)


def _add_product(target: Tensor, x: Tensor, matrix: Tensor) -> None:
    rows = target.view(-1, len(matrix))
    torch.addmm(rows, x.reshape(-1, len(matrix)), matrix, out=rows)


def _by_matrix(v: Tensor, h: Sequence[float], rest: float, by_u: Tensor, n: int) -> Tensor:
    driving = torch.stack([v[0], *(ahead(v, h, k) for k in range(len(h)))]).sub_(rest)
    return driving.reshape(-1, n).mT @ by_u.reshape(-1, n)
