"""Copies of a circuit that drive each other: a recurrent layer.

Copy j of n gets, beside its own input, a current from the waveform v of every copy,

    i_j(t) += sum_i M_ij (v_i(t) - rest).

Steps see inputs as straight lines between samples. The end of step k is needed before v is known there, and taken from
the straight line through the last two samples, v_k + (v_k - v_k-1) h_k / h_k-1: an error of second order in h, as the
step's own. What is coupled at sample k is the end of one step and the start of the next, so that currents do not jump.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from memsim.errors import InputError


class Coupling(NamedTuple):
    """Connections between the copies of a circuit along the last axis of its batch.

    Attributes:
        matrix: [n, n] current into copy j over the waveform of copy i [S, of potentials into a current source].
        waveform: name of the unknown that drives the others, such as `v(mem)`.
        rest: its value that drives nothing.
    """

    matrix: Tensor
    waveform: str
    rest: float = 0.0

    def check(self, shape: Sequence[int], unknowns: Sequence[str]) -> None:
        """Refuse what does not fit a batch of this shape.

        Raises:
            InputError: a matrix that does not fit, or no such unknown.
        """
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


def ahead(v: Sequence[Tensor] | Tensor, h: Sequence[float], k: int) -> Tensor:
    """The waveform at the end of step k, from the samples up to its start."""
    return torch.lerp(v[k - 1], v[k], 1 + share(h, k)) if k else v[0]


def share(h: Sequence[float], k: int) -> float:
    """How far step k goes beyond the last one, over that one's length; 0 of the first step."""
    return h[k] / h[k - 1] if k else 0.0
