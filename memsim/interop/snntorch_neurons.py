"""Neurons of snnTorch as discrete neurons: the same spikes, step for step, and the same gradients.

    Leaky      m <- beta m + i - theta o', o' of the step before          Reset(when="next")
               reset_delay=False: m <- beta m + i, then m <- m - theta o  Reset(when="now")
    Synaptic   s <- alpha s + i in place of the input                     Compartment(alpha, feeds="input")

Only attributes of the module are read; snnTorch itself is needed for the way back alone. With reset_delay=False and a
subtracting reset, snnTorch keeps a neuron silent that is still above the threshold after a reset, which takes an input
of more than 2 - beta thresholds in a step; converted neurons fire there.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from memsim.errors import InputError
from memsim.interop.surrogates import Surrogate, check_simple, has_no_gain
from memsim.networks.discrete import Coefficient, Compartment, Fixed, Learned, Reset, Spike
from memsim.networks.discrete.coefficients import numbers
from memsim.networks.discrete_neurons import DiscreteNeuron

__all__ = ["from_snntorch", "to_snntorch"]

SLOPES: dict[str, Callable[..., Spike]] = {
    "atan": lambda alpha: Spike("arctan", alpha / 2, 2 / (math.pi * alpha), relative=False),
    "fast_sigmoid": lambda slope: Spike("fast-sigmoid", 1.0, 1 / slope, relative=False),
    "sigmoid": lambda slope: Spike("logistic", slope / 4, 1 / slope, relative=False),
    "straight_through_estimator": lambda: Spike("straight-through", 1.0, relative=False),
}
"""Surrogate functions by name, from their parameters."""
REFUSED = ("inhibition", "state_quant", "recurrent")
SMALLEST = 1e-6
"""Lowest threshold that a trained one is held above; snnTorch does not hold it."""


def from_snntorch(module: nn.Module, spike: Spike | None = None) -> DiscreteNeuron:
    """Neurons that fire as a `Leaky` or `Synaptic` of snnTorch does.

    Args:
        module: of snnTorch; its values are copied.
        spike: when it fires and its slope; that of the module where left out.

    Raises:
        InputError: another module, or an option of it that discrete neurons do not have.
    """
    given: Any = module
    if not all(hasattr(given, name) for name in ("beta", "threshold", "reset_mechanism", "reset_delay")):
        raise InputError(
            f"{type(module).__name__} is no Leaky or Synaptic of snnTorch; give one, or build a DiscreteNeuron"
        )
    refused = [name for name in REFUSED if getattr(given, name, False)]
    if refused or float(given.graded_spikes_factor) != 1:
        name = refused[0] if refused else "graded_spikes_factor"
        raise InputError(f"the module has {name}, which discrete neurons do not have; switch it off")
    alpha = getattr(given, "alpha", None)
    synapse = (
        Compartment(_number(alpha, 0.0), driven_by="input", feeds="input") if alpha is not None else None
    )
    return DiscreteNeuron(
        _number(given.beta, 0.0),
        _number(given.threshold, SMALLEST),
        reset=Reset(
            given.reset_mechanism,
            when="next" if given.reset_delay else "now",
            detach=bool(given.reset_delay),
            detach_amount=False,
        ),
        compartments=(synapse,) if synapse else (),
        spike=spike or _spike(given.spike_grad),
    )


def to_snntorch(neuron: DiscreteNeuron) -> nn.Module:
    """A `Leaky` of snnTorch that fires as these neurons do, with their slope.

    Its gradients are theirs where resets are passed alike: snnTorch passes one that acts at once, not one at the next
    step, and always passes the amount.

    Raises:
        InputError: snnTorch is not installed, or a part that `Leaky` does not have.
    """
    try:
        import snntorch
    except ModuleNotFoundError:
        raise InputError("Leaky needs the package snntorch: pip install snntorch") from None
    check_simple(neuron, "Leaky", resets=("subtract", "zero", "none"), inclusive=False)
    if not has_no_gain(neuron):
        raise InputError("Leaky has no gain of its input; scale the weights instead")
    policies = {"beta": neuron.leak, "threshold": neuron.threshold}
    values = {name: numbers(one.value()).clone() for name, one in policies.items()}
    trained = {f"learn_{name}": isinstance(one, Learned) for name, one in policies.items()}
    return snntorch.Leaky(
        **values,
        **trained,
        spike_grad=Surrogate.of(neuron),
        reset_mechanism=neuron.reset.kind,
        reset_delay=neuron.reset.waits,
    )


def _number(value: Tensor, low: float) -> Coefficient:
    """Trained where it is a parameter there."""
    if isinstance(value, nn.Parameter):
        return Learned(value, low=low)
    return Fixed(value.item() if value.numel() == 1 else value)


def _spike(surrogate: Callable[..., Tensor]) -> Spike:
    """That of a function which one of snnTorch's makers of surrogate functions returned."""
    if isinstance(surrogate, Surrogate):
        return surrogate.spike
    maker = getattr(surrogate, "__qualname__", "").partition(".")[0]
    if maker not in SLOPES:
        raise InputError(
            f"the surrogate function {maker or surrogate!r} is unknown; allowed: {', '.join(SLOPES)}; "
            "for another give spike = Spike(...)"
        )
    values = inspect.getclosurevars(surrogate).nonlocals
    return SLOPES[maker](*(values[name] for name in values if name in ("alpha", "slope")))
