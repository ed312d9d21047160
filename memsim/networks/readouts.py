"""Readouts: what is made of the membrane potential v(t) of an output neuron, relative to rest, over the window.

What comes before the start of the readout is not looked at; averages and shares are of the samples from there on.

    mean          average of v over the samples [V]
    maximum       largest v [V]
    spike-count   sum over samples k of max(s(v_k+1) - s(v_k), 0)
    first-spike   minus the share of samples at which the largest v so far is still below the level:
                  -mean_k(1 - s(m_k)),  m_k = max(v_0 ... v_k)

with s(v) = 1 / (1 + exp(-(v - level) / width)), 0 well below the level and 1 well above it. The count adds up how far
s climbs, so a spike that starts and ends well below the level and peaks well above it counts 1, a lower one a part
of 1. In the limit of small widths, the first is the number of upward crossings of the level and the last minus
the time of the first one, in windows, or -1 where there is none. All have the derivatives they have: nothing
is replaced in the backward pass, and a neuron that has not fired yet still feels how close it came.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from memsim.networks.regimes import Regime
from memsim.networks.tables import ReadoutKind, ReadoutTable


@dataclass(frozen=True)
class Readout:
    """Logits from membrane potentials.

    Attributes:
        kind: one of the above.
        scale: what counts as one unit of a logit [V, spikes or windows].
        level: potential above rest that a spike crosses [V].
        width: of the transition at the level [V].
        start: share of the window that is over when it begins to look.
    """

    kind: ReadoutKind
    scale: float
    level: float
    width: float
    start: float = 0.0

    @classmethod
    def of(cls, table: ReadoutTable, regime: Regime, window: float) -> Readout:
        """The readout of a study of such a window [s], with what it leaves out taken from the regime of the neuron."""
        return cls(
            table.kind,
            regime.scales[table.kind] if table.scale is None else table.scale,
            regime.level if table.level is None else table.level,
            regime.width if table.width is None else table.width,
            table.start / window,
        )

    def __call__(self, membrane: Tensor) -> Tensor:
        """Logits [batch, classes] of potentials [time, batch, classes] in V above rest."""
        first = round(self.start * (len(membrane) - 1))
        return self._score(membrane[first:]) / self.scale

    def _score(self, membrane: Tensor) -> Tensor:
        match self.kind:
            case "mean":
                return membrane.mean(dim=0)
            case "maximum":
                return membrane.amax(dim=0)
            case "spike-count":
                return self._above(membrane).diff(dim=0).clamp(min=0).sum(dim=0)
            case "first-spike":
                return self._above(membrane.cummax(dim=0).values).mean(dim=0) - 1.0

    def _above(self, membrane: Tensor) -> Tensor:
        return torch.sigmoid((membrane - self.level) / self.width)
