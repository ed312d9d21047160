"""A run of a kernel as one node of autograd."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from memsim.surrogate.fused.kernel import Constant, Gradients, Kernel


@dataclass(frozen=True)
class Plan:
    """What a run does besides its tensors.

    Attributes:
        kernel: runs the steps.
        keep: numbers of the unknowns to return.
        segment: steps between stored states; those in between are computed again in the backward pass. All
            are stored where None.
    """

    kernel: Kernel
    keep: tuple[int, ...]
    segment: int | None = None


def scan(
    plan: Plan, y: Sequence[Tensor], u: Sequence[Tensor], constants: Sequence[Tensor]
) -> tuple[list[Tensor], list[Tensor]]:
    """Run a kernel over the samples of its inputs.

    Args:
        plan: kernel and what to keep.
        y: unknowns at the start, each [batch...].
        u: inputs, each [samples, batch...].
        constants: values of the program's constants, to be broadcast to [batch...].

    Returns:
        The kept unknowns, each [samples, batch...], and all unknowns at the last sample, each [batch...].
    """
    batch = u[0].shape[1:]
    lanes = [part.reshape(-1).contiguous() for part in y]
    signals = [signal.reshape(len(signal), -1).contiguous() for signal in u]
    values = [
        c.to(u[0]) if c.ndim == 0 else c.to(u[0]).expand(batch).reshape(-1).contiguous() for c in constants
    ]
    results = _Scan.apply(plan, len(lanes), len(signals), *lanes, *signals, *values)
    kept, last = results[: len(plan.keep)], results[len(plan.keep) :]
    return [part.reshape(-1, *batch) for part in kept], [part.reshape(batch) for part in last]


class _Scan(torch.autograd.Function):
    """Stores the unknowns, all or those at the start of each segment, and runs the discrete adjoint backwards."""

    @staticmethod
    def forward(ctx: Any, plan: Plan, unknowns: int, inputs: int, *tensors: Tensor) -> tuple[Tensor, ...]:
        y, u, c = _split(tensors, unknowns, inputs)
        constants, steps = _numbers(c), len(u[0]) - 1
        length = plan.segment or max(steps, 1)
        if length >= steps or not any(ctx.needs_input_grad):
            columns = stored = plan.kernel.forward(y, u, constants)
            kept, last = [columns[index] for index in plan.keep], [column[-1].clone() for column in columns]
        else:
            kept, last, stored = _in_segments(plan, y, u, constants)
        ctx.plan, ctx.sizes, ctx.length = plan, (unknowns, inputs), length
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*stored, *u, *c)
        return (*kept, *last)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *by_result: Tensor | None) -> tuple[Tensor | None, ...]:
        unknowns, inputs = ctx.sizes
        stored, u, c = _split(ctx.saved_tensors, unknowns, inputs)
        needs = ctx.needs_input_grad[3:]
        wanted = [index for index in range(len(c)) if needs[unknowns + inputs + index]]
        kept: list[Tensor | None] = [None] * unknowns
        for index, gradient in zip(ctx.plan.keep, by_result, strict=False):
            kept[index] = None if gradient is None else gradient.contiguous()
        by_u = [torch.empty_like(signal) for signal in u] if any(needs[unknowns : unknowns + inputs]) else []
        for gradient in by_u:
            gradient[-1] = 0.0
        by_c = {index: torch.zeros_like(stored[0][0]) for index in wanted}
        seeds = [
            _sum(like[0], by_last, None if by_kept is None else by_kept[-1])
            for like, by_last, by_kept in zip(stored, by_result[len(ctx.plan.keep) :], kept, strict=True)
        ]
        constants, steps = _numbers(c), len(u[0]) - 1
        for number, first in reversed(list(enumerate(range(0, steps, ctx.length)))):
            part = slice(first, min(first + ctx.length, steps) + 1)
            signals = [signal[part] for signal in u]
            y = stored
            if ctx.length < steps:
                y = ctx.plan.kernel.forward([starts[number] for starts in stored], signals, constants)
            gradients = Gradients(
                [None if g is None else g[part] for g in kept], seeds, [g[part] for g in by_u], by_c
            )
            seeds = ctx.plan.kernel.backward(y, signals, constants, gradients)
        by_constant = [by_c[i].sum() if i in by_c and c[i].ndim == 0 else by_c.get(i) for i in range(len(c))]
        by_input: Sequence[Tensor | None] = by_u or [None] * inputs
        return (None, None, None, *seeds, *by_input, *by_constant)


def _in_segments(
    plan: Plan, y: Sequence[Tensor], u: Sequence[Tensor], constants: Sequence[Constant]
) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Kept unknowns at all samples, all unknowns at the last one, and at the start of each segment."""
    steps, length = len(u[0]) - 1, plan.segment or 1
    kept = [torch.empty_like(u[0]) for _ in plan.keep]
    starts: list[Sequence[Tensor]] = []
    for first in range(0, steps, length):
        part = slice(first, min(first + length, steps) + 1)
        starts.append(y)
        columns = plan.kernel.forward(y, [signal[part] for signal in u], constants)
        for target, index in zip(kept, plan.keep, strict=True):
            target[part] = columns[index]
        y = [column[-1].clone() for column in columns]
    return kept, list(y), [torch.stack(column) for column in zip(*starts, strict=True)]


def _split(
    tensors: Sequence[Tensor], unknowns: int, inputs: int
) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Unknowns, inputs and constants as plain values: a compiled kernel would look for their gradients."""
    tensors, end = [tensor.detach() for tensor in tensors], unknowns + inputs
    return tensors[:unknowns], tensors[unknowns:end], tensors[end:]


def _numbers(constants: Sequence[Tensor]) -> list[Constant]:
    return [c.item() if c.ndim == 0 else c for c in constants]


def _sum(like: Tensor, *gradients: Tensor | None) -> Tensor:
    return sum((g for g in gradients if g is not None), torch.zeros_like(like))
