"""Kernels of torch operations: every device that torch knows, no compiler needed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from memsim.devices.torch_functions import power_values
from memsim.surrogate.frames import Frame, levels_of, used
from memsim.surrogate.fused.kernel import Course, Drive, Gradients, Kernel
from memsim.surrogate.fused.operations import OPERATIONS, where
from memsim.surrogate.fused.program import StepProgram
from memsim.surrogate.fused.tape import LEAF, Node, topological
from memsim.surrogate.massless import search
from memsim.surrogate.steppers import Attempt

Function = Callable[..., tuple[Any, ...]]
Rows = Sequence[Any]


class TorchKernel(Kernel):
    """One generated function a step, called for every sample."""

    name = "fused"

    def __init__(self, program: StepProgram) -> None:
        super().__init__(program)
        self._adjoints: dict[tuple[bool, tuple[int, ...]], Function] = {}

    def _prepare(self, generated: Function) -> Function:
        return generated

    def forward(self, y: Sequence[Tensor], drive: Drive) -> Course:
        samples = len(drive.u[0])
        columns = [part.new_empty((samples, *part.shape)) for part in y]
        levels = torch.zeros((samples - 1, *y[0].shape), dtype=torch.uint8, device=y[0].device)
        for column, part in zip(columns, y, strict=True):
            column[0] = part

        def step(lanes: Tensor | None, frame: Frame) -> Attempt:
            return self._step(frame, _Lanes(lanes).of(drive.constants))

        now: Sequence[Any] = y
        for k in range(len(drive.h)):
            now, levels[k] = levels_of(step, drive.frame(k, now))
            for column, part in zip(columns, now, strict=True):
                column[k + 1] = part
        return Course(columns, levels)

    def backward(self, course: Course, drive: Drive, gradients: Gradients) -> list[Tensor]:
        seeds = [
            torch.zeros_like(column[0]) + seed for column, seed in zip(course.y, gradients.last, strict=True)
        ]
        adjoint = self._adjoint(bool(gradients.inputs), tuple(gradients.constants))
        for k in reversed(range(len(drive.h))):
            whole = drive.frame(k, [column[k] for column in course.y])
            for level, chosen in used(course.levels[k]):
                lanes = _Lanes(chosen)
                frame, constants = whole if chosen is None else whole.of(chosen), lanes.of(drive.constants)
                sums = _Sums(lanes.of(seeds), len(gradients.inputs), len(gradients.constants))
                self._pull_back(adjoint, frame, constants, sums, 2**level)
                sums.put(lanes, seeds, gradients, k)
            seeds = [s if g is None else s + g[k] for s, g in zip(seeds, gradients.kept, strict=True)]
        return seeds

    def _pull_back(self, adjoint: Function, frame: Frame, constants: Rows, sums: _Sums, parts: int) -> None:
        """The adjoint of a frame that was passed in equal parts."""
        path = [frame.part(0, parts, frame.y)]
        for number in range(1, parts):
            path.append(frame.part(number, parts, self._step(path[-1], constants).y))
        for number, part in reversed(list(enumerate(path))):
            solved = self._solved(part, constants)
            values = adjoint(*part.y, *part.u, *part.u_next, part.h, *solved, *constants, *sums.seeds)
            sums.add(values, number / parts, (number + 1) / parts)

    def _step(self, frame: Frame, constants: Rows) -> Attempt:
        carry = self._begin(*frame.y, *frame.u, *constants)
        solved = self._solved(frame, constants)
        values = self._finish(*frame.y, *frame.u, *frame.u_next, frame.h, *carry, *solved, *constants)
        size = len(self.program.y)
        return Attempt(list(values[:size]), *values[size:])

    def _solved(self, frame: Frame, constants: Rows) -> list[Any]:
        """Potentials of massless nodes at the ends of all stages."""
        solved: list[Any] = []
        carry = self._begin(*frame.y, *frame.u, *constants) if self._predict else ()
        for predict in self._predict:
            guess = predict(*frame.y, *frame.u, *frame.u_next, frame.h, *carry, *solved, *constants)
            solved += self._search(guess, frame.u_next, constants)
        return solved

    def _search(self, guess: Rows, u: Rows, constants: Rows) -> list[Any]:
        rows = self._rows

        def newton(y: Rows) -> tuple[dict[int, Any], Any]:
            *steps, residual = self._newton(*y, *u, *constants)
            return dict(zip(rows, steps, strict=True)), residual

        found = search(newton, guess, rows)
        full = [found.get(row, value) for row, value in enumerate(guess)]
        steps, _ = newton(full)
        return [found[row] - steps[row] for row in rows]

    @property
    def _rows(self) -> list[int]:
        return self.program.search.rows if self.program.search else []

    @cached_property
    def _finish(self) -> Function:
        p = self.program
        results = [*p.result, *([p.error, p.pace] if p.checked else [])]
        solved = [leaf for stage in p.solved for leaf in stage]
        arguments = [*p.y, *p.u, *p.u_next, p.h, *p.carry, *solved, *p.constants]
        return self._prepare(function("step", arguments, results))

    @cached_property
    def _begin(self) -> Function:
        p = self.program
        return self._prepare(function("begin", [*p.y, *p.u, *p.constants], p.begin))

    @cached_property
    def _predict(self) -> list[Function]:
        p = self.program
        arguments = [*p.y, *p.u, *p.u_next, p.h, *p.carry]
        return [
            self._prepare(
                function(
                    f"predict_{stage}",
                    [*arguments, *(leaf for before in p.solved[:stage] for leaf in before), *p.constants],
                    guess,
                )
            )
            for stage, guess in enumerate(p.guesses)
        ]

    @cached_property
    def _newton(self) -> Function:
        s = self.program.search
        assert s is not None  # noqa: S101 - called where there is one
        return self._prepare(
            function("search", [*s.y, *s.u, *self.program.constants], [*s.steps, s.residual])
        )

    def _adjoint(self, inputs: bool, constants: tuple[int, ...]) -> Function:
        key = inputs, constants
        if key not in self._adjoints:
            p, a = self.program, self.program.adjoint(inputs=inputs, constants=constants)
            solved = [leaf for stage in p.solved for leaf in stage]
            arguments = [*p.y, *p.u, *p.u_next, p.h, *solved, *p.constants, *a.seeds]
            self._adjoints[key] = self._prepare(
                function("adjoint", arguments, [*a.y, *a.u, *a.u_next, *a.constants])
            )
        return self._adjoints[key]


class CompiledTorchKernel(TorchKernel):
    """The same functions through `torch.compile`: C++ on a CPU, Triton on a GPU. Compiling takes a minute."""

    name = "compile"

    def _prepare(self, generated: Function) -> Function:
        return torch.compile(generated)


class _Lanes:
    """Some lanes of a run, all where None."""

    def __init__(self, chosen: Tensor | None) -> None:
        self._chosen = chosen

    def of(self, rows: Rows) -> list[Any]:
        """The rows at those lanes; numbers hold for all."""
        if self._chosen is None:
            return list(rows)
        return [row[self._chosen] if isinstance(row, Tensor) and row.ndim else row for row in rows]

    def put(self, row: Tensor, value: Any) -> None:
        """Set the row at those lanes."""
        row[... if self._chosen is None else self._chosen] = value

    def add(self, row: Tensor, value: Any) -> None:
        """Add to the row at those lanes."""
        row[... if self._chosen is None else self._chosen] += value


class _Sums:
    """Gradients of some lanes, as they grow from the end of a frame to its start.

    Attributes:
        seeds: by the unknowns.
    """

    def __init__(self, seeds: Rows, inputs: int, constants: int) -> None:
        self.seeds = seeds
        self._start: list[Any] = [0.0] * inputs
        self._end: list[Any] = [0.0] * inputs
        self._constants: list[Any] = [0.0] * constants

    def add(self, values: Sequence[Any], before: float, behind: float) -> None:
        """What the adjoint of a part gave that reaches from one share of the frame to another."""
        edges = itertools.accumulate(
            (len(self.seeds), len(self._start), len(self._start), len(self._constants))
        )
        self.seeds, first, second, by_constant = (values[a:b] for a, b in itertools.pairwise((0, *edges)))
        pairs = list(zip(first, second, strict=True))
        self._start = [
            s + a * (1 - before) + b * (1 - behind) for s, (a, b) in zip(self._start, pairs, strict=True)
        ]
        self._end = [s + a * before + b * behind for s, (a, b) in zip(self._end, pairs, strict=True)]
        self._constants = [s + value for s, value in zip(self._constants, by_constant, strict=True)]

    def put(self, lanes: _Lanes, seeds: Rows, gradients: Gradients, k: int) -> None:
        """Hand over what step k gave."""
        for seed, value in zip(seeds, self.seeds, strict=True):
            lanes.put(seed, value)
        for total, at_start, at_end in zip(gradients.inputs, self._start, self._end, strict=True):
            lanes.put(total[k], at_start)
            lanes.add(total[k + 1], at_end)
        for total, value in zip(gradients.constants.values(), self._constants, strict=True):
            lanes.add(total, value)


def function(name: str, arguments: Sequence[Node], results: Sequence[Any]) -> Function:
    """A Python function of the leaves in `arguments` that returns the tuple of `results`."""
    names = {leaf: leaf.arguments[0] for leaf in arguments}
    lines = [f"def {name}({', '.join(names.values())}):", f"    like = {names[arguments[0]]}"]
    for node in topological(results):
        if node.operation == LEAF:
            continue
        text = OPERATIONS[node.operation].python.format(*(names.get(a, repr(a)) for a in node.arguments))
        names[node] = f"t{len(names)}"
        lines.append(f"    {names[node]} = {text}")
    returned = "".join(f"{names.get(result, repr(result))}," for result in results)
    lines.append(f"    return ({returned})")
    space: dict[str, Any] = {
        "torch": torch,
        "power": power_values,
        "bounded_log": OPERATIONS["bounded_log"].on_tensors,
        "softplus": OPERATIONS["softplus"].on_tensors,
        "maximum": OPERATIONS["max"].on_tensors,
        "minimum": OPERATIONS["min"].on_tensors,
        "where": where,
    }
    exec("\n".join(lines), space)  # noqa: S102 - generated here from our own operations
    return space[name]
