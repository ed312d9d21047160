"""Neuron nodes of NIR, which stand for equations in time, and discrete neurons, which take steps of dt.

A step is forward Euler's, as snnTorch and SpikingJelly write and read such graphs:

    LIF      tau dv/dt = v_leak - v + R I     leak 1 - dt / tau, gain R dt / tau
    IF       dv/dt = R I                      leak 1, gain R dt
    CubaLIF  tau_syn ds/dt = -s + w_in S      a compartment in the input's place: decay 1 - dt / tau_syn,
             tau_mem dv/dt = v_leak - v + R s     gain w_in dt / tau_syn, weight R dt / tau_mem
    LI, I, CubaLI                             the same without spikes

Membranes are counted from v_leak, thresholds and resets too. NIR fires above v_threshold and sets v to v_reset; it has
no reset that subtracts, so such neurons are written with v_reset = 0, as other tools do.
"""

from __future__ import annotations

from typing import Any

import nir
import numpy as np
import torch
from numpy.typing import NDArray

from memsim.errors import InputError
from memsim.networks.discrete import Compartment, Reset, Spike
from memsim.networks.discrete.coefficients import numbers
from memsim.networks.discrete_neurons import DiscreteNeuron

Array = NDArray[np.float64]
FIRING = (nir.LIF, nir.IF, nir.CubaLIF)
NEURONS = (*FIRING, nir.LI, nir.I, nir.CubaLI)


def neuron_node(neuron: DiscreteNeuron, shape: tuple[int, ...], dt: float) -> nir.NIRNode:
    """The node that steps as a layer of neurons does.

    Args:
        neuron: at most one compartment, which stands in the input's place.
        shape: of the layer.
        dt: of a step [s].

    Raises:
        InputError: what NIR has no node for.
    """
    _check_sayable(neuron)

    def each(value: torch.Tensor | float) -> Array:
        return np.broadcast_to(numbers(value).cpu().double().numpy(), shape).copy()

    leak, gain = each(neuron.leak.value()), each(neuron.gain.value())
    tau, r = _euler(leak, gain, dt)
    zero, values = np.zeros(shape), {}
    if neuron.spiking:
        reset = neuron.reset
        amount = each(neuron.threshold.value() if reset.amount is None else reset.amount)
        values = {
            "v_threshold": each(neuron.threshold.value()),
            "v_reset": amount if reset.kind == "set" else zero,
        }
    if neuron.compartments:
        (synapse,) = neuron.compartments
        tau_syn, w_in = _euler(each(synapse.decay.value()), each(synapse.gain.value()) * gain, dt)
        r = each(synapse.weight.value()) * tau / dt
        cuba = nir.CubaLIF if neuron.spiking else nir.CubaLI
        return cuba(tau_syn=tau_syn, tau_mem=tau, r=r, v_leak=zero, w_in=w_in, **values)
    if np.all(leak == 1):
        return nir.IF(r=gain / dt, **values) if neuron.spiking else nir.I(r=gain / dt)
    leaky = nir.LIF if neuron.spiking else nir.LI
    return leaky(tau=tau, r=r, v_leak=zero, **values)


def discrete_neuron(
    node: nir.NIRNode, dt: float, name: str, reset: Reset | None = None, spike: Spike | None = None
) -> DiscreteNeuron:
    """The neurons of a node, in steps of dt.

    Args:
        node: of `NEURONS`.
        dt: of a step [s].
        name: of the node, for messages.
        reset: in place of the node's own, which sets membranes to v_reset.
        spike: and its slope.

    Raises:
        InputError: a time constant shorter than dt, a leak potential of neurons that do not fire, or a value out of
            range.
    """
    found: Any = node
    spiking = isinstance(node, FIRING)
    rest = np.asarray(getattr(node, "v_leak", 0.0), dtype=float)
    if not spiking and np.any(rest):
        raise InputError(
            f"node {name!r} rests at another potential than 0; shift it to 0, as membranes start there"
        )
    synapses: tuple[Compartment, ...] = ()
    leak: Array = np.ones(1)
    gain = np.asarray(found.r, dtype=float) * dt
    if isinstance(node, nir.CubaLIF | nir.CubaLI):
        leak, per_step = _decay(name, "tau_mem", node.tau_mem, dt)
        decay, into = _decay(name, "tau_syn", node.tau_syn, dt)
        synapses = (
            Compartment(
                _number(decay),
                _number(node.w_in * into),
                driven_by="input",
                feeds="input",
                weight=_number(node.r * per_step),
            ),
        )
        gain = np.ones(1)
    elif isinstance(node, nir.LIF | nir.LI):
        leak, per_step = _decay(name, "tau", node.tau, dt)
        gain = node.r * per_step
    return DiscreteNeuron(
        _number(leak),
        _number(np.asarray(found.v_threshold - rest)) if spiking else 1.0,
        gain=_number(gain),
        compartments=synapses,
        reset=(reset or _reset(np.asarray(found.v_reset - rest))) if spiking else None,
        spike=spike or Spike(relative=False),
        spiking=spiking,
    )


def _check_sayable(neuron: DiscreteNeuron) -> None:
    said = [one.driven_by == "input" and one.feeds == "input" for one in neuron.compartments]
    if not all(said) or len(said) > 1:
        raise InputError(
            "NIR has no node with such compartments; allowed: one, driven by the input in its place"
        )
    if neuron.threshold.changes or neuron.leak.changes or neuron.gain.changes:
        raise InputError("NIR has no node whose numbers change with the step; freeze them, or leave them out")
    if neuron.spiking and neuron.reset.kind not in ("subtract", "zero", "set"):
        raise InputError(
            f"NIR has no node with a reset of kind {neuron.reset.kind!r}; use subtract, zero or set"
        )


def _euler(leak: Array, gain: Array, dt: float) -> tuple[Array, Array]:
    """Time constants and resistances that give these leaks and gains; infinite for a leak of 1."""
    if np.any(leak == 1) and not np.all(leak == 1):
        raise InputError(
            "some neurons of a layer have a leak of 1, and NIR has no node for both; give them less"
        )
    with np.errstate(divide="ignore", invalid="ignore"):
        return dt / (1 - leak), gain / (1 - leak)


def _decay(name: str, symbol: str, tau: Any, dt: float) -> tuple[Array, Array]:
    """What is left after a step, 1 - dt / tau, and dt / tau."""
    values = np.asarray(tau, dtype=float)
    if not np.all(values >= dt):
        raise InputError(
            f"node {name!r} has {symbol} = {values.min():g} s, shorter than the step dt = {dt:g} s; give a dt of at "
            "most that"
        )
    return 1 - dt / values, dt / values


def _reset(amount: Array) -> Reset:
    return Reset("set", _number(amount)) if np.any(amount) else Reset("zero")


def _number(values: Array) -> torch.Tensor | float:
    """One number where all are the same."""
    values = np.asarray(values, dtype=float)
    return (
        float(values.flat[0]) if values.size and np.all(values == values.flat[0]) else torch.as_tensor(values)
    )
