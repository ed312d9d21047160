"""Kernels of torch operations: every device that torch knows, no compiler needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from memsim.devices.torch_functions import power_values
from memsim.surrogate.fused.kernel import Constant, Gradients, Kernel
from memsim.surrogate.fused.operations import OPERATIONS, where
from memsim.surrogate.fused.program import StepProgram
from memsim.surrogate.fused.tape import LEAF, Node, topological

Function = Callable[..., tuple[Any, ...]]


class TorchKernel(Kernel):
    """One generated function a step, called for every sample."""

    name = "fused"

    def __init__(self, program: StepProgram) -> None:
        super().__init__(program)
        self._step = self._prepare(
            function("step", [*program.y, *program.u, *program.u_next, *program.constants], program.result)
        )
        self._adjoints: dict[tuple[bool, tuple[int, ...]], Function] = {}

    def _prepare(self, generated: Function) -> Function:
        return generated

    def forward(
        self, y: Sequence[Tensor], u: Sequence[Tensor], constants: Sequence[Constant]
    ) -> list[Tensor]:
        samples = len(u[0])
        columns = [part.new_empty((samples, *part.shape)) for part in y]
        for column, part in zip(columns, y, strict=True):
            column[0] = part
        now: Sequence[Any] = y
        for k in range(samples - 1):
            now = self._step(*now, *self._inputs(u, k), *constants)
            for column, part in zip(columns, now, strict=True):
                column[k + 1] = part
        return columns

    def backward(
        self, y: Sequence[Tensor], u: Sequence[Tensor], constants: Sequence[Constant], gradients: Gradients
    ) -> list[Tensor]:
        adjoint = self._adjoint(bool(gradients.inputs), tuple(gradients.constants))
        seeds: Sequence[Any] = gradients.last
        for k in reversed(range(len(u[0]) - 1)):
            values = adjoint(*(c[k] for c in y), *self._inputs(u, k), *constants, *seeds)
            parts = iter(values)
            seeds = [next(parts) if g is None else next(parts) + g[k] for g in gradients.kept]
            for total in gradients.inputs:
                total[k] = next(parts)
            for total in gradients.inputs[: len(self.program.u_next)]:
                total[k + 1] += next(parts)
            for total in gradients.constants.values():
                total.add_(next(parts))
        return [torch.zeros_like(c[0]) + seed for c, seed in zip(y, seeds, strict=True)]

    def _inputs(self, u: Sequence[Tensor], k: int) -> list[Tensor]:
        """At the start of step k, and those that the step takes at its end."""
        return [*(s[k] for s in u), *(s[k + 1] for s in u[: len(self.program.u_next)])]

    def _adjoint(self, inputs: bool, constants: tuple[int, ...]) -> Function:
        key = inputs, constants
        if key not in self._adjoints:
            p, a = self.program, self.program.adjoint(inputs=inputs, constants=constants)
            arguments = [*p.y, *p.u, *p.u_next, *p.constants, *a.seeds]
            self._adjoints[key] = self._prepare(
                function("adjoint", arguments, [*a.y, *a.u, *a.u_next, *a.constants])
            )
        return self._adjoints[key]


class CompiledTorchKernel(TorchKernel):
    """The same functions through `torch.compile`: C++ on a CPU, Triton on a GPU. Compiling takes a minute."""

    name = "compile"

    def _prepare(self, generated: Function) -> Function:
        return torch.compile(generated)


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
    lines.append(f"    return ({', '.join(names.get(r, repr(r)) for r in results)},)")
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
