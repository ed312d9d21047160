"""Elementary functions that devices are written in, safe for any real argument in every engine.

    logistic(z)   1 / (1 + exp(-z))
    softplus(z)   ln(1 + exp(z)), derivative logistic(z)
    power(b, a)   b**a for b >= 0 and a >= 1, with a derivative that stays finite at b = 0
    expm1(z)      exp(z) - 1

sympy differentiates them symbolically; `rewrite(exp)` turns them into plain exponentials and powers.
"""

from __future__ import annotations

from typing import Any

import sympy as sp
from sympy.codegen.cfunctions import expm1

__all__ = ["expm1", "logistic", "power", "softplus"]


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

    sympy writes the derivative of a plain power as a*b**a/b, which is 0/0 once b underflows.
    """

    nargs = 2

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        base, exponent = self.args
        if argindex == 1:
            return exponent * power(base, exponent - 1)
        return self * sp.log(base)

    def _eval_rewrite_as_exp(self, base: sp.Expr, exponent: sp.Expr, **_: Any) -> sp.Expr:
        return base**exponent

    def _eval_is_nonnegative(self) -> bool:
        return True

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        base, exponent = (printer.doprint(arg) for arg in self.args)
        text = rf"\left({base}\right)^{{{exponent}}}"
        return text if exp is None else rf"\left({text}\right)^{{{exp}}}"
