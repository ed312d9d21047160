"""Verilog-A module of a device model, for simulators that compile it (OpenVAF, Spectre, ADS)."""

from __future__ import annotations

import inspect
import math
import re
import textwrap
from collections.abc import Iterable
from functools import cache
from itertools import count

import sympy as sp

from memsim.devices.base import Device, Parameter
from memsim.devices.verilog_expressions import KEYWORDS, OWN, VerilogPrinter, declared_functions, number

WIDTH = 110
WORTH_A_NAME = 12
"""Characters of a term that occurs again, below which it is written out again."""
TAKEN = KEYWORDS | {"p", "n", "v", "held", "V", "I"} | {function.__name__ for function in OWN}
NOTE = (
    "Current flows from p to n. The potential of each internal node is a state: operating points and sweeps hold it "
    "at its initial value, where a transient starts. Initial values can be given to each instance."
)
HELD = 'analysis("static") || (analysis("tran") && $abstime == 0.0)'
"""When states stay at their initial values: ngspice does not call the operating point of a transient static."""


def verilog_a(device: Device, name: str | None = None) -> str:
    """Text of a Verilog-A module with ports `p` and `n`; parameter defaults are the device's values.

    Each state is the potential of an internal node, integrated as I(x) <+ ddt(V(x)) - rate. Operating points and
    sweeps hold it at its initial value, so that one module is both the dynamic and the static form.

    Args:
        device: the device.
        name: module name; the model's name where left out.

    Raises:
        InputError: the model uses a function that Verilog-A has not.
    """
    return "\n".join([
        *_header(device),
        '`include "disciplines.vams"',
        "",
        f"module {module_name(name or device.model)}(p, n);",
        *_laid_out(_contents(device), 2),
        "endmodule",
        "",
    ])  # fmt: skip


def verilog_name(name: str) -> str:
    """`name`, with an underscore behind it where it means something else in a module: `edge` becomes `edge_`."""
    return f"{name}_" if name in TAKEN else name


def module_name(name: str) -> str:
    """A card's or model's name as that of a module, and of the model in a netlist, which knows no capitals."""
    word = re.sub(r"\W", "_", name.lower(), flags=re.ASCII)
    return verilog_name(word if word[:1].isalpha() else f"device_{word}")


def _header(device: Device) -> Iterable[str]:
    summary = (inspect.getdoc(type(device)) or "").splitlines()[0]
    for paragraph in (f"{device.model}: {summary}", f"Model: {device.reference}", NOTE):
        yield from (f"// {line}" for line in textwrap.wrap(paragraph, WIDTH))


def _contents(device: Device) -> list[str]:
    nodes = {state: verilog_name(state.name) for state in device.expressions.states}
    names = _names(type(device))
    variables, (current, *rates) = _named_terms(type(device))
    text = VerilogPrinter(names).doprint
    body = [
        f"held = {HELD};",
        "v = V(p, n);",
        *(f"{variable} = {text(term)};" for variable, term in variables.items()),
    ]
    body.append(f"I(p, n) <+ {text(current)};")
    for (state, node), rate in zip(nodes.items(), rates, strict=True):
        body += ["if (held)", f"  rate_{node} = {state}_0 - V({node});"]
        body += ["else", f"  rate_{node} = {text(rate)};"]
        body.append(f"I({node}) <+ ddt(V({node})) - rate_{node};")
    return [
        "inout p, n;",
        "electrical p, n;",
        *(f"electrical {node};  // {device.states[state.name].meaning}" for state, node in nodes.items()),
        "",
        *_parameters(device),
        "",
        *declared_functions([*variables.values(), current, *rates]),
        "integer held;",
        f"real {', '.join(['v', *map(str, variables), *(f'rate_{node}' for node in nodes.values())])};",
        "",
        "analog begin",
        *(f"  {line}" for line in body),
        "end",
    ]


def _names(model: type[Device]) -> dict[sp.Symbol, str]:
    """What each parameter and state is called in an equation."""
    form = model().expressions
    parameters = {symbol: verilog_name(symbol.name) for symbol in form.parameters}
    return parameters | {state: f"V({verilog_name(state.name)})" for state in form.states}


@cache
def _named_terms(model: type[Device]) -> tuple[dict[sp.Symbol, sp.Expr], list[sp.Expr]]:
    """Variables with their meanings, and the current and the rates written with them."""
    form, names = model().expressions, _names(model)
    text = VerilogPrinter(names).doprint
    repeated, outputs = sp.cse([form.current, *form.rates], symbols=sp.numbered_symbols("_repeated"))
    numbered = (sp.Symbol(f"t{k}", real=True) for k in count(1) if f"t{k}" not in names.values())
    written: dict[sp.Symbol, sp.Basic] = {}
    variables: dict[sp.Symbol, sp.Expr] = {}
    for placeholder, expression in repeated:
        term = written[placeholder] = expression.xreplace(written)
        if isinstance(term, sp.Expr) and len(text(term)) >= WORTH_A_NAME:
            variable = written[placeholder] = next(numbered)
            variables[variable] = term
    return variables, [output.xreplace(written) for output in outputs]


def _parameters(device: Device) -> Iterable[str]:
    for key, spec in device.parameters.items():
        yield from _parameter(verilog_name(key), device.values[key], spec)
    for key, state in device.states.items():
        spec = Parameter(state.initial, state.unit, f"initial {key}", state.low, state.high)
        yield from _parameter(f"{key}_0", device.initial[key], spec, ', type="instance"')


def _parameter(name: str, value: float, spec: Parameter, kind: str = "") -> tuple[str, str]:
    return (
        f'(* desc="{spec.meaning}", units="{spec.unit}"{kind} *)',
        f"parameter real {name} = {number(value)}{_range(spec)};",
    )


def _range(spec: Parameter) -> str:
    if spec.low == -math.inf and spec.high == math.inf:
        return ""
    low = "(0" if spec.positive else "(-inf" if spec.low == -math.inf else f"[{number(spec.low)}"
    high = "inf)" if spec.high == math.inf else f"{number(spec.high)}]"
    return f" from {low}:{high}"


def _laid_out(lines: Iterable[str], indent: int) -> Iterable[str]:
    """Lines indented, and broken where they are long, but not behind a comma: that would part an argument."""
    for line in lines:
        margin = " " * (indent + len(line) - len(line.lstrip()))
        words = line.strip().replace(", ", ",\0")
        broken = textwrap.wrap(
            words, WIDTH, initial_indent=margin, subsequent_indent=f"{margin}    ",
            break_long_words=False, break_on_hyphens=False,
        )  # fmt: skip
        yield from (part.replace("\0", " ") for part in broken or [""])
