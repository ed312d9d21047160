"""Splitting expressions into what depends on parameters alone and what changes at every step."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import sympy as sp


class Hoister:
    """Replaces every maximal subexpression of parameters alone by a symbol.

    Args:
        variables: symbols that change from step to step; all others are parameters.

    Attributes:
        constants: the replaced subexpressions by their symbol.
    """

    def __init__(self, variables: Collection[sp.Symbol]) -> None:
        self._variables = frozenset(variables)
        self.constants: dict[sp.Symbol, sp.Expr] = {}
        self._symbols: dict[sp.Expr, sp.Symbol] = {}
        self._visited: dict[sp.Basic, sp.Basic] = {}

    def __call__(self, expressions: Sequence[sp.Expr]) -> list[sp.Expr]:
        """The expressions with their constant parts replaced."""
        return [self._visit(expression) for expression in expressions]

    def _visit(self, expr: sp.Basic) -> sp.Basic:
        if expr not in self._visited:
            self._visited[expr] = self._split(expr)
        return self._visited[expr]

    def _split(self, expr: sp.Basic) -> sp.Basic:
        if isinstance(expr, sp.Piecewise):
            return sp.Piecewise(
                *((self._visit(value), self._visit_condition(test)) for value, test in expr.args)
            )
        if not expr.free_symbols & self._variables:
            return self._replace(expr) if expr.free_symbols else expr
        if expr.is_Add or expr.is_Mul:
            constant, rest = expr.as_independent(*self._variables, as_Add=expr.is_Add)
            parts = [self._visit(part) for part in type(expr).make_args(rest)]
            return expr.func(self._visit(constant), *parts)
        if not expr.args:
            return expr
        return expr.func(*(self._visit(arg) for arg in expr.args))

    def _visit_condition(self, condition: sp.Basic) -> sp.Basic:
        if not isinstance(condition, sp.core.relational.Relational):
            return condition
        return condition.func(self._visit(condition.lhs), self._visit(condition.rhs))

    def _replace(self, expr: sp.Expr) -> sp.Symbol:
        if expr not in self._symbols:
            symbol = sp.Symbol(f"constant_{len(self._symbols)}", real=True)
            self._symbols[expr], self.constants[symbol] = symbol, expr
        return self._symbols[expr]
