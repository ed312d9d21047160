"""Gates that weigh currents by what there is in a whole window of time."""

from memsim.networks.attention.dimensional import DimensionalAttention
from memsim.networks.attention.joint import JointAttention

__all__ = ["DimensionalAttention", "JointAttention"]
