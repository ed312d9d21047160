"""Expressions in Verilog-A, in functions and names that every compiler of the language takes.

`limexp` is not used: an analog function may not call it, and beyond its limit it is another function than exp.
What needs a bound is bounded in the model itself, as in every other engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sympy as sp
from sympy.core.operations import LatticeOp
from sympy.printing.precedence import PRECEDENCE
from sympy.printing.str import StrPrinter

from memsim.devices.functions import clip, expm1, logistic, power, ramp, softplus
from memsim.errors import InputError

KEYWORDS = frozenset(
    """above abs absdelay absdelta abstol ac_stim access acos acosh aliasparam always analog analysis and asin asinh
    assert assign atan atan2 atanh automatic begin branch buf bufif0 bufif1 case casex casez ceil cell cmos config
    connect connectmodule connectrules continuous cos cosh cross ddt ddt_nature ddx deassign default defparam design
    disable discipline discrete domain driver_update edge electrical else end endcase endconfig endconnectrules
    enddiscipline endfunction endgenerate endmodule endnature endparamset endprimitive endspecify endtable endtask
    event exclude exp final_step flicker_noise floor flow for force forever fork from function generate genvar
    ground highz0 highz1 hypot idt idt_nature idtmod if ifnone incdir include inf initial initial_step inout input
    instance integer join laplace_nd laplace_np laplace_zd laplace_zp large last_crossing liblist library limexp ln
    localparam log macromodule max medium merged min module nand nature negedge net_resolution nmos noise_table
    noise_table_log nor noshowcancelled not notif0 notif1 or output parameter paramset pmos posedge potential pow
    primitive pull0 pull1 pulldown pullup pulsestyle_ondetect pulsestyle_onevent rcmos real realtime reg release
    repeat resolveto rnmos rpmos rtran rtranif0 rtranif1 scalared showcancelled signed sin sinh slew small specify
    specparam split sqrt string strong0 strong1 supply0 supply1 table tan tanh task time timer tran tranif0 tranif1
    transition tri tri0 tri1 triand trior trireg units unsigned use uwire vectored wait wand weak0 weak1 while
    white_noise wire wor wreal xnor xor zi_nd zi_np zi_zd zi_zp""".split()  # noqa: SIM905 - 200 words
)
BUILT_IN: Mapping[type, str] = {
    sp.exp: "exp", sp.log: "ln", sp.Abs: "abs",
    sp.sin: "sin", sp.cos: "cos", sp.tan: "tan", sp.asin: "asin", sp.acos: "acos", sp.atan: "atan", sp.atan2: "atan2",
    sp.sinh: "sinh", sp.cosh: "cosh", sp.tanh: "tanh", sp.asinh: "asinh", sp.acosh: "acosh", sp.atanh: "atanh",
}  # fmt: skip
OWN: Mapping[type, tuple[str, str]] = {
    logistic: ("z", "(z < 0.0 ? exp(z) : 1.0)/(1.0 + exp(-abs(z)))"),
    # 2 atanh(e / (2 + e)) is ln(1 + e) without losing a small e
    softplus: ("z", "max(z, 0.0) + 2.0*atanh(exp(-abs(z))/(2.0 + exp(-abs(z))))"),
    # compilers differentiate pow(b, a) as a pow(b, a) / b
    power: ("b, a", "b > 1e-300 ? pow(b, a) : 0.0"),
    # exp(z) - 1 without losing a small z
    expm1: ("z", "tanh(z/2.0)*(exp(z) + 1.0)"),
    clip: ("z, limit", "min(max(z, -limit), limit)"),
    # a slope of 1/2 at the corner, as everywhere: a device at rest stands on it
    ramp: ("z", "z > 0.0 ? z : (z < 0.0 ? 0.0 : z/2.0)"),
}
"""Functions that a module declares for itself: arguments and value."""


def number(value: float) -> str:
    """The shortest text that reads back as `value`, and as a real number."""
    short = f"{value:g}"
    exact = float(short) == value and not short.lstrip("-").isdigit()
    return short if exact else repr(value)


class VerilogPrinter(StrPrinter):
    """Prints sympy expressions in Verilog-A.

    Args:
        names: what each symbol prints as.
    """

    def __init__(self, names: Mapping[sp.Symbol, str]) -> None:
        super().__init__()
        self._names = dict(names)

    def doprint(self, expr: sp.Expr) -> str:
        text = super().doprint(expr)
        return text[1:-1] if expr.is_Pow and text.startswith("(") else text

    def _print(self, expr: Any, **kwargs: Any) -> str:
        if isinstance(expr, sp.Expr) and not isinstance(expr, sp.Piecewise):
            if expr.is_number and not expr.is_Rational:
                return number(float(expr))  # pi / 2
            if isinstance(expr, sp.Function | LatticeOp):
                return self._print_Function(expr)  # past sympy's own ways for Max, Heaviside and others
        return str(super()._print(expr, **kwargs))

    def _print_Symbol(self, expr: sp.Symbol) -> str:
        return self._names.get(expr, expr.name)

    def _print_Float(self, expr: sp.Float) -> str:
        return number(float(expr))

    def _print_Integer(self, expr: sp.Integer) -> str:
        return str(expr.p) if abs(expr.p) < 2**31 else number(float(expr))

    def _print_Rational(self, expr: sp.Rational) -> str:
        return number(float(expr))  # 1/2 of two integers is 0

    def _print_Pow(self, expr: sp.Pow, rational: bool = False) -> str:
        base, exponent = expr.args
        if exponent.is_negative:
            return f"(1/{self.parenthesize(sp.Pow(base, -exponent), PRECEDENCE['Pow'])})"
        if exponent == sp.Rational(1, 2):
            return f"sqrt({self._print(base)})"
        if exponent in {2, 3} and base.is_Symbol:
            return f"({'*'.join([self._print(base)] * int(exponent))})"
        return f"pow({self._print(base)}, {self._print(exponent)})"

    def _print_Function(self, expr: sp.Expr) -> str:
        if type(expr) not in {*BUILT_IN, *OWN}:
            known = ", ".join(sorted(f.__name__ for f in (*BUILT_IN, *OWN)))
            raise InputError(
                f"{expr.func.__name__} has no form in Verilog-A; write the model in: {known}, Piecewise"
            )
        name = BUILT_IN.get(type(expr), expr.func.__name__)
        return f"{name}({', '.join(self._print(arg) for arg in expr.args)})"

    def _print_Piecewise(self, expr: sp.Piecewise) -> str:
        *branches, (default, always) = expr.args
        if always != sp.true:
            raise InputError(f"{expr}: the last branch must hold everywhere else")
        text = self.parenthesize(default, PRECEDENCE["Atom"], strict=True)
        for value, condition in reversed(branches):
            first = self.parenthesize(value, PRECEDENCE["Atom"], strict=True)
            text = f"({self._print(condition)} ? {first} : {text})"
        return text

    def _print_Relational(self, expr: sp.Rel) -> str:
        return f"{self._print(expr.lhs)} {expr.rel_op} {self._print(expr.rhs)}"

    def _print_And(self, expr: sp.And) -> str:
        return " && ".join(f"({self._print(arg)})" for arg in expr.args)

    def _print_Or(self, expr: sp.Or) -> str:
        return " || ".join(f"({self._print(arg)})" for arg in expr.args)


def declared_functions(expressions: list[sp.Expr]) -> list[str]:
    """Declarations, as lines, of the functions that a module with these expressions needs."""
    used = {type(function) for expression in expressions for function in expression.atoms(sp.Function)}
    lines = []
    for function, (arguments, value) in OWN.items():
        if function in used:
            name = function.__name__
            lines += [f"analog function real {name};", f"  input {arguments};", f"  real {arguments};"]
            lines += [f"  {name} = {value};", "endfunction", ""]
    return lines
