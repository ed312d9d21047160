"""Elementary functions that devices are written in, safe for any real argument in every engine.

    logistic(z)   1 / (1 + exp(-z))
    softplus(z)   ln(1 + exp(z)), derivative logistic(z)
    power(b, a)   b**a for b >= 0, and 0 for a negative power of 0: so its derivatives stay finite at b = 0
    expm1(z)      exp(z) - 1
    clip(z, L)    z for |z| <= L, else the nearer of -L and L: bounds an argument that no working point reaches
    ramp(z)       z for z >= 0, else 0

Their first and second derivatives are finite everywhere; at a corner the second counts as 0.

sympy differentiates them symbolically; `rewrite(exp)` turns them into plain exponentials and powers. Built from them:

    wall(d, w)               tanh(d / w) inside, 0 at the wall (d = 0), d / w beyond it
    within_unit(x)           x where 0 <= x <= 1, else the nearer end
    saturating_exp(l, cap)   e^l / (1 + e^l / cap): a rate given by its logarithm, never faster than `cap`
"""

from __future__ import annotations

from typing import Any

import sympy as sp
from sympy.codegen.cfunctions import expm1
from sympy.core.function import ArgumentIndexError

__all__ = ["clip", "expm1", "logistic", "power", "ramp", "saturating_exp", "softplus", "wall", "within_unit"]


class logistic(sp.Function):  # noqa: N801 - sympy functions are written in lower case
    """1 / (1 + exp(-z)), between 0 and 1."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return self * (1 - self)

    def _eval_rewrite_as_exp(self, z: sp.Expr, **_: Any) -> sp.Expr:
        return 1 / (1 + sp.exp(-z))

    def _eval_is_positive(self) -> bool:
        return True

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        text = rf"\sigma\left({printer.doprint(self.args[0])}\right)"
        return text if exp is None else rf"{text}^{{{exp}}}"


class softplus(sp.Function):  # noqa: N801
    """ln(1 + exp(z)): a ramp with a rounded corner."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return logistic(self.args[0])

    def _eval_rewrite_as_exp(self, z: sp.Expr, **_: Any) -> sp.Expr:
        return sp.log(1 + sp.exp(z))

    def _eval_is_positive(self) -> bool:
        return True

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        text = rf"\operatorname{{softplus}}\left({printer.doprint(self.args[0])}\right)"
        return text if exp is None else rf"{text}^{{{exp}}}"


class power(sp.Function):  # noqa: N801
    """base**exponent for a base that is never negative.

    sympy writes the derivative of a plain power as a*b**a/b, which is 0/0 once b underflows. A negative exponent comes
    from a derivative, always times a slope of the base that vanishes with it; such a power of 0 counts as 0.
    """

    nargs = 2

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        base, exponent = self.args
        if argindex == 1:
            return exponent * power(base, exponent - 1)
        return self * bounded_log(base)

    def _eval_rewrite_as_exp(self, base: sp.Expr, exponent: sp.Expr, **_: Any) -> sp.Expr:
        return base**exponent

    def _eval_is_nonnegative(self) -> bool:
        return True

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        base, exponent = (printer.doprint(arg) for arg in self.args)
        text = rf"\left({base}\right)^{{{exponent}}}"
        return text if exp is None else rf"\left({text}\right)^{{{exp}}}"


class bounded_log(sp.Function):  # noqa: N801
    """ln z, bounded below where z is so small that 1/z would overflow: for a power by its exponent."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return power(self.args[0], sp.Integer(-1))

    def _eval_rewrite_as_exp(self, z: sp.Expr, **_: Any) -> sp.Expr:
        return sp.log(z)

    def _eval_is_real(self) -> bool:
        return True


class clip(sp.Function):  # noqa: N801
    """z bounded to [-limit, limit], limit a positive number."""

    nargs = 2

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        z, limit = self.args
        if argindex != 1:
            raise ArgumentIndexError(self, argindex)
        return sp.Piecewise((1, sp.Abs(z) < limit), (0, True))

    def _eval_rewrite_as_exp(self, z: sp.Expr, limit: sp.Expr, **_: Any) -> sp.Expr:
        return (sp.Abs(z + limit) - sp.Abs(z - limit)) / 2

    def _eval_is_real(self) -> bool:
        return True

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        z, limit = (printer.doprint(arg) for arg in self.args)
        text = rf"\left[{z}\right]_{{-{limit}}}^{{{limit}}}"
        return text if exp is None else rf"\left({text}\right)^{{{exp}}}"


class ramp(sp.Function):  # noqa: N801
    """The positive part of z. Its slope at z = 0, the corner, is taken as 1/2."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return step(self.args[0])

    def _eval_rewrite_as_exp(self, z: sp.Expr, **_: Any) -> sp.Expr:
        return (z + sp.Abs(z)) / 2

    def _eval_is_nonnegative(self) -> bool:
        return True

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        text = rf"\left[{printer.doprint(self.args[0])}\right]_+"
        return text if exp is None else rf"{text}^{{{exp}}}"


class step(sp.Function):  # noqa: N801
    """The slope of `ramp`: 0, 1/2 at z = 0, 1. sympy's derivative of a sign is a Dirac impulse, this one's is 0."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return sp.S.Zero

    def _eval_rewrite_as_exp(self, z: sp.Expr, **_: Any) -> sp.Expr:
        return (1 + sp.sign(z)) / 2

    def _eval_is_nonnegative(self) -> bool:
        return True


def wall(distance: sp.Expr, width: sp.Expr) -> sp.Expr:
    """Factor of a rate towards a wall: fades within `width` of it, and pulls back beyond it in proportion.

    In proportion, because an implicit step that has overshot then returns at once.
    """
    return sp.tanh(ramp(distance) / width) - ramp(-distance) / width


def within_unit(x: sp.Expr) -> sp.Expr:
    """x between 0 and 1, else the nearer end: the reading of a state that a step has carried past a wall."""
    return ramp(x) - ramp(x - 1)


def saturating_exp(log_rate: sp.Expr, cap: sp.Expr) -> sp.Expr:
    """exp(log_rate) for rates far below `cap`, `cap` for rates far above; finite for any exponent."""
    return cap * logistic(log_rate - sp.log(cap))
