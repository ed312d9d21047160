"""Abstract twins of neuron circuits: leaky integrators whose numbers are read off the circuit, and their f-I curves.

A threshold switch beside a capacitor is a leaky integrate-and-fire neuron, C v' = I - v / r, with r = r_off from below
up to a threshold, and r = r_on back down. The switch turns where its S folds, at

    v_up = v_threshold - d,   v_down = v_hold + d,   d = gap x + k ln((1 - x) / x),   x (1 - x) = k / gap,
    gap = v_threshold - v_hold

and later by t, as it leaves a fold slowly while v goes on at a rate r. There

    tau y' = r t / gap + gap (1 - 2 x) y^2 / (2 k)

whose pole lies, with -a1 = 2.338 from the first zero of the Airy function, at

    t = -a1 [2 k tau^2 / (r (1 - 2 x))]^(1/3)

Below the current that its off state conducts at v_up the neuron is silent, above that of its on state at v_down it
latches.

A neuron of graded spikes is a leaky integrator with resistance and delay of its membrane at rest, states held.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import ai_zeros

from memsim.circuits import AlphaTrain
from memsim.errors import InputError
from memsim.networks import Cell, CircuitNeuron
from memsim.surrogate import CompiledCircuit
from memsim.surrogate.small_signal import small_signal

Array = NDArray[np.float64]
AIRY = -float(ai_zeros(1)[0][0])
PARTS = 2000
"""Samples in a period, or between two pulses."""
PERIODS = 12
"""Of a run; the first is not counted."""
PULSES, PERIOD = 20, 5e-3
"""Of a train of alpha pulses, and the time from one to the next [s]."""


@dataclass(frozen=True)
class SelfFiring:
    """The integrate-and-fire neuron of a threshold switch beside a capacitor.

    Attributes:
        capacitance: of the membrane [F].
        r_on, r_off: of the switch [ohm].
        v_threshold, v_hold, k: of the switch [V].
        tau: of the switch [s].
        folds: whether it turns at the folds of its S and late; at v_threshold and v_hold, at once, where not.
    """

    capacitance: float
    r_on: float
    r_off: float
    v_threshold: float
    v_hold: float
    k: float
    tau: float
    folds: bool = True

    @classmethod
    def of(cls, values: Mapping[str, float], *, folds: bool = True) -> SelfFiring:
        """Of the numbers of a circuit, as `CellCircuit.values` has them.

        Raises:
            InputError: it has other parts than `cmem` and a threshold switch.
        """
        switch = {
            name: values.get(f"xm1.{name}") for name in ("r_on", "r_off", "v_threshold", "v_hold", "k", "tau")
        }
        found = {"capacitance": values.get("cmem"), **switch}
        if None in found.values() or len(values) != len(found):
            raise InputError(
                f"a circuit of {', '.join(values)} is no capacitor beside one threshold switch; give such a one"
            )
        return cls(**found, folds=folds)  # type: ignore[arg-type] # none is None

    @property
    def _fold(self) -> float:
        """State at the upper fold; one less it at the lower one."""
        return (1 - np.sqrt(1 - 4 * self.k / (self.v_threshold - self.v_hold))) / 2

    @property
    def levels(self) -> tuple[float, float]:
        """Potentials at which the switch begins to turn on, and off [V]."""
        if not self.folds:
            return self.v_threshold, self.v_hold
        x, gap = self._fold, self.v_threshold - self.v_hold
        inwards = gap * x + self.k * np.log((1 - x) / x)
        return self.v_threshold - inwards, self.v_hold + inwards

    @property
    def firing(self) -> tuple[float, float]:
        """Currents between which it fires [A]."""
        up, down = self.levels
        x = self._fold if self.folds else 0.0
        return up * self._conductance(x), down * self._conductance(1 - x)

    def _conductance(self, on: float) -> float:
        return on / self.r_on + (1 - on) / self.r_off

    def rate(self, current: ArrayLike) -> Array:
        """Spikes per second under constant currents [A]."""
        i = np.asarray(current, dtype=float)
        lowest, highest = self.firing
        fires = (i > lowest) & (i < highest)
        return np.where(fires, 1 / self._period(np.where(fires, i, (lowest + highest) / 2)), 0.0)

    def _period(self, i: Array) -> Array:
        up, down = self.levels
        late_up, high = self._late(up, self.r_off, i)
        late_down, low = self._late(down, self.r_on, i)
        rise = self._between(low, up, self.r_off, i)
        return rise + late_up + self._between(high, down, self.r_on, i) + late_down

    def _between(self, start: Array, end: float, r: float, i: Array) -> Array:
        return r * self.capacitance * np.log((i * r - start) / (i * r - end))

    def _late(self, fold: float, r: float, i: Array) -> tuple[Array, Array]:
        """How long the switch takes to leave a fold [s], and the potential then [V]."""
        if not self.folds:
            return np.zeros_like(i), np.full_like(i, fold)
        rate = np.abs(i - fold / r) / self.capacitance
        late = AIRY * (2 * self.k * self.tau**2 / (rate * (1 - 2 * self._fold))) ** (1 / 3)
        return late, i * r + (fold - i * r) * np.exp(-late / (r * self.capacitance))


def rate_of_circuit(cell: Cell, currents: ArrayLike) -> Array:
    """Spikes per second of a circuit that fires by itself, under constant currents [A], in the torch twin."""
    found = []
    twin = SelfFiring.of(cell.circuit.values)
    for i in np.atleast_1d(np.asarray(currents, dtype=float)):
        period = 1 / float(twin.rate(i) or twin.rate(2 * twin.firing[0]))
        times, waves = _run(cell, np.full(PARTS * PERIODS, i)[:, None], period / PARTS)
        spikes = _crossings(times, waves[:, 0], cell.regime.level)
        found.append((len(spikes) - 2) / (spikes[-1] - spikes[1]) if len(spikes) > 2 else 0.0)
    return np.array(found)


def pulses_answered(cell: Cell, peaks: ArrayLike) -> Array:
    """Share of pulses of these peaks [A], in a train of them, that a circuit of graded spikes answers by a spike."""
    dt = PERIOD / PARTS * 8
    times = np.arange(0, PULSES * PERIOD, dt)
    _, waves = _run(cell, _train(cell)(times)[:, None] * np.asarray(peaks), dt)
    level = cell.regime.level
    return ((waves[:-1] < level) & (waves[1:] >= level)).sum(axis=0) / PULSES


def lowest_peak(cell: Cell) -> float:
    """Of an alpha pulse that a leaky integrator, with the resistance and delay of a circuit at rest, answers [A]."""
    circuit = cell.circuit
    found = small_signal(CompiledCircuit(circuit.circuit(), inputs=(circuit.source,)), cell.output)
    dt = PERIOD / PARTS
    pulse = _train(cell)(np.arange(0, PERIOD, dt))
    kept, v, peak = np.exp(-dt / found.delay), 0.0, 0.0
    for i in pulse:
        v = kept * v + (1 - kept) * found.resistance * i
        peak = max(peak, v)
    return cell.regime.level / peak


def _train(cell: Cell) -> AlphaTrain:
    return AlphaTrain(1.0, cell.regime.tau, tuple(np.arange(PULSES) * PERIOD))


def _run(cell: Cell, currents: Array, dt: float) -> tuple[Array, Array]:
    """Times [s], and potentials above rest [time, runs], for currents [time, runs]."""
    with torch.no_grad():
        waves, _ = CircuitNeuron(cell)(torch.from_numpy(currents)[..., None], dt=dt)
    times: Array = dt * np.arange(len(currents), dtype=float)
    return times, waves[..., 0].numpy()


def _crossings(times: Array, wave: Array, level: float) -> Array:
    """Times at which a wave rises through a level."""
    at = np.flatnonzero((wave[:-1] < level) & (wave[1:] >= level))
    share = (level - wave[at]) / (wave[at + 1] - wave[at])
    return times[at] + share * (times[at + 1] - times[at])
