"""Verilog-A module of a device model, for simulators that compile it (OpenVAF, Spectre, ADS)."""

from __future__ import annotations

import sympy as sp
from sympy.printing.c import C99CodePrinter

from memsim.devices.base import Device, Parameter
from memsim.devices.functions import clip, expm1, logistic, ramp, softplus


class _VerilogPrinter(C99CodePrinter):
    def _print_logistic(self, expr: sp.Expr) -> str:
        return f"(1.0/(1.0+limexp({self._print(-expr.args[0])})))"

    def _print_softplus(self, expr: sp.Expr) -> str:
        z = self._print(expr.args[0])
        return f"(max({z},0.0)+ln(1.0+exp(-abs({z}))))"

    def _print_power(self, expr: sp.Expr) -> str:
        base, exponent = (self._print(arg) for arg in expr.args)
        return f"pow({base},{exponent})"

    def _print_expm1(self, expr: sp.Expr) -> str:
        return f"(limexp({self._print(expr.args[0])})-1.0)"

    def _print_clip(self, expr: sp.Expr) -> str:
        z, limit = (self._print(arg) for arg in expr.args)
        return f"min(max({z},-{limit}),{limit})"

    def _print_ramp(self, expr: sp.Expr) -> str:
        return f"max({self._print(expr.args[0])},0.0)"

    def _print_log(self, expr: sp.Expr) -> str:
        return f"ln({self._print(expr.args[0])})"

    def _print_Abs(self, expr: sp.Expr) -> str:
        return f"abs({self._print(expr.args[0])})"

    def _print_Piecewise(self, expr: sp.Piecewise) -> str:
        *branches, (default, _) = expr.args
        text = self._print(default)
        for value, condition in reversed(branches):
            text = f"(({self._print(condition)}) ? ({self._print(value)}) : ({text}))"
        return text


_PRINTER = _VerilogPrinter(
    {"user_functions": {f.__name__: f.__name__ for f in (clip, expm1, logistic, ramp, softplus)}}
)


def _range(parameter: Parameter) -> str:
    opening = (
        "(0"
        if parameter.positive
        else ("(-inf" if sp.Float(parameter.low) == -sp.oo else f"[{parameter.low!r}")
    )
    closing = "inf)" if parameter.high == float("inf") else f"{parameter.high!r}]"
    return f"from {opening}:{closing}"


def verilog_a(device: Device, name: str | None = None) -> str:
    """Text of a Verilog-A module with ports `p` and `n`; parameter defaults are the device's values.

    Each state is the potential of an internal node, integrated as I(x) <+ ddt(V(x)) - rate.

    Args:
        device: the device.
        name: module name; the model's name where left out.
    """
    module = (name or device.model).replace("-", "_")
    form = device.expressions
    states = ", ".join(device.states)
    lines = ['`include "constants.vams"', '`include "disciplines.vams"', "", f"// {device.reference}"]
    lines += [f"module {module}(p, n);", "  inout p, n;", f"  electrical p, n, {states};"]
    for key, spec in device.parameters.items():
        lines.append(
            f"  parameter real {key} = {device.values[key]!r} {_range(spec)}; // {spec.meaning} [{spec.unit}]"
        )
    lines += [f"  parameter real {key}_0 = {value!r};" for key, value in device.initial.items()]
    access = {form.voltage: sp.Symbol("V(p,n)")} | {s: sp.Symbol(f"V({s.name})") for s in form.states}
    lines.append("  analog begin")
    lines.append(f"    I(p,n) <+ {_PRINTER.doprint(form.current.subs(access))};")
    for state, rate in zip(form.states, form.rates, strict=True):
        rate_text = _PRINTER.doprint(rate.subs(access))
        lines.append(f'    if (analysis("static")) V({state.name}) <+ {state.name}_0;')
        lines.append(f"    else I({state.name}) <+ ddt(V({state.name})) - ({rate_text});")
    return "\n".join([*lines, "  end", "endmodule", ""])
