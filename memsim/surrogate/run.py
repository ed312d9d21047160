"""Running a circuit's steps over all samples, by the engine that suits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from memsim.errors import InputError
from memsim.surrogate.fused import KERNELS, Kernel, Plan, StepProgram, find_compiler, scan
from memsim.surrogate.steppers import Stepper
from memsim.surrogate.system import BoundSystem, System

Engine = Literal["auto", "native", "fused", "compile", "loop"]
Waveforms = dict[str, Tensor]
State = tuple[Tensor, ...]


class Runner:
    """Steps of one circuit by one stepper.

    Args:
        system: the circuit.
        stepper: one time step.
        engine: see `CompiledCircuit`.
        segment: steps between stored states.

    Raises:
        InputError: an unknown engine, or a segment below one step.
    """

    def __init__(self, system: System, stepper: Stepper, engine: Engine, segment: int | None) -> None:
        if engine not in get_args(Engine):
            raise InputError(f"engine = {engine!r} is unknown; use one of: {', '.join(get_args(Engine))}")
        if segment is not None and segment < 1:
            raise InputError(f"segment = {segment!r} steps is out of range; allowed: at least 1")
        if segment is not None and engine == "loop":
            raise InputError('segment has no effect with engine="loop", which stores every operation')
        self.system, self.stepper, self.engine, self.segment = system, stepper, engine, segment
        unknowns = system.equations.unknowns
        recorded = {s for name in system.record for s in system.equations.waveforms[name].free_symbols}
        self._keep = tuple(index for index, symbol in enumerate(unknowns) if symbol in recorded)
        self.kernels: dict[tuple[str, bool], Kernel] = {}
        self._programs: dict[bool, StepProgram] = {}

    def __call__(
        self, bound: BoundSystem, y: Sequence[Tensor], u: Sequence[Tensor], dt: float | Tensor
    ) -> tuple[Waveforms, State]:
        """Recorded waveforms, each [T, batch...], and the unknowns at the last sample.

        Args:
            bound: the system with its parameters.
            y: unknowns at the first sample, each [batch...].
            u: inputs, each [T, batch...].
            dt: time between samples [s], a number or [T - 1].
        """
        engine = self._choose(u[0])
        if engine == "loop":
            columns, last = self._loop(bound, y, u, dt)
        else:
            columns, last = self._scan(engine, bound, y, u, dt)
        waveforms = bound.waveforms(columns, u)
        like = next((column for column in columns if isinstance(column, Tensor)), u[0])
        return {
            name: torch.as_tensor(value, dtype=like.dtype, device=like.device).expand_as(like)
            for name, value in waveforms.items()
        }, tuple(last)

    def _choose(self, like: Tensor) -> str:
        if self.engine != "auto":
            return self.engine
        fits = like.device.type == "cpu" and like.dtype in (torch.float32, torch.float64)
        return "native" if fits and find_compiler() else "fused"

    def _loop(
        self, bound: BoundSystem, y: Sequence[Tensor], u: Sequence[Tensor], dt: float | Tensor
    ) -> tuple[list[Tensor], list[Tensor]]:
        steps = [list(y)]
        sizes: Any = dt if isinstance(dt, Tensor) else [dt] * (len(u[0]) - 1)
        for k, h in enumerate(sizes):
            now, following = [s[k] for s in u], [s[k + 1] for s in u]
            steps.append(self.stepper.step(bound, steps[-1], u=now, u_next=following, h=h))
        return [torch.stack(torch.broadcast_tensors(*column)) for column in zip(*steps, strict=True)], steps[
            -1
        ]

    def _scan(
        self, engine: str, bound: BoundSystem, y: Sequence[Tensor], u: Sequence[Tensor], dt: float | Tensor
    ) -> tuple[list[Any], list[Tensor]]:
        size = None if isinstance(dt, Tensor) else dt
        kernel = self._kernel(engine, size is not None)
        constants = kernel.program.uniform(bound.constants, size)
        batch = torch.broadcast_shapes(*(part.shape for part in (*y, *constants)))
        plan = Plan(kernel, self._keep, self.segment)
        signals = [s.expand(len(s), *batch) for s in u]
        if isinstance(dt, Tensor):
            sizes = torch.cat([dt, dt.new_zeros(1)]).to(u[0])  # no step begins at the last sample
            signals.append(sizes.reshape(-1, *(1 for _ in batch)).expand(len(sizes), *batch))
        kept, last = scan(plan, [part.expand(batch) for part in y], signals, constants)
        columns: list[Any] = [0.0] * self.system.size
        for index, column in zip(self._keep, kept, strict=True):
            columns[index] = column
        return columns, last

    def _kernel(self, engine: str, equal_steps: bool) -> Kernel:
        if equal_steps not in self._programs:
            self._programs[equal_steps] = StepProgram(self.system, self.stepper, equal_steps=equal_steps)
        key = engine, equal_steps
        if key not in self.kernels:
            self.kernels[key] = KERNELS[engine](self._programs[equal_steps])
        return self.kernels[key]
