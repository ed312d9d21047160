"""A layer of neurons with exact spike times as one deck: two RC products, and a switch for the threshold.

    line i --- g_ij ---> syn_j --+-- Cs || Rs -- 0     Rs Cs = tau_s; a spike is a short pulse of charge g_ij V t
    syn_j  --- gm -----> mem_j --+-- Cm || Rm -- 0     Rm Cm = 2 tau_s
                                 +-- switch ---- 0     on above theta, off below theta / 1000

A membrane that is discharged at theta has lost theta: the reset that takes theta and the one that goes to rest are the
same. Conductances g_ij are signed, as those of a differential pair behind current mirrors.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from memsim.errors import InputError
from memsim.networks.spike_times import SILENT, ExactNeurons
from memsim.spice import OPTIONS, simulate

Times = NDArray[np.float64]
PULSE = 0.05
"""Length of a pulse on a line, in units of time; a spike counts at its middle."""
FINE = 0.02
"""Longest step of ngspice, in units of time."""


@dataclass(frozen=True)
class Scale:
    """Numbers of the circuit.

    Attributes:
        time: of one unit of time [s].
        capacitance: of synaptic nodes and of membranes [F].
        threshold: potential at which a membrane fires [V].
        synaptic: potential of a synaptic node for a weight of 1 [V].
        on: resistance of the switch, over that which discharges a membrane by e within a pulse.
    """

    time: float = 100e-6
    capacitance: float = 1e-9
    threshold: float = 0.1
    synaptic: float = 0.05
    on: float = 0.02


def deck(neurons: ExactNeurons, lines: list[Times], weights: Tensor, scale: Scale | None = None) -> str:
    """The deck of a layer.

    Args:
        neurons: whose reset takes the threshold.
        lines: when each comes, in the unit of time of the neurons.
        weights: [lines, neurons].
        scale: numbers of the circuit; those of `Scale` where left out.

    Raises:
        InputError: neurons whose reset takes something else, or lines that are not those of the weights.
    """
    if neurons.reset != neurons.threshold:
        raise InputError(
            f"reset = {neurons.reset:g} is not the threshold of {neurons.threshold:g}, and a switch that discharges a "
            "membrane takes all of it"
        )
    if len(lines) != len(weights):
        raise InputError(f"{len(lines)} lines for weights of {len(weights)}; give one for each")
    stop = neurons.window * (scale or Scale()).time
    step = FINE * (scale or Scale()).time
    return "\n".join(
        [
            "exact spikes",
            ".options " + " ".join(f"{name}={value}" for name, value in OPTIONS.items()),
            *_elements(neurons, lines, weights, scale or Scale()),
            f".tran {step:.9g} {stop:.9g} 0 {step:.9g} uic",
            ".end",
            "",
        ]
    )


def _elements(neurons: ExactNeurons, lines: list[Times], weights: Tensor, scale: Scale) -> Iterator[str]:
    c, pulse, tau = scale.capacitance, PULSE * scale.time, neurons.tau * scale.time
    for number, times in enumerate(lines):
        yield f"vin{number} in{number} 0 pwl({_pulses(times * scale.time, pulse)})"
    transfer = scale.threshold / neurons.threshold * c / (scale.synaptic * scale.time)
    for j, column in enumerate(weights.detach().double().numpy().T):
        yield f"cs{j} syn{j} 0 {c:.9g} ic=0"
        yield f"rs{j} syn{j} 0 {tau / c:.9g}"
        yield f"cm{j} mem{j} 0 {c:.9g} ic=0"
        yield f"rm{j} mem{j} 0 {2 * tau / c:.9g}"
        yield f"gm{j} 0 mem{j} syn{j} 0 {transfer:.9g}"
        yield f"s{j} mem{j} 0 mem{j} 0 fires"
        for i, weight in enumerate(column):
            yield f"g{i}_{j} 0 syn{j} in{i} 0 {c * scale.synaptic * weight / pulse:.9g}"
    half, on = scale.threshold / 2, scale.on * pulse / c
    yield f".model fires sw(vt={1.001 * half:.9g} vh={0.999 * half:.9g} ron={on:.9g} roff=1e15)"
    yield f".save {' '.join(f'v(mem{j})' for j in range(weights.shape[1]))}"


def _pulses(times: Times, length: float) -> str:
    """Corners of pulses of 1 V around these times; those that overlap add up to one that is higher."""
    edge = length / 10
    corners: dict[float, float] = {0.0: 0.0}
    for time in np.sort(times):
        start = max(time - length / 2, max(corners) + edge / 10)
        corners |= {start: 0.0, start + edge: 1.0, start + length: 1.0, start + length + edge: 0.0}
    return " ".join(f"{at:.12g} {height:g}" for at, height in corners.items())


def times_in_ngspice(
    neurons: ExactNeurons, lines: list[Times], weights: Tensor, scale: Scale | None = None
) -> list[Times]:
    """When each neuron fires in ngspice, in the unit of time of the neurons; arguments as for `deck`."""
    chosen = scale or Scale()
    waves = simulate(deck(neurons, lines, weights, chosen))
    at = waves["time"].to_numpy() / chosen.time
    return [
        _crossings(at, waves[f"v(mem{j})"].to_numpy(), 0.5 * chosen.threshold)
        for j in range(weights.shape[1])
    ]


def _crossings(at: Times, potential: Times, half: float) -> Times:
    """Times of falls through half of the threshold, which nothing but a discharge is fast enough for."""
    falls = np.flatnonzero((potential[:-1] > half) & (potential[1:] <= half))
    quick = [k for k in falls if potential[np.searchsorted(at, at[k] - PULSE) : k + 1].max() > 1.9 * half]
    return at[quick]


def lines_of(times: Tensor) -> list[Times]:
    """Spike times [neurons, spikes] of one input as lines."""
    return [one[one < SILENT].detach().double().numpy() for one in times]
