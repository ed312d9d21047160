"""ngspice expressions and sub-circuits of a device model.

The text decides what a behavioural source costs, because ngspice interprets it together with a derivative
tree. So everything that depends on parameters alone is gathered in `{(...)}`, which ngspice folds into one number
(the round brackets matter: braces are replaced as text and do not group), and only constructs that mean the same in
every compatibility mode are used: + - * / ** with a base that is never negative, exp, ln, sinh, cosh, tanh, asin, abs,
uramp, u and the ternary operator. The exception is exp beyond 14, for which libraries have a form of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import sympy as sp
from sympy.printing.precedence import PRECEDENCE
from sympy.printing.str import StrPrinter

from memsim.devices.base import Device
from memsim.devices.functions import clip, ramp
from memsim.devices.shared_terms import SharedTerms, share

STATE_LEAK = 1e12
"""Resistance [ohm] from a state node to ground, where states are volts on 1 F: 1e-12 of a state per second."""
LONGEST = 4000
"""Characters of current and rates beyond which a model shares terms: what ngspice takes in a fraction of a second."""
WORTH_A_NODE = 200
"""Characters of a term below which it is repeated instead: the more nodes pass a value on, the easier a step that
Newton's method has missed leaves them where no shorter step returns from (JART's RESET, with a node from 60 on)."""


class NgspicePrinter(StrPrinter):
    """Prints sympy expressions in the subset of ngspice that is safe in every compatibility mode.

    Args:
        names: what each symbol of voltage and state prints as; every other symbol is a parameter.
        portable: print exponentials that hold in PSpice's compatibility mode, too, where ngspice goes on from exp(14)
            in a straight line. They take twice the time.
    """

    def __init__(self, names: Mapping[sp.Symbol, str], *, portable: bool = False) -> None:
        super().__init__()
        self._names = dict(names)
        self._portable = portable
        self._folding = False

    def _print(self, expr: Any, **kwargs: Any) -> str:
        if not self._folding and isinstance(expr, sp.Expr) and self._is_constant(expr):
            return self._fold(expr)
        if isinstance(expr, sp.Expr) and expr.is_number and not expr.is_Number:
            return repr(float(expr))  # pi / 2, log(2)
        return str(super()._print(expr, **kwargs))

    def _is_constant(self, expr: sp.Expr) -> bool:
        return bool(expr.free_symbols) and not (expr.free_symbols & self._names.keys())

    def _fold(self, expr: sp.Expr) -> str:
        self._folding = True
        text = self._print(expr)
        self._folding = False
        bracketed = expr.is_Symbol or expr.is_Pow
        return "{" + text + "}" if bracketed else "{(" + text + ")}"

    def _print_Symbol(self, expr: sp.Symbol) -> str:
        return self._names.get(expr, expr.name)

    def _print_Float(self, expr: sp.Float) -> str:
        return repr(float(expr))

    def _print_Rational(self, expr: sp.Rational) -> str:
        return repr(float(expr)) if expr.q != 1 else str(expr.p)

    def parenthesize(self, item: sp.Expr, level: int, strict: bool = False) -> str:
        if self._is_atomic(item):
            return self._print(item)
        return str(super().parenthesize(item, level, strict))

    def _is_atomic(self, expr: sp.Expr) -> bool:
        folded = not self._folding and self._is_constant(expr)
        return folded or isinstance(expr, sp.Piecewise | sp.Function) or expr.is_Symbol

    def _split_constant(self, expr: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
        if self._folding:
            return expr.identity, expr
        return expr.as_independent(*self._names, as_Add=expr.is_Add)

    def _print_Add(self, expr: sp.Add, order: Any = None) -> str:
        constant, rest = self._split_constant(expr)
        terms = [*sp.Add.make_args(rest), *([constant] if constant != 0 else [])]
        negative = [not self._is_atomic(term) and term.could_extract_minus_sign() for term in terms]
        plus = [
            self.parenthesize(t, PRECEDENCE["Add"])
            for t, minus in zip(terms, negative, strict=True)
            if not minus
        ]
        less = [
            self.parenthesize(-t, PRECEDENCE["Mul"])
            for t, minus in zip(terms, negative, strict=True)
            if minus
        ]
        return "-".join(["+".join(plus), *less])

    def _print_Mul(self, expr: sp.Mul) -> str:
        if expr.could_extract_minus_sign() and not self._is_atomic(expr):
            return f"-{self.parenthesize(-expr, PRECEDENCE['Mul'])}"
        constant, rest = self._split_constant(expr)
        factors = [*([constant] if constant != 1 else []), *sp.Mul.make_args(rest)]
        below = [f for f in factors if _is_reciprocal(f) and f is not constant]
        above = [self.parenthesize(f, PRECEDENCE["Mul"]) for f in factors if f not in below]
        text = "*".join(above) or "1"
        return "/".join([text, *(self.parenthesize(1 / f, PRECEDENCE["Pow"]) for f in below)])

    def _print_Pow(self, expr: sp.Pow, rational: bool = False) -> str:
        base, exponent = expr.args
        if _is_reciprocal(expr):
            return f"(1/{self.parenthesize(1 / expr, PRECEDENCE['Pow'])})"
        root = self.parenthesize(base, PRECEDENCE["Atom"])
        if exponent.is_Integer and exponent.is_odd and not base.is_nonnegative:
            return f"({root}*{root}**{exponent - 1})"
        if base.is_nonnegative or (exponent.is_Integer and exponent.is_even):
            return f"({root}**{self.parenthesize(exponent, PRECEDENCE['Atom'])})"
        raise ValueError(f"{expr}: ngspice takes |{base}| here; write it so that the base is never negative")

    def _print_exp(self, expr: sp.Expr) -> str:
        if not self._portable:
            return f"exp({self._print(expr.args[0])})"
        exponent = self.parenthesize(expr.args[0] / 16, PRECEDENCE["Mul"])
        return f"(exp(14-uramp(14-{exponent}))**16)"

    def _print_logistic(self, expr: sp.Expr) -> str:
        return f"(1/(1+{self._print_exp(sp.exp(-expr.args[0], evaluate=False))}))"

    def _print_softplus(self, expr: sp.Expr) -> str:
        z = self._print(expr.args[0])
        return f"(uramp({z})+ln(1+exp(-abs({z}))))"

    def _print_power(self, expr: sp.Expr) -> str:
        base, exponent = (self.parenthesize(arg, PRECEDENCE["Atom"]) for arg in expr.args)
        return f"({base}**{exponent})"

    def _print_expm1(self, expr: sp.Expr) -> str:
        return f"({self._print_exp(sp.exp(expr.args[0], evaluate=False))}-1)"

    def _print_clip(self, expr: sp.Expr) -> str:
        z, limit = (self.parenthesize(arg, PRECEDENCE["Add"]) for arg in expr.args)
        return f"(uramp({z}+{limit})-uramp({z}-{limit})-{limit})"

    def _print_ramp(self, expr: sp.Expr) -> str:
        return f"uramp({self._print(expr.args[0])})"

    def _print_log(self, expr: sp.Expr) -> str:
        return f"ln({self._print(expr.args[0])})"

    def _print_Piecewise(self, expr: sp.Piecewise) -> str:
        *branches, (default, always) = expr.args
        if always != sp.true:
            raise ValueError(f"{expr}: the last branch must hold everywhere else")
        text = self.parenthesize(default, PRECEDENCE["Atom"])
        for value, condition in reversed(branches):
            test = f"{self._print(condition.lhs)}{condition.rel_op}{self._print(condition.rhs)}"
            text = f"({test}?{self.parenthesize(value, PRECEDENCE['Atom'])}:{text})"
        return text


def _is_reciprocal(expr: sp.Expr) -> bool:
    return expr.is_Pow and expr.exp.is_Integer and bool(expr.exp < 0)


def expression_text(expr: sp.Expr, names: Mapping[sp.Symbol, str], *, portable: bool = False) -> str:
    """`expr` as ngspice text without blanks; symbols not in `names` are printed as parameters in braces."""
    return NgspicePrinter(names, portable=portable).doprint(expr).replace(" ", "")


@dataclass(frozen=True)
class Texts:
    """A model between nodes `p` and `n` as texts.

    Args:
        current: of the model [A].
        rates: of its states [1/s]; none in the static form.
        shared: terms of both that nodes `q1`, `q2`, ... hold, by node.
    """

    current: str
    rates: tuple[str, ...] = ()
    shared: Mapping[str, str] = field(default_factory=dict)


@cache
def dynamic_texts(model: type[Device], *, portable: bool = False) -> Texts:
    """The model with each state the voltage of a node of its name."""
    form = model().expressions
    names = {form.voltage: "v(p,n)"} | {state: f"v({state.name})" for state in form.states}
    outputs: Sequence[sp.Expr] = (form.current, *form.rates)
    nodes: Mapping[sp.Symbol, sp.Expr] = {}
    if sum(len(expression_text(output, names)) for output in outputs) > LONGEST:
        shared = terms_on_nodes(model)
        outputs, nodes = shared.outputs, dict(zip(shared.symbols, shared.terms, strict=True))
        names |= {symbol: f"v({symbol.name})" for symbol in nodes}
    current, *rates = (expression_text(output, names, portable=portable) for output in outputs)
    terms = {node.name: expression_text(term, names, portable=portable) for node, term in nodes.items()}
    return Texts(current, tuple(rates), terms)


@cache
def terms_on_nodes(model: type[Device]) -> SharedTerms:
    """Terms of a long model that are worth a node: those that move with the device and take some text.

    A term that bounds its argument is none of them: its bound has to hold in every iteration of Newton's method.
    """
    form = model().expressions
    names = {form.voltage: "v(p,n)"} | {state: f"v({state.name})" for state in form.states}

    def worth(term: sp.Expr, nodes: tuple[sp.Symbol, ...]) -> bool:
        own = names | {symbol: f"v({symbol.name})" for symbol in nodes}
        moves, bounds = term.free_symbols & own.keys(), isinstance(term, clip | ramp)
        return bool(moves) and not bounds and len(expression_text(term, own)) >= WORTH_A_NODE

    return share(model, worth)


@cache
def static_text(model: type[Device], *, portable: bool = False) -> str:
    """The current with states as parameters."""
    form = model().expressions
    return expression_text(form.current, {form.voltage: "v(p,n)"}, portable=portable)
