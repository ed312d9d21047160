"""A run of a kernel as one node of autograd."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from memsim.surrogate.fused.kernel import Constant, Course, Drive, Gradients, Kernel


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


class Scanned(NamedTuple):
    """A run.

    Attributes:
        kept: the unknowns to return, each [samples, batch...].
        last: all unknowns at the last sample, each [batch...].
        levels: into 2**level parts each step was divided, [samples - 1, batch...].
    """

    kept: list[Tensor]
    last: list[Tensor]
    levels: Tensor


def scan(
    plan: Plan, y: Sequence[Tensor], u: Sequence[Tensor], h: Sequence[float], constants: Sequence[Tensor]
) -> Scanned:
    """Run a kernel over the samples of its inputs.

    Args:
        plan: kernel and what to keep.
        y: unknowns at the start, each [batch...].
        u: inputs, each [samples, batch...].
        h: sizes of the steps [s], one less than samples.
        constants: values of the program's constants, to be broadcast to [batch...].
    """
    batch = u[0].shape[1:]
    lanes, signals, values = lanes_of(y, u, constants)
    *results, levels = _Scan.apply(plan, h, (len(lanes), len(signals)), *lanes, *signals, *values)
    kept, last = results[: len(plan.keep)], results[len(plan.keep) :]
    return Scanned(
        [part.reshape(-1, *batch) for part in kept],
        [part.reshape(batch) for part in last],
        levels.reshape(-1, *batch),
    )


def lanes_of(
    y: Sequence[Tensor], u: Sequence[Tensor], constants: Sequence[Tensor]
) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Unknowns, inputs and constants with the batch as one axis."""
    like, batch = u[0], u[0].shape[1:]
    return (
        [part.reshape(-1).contiguous() for part in y],
        [signal.reshape(len(signal), -1).contiguous() for signal in u],
        [c.to(like) if c.ndim == 0 else c.to(like).expand(batch).reshape(-1).contiguous() for c in constants],
    )


class _Scan(torch.autograd.Function):
    """Stores the unknowns, all or those at the start of each segment, and runs the discrete adjoint backwards."""

    @staticmethod
    def forward(
        ctx: Any, plan: Plan, h: Sequence[float], sizes: tuple[int, int], *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        y, u, c = split(tensors, *sizes)
        drive = Drive(u, h, numbers(c))
        length = plan.segment or max(len(h), 1)
        if length >= len(h) or not any(ctx.needs_input_grad):
            course = plan.kernel.forward(y, drive)
            stored, levels = course
            kept, last = [stored[index] for index in plan.keep], [column[-1].clone() for column in stored]
        else:
            kept, last, stored, levels = _in_segments(plan, y, drive)
        ctx.plan, ctx.h, ctx.sizes, ctx.length = plan, h, sizes, length
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(levels)
        ctx.save_for_backward(*stored, *u, *c, levels)
        return (*kept, *last, levels)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *by_result: Tensor | None) -> tuple[Tensor | None, ...]:
        unknowns, inputs = ctx.sizes
        *tensors, levels = ctx.saved_tensors
        stored, u, c = split(tensors, unknowns, inputs)
        needs = ctx.needs_input_grad[3:]
        wanted = [index for index in range(len(c)) if needs[unknowns + inputs + index]]
        kept: list[Tensor | None] = [None] * unknowns
        for index, gradient in zip(ctx.plan.keep, by_result, strict=False):
            kept[index] = None if gradient is None else gradient.contiguous()
        by_u = [torch.empty_like(signal) for signal in u] if any(needs[unknowns : unknowns + inputs]) else []
        for gradient in by_u:
            gradient[-1] = 0.0
        by_c = {index: torch.zeros_like(stored[0][0]) for index in wanted}
        by_last = by_result[len(ctx.plan.keep) : -1]
        seeds = [
            _sum(like[0], own, None if by_kept is None else by_kept[-1])
            for like, own, by_kept in zip(stored, by_last, kept, strict=True)
        ]
        drive, steps = Drive(u, ctx.h, numbers(c)), len(ctx.h)
        for number, first in reversed(list(enumerate(range(0, steps, ctx.length)))):
            last = min(first + ctx.length, steps)
            part, rows = drive.part(first, last), slice(first, last + 1)
            course = Course(stored, levels)
            if ctx.length < steps:
                course = ctx.plan.kernel.forward([starts[number] for starts in stored], part)
            gradients = Gradients(
                [None if g is None else g[rows] for g in kept], seeds, [g[rows] for g in by_u], by_c
            )
            seeds = ctx.plan.kernel.backward(course, part, gradients)
        by_constant = [by_c[i].sum() if i in by_c and c[i].ndim == 0 else by_c.get(i) for i in range(len(c))]
        by_input: Sequence[Tensor | None] = by_u or [None] * inputs
        return (None, None, None, *seeds, *by_input, *by_constant)


def _in_segments(
    plan: Plan, y: Sequence[Tensor], drive: Drive
) -> tuple[list[Tensor], list[Tensor], list[Tensor], Tensor]:
    """Kept unknowns at all samples, all unknowns at the last one, and at the start of each segment, and levels."""
    steps, length = len(drive.h), plan.segment or 1
    kept = [torch.empty_like(drive.u[0]) for _ in plan.keep]
    starts: list[Sequence[Tensor]] = []
    levels: list[Tensor] = []
    for first in range(0, steps, length):
        last = min(first + length, steps)
        starts.append(y)
        course = plan.kernel.forward(y, drive.part(first, last))
        for target, index in zip(kept, plan.keep, strict=True):
            target[first : last + 1] = course.y[index]
        y = [column[-1].clone() for column in course.y]
        levels.append(course.levels)
    return kept, list(y), [torch.stack(column) for column in zip(*starts, strict=True)], torch.cat(levels)


def split(
    tensors: Sequence[Tensor], unknowns: int, inputs: int
) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Unknowns, inputs and constants as plain values: a compiled kernel would look for their gradients."""
    tensors, end = [tensor.detach() for tensor in tensors], unknowns + inputs
    return tensors[:unknowns], tensors[unknowns:end], tensors[end:]


def numbers(constants: Sequence[Tensor]) -> list[Constant]:
    """Constants of one value as numbers."""
    return [c.item() if c.ndim == 0 else c for c in constants]


def _sum(like: Tensor, *gradients: Tensor | None) -> Tensor:
    return sum((g for g in gradients if g is not None), torch.zeros_like(like))
