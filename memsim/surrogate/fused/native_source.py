"""C source of a kernel: all steps of a run, lanes side by side in vector registers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import torch

from memsim.surrogate.frames import DEEPEST
from memsim.surrogate.fused.operations import OPERATIONS
from memsim.surrogate.fused.program import Adjoint, StepProgram
from memsim.surrogate.fused.tape import LEAF, Node, topological
from memsim.surrogate.massless import ITERATIONS, ROUNDING

WIDTH = 2048
"""Lanes that go through all time steps together: few enough that what they touch stays in the first caches."""

_HEADERS = {
    torch.float32: "#define SINGLE\ntypedef float real;\n#define R(name) name##f\n#define ONE 1.0f\n",
    torch.float64: "typedef double real;\n#define R(name) name\n#define ONE 1.0\n",
}
_TESTS = ("lt", "le", "and", "or", "not")
_ARRAY, _TARGETS = "const real *const *{}", "real *const *{}"
_STEP = ("y", "u", "v", "lane", "carry", "solved")
"""Arrays of arrays [lanes] that a function of the step reads: unknowns and inputs at its start, inputs at its end, what
holds for a run, what the step before carries over, and the potentials at the ends of its stages."""

_BACK = tuple(name for name in _STEP if name != "carry")


def forward_source(program: StepProgram, dtype: torch.dtype, per_lane: Sequence[bool]) -> str:
    """A function `run` that fills every sample of y but the first.

    Args:
        program: the step.
        dtype: torch.float32 or torch.float64.
        per_lane: for each constant, whether it has one value a lane.
    """
    return "\n".join((_preamble(program, dtype, per_lane), _text("frames.c"), _text("forward.c")))


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
    stores = [(value, f"seed[{j}][i] = {{}};") for j, value in enumerate(adjoint.y)]
    stores += [(value, f"by_u[{j}][i] = {{}};") for j, value in enumerate(adjoint.u)]
    stores += [(value, f"by_v[{j}][i] += {{}};") for j, value in enumerate(adjoint.u_next)]
    stores += [(value, f"by_constant[{j}][i] += {{}};") for j, value in enumerate(adjoint.constants)]
    targets = [_TARGETS.format(name) for name in ("seed", "by_u", "by_v", "by_constant")]
    sizes = {"DRIVES": len(adjoint.u), "WANTED": len(adjoint.constants)}
    return "\n".join(
        (
            _preamble(program, dtype, per_lane),
            _definitions(sizes),
            f"static const int KEPT[] = {{{', '.join(str(int(k)) for k in kept)}}};",
            _function("adjoint", ["real h", "const real *number", *_arrays(_BACK), *targets], values, stores),
            _text("frames.c"),
            _text("backward.c"),
        )
    )


def _preamble(program: StepProgram, dtype: torch.dtype, per_lane: Sequence[bool]) -> str:
    massless = program.search.rows if program.search else []
    sizes: dict[str, object] = {
        "WIDTH": WIDTH,
        "UNKNOWNS": len(program.y),
        "INPUTS": len(program.u),
        "LANES": sum(per_lane),
        "STAGES": len(program.guesses),
        "MASSLESS": len(massless),
        "CARRY": len(program.carry),
        "CHECKED": int(program.checked),
        "DEEPEST": DEEPEST,
        "ITERATIONS": ITERATIONS,
        "CLOSE": ROUNDING * torch.finfo(dtype).eps,
    }
    parts = [_HEADERS[dtype], _definitions(sizes), _text("prelude.c")]
    if program.search:
        parts += _searching(program, per_lane, massless)
    parts += [_begin(program, per_lane), _finish(program, per_lane)]
    return "\n".join(parts)


def _searching(program: StepProgram, per_lane: Sequence[bool], rows: Sequence[int]) -> list[str]:
    """What finds the potentials of nodes without a capacitor."""
    assert program.search is not None  # noqa: S101 - asked before
    step = ["real h", "const real *number", *_arrays(_STEP)]
    functions = []
    for stage, guess in enumerate(program.guesses):
        stores = [(value, f"guess[{j}][i] = {{}};") for j, value in enumerate(guess)]
        values = _step_values(program, per_lane)
        functions.append(_function(f"predict_{stage}", [*step, _TARGETS.format("guess")], values, stores))
    search = program.search
    values = {leaf: f"y[{j}][i]" for j, leaf in enumerate(search.y)}
    values |= {leaf: f"u[{j}][i]" for j, leaf in enumerate(search.u)}
    values |= _constant_values(program, per_lane)
    stores = [(value, f"newton[{j}][i] = {{}};") for j, value in enumerate(search.steps)]
    stores.append((search.residual, "residual[i] = {};"))
    arguments = [
        "const real *number",
        *_arrays(("y", "u", "lane")),
        _TARGETS.format("newton"),
        "real *residual",
    ]
    types = ", ".join(["long n", *step, _TARGETS.format("guess")])
    stages = ", ".join(f"predict_{stage}" for stage in range(len(program.guesses)))
    return [
        *functions,
        _function("search", arguments, values, stores),
        f"static const int MASSLESS_ROWS[] = {{{', '.join(map(str, rows))}}};",
        f"static void (*const PREDICT[])({types}) = {{{stages}}};",
    ]


def _begin(program: StepProgram, per_lane: Sequence[bool]) -> str:
    stores = [(value, f"carry[{j}][i] = {{}};") for j, value in enumerate(program.begin)]
    arguments = ["const real *number", *_arrays(("y", "u", "lane")), _TARGETS.format("carry")]
    return _function("begin", arguments, _step_values(program, per_lane), stores)


def _finish(program: StepProgram, per_lane: Sequence[bool]) -> str:
    stores = [(value, f"after[{j}][i] = {{}};") for j, value in enumerate(program.result)]
    stores += [(value, f"carried[{j}][i] = {{}};") for j, value in enumerate(program.carried)]
    if program.checked:
        stores += [(program.error, "error[i] = {};"), (program.pace, "pace[i] = {};")]
    targets = [_TARGETS.format("after"), _TARGETS.format("carried"), "real *error", "real *pace"]
    values = _step_values(program, per_lane)
    return _function("finish", ["real h", "const real *number", *_arrays(_STEP), *targets], values, stores)


def _step_values(program: StepProgram, per_lane: Sequence[bool]) -> dict[Node, str]:
    """Where the leaves of a step are found."""
    values = {leaf: f"y[{j}][i]" for j, leaf in enumerate(program.y)}
    values |= {leaf: f"u[{j}][i]" for j, leaf in enumerate(program.u)}
    values |= {leaf: f"v[{j}][i]" for j, leaf in enumerate(program.u_next)}
    values |= {leaf: f"carry[{j}][i]" for j, leaf in enumerate(program.carry)}
    solved = [leaf for stage in program.solved for leaf in stage]
    values |= {leaf: f"solved[{j}][i]" for j, leaf in enumerate(solved)}
    return {**values, program.h: "h", **_constant_values(program, per_lane)}


def _constant_values(program: StepProgram, per_lane: Sequence[bool]) -> dict[Node, str]:
    lanes = iter(range(len(per_lane)))
    return {
        leaf: f"lane[{next(lanes)}][i]" if varies else f"number[{j}]"
        for j, (leaf, varies) in enumerate(zip(program.constants, per_lane, strict=True))
    }


def _arrays(names: Sequence[str]) -> list[str]:
    return [_ARRAY.format(name) for name in names]


def _definitions(sizes: Mapping[str, object]) -> str:
    return "\n".join(f"#define {name} {value}" for name, value in sizes.items())


def _function(
    name: str, arguments: Sequence[str], values: Mapping[Node, str], stores: Sequence[tuple[Any, str]]
) -> str:
    """A function of n lanes: load, compute, store; every load comes before the first store."""
    body = "\n".join(f"        {line}" for line in _statements(values, stores))
    return f"""static void {name}(long n, {", ".join(arguments)}) {{
    #pragma omp simd
    for (long i = 0; i < n; i++) {{
{body}
    }}
}}"""


def _statements(values: Mapping[Node, str], stores: Sequence[tuple[Any, str]]) -> list[str]:
    names: dict[Any, str] = {}
    lines: list[str] = []
    for node in topological([value for value, _ in stores]):
        if node.operation == LEAF:
            text = values[node]
        else:
            text = OPERATIONS[node.operation].c.format(*(_operand(a, names) for a in node.arguments))
        if node.operation in _TESTS:
            names[node] = text
        else:
            names[node] = f"t{len(names)}"
            lines.append(f"const real {names[node]} = {text};")
    return [*lines, *(line.format(_operand(value, names)) for value, line in stores)]


def _operand(value: Any, names: Mapping[Any, str]) -> str:
    return names[value] if isinstance(value, Node) else f"(real){float(value)!r}"


def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
