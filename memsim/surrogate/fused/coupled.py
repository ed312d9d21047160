"""A run of a kernel whose lanes drive each other, as one node of autograd: products and steps in turn.

With the lines x of `memsim.surrogate.coupling` and X_k what is taken for them at sample k, X_0 = x_0 = v_0 - rest and
X_k+1 = a_k x_k + (b_k + c_k) v_k, inputs are u_k = given_k + X_k M.

Backwards, with g_k the gradient by u_k once the steps on both sides of it are done, q_k = g_k M^T, and l_k the gradient
by x_k:

    l_k = a_k (q_k+1 + l_k+1),    given_k: g_k,    M: sum_k X_k^T g_k
    v_k:  (b_k + c_k) q_k+1 + b_k l_k+1 + c_k-1 l_k,    v_0 also: q_0 + l_0
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from memsim.surrogate.coupling import Coupling, Line
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
        plan,
        h,
        (len(lanes), driving, coupling.rest, coupling.tau),
        *lanes,
        signal,
        *values,
        coupling.matrix.to(u),
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
        ctx: Any, plan: Plan, h: Sequence[float], sizes: tuple[int, int, float, float], *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        unknowns, driving, rest, tau = sizes
        *others, matrix = (tensor.detach() for tensor in tensors)
        y, (given,), c = split(others, unknowns, 1)
        u, constants, driven = given.clone(), numbers(c), torch.empty_like(given)
        columns = [torch.empty_like(given) for _ in y]
        levels = torch.zeros((len(h), given.shape[1]), dtype=torch.uint8, device=given.device)
        for column, part in zip(columns, y, strict=True):
            column[0] = part
        course, v = Course(columns, levels), columns[driving]
        now = v[0] - rest
        x = now.clone()
        driven[0] = x
        _add_product(u[0], x, matrix)
        for k in range(len(h)):
            line = Line.of(h[k], tau)
            torch.lerp(now, x, line.a, out=driven[k + 1])
            _add_product(u[k + 1], driven[k + 1], matrix)
            plan.kernel.advance(course, k, Drive([u[k : k + 2]], h[k : k + 1], constants))
            x.mul_(line.a).add_(now, alpha=line.b)
            now = v[k + 1] - rest
            x.add_(now, alpha=line.c)
        ctx.plan, ctx.h, ctx.sizes = plan, h, sizes
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(levels)
        ctx.save_for_backward(*columns, u, *c, matrix, levels, driven)
        return (*(columns[index] for index in plan.keep), *(column[-1].clone() for column in columns), levels)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *by_result: Tensor | None) -> tuple[Tensor | None, ...]:
        unknowns, driving, _, tau = ctx.sizes
        *tensors, matrix, levels, driven = ctx.saved_tensors
        columns, (u,), c = split(tensors, unknowns, 1)
        needs, h, keep = ctx.needs_input_grad[3:], ctx.h, ctx.plan.keep
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
        constants, back = numbers(c), matrix.mT.contiguous()
        by_line = torch.zeros_like(u[0])
        for k in reversed(range(len(h))):
            rows, line = slice(k, k + 2), Line.of(h[k], tau)
            seeds[driving].add_(by_line, alpha=line.c)
            course = Course([column[rows] for column in columns], levels[k : k + 1])
            gradients = Gradients(
                [kept[i][rows] if i in kept else None for i in range(unknowns)], seeds, [by_u[rows]], by_c
            )
            seeds = ctx.plan.kernel.backward(course, Drive([u[rows]], h[k : k + 1], constants), gradients)
            q = _product(by_u[k + 1], back)
            seeds[driving].add_(by_line, alpha=line.b).add_(q, alpha=1 - line.a)
            by_line.add_(q).mul_(line.a)
        seeds[driving].add_(by_line)
        _add_product(seeds[driving], by_u[0], back)
        n = len(matrix)
        by_matrix = driven.reshape(-1, n).mT @ by_u.reshape(-1, n) if needs[-1] else None
        by_constant = [by_c[i].sum() if i in by_c and c[i].ndim == 0 else by_c.get(i) for i in range(len(c))]
        return (None, None, None, *seeds, by_u, *by_constant, by_matrix)


def _product(x: Tensor, matrix: Tensor) -> Tensor:
    """x M of flattened copies."""
    return (x.reshape(-1, len(matrix)) @ matrix).reshape(-1)


def _add_product(target: Tensor, x: Tensor, matrix: Tensor) -> None:
    rows = target.view(-1, len(matrix))
    torch.addmm(rows, x.reshape(-1, len(matrix)), matrix, out=rows)
