"""Neurons of BrainCog as discrete neurons: the same spikes, step for step, and the same gradients.

    LIFNode   v <- v + (x - v) / tau, fires at v > threshold, v <- 0, not differentiated  leak 1 - 1 / tau, gain 1 / tau
    IFNode    v <- v + x dt                                                               leak 1, gain dt

Only attributes of the module are read; BrainCog itself is not needed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from memsim.errors import InputError
from memsim.networks.discrete import Complement, Fixed, Learned, Reset, Spike
from memsim.networks.discrete_neurons import DiscreteNeuron

__all__ = ["from_braincog"]

SLOPES: dict[str, Callable[[float], Spike]] = {
    "QGateGrad": lambda a: Spike("triangle", a, 1 / a, relative=False),
    "GateGrad": lambda a: Spike("box", 1.0, 1 / a, relative=False),
    "SigmoidGrad": lambda a: Spike("logistic", a / 4, 1 / a, relative=False, inclusive=True),
}
"""Surrogate functions by class, from their alpha; the last fires at the threshold itself, too."""
NODES = ("IFNode", "LIFNode")
REFUSED = ("sigmoid_thres", "layer_by_layer", "mem_detach")
SMALLEST = 1e-6
"""Lowest threshold that a trained one is held above; BrainCog does not hold it."""


def from_braincog(module: nn.Module, spike: Spike | None = None) -> DiscreteNeuron:
    """Neurons that fire as an `IFNode` or `LIFNode` of BrainCog does, which starts at 0.

    Args:
        module: of BrainCog; its values are copied.
        spike: when it fires and its slope; that of the module where left out.

    Raises:
        InputError: another module, or an option of it that discrete neurons do not have.
    """
    given: Any = module
    if type(module).__name__ not in NODES or not hasattr(given, "act_fun"):
        raise InputError(
            f"{type(module).__name__} is no neuron that can be taken over; allowed: {', '.join(NODES)} of BrainCog"
        )
    refused = [name for name in REFUSED if getattr(given, name, False)]
    if refused or given.groups != 1:
        name = refused[0] if refused else "n_groups"
        raise InputError(f"the module has {name}, which discrete neurons do not have; switch it off")
    leak = Fixed(1 - 1 / float(given.tau)) if hasattr(given, "tau") else Fixed(1.0)
    threshold = given.threshold.detach()
    return DiscreteNeuron(
        leak,
        Learned(threshold, low=SMALLEST) if given.threshold.requires_grad else Fixed(threshold.item()),
        reset=Reset("zero", detach=True),
        gain=Complement(leak) if hasattr(given, "tau") else float(given.dt),
        spike=spike or _spike(given.act_fun),
    )


def _spike(surrogate: Any) -> Spike:
    name = type(surrogate).__name__
    if name not in SLOPES:
        raise InputError(
            f"the surrogate function {name} is unknown; allowed: {', '.join(SLOPES)}; for another give "
            "spike = Spike(..., relative=False)"
        )
    return SLOPES[name](float(surrogate.alpha))
