"""C source of a kernel: all steps of a run, lanes side by side in vector registers."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import torch

from memsim.surrogate.fused.operations import OPERATIONS
from memsim.surrogate.fused.program import Adjoint, StepProgram
from memsim.surrogate.fused.tape import LEAF, Node, topological

WIDTH = 256
"""Lanes that go through all time steps together: few enough that what they touch stays in the first cache."""

FORWARD_ARGUMENTS = ("y", "u", "lane")
BACKWARD_ARGUMENTS = ("y", "u", "lane", "kept", "seed", "by_u", "by_constant")
"""Arrays of arrays that a kernel takes after lanes, steps, threads and the constants that are numbers."""

_HEADERS = {
    torch.float32: "#define SINGLE\ntypedef float real;\n#define R(name) name##f\n#define ONE 1.0f\n",
    torch.float64: "typedef double real;\n#define R(name) name\n#define ONE 1.0\n",
}
_TESTS = ("lt", "le", "and", "or", "not")


def forward_source(program: StepProgram, dtype: torch.dtype, per_lane: Sequence[bool]) -> str:
    """A function `run` that fills every sample of y but the first.

    Args:
        program: the step.
        dtype: torch.float32 or torch.float64.
        per_lane: for each constant, whether it has one value a lane.
    """
    values = _step_values(program, per_lane)
    body = [f"y[{j}][next] = {{{j}}};" for j in range(len(program.y))]
    steps = "for (long k = 0; k < steps; k++)"
    return _source(dtype, FORWARD_ARGUMENTS, steps, _statements(values, program.result, body))


def backward_source(
    program: StepProgram, adjoint: Adjoint, dtype: torch.dtype, per_lane: Sequence[bool], kept: Sequence[bool]
) -> str:
    """A function `run` that turns `seed`, gradients by the last sample, into those by the first, and finds the others.

    Args:
        program: the step.
        adjoint: its adjoint.
        dtype: torch.float32 or torch.float64.
        per_lane: for each constant, whether it has one value a lane.
        kept: for each unknown, whether there are gradients by its samples.
    """
    values = _step_values(program, per_lane)
    values |= {leaf: f"seed[{j}][i]" for j, leaf in enumerate(adjoint.seeds)}
    results = [*adjoint.y, *adjoint.u, *adjoint.u_next, *adjoint.constants]
    targets = [
        f"seed[{j}][i] = {{}}" + (f" + kept[{j}][now]" if kept[j] else "") for j in range(len(adjoint.y))
    ]
    targets += [f"by_u[{j}][now] = {{}}" for j in range(len(adjoint.u))]
    targets += [f"by_u[{j}][next] += {{}}" for j in range(len(adjoint.u_next))]
    targets += [f"by_constant[{j}][i] += {{}}" for j in range(len(adjoint.constants))]
    body = [target.replace("{}", f"{{{j}}}") + ";" for j, target in enumerate(targets)]
    steps = "for (long k = steps - 1; k >= 0; k--)"
    return _source(dtype, BACKWARD_ARGUMENTS, steps, _statements(values, results, body))


def _step_values(program: StepProgram, per_lane: Sequence[bool]) -> dict[Node, str]:
    """Where the leaves of a step are found."""
    values = {leaf: f"y[{j}][now]" for j, leaf in enumerate(program.y)}
    values |= {leaf: f"u[{j}][now]" for j, leaf in enumerate(program.u)}
    values |= {leaf: f"u[{j}][next]" for j, leaf in enumerate(program.u_next)}
    lanes = iter(range(len(per_lane)))
    for j, (leaf, varies) in enumerate(zip(program.constants, per_lane, strict=True)):
        values[leaf] = f"lane[{next(lanes)}][i]" if varies else f"number[{j}]"
    return values


def _statements(values: dict[Node, str], results: Sequence[Any], body: Sequence[str]) -> list[str]:
    """Load, compute, store; every load comes before the first store."""
    names: dict[Any, str] = {}
    lines: list[str] = []
    for node in topological(results):
        if node.operation == LEAF:
            text = values[node]
        else:
            text = OPERATIONS[node.operation].c.format(*(_operand(a, names) for a in node.arguments))
        if node.operation in _TESTS:
            names[node] = text
        else:
            names[node] = f"t{len(names)}"
            lines.append(f"const real {names[node]} = {text};")
    stored = [_operand(result, names) for result in results]
    return [*lines, *(line.format(*stored) for line in body)]


def _operand(value: Any, names: dict[Any, str]) -> str:
    return names[value] if isinstance(value, Node) else f"(real){float(value)!r}"


def _source(dtype: torch.dtype, arguments: Sequence[str], steps: str, statements: Sequence[str]) -> str:
    prelude = files(__package__).joinpath("prelude.c").read_text(encoding="utf-8")
    arrays = ", ".join(f"real *restrict const *{name}" for name in arguments)
    body = "\n".join(f"                {line}" for line in statements)
    return f"""{_HEADERS[dtype]}#define WIDTH {WIDTH}
{prelude}
void run(long lanes, long steps, int threads, const real *number, {arrays})
{{
    #pragma omp parallel for num_threads(threads) schedule(static)
    for (long block = 0; block < lanes; block += WIDTH) {{
        const long end = block + WIDTH < lanes ? block + WIDTH : lanes;
        {steps} {{
            #pragma omp simd
            for (long i = block; i < end; i++) {{
                const long now = k * lanes + i, next = now + lanes;
{body}
            }}
        }}
    }}
}}
"""
