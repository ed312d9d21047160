"""Positive feedback of the states of a circuit upon themselves, found in their rates.

A rate is a sum of terms, and its slope by the state itself is the sum of theirs. Where every term is affine in the
state or a logistic transition, the slope falls into two parts of one sign,

    J+ = sum_k [c_k]+ s_k (1 - s_k)         pushes the state on, at most sum_k [c_k]+ / 4 at any point
    J- = everything else                    pulls it back, if only with the constant -1/tau of a state that relaxes

Any other rate is taken as a whole: J+ = [dF/dx]+, with no bound known beforehand.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from memsim.circuits.nodal import NodalEquations
from memsim.devices.functions import logistic, ramp

_STEEPEST_LOGISTIC = sp.Rational(1, 4)


@dataclass(frozen=True)
class Feedback:
    """What a state does to itself.

    Attributes:
        row: number of the state among the unknowns.
        positive: J+ [1/s].
        strongest: the most that J+ can be [1/s], in parameters alone; None where no bound is known.
        pace: rate at which the state relaxes [1/s], in parameters alone; zero where no bound is known.
    """

    row: int
    positive: sp.Expr
    strongest: sp.Expr | None
    pace: sp.Expr


def feedbacks(equations: NodalEquations) -> list[Feedback]:
    """The states that can push themselves further, in their order."""
    found = (_feedback(equations, row) for row in range(len(equations.bounds)))
    return [feedback for feedback in found if feedback is not None]


def _feedback(equations: NodalEquations, row: int) -> Feedback | None:
    variables = {*equations.unknowns, *equations.inputs, *equations.input_rates}
    slopes = [sp.diff(term, equations.unknowns[row]) for term in _terms(equations.flow[row])]
    pushing = [slope for slope in slopes if not slope.is_nonpositive]
    if not pushing:
        return None
    found = [_transition(slope) for slope in pushing]
    transitions = [
        transition for transition in found if transition and not transition[0].free_symbols & variables
    ]
    if len(transitions) < len(pushing):
        return Feedback(row, ramp(equations.jacobian[row, row]), None, sp.S.Zero)
    pulling = [slope for slope in slopes if slope not in pushing and not slope.free_symbols & variables]
    return Feedback(
        row,
        positive=sp.Add(*(ramp(c) * s * (1 - s) for c, s in transitions)),
        strongest=_STEEPEST_LOGISTIC * sp.Add(*(ramp(c) for c, _ in transitions)),
        pace=-sp.Add(*pulling),
    )


def _terms(rate: sp.Expr) -> list[sp.Expr]:
    """Terms whose sum the rate is; a factor of parameters before a sum goes into each."""
    sums = [factor for factor in sp.Mul.make_args(rate) if factor.is_Add]
    if len(sums) != 1:
        return [rate]
    return [rate / sums[0] * term for term in sums[0].args]


def _transition(slope: sp.Expr) -> tuple[sp.Expr, sp.Expr] | None:
    """c and s of a slope c s (1 - s), s a logistic; None where it has another form."""
    for s in slope.atoms(logistic):
        coefficient = slope / s / (1 - s)
        if not coefficient.has(s):
            return coefficient, s
    return None
