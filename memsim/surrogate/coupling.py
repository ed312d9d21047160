"""Copies of a circuit that drive each other: a recurrent layer.

Copy j of n gets, beside its own input, a current from the lines that all copies drive. Line i follows the waveform v of
copy i, and is slow: its driver and its capacitance have a time constant tau.

    i_j(t) += sum_i M_ij x_i(t),    tau dx_i/dt = v_i(t) - rest - x_i(t)

A line starts settled. While v goes straight from v_k to v_k+1 during a step of size h, with s = h / tau,

    x_k+1 = a x_k + b v_k + c v_k+1,    a = exp(-s),  c = 1 - (1 - a) / s,  b = 1 - a - c    (v above rest)

is exact. Steps of circuits see their inputs as straight lines, too. The input at the end of a step is needed before
v_k+1 is known, and takes v_k in its place: c falls with h, and v_k+1 - v_k with it, which makes an error of second
order, as the step's own. Without tau the loop would be closed at once, and no step would be
short enough for membranes that are quicker than it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from memsim.circuits.stimuli import check_positive
from memsim.errors import InputError


class Coupling(NamedTuple):
    """Connections between the copies of a circuit along the last axis of its batch.

    Attributes:
        matrix: [n, n] current into copy j over the potential of line i [S].
        waveform: name of the unknown that drives a line, such as `v(mem)`.
        tau: time constant of the lines [s].
        rest: value of the unknown that drives nothing.
    """

    matrix: Tensor
    waveform: str
    tau: float
    rest: float = 0.0

    def check(self, shape: Sequence[int], unknowns: Sequence[str]) -> None:
        """Refuse what does not fit a batch of this shape.

        Raises:
            InputError: a matrix that does not fit, no such unknown, or no positive time constant.
        """
        check_positive("tau of the coupling", self.tau)
        if not shape or tuple(self.matrix.shape) != (shape[-1], shape[-1]):
            raise InputError(
                f"the coupling matrix has shape {list(self.matrix.shape)} for a batch of {list(shape)}; "
                "give [n, n] for a batch [..., n]"
            )
        if self.waveform not in unknowns:
            raise InputError(
                f"{self.waveform!r} is no unknown of the circuit, so that it cannot drive others; "
                f"it has: {', '.join(unknowns)}"
            )


class Line(NamedTuple):
    """Coefficients of a line during one step."""

    a: float
    b: float
    c: float

    @classmethod
    def of(cls, h: float, tau: float) -> Line:
        """Of a step of this size."""
        s = h / tau
        a, c = math.exp(-s), 1 + math.expm1(-s) / s
        return cls(a, 1 - a - c, c)

    def ahead(self, x: Tensor, v: Tensor) -> Tensor:
        """The line at the end of the step, from itself and v at its start."""
        return torch.lerp(v, x, self.a)

    def after(self, x: Tensor, v: Tensor, v_next: Tensor) -> Tensor:
        """The line at the end of the step, once v is known there."""
        return torch.add(self.a * x, v, alpha=self.b).add_(v_next, alpha=self.c)


def lines(v: Tensor, h: float, tau: float) -> Tensor:
    """Lines [time, ...] that follow potentials of that shape, sampled every h seconds; they start settled."""
    line, found = Line.of(h, tau), [v[0]]
    for before, now in pairwise(v):
        found.append(line.after(found[-1], before, now))
    return torch.stack(found)
