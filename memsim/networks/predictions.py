"""Layers that predict what they hear, and hear how it differs: x - W z in the place of x.

    i[t] = E (x[t] - W z[t]),    W = E^T,    z[t+1] = z[t] + (s[t] - z[t]) / tau

x is what comes in, s the spikes of the layer and z their traces. E is the synapse of the layer, and W the same arrays
read from their other side. As a synapse is linear, E x and - E W z are two reads here; on a chip lines carry x - W z.
"""

from __future__ import annotations

from torch import Tensor

from memsim.networks.synapses import Synapse


class Prediction(Synapse):
    """What a layer takes away from its current for its traces z: E W z.

    Args:
        synapse: E, without bias.
    """

    def __init__(self, synapse: Synapse) -> None:
        super().__init__()
        self._read = (synapse,)  # within a tuple, because the cells are the layer's
        self.shape = synapse.shape

    def forward(self, x: Tensor) -> Tensor:
        (synapse,) = self._read
        return -synapse(synapse.transposed(x))
