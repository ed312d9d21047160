"""Running a circuit's steps over all samples, by the engine that suits."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor

from memsim.errors import InputError
from memsim.surrogate.coupling import Coupling, Line
from memsim.surrogate.frames import Frame, Step, recorded
from memsim.surrogate.fused import (
    KERNELS,
    Kernel,
    Plan,
    Scanned,
    StepProgram,
    find_compiler,
    scan,
    scan_coupled,
)
from memsim.surrogate.steppers import Attempt, Stepper
from memsim.surrogate.system import BoundSystem, System
from memsim.transforms import transformed

Engine = Literal["auto", "native", "fused", "compile", "loop"]
Waveforms = dict[str, Tensor]
State = tuple[Tensor, ...]


class Run(NamedTuple):
    """What a circuit did.

    Attributes:
        waveforms: those recorded, each [T, batch...].
        state: all unknowns at the last sample, each [batch...].
        levels: into 2**level parts each step was divided, [T - 1, batch...].
        h: sizes of the steps [s], T - 1 numbers.
    """

    waveforms: Waveforms
    state: State
    levels: Tensor
    h: Sequence[float]


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
        self.kernels: dict[str, Kernel] = {}
        self._program: StepProgram | None = None

    def __call__(
        self,
        bound: BoundSystem,
        y: Sequence[Tensor],
        u: Sequence[Tensor],
        h: Sequence[float],
        coupling: Coupling | None = None,
    ) -> Run:
        """Run the circuit.

        Args:
            bound: the system with its parameters.
            y: unknowns at the first sample, each [batch...].
            u: inputs, each [T, batch...].
            h: sizes of the steps [s], T - 1 numbers.
            coupling: what the copies of the circuit along the last axis of the batch do to each other's only input.
        """
        engine = self._choose(u[0], followed=transformed(*u, *y, *bound.constants))
        run = self._loop if engine == "loop" else partial(self._scan, engine)
        found = run(bound, y, u, h, coupling)
        waveforms = bound.waveforms(found.kept, u)
        like = next((column for column in found.kept if isinstance(column, Tensor)), u[0])
        full = {
            name: torch.as_tensor(value, dtype=like.dtype, device=like.device).expand_as(like)
            for name, value in waveforms.items()
        }
        return Run(full, tuple(found.last), found.levels, h)

    def _choose(self, like: Tensor, *, followed: bool) -> str:
        if followed and self.engine not in {"auto", "loop"}:
            raise InputError(
                f"torch.func cannot follow engine = {self.engine!r}, which runs kernels; use engine = 'loop', or "
                "'auto', which takes it by itself"
            )
        if followed:
            return "loop"
        if self.engine != "auto":
            return self.engine
        fits = like.device.type == "cpu" and like.dtype in (torch.float32, torch.float64)
        return "native" if fits and find_compiler() else "fused"

    def _loop(
        self,
        bound: BoundSystem,
        y: Sequence[Tensor],
        u: Sequence[Tensor],
        h: Sequence[float],
        coupling: Coupling | None,
    ) -> Scanned:
        batch = torch.broadcast_shapes(
            u[0].shape[1:], *(c.shape for c in bound.constants if isinstance(c, Tensor))
        )
        signals = [s.expand(len(s), *batch).reshape(len(s), -1) for s in u]
        flat = bound.flattened(u[0], batch)
        steps, levels = [[part.expand(batch).reshape(-1) for part in y]], []
        feedback = (
            None if coupling is None else _Feedback(coupling, steps[0][self._unknown(coupling.waveform)])
        )
        now = [s[0] for s in signals]
        if feedback:
            now = [now[0] + feedback.current(feedback.x)]
        for k, size in enumerate(h):
            then = [s[k + 1] for s in signals]
            if feedback:
                then = [then[0] + feedback.current(feedback.ahead(size))]
            frame, now = Frame(steps[-1], now, then, size), then
            after, level = recorded(self._attempt(flat), frame)
            steps.append(after)
            if coupling and feedback:
                feedback.follow(size, after[self._unknown(coupling.waveform)])
            levels.append(level.reshape(batch))
        columns = [torch.stack(column).reshape(-1, *batch) for column in zip(*steps, strict=True)]
        return Scanned(columns, [part.reshape(batch) for part in steps[-1]], torch.stack(levels))

    def _attempt(self, bound: BoundSystem) -> Step:
        def attempt(lanes: Tensor | None, frame: Frame) -> Attempt:
            chosen = bound if lanes is None else bound.at(lanes)
            return self.stepper.attempt(chosen, frame.y, u=frame.u, u_next=frame.u_next, h=frame.h)

        return attempt

    def _unknown(self, name: str) -> int:
        return [symbol.name for symbol in self.system.equations.unknowns].index(name)

    def _scan(  # noqa: PLR0917 - as a call, and the engine
        self,
        engine: str,
        bound: BoundSystem,
        y: Sequence[Tensor],
        u: Sequence[Tensor],
        h: Sequence[float],
        coupling: Coupling | None,
    ) -> Scanned:
        kernel = self._kernel(engine)
        constants = kernel.program.uniform(bound.constants)
        batch = torch.broadcast_shapes(*(part.shape for part in (*y, *constants)))
        plan = Plan(kernel, self._keep, self.segment)
        start, signals = [part.expand(batch) for part in y], [s.expand(len(s), *batch) for s in u]
        if coupling is None:
            found = scan(plan, start, signals, h, constants)
        else:
            driving = self._unknown(coupling.waveform)
            found = scan_coupled(plan, start, signals[0], h, constants, coupling, driving)
        columns: list[Any] = [0.0] * self.system.size
        for index, column in zip(self._keep, found.kept, strict=True):
            columns[index] = column
        return found._replace(kept=columns)

    def _kernel(self, engine: str) -> Kernel:
        if self._program is None:
            self._program = StepProgram(self.system, self.stepper)
        if engine not in self.kernels:
            self.kernels[engine] = KERNELS[engine](self._program)
        return self.kernels[engine]


class _Feedback:
    """The lines of a coupling, step by step."""

    def __init__(self, coupling: Coupling, v: Tensor) -> None:
        self.coupling = coupling
        self.x = self.v = v - coupling.rest

    def ahead(self, h: float) -> Tensor:
        """At the end of a step, before it is taken."""
        return Line.of(h, self.coupling.tau).ahead(self.x, self.v)

    def follow(self, h: float, v: Tensor) -> None:
        """Go to the end of the step, where the waveform is v."""
        now = v - self.coupling.rest
        self.x, self.v = Line.of(h, self.coupling.tau).after(self.x, self.v, now), now

    def current(self, x: Tensor) -> Tensor:
        """Into the copies, flattened."""
        matrix = self.coupling.matrix.to(x)
        return (x.reshape(-1, len(matrix)) @ matrix).reshape(-1)
