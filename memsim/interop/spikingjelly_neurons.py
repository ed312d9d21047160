"""Neurons of SpikingJelly as discrete neurons: the same spikes, step for step, and the same gradients.

    LIFNode             v <- v + (x - (v - v_reset)) / tau, fires at v >= v_threshold   leak 1 - 1 / tau, gain 1 / tau
                        decay_input=False: x is added whole                             gain 1
    ParametricLIFNode   1 / tau = 1 / (1 + exp(-w)), w trained                          Logistic(rising=False)
    IFNode              v <- v + x                                                      leak 1

v_reset is what potentials are counted from: they are lower by v_reset here, and so is the threshold. v_reset=None is a
reset that subtracts. Only attributes of the module are read; SpikingJelly itself is needed for the way back alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from memsim.errors import InputError
from memsim.interop.surrogates import Surrogate, check_simple, has_no_gain
from memsim.networks.discrete import Coefficient, Complement, Fixed, Logistic, Reset, Spike
from memsim.networks.discrete.coefficients import numbers
from memsim.networks.discrete_neurons import DiscreteNeuron

__all__ = ["from_spikingjelly", "to_spikingjelly"]

SLOPES: dict[str, Callable[[float], Spike]] = {
    "ATan": lambda a: Spike("arctan", a / 2, 2 / (math.pi * a), relative=False, inclusive=True),
    "Sigmoid": lambda a: Spike("logistic", a / 4, 1 / a, relative=False, inclusive=True),
    "PiecewiseQuadratic": lambda a: Spike("triangle", a, 1 / a, relative=False, inclusive=True),
    "PiecewiseExp": lambda a: Spike("exponential", a / 2, 1 / a, relative=False, inclusive=True),
}
"""Surrogate functions by class, from their alpha."""
NODES = ("IFNode", "LIFNode", "ParametricLIFNode")


def from_spikingjelly(module: nn.Module, spike: Spike | None = None) -> DiscreteNeuron:
    """Neurons that fire as an `IFNode`, `LIFNode` or `ParametricLIFNode` of SpikingJelly does.

    Args:
        module: of SpikingJelly; its values are copied.
        spike: when it fires and its slope; that of the module where left out.

    Raises:
        InputError: another module, or a surrogate function that is not known.
    """
    given: Any = module
    if type(module).__name__ not in NODES:
        raise InputError(
            f"{type(module).__name__} is no neuron that can be taken over; allowed: {', '.join(NODES)}"
        )
    leak = _leak(given)
    rest = given.v_reset or 0.0
    return DiscreteNeuron(
        leak,
        given.v_threshold - rest,
        reset=Reset("subtract" if given.v_reset is None else "zero", detach=given.detach_reset),
        gain=Complement(leak) if getattr(given, "decay_input", False) else 1.0,
        spike=spike or _spike(given.surrogate_function),
    )


def to_spikingjelly(neuron: DiscreteNeuron) -> nn.Module:
    """An `IFNode`, `LIFNode` or `ParametricLIFNode` that fires as these neurons do, with their slope and gradients.

    It takes all steps at once, [time, batch, ...], as neurons here do. Threshold and leak must be one for the layer.

    Raises:
        InputError: SpikingJelly is not installed, or a part that its nodes do not have.
    """
    try:
        from spikingjelly.activation_based import neuron as nodes
    except ModuleNotFoundError:
        raise InputError("its nodes need the package spikingjelly: pip install 'memsim[peers]'") from None
    check_simple(neuron, "LIFNode", resets=("subtract", "zero"), inclusive=True)
    leak, theta = (numbers(one.value()) for one in (neuron.leak, neuron.threshold))
    if neuron.reset.waits or leak.numel() > 1 or theta.numel() > 1:
        raise InputError("LIFNode has one leak and one threshold, and resets at once; use such neurons")
    options = {
        "v_threshold": float(theta),
        "v_reset": None if neuron.reset.kind == "subtract" else 0.0,
        "surrogate_function": Surrogate.of(neuron),
        "detach_reset": neuron.reset.detach,
        "step_mode": "m",
    }
    decays = isinstance(neuron.gain, Complement) and neuron.gain.factor.value() == 1
    if not decays and not has_no_gain(neuron):
        raise InputError("LIFNode has a gain of 1 or of 1 - leak; scale the weights instead")
    if float(leak) == 1:
        return nodes.IFNode(**options)
    tau = 1 / (1 - float(leak))
    if not isinstance(neuron.leak, Logistic):
        return nodes.LIFNode(tau, decays, **options)
    node = nodes.ParametricLIFNode(tau, decays, **options).to(leak.dtype)
    with torch.no_grad():
        node.w.copy_(neuron.leak.raw if not neuron.leak.rising else -neuron.leak.raw)
    return node


def _leak(given: Any) -> Coefficient:
    if hasattr(given, "w"):
        leak = Logistic(1 - given.w.detach().sigmoid(), rising=False)
        with torch.no_grad():
            leak.raw.copy_(given.w)
        return leak
    return Fixed(1 - 1 / given.tau if hasattr(given, "tau") else 1.0)


def _spike(surrogate: Any) -> Spike:
    if isinstance(surrogate, Surrogate):
        return surrogate.spike
    name = type(surrogate).__name__
    if name not in SLOPES:
        raise InputError(
            f"the surrogate function {name} is unknown; allowed: {', '.join(SLOPES)}; for another give "
            "spike = Spike(..., relative=False, inclusive=True)"
        )
    return SLOPES[name](float(surrogate.alpha))
