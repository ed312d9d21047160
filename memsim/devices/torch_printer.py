from __future__ import annotations

import sympy as sp
from sympy.printing.pytorch import TorchPrinter


class TorchFunctionsPrinter(TorchPrinter):
    """Calls our elementary functions by name; sympy's printer refuses functions it does not know."""

    def _call(self, expr: sp.Expr) -> str:
        return f"{type(expr).__name__}({', '.join(self._print(arg) for arg in expr.args)})"

    def _print_Relational(self, expr: sp.core.relational.Relational) -> str:
        """Python's operator: torch's functions refuse a number as their first argument."""
        return f"({self._print(expr.lhs)} {expr.rel_op} {self._print(expr.rhs)})"

    _print_logistic = _print_softplus = _print_power = _print_expm1 = _print_clip = _print_ramp = _call
    _print_bounded_log = _print_step = _call
