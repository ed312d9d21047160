"""A single device in ngspice and in the torch twin: is it the same current under every drive?

Sine, triangle and a pair of pulses at three amplitudes. The twin runs as `memsim.surrogate.simulate` does by default.
ngspice is refined, by its relative tolerance, until a hundred times smaller one changes its current by less than 0.1 %
of the peak. Then the two are compared.

A device that runs away crosses its edge in picoseconds of a second, so at equal times an edge counts in full where
one engine has it a step earlier. Currents are therefore also compared with one step of ngspice's granted: each must
lie within what the other engine has between one step earlier and one step later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memsim import spice
from memsim.circuits import Samples, Sine, Stimulus, device_bench, with_device_currents
from memsim.circuits.waveforms import dataset
from memsim.devices import Card, Device, Drive
from memsim.errors import InputError
from memsim.surrogate import CompiledCircuit
from memsim.surrogate.adaptive import DEFAULT_TOLERANCE
from memsim.surrogate.transient import in_chosen_steps

Array = NDArray[np.float64]
WAVES = ("sine", "triangle", "pulses")
SHARES = (0.5, 0.75, 1.0)
"""Of the amplitude that the card states."""
STEPS = 4000
"""Least number of steps of ngspice in one period; one of them is what an edge is granted."""
NGSPICE_TOLERANCES = (1e-5, 1e-7, 1e-9)
CONVERGED = 1e-3
"""Change of a current over its peak below which an engine counts as converged."""
PROMISE = 5e-3
"""Error of a current over its peak that counts as agreement."""
TIMEOUT = 300.0
TRIANGLE_CORNERS = np.array([0, 0.25, 0.75, 1.0])
PULSE_CORNERS = np.array([0, 0.02, 0.4, 0.42, 0.5, 0.52, 0.9, 0.92, 1.0])
PULSE_LEVELS = np.array([0, 1, 1, 0, 0, -1, -1, 0, 0])


@dataclass(frozen=True)
class Current:
    """Current [A] through a device at times [s], and the tolerance it was found with."""

    times: Array
    values: Array
    tolerance: float


@dataclass(frozen=True)
class Agreement:
    """How far the twin's current is from that of ngspice, over the peak current.

    Attributes:
        wave: sine, triangle or pulses.
        amplitude: of the drive [V].
        error: at equal times.
        error_within_a_step: granted one step of ngspice's of time.
        edge_shift: least time to grant for an error of half a percent, over the period; at most one step is tried.
        ngspice_change: what the last refinement changed, granted the same.
        twin_change: by what half as long steps of the twin change it, at equal times.
        ngspice_tolerance, twin_tolerance: at which they were found.
        ngspice_points, twin_points: steps in the period.
    """

    wave: str
    amplitude: float
    error: float
    error_within_a_step: float
    edge_shift: float
    ngspice_change: float
    twin_change: float
    ngspice_tolerance: float
    twin_tolerance: float
    ngspice_points: int
    twin_points: int


def drives(drive: Drive, share: float = 1.0) -> dict[str, Stimulus]:
    """One period of each wave between the extremes of a card's sine, scaled by `share`."""
    high, low = share * (drive.offset + drive.amplitude), share * (drive.offset - drive.amplitude)
    levels = np.where(PULSE_LEVELS > 0, high, low) * np.abs(PULSE_LEVELS)
    return {
        "sine": Sine(share * drive.amplitude, drive.frequency, share * drive.offset),
        "triangle": _straight(drive, TRIANGLE_CORNERS, np.array([0, high, low, 0])),
        "pulses": _straight(drive, PULSE_CORNERS, levels),
    }


def _straight(drive: Drive, phases: Array, levels: Array) -> Samples:
    return Samples(tuple(phases / drive.frequency), tuple(levels))


def compare_device(
    card: Card, *, waves: Sequence[str] = WAVES, shares: Sequence[float] = SHARES
) -> Iterator[Agreement]:
    """Run a device under waves at shares of its card's amplitude, in both engines.

    Args:
        card: a device with its drive.
        waves: sine, triangle, pulses.
        shares: of the amplitude, and of the offset if there is one.

    Raises:
        InputError: a card without a drive.
        SimulationError: an engine gave up.
    """
    drive = card.drive
    if drive is None:
        raise InputError(f"card {card.name!r} has no [drive]; add amplitude, frequency and series_resistance")
    pair = _Pair(card.device, drive)
    for wave in waves:
        for share in shares:
            yield pair.compare(wave, share)


