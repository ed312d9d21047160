"""The regime in which a neuron fires: what currents it wants, how high its spikes are, and how long they take.

A regime is stated, or found by a probe of the circuit, whose input is called i here and its output v, above rest:

1. Currents are held, from those that move v by a millivolt while all states stay, R i = 1 mV, up in factors of
   sqrt(2). Runs are as long as 20 times the shortest time in which the circuit relaxes, then longer and longer, up to
   20 times the longest.
2. A neuron whose v swings three times or more through the middle of its range in the second half of a run fires by
   itself. Its threshold is the lowest such current, of runs as long as still lower it.
3. One that gives back half of its peak while the current is held fires graded spikes: tau is the time in which it gives
   back half of that half at the lowest such current. Its threshold is the lowest peak of an alpha pulse of that tau
   from which on the peak of v grows more slowly than the square root of the current.
4. The unit of current is twice the threshold; the level that counts as a spike is the middle of a spike there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from memsim.circuits.cell import CellCircuit
from memsim.circuits.flatten import GROUND
from memsim.circuits.stimuli import AlphaTrain, check_finite, check_positive
from memsim.errors import ConvergenceError, InputError
from memsim.surrogate import CompiledCircuit
from memsim.surrogate.small_signal import small_signal

Array = NDArray[np.float64]
LOWEST, HIGHEST = 1e-3, 10.0
"""What probing currents would do to the output if no state moved [V]."""
STEPS = 2000
LONGEST = 20.0
"""Length of a run in times in which the circuit relaxes."""
MOST_RUNS = 16
SPIKES = 3
WIDTH = 1 / 6
"""Width of the transition at the level, over the level."""
LATER = 0.5
"""Part of a run after which one that fires by itself still fires."""
HINT = "state it: Cell.of(..., regime=graded(...) or self_firing(...)) in a Python file"


@dataclass(frozen=True)
class Regime:
    """How a neuron is used.

    Attributes:
        unit_current: that makes it fire well [A].
        level: potential of its output above rest that a spike crosses [V].
        width: of the transition at the level [V].
        window: time for one input [s].
        step: that resolves it in training [s].
        pulse: what suits it: `alpha` pulses, or a `held` current.
        tau: time constant of the pulses [s].
        mirror_ratio: of mirrors behind memristive cells, which deliver about its unit of current.
        scales: what counts as one unit of a logit, by kind of readout.
    """

    unit_current: float
    level: float
    width: float
    window: float
    step: float
    pulse: Literal["alpha", "held"]
    tau: float
    mirror_ratio: float
    scales: Mapping[str, float]

    def __post_init__(self) -> None:
        for name in ("unit_current", "width", "window", "step", "tau", "mirror_ratio"):
            check_positive(name, getattr(self, name))
        check_finite("level", self.level)


def graded(*, unit_current: float, level: float, tau: float) -> Regime:
    """Of a neuron that answers each pulse with a spike as high as the pulse is large."""
    return Regime(
        unit_current=unit_current,
        level=level,
        width=level * WIDTH,
        window=10 * tau,
        step=tau / 5,
        pulse="alpha",
        tau=tau,
        mirror_ratio=6e4 * unit_current,
        scales={"mean": level / 15, "maximum": level / 3, "spike-count": 0.5, "first-spike": 0.05},
    )


def self_firing(*, unit_current: float, level: float, period: float) -> Regime:
    """Of a neuron that fires again and again while a current is held, with this period at the unit of current."""
    window = 2.5 * period
    return Regime(
        unit_current=unit_current,
        level=level,
        width=level * WIDTH,
        window=window,
        step=window / 500,
        pulse="held",
        tau=window / 10,
        mirror_ratio=2e5 * unit_current,
        scales={"mean": level / 6.5, "maximum": level / 6.5, "spike-count": 2.0, "first-spike": 0.05},
    )


def probed(cell: CellCircuit) -> Regime:
    """The regime of a cell that starts at rest.

    Raises:
        InputError: it never spikes, its output falls when a current flows into it, or a probe leaves the physical
            range; the regime has to be stated then.
    """
    probe = _Probe(cell)
    return probe.self_firing() or probe.graded()


def _way_out(cell: CellCircuit) -> str:
    """What to do about an output that no current moves."""
    holding = [
        part.name
        for part in cell.parts
        if part.kind == "VoltageSource"
        and GROUND in part.nodes
        and {cell.output, cell.entry} & set(part.nodes)
    ]
    if holding:
        return f"the voltage source {holding[0]!r} holds it where it is: take it out, or put a resistor before it"
    return "choose another output node"


class _Probe:
    def __init__(self, cell: CellCircuit) -> None:
        self.output, self.rest = f"v({cell.output})", cell.rest
        self.twin = CompiledCircuit(cell.circuit(), inputs=(cell.source,), record=(self.output,))
        found = small_signal(CompiledCircuit(cell.circuit(), inputs=(cell.source,)), self.output)
        if not found.resistance > 0:
            raise InputError(
                f"the output {cell.output!r} does not rise when a current flows into {cell.entry!r}; {_way_out(cell)}"
            )
        self.failure = ""
        steps = np.arange(2 * np.log2(HIGHEST / LOWEST))
        self.currents: Array = LOWEST / found.resistance * np.sqrt(2) ** steps
        self.times = found.times or (found.delay,)

    def run(self, shape: Array, dt: Array, currents: Array) -> Array:
        """Output above rest [time, current] for currents of a shape [time]; not a number where a run fails."""
        drive = torch.from_numpy(shape[:, None] * currents)
        try:
            with torch.no_grad():
                waves, _ = self.twin(drive, dt=torch.from_numpy(dt))
        except ConvergenceError as error:
            if len(currents) > 1:
                return np.concatenate([self.run(shape, dt, one) for one in currents[:, None]], axis=1)
            self.failure = f"a probe with {currents[0]:.3g} A failed: {str(error).splitlines()[0]}"
            return np.full((len(shape), 1), np.nan)
        return waves[self.output].numpy() - self.rest

    def held(self, dt: Array, currents: Array) -> Array:
        return self.run(np.ones(len(dt) + 1), dt, currents)

    def self_firing(self) -> Regime | None:
        """The regime of a neuron that fires by itself; None of one that does not."""
        lowest: float | None = None
        for length in self._lengths():
            found = self._lowest_firing(length, np.inf if lowest is None else lowest)
            if found is None and lowest is not None:
                break
            lowest = found
        return None if lowest is None else self._self_firing(2 * lowest)

    def _lowest_firing(self, length: float, below: float) -> float | None:
        """The lowest current under another that makes the neuron fire within a run."""
        for portion in self._portions():
            currents = portion[portion < below]
            firing = currents[_fire(self.evenly(length, currents))] if len(currents) else currents
            if len(firing):
                return float(firing[0])
        return None

    def _self_firing(self, unit: float) -> Regime:
        for length in self._lengths():
            waves = self.evenly(length, np.array([unit]))
            if _fire(waves)[0]:
                level = _middle(waves)[0]
                period = np.diff(np.flatnonzero(_upwards(waves[:, 0], level))).mean() * length / STEPS
                return self_firing(unit_current=unit, level=float(level), period=float(period))
        raise InputError(f"the neuron fires by itself at {unit / 2:.3g} A and not at twice that; {HINT}")

    def _lengths(self) -> Array:
        """Lengths of runs [s], each twice that of the one before, or more where that would be too many."""
        shortest, longest = LONGEST * self.times[0], LONGEST * self.times[-1]
        return np.geomspace(shortest, longest, min(MOST_RUNS, 1 + int(np.ceil(np.log2(longest / shortest)))))

    def evenly(self, length: float, currents: Array) -> Array:
        """Output above rest in equal steps while currents are held."""
        return self.held(np.full(STEPS, length / STEPS), currents)

    def graded(self) -> Regime:
        ends = np.geomspace(self.times[0] / 50, LONGEST * self.times[-1], STEPS)
        times = np.concatenate([[0.0], ends])
        for currents in self._portions():
            wave = self.held(np.diff(times), currents)
            giving_back = np.flatnonzero(_given_back(wave) >= wave.max(axis=0) / 2)
            if len(giving_back):
                return self._graded(times, wave[:, giving_back[0]])
        raise self._silent("held, its output neither swings nor comes back from a peak")

    def _graded(self, times: Array, wave: Array) -> Regime:
        peak = int(wave.argmax())
        half = wave[peak:] <= (wave[peak] + wave[peak:].min()) / 2
        tau = float(times[peak + int(half.argmax())] - times[peak])
        ends = np.linspace(0, 10 * tau, STEPS + 1)
        shape = AlphaTrain(1.0, tau)(ends)
        peaks = np.concatenate(
            [self.run(shape, np.diff(ends), part).max(axis=0) for part in self._portions()]
        )
        growth = np.diff(np.log(peaks)) / np.diff(np.log(self.currents))
        slow = np.flatnonzero(growth < 0.5)
        if not len(slow):
            raise self._silent("in pulses, the peak of its output grows like its input")
        unit = 2 * float(self.currents[slow[0]])
        highest = float(self.run(shape, np.diff(ends), np.array([unit])).max())
        return graded(unit_current=unit, level=highest / 2, tau=tau)

    def _silent(self, why: str) -> InputError:
        found = self.failure or f"with up to {self.currents[-1]:.3g} A {why}"
        return InputError(f"the neuron never spikes in a probe: {found}. Correct its circuit, or {HINT}")

    def _portions(self) -> list[Array]:
        """Currents from the lowest on, a few at a time, so that none is tried that is not needed."""
        return np.array_split(self.currents, 4)


def _given_back(wave: Array) -> Array:
    """Largest fall from a peak, of waves [time, ...]."""
    return (np.maximum.accumulate(wave) - wave).max(axis=0)


def _later(waves: Array) -> Array:
    return waves[int(LATER * len(waves)) :]


def _middle(waves: Array) -> Array:
    """Half way between the peak in the later part of each wave [time, ...] and its lowest value there."""
    return (_later(waves).max(axis=0) + _later(waves).min(axis=0)) / 2


def _upwards(waves: Array, level: Array) -> NDArray[np.bool_]:
    return (waves[:-1] < level) & (waves[1:] >= level)


def _fire(waves: Array) -> NDArray[np.bool_]:
    """Which waves [time, current] go on swinging by a good part of their peak."""
    later = _later(waves)
    swings = _upwards(later, _middle(waves)).sum(axis=0)
    return (np.ptp(later, axis=0) > waves.max(axis=0) / 3) & (swings >= SPIKES)