class _Pair:
    """The bench of a device, and its twin."""

    def __init__(self, device: Device, drive: Drive) -> None:
        self._drive, self._period = drive, 1 / drive.frequency
        self._bench = device_bench(device, series_resistance=drive.series_resistance)
        self._twin = CompiledCircuit(self._bench, inputs=("vdrive",))

    def compare(self, wave: str, share: float) -> Agreement:
        stimulus, granted = drives(self._drive, share)[wave], self._period / STEPS
        exact, exact_change = _refined(lambda t: self._by_ngspice(stimulus, t), NGSPICE_TOLERANCES, granted)
        found, finer, steps = self._by_twin(stimulus, exact.times)
        return Agreement(
            wave=wave,
            amplitude=share * self._drive.amplitude,
            error=distance(exact, found, 0.0),
            error_within_a_step=distance(exact, found, granted),
            edge_shift=_shift(exact, found, granted) / self._period,
            ngspice_change=exact_change,
            twin_change=distance(found, finer, 0.0),
            ngspice_tolerance=exact.tolerance,
            twin_tolerance=found.tolerance,
            ngspice_points=len(exact.times),
            twin_points=steps,
        )

    def _by_ngspice(self, stimulus: Stimulus, tolerance: float) -> Current:
        data = spice.simulate(
            self._bench,
            stimuli={"vdrive": stimulus},
            stop=self._period,
            step=self._period / STEPS,
            options={"reltol": tolerance},
            timeout=TIMEOUT,
        )
        return Current(data["time"].values, -data["i(vdrive)"].values, tolerance)

    def _by_twin(self, stimulus: Stimulus, times: Array) -> tuple[Current, Current, int]:
        """Current at given times, the same in half as long steps, and the number of steps."""
        found = in_chosen_steps(
            self._twin, {"vdrive": stimulus}, stop=self._period, samples=times, tolerance=DEFAULT_TOLERANCE
        )
        currents = (
            with_device_currents(self._bench, dataset(times, waves))["i(xm1)"].values
            for waves in (found.waves, found.finer)
        )
        here, finer = (Current(times, current, DEFAULT_TOLERANCE) for current in currents)
        return here, finer, found.steps


def _refined(
    run: Callable[[float], Current], tolerances: Sequence[float], granted: float
) -> tuple[Current, float]:
    """The current at the first tolerance that changes it no more, and by how much it changed it."""
    before = run(tolerances[0])
    for tolerance in tolerances[1:]:
        now = run(tolerance)
        change = distance(now, before, granted)
        if change <= CONVERGED:
            break
        before = now
    return now, change


def distance(exact: Current, other: Current, granted: float) -> float:
    """Largest distance of two currents over the peak of the first, granted a shift by some seconds."""
    found = max(_outside(exact, other, granted), _outside(other, exact, granted))
    return found / float(np.abs(exact.values).max())


def _shift(exact: Current, other: Current, most: float) -> float:
    """Least time [s] to grant that makes two currents agree to the promise, to a thousandth of `most`."""
    if distance(exact, other, 0.0) <= PROMISE:
        return 0.0
    low, high = 0.0, most
    while high - low > 1e-3 * most:
        middle = (low + high) / 2
        low, high = (low, middle) if distance(exact, other, middle) <= PROMISE else (middle, high)
    return high


def _outside(band: Current, signal: Current, granted: float) -> float:
    """How far a signal leaves what a piecewise linear band passes through within `granted` seconds [A]."""
    early, late = (np.clip(signal.times + shift, *band.times[[0, -1]]) for shift in (-granted, granted))
    ends = np.interp([early, late], band.times, band.values)
    first, last = np.searchsorted(band.times, early), np.searchsorted(band.times, late, side="right")
    inner = first < last
    spans = np.column_stack([first, last])[inner].ravel()
    padded = np.append(band.values, band.values[-1])  # reduceat takes no index past the end
    low, high = ends.min(axis=0), ends.max(axis=0)
    low[inner] = np.minimum(low[inner], np.minimum.reduceat(padded, spans)[::2])
    high[inner] = np.maximum(high[inner], np.maximum.reduceat(padded, spans)[::2])
    return float(np.maximum(low - signal.values, signal.values - high).max(initial=0.0))
