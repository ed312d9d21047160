"""What a sense amplifier is as numbers, from its circuit in ngspice.

Offset. The threshold of each transistor differs by a normal number of standard deviation A / sqrt(W L): M. Pelgrom,
A. Duinmaijer and A. Welbers, Matching properties of MOS transistors, IEEE JSSC 24:1433 (1989). The input at which a
decision turns, p+ after a high and p- after a low one, is where decisions take longest; the law of their time says how
far it is, and decisions on either side prove it. Then o = -(p+ + p-) / 2 and the hysteresis is h = (p- - p+) / 2, as
in memsim.imc.converters.sense_amplifiers.

Decision time. From the rise of the clock to half the supply between the outputs; over the overdrive v beyond the
turning point it is fitted by t = t0 + tau ln(supply / |v|), so that v = +-supply exp((t0 - t) / tau) is known from it.

Noise. A charge in the channel of transistor k at time t decides at the turning point, as so much input would, which the
law of times tells; their ratio is h_k(t) [V/C]. White noise of the channels of one-sided density
S_k = 8 k T / 3 (gm + gds + gmbs), that of SPICE, is at the input

    sigma^2 = sum_k integral h_k(t)^2 S_k(t) / 2 dt

(J. Kim et al., Simulation and analysis of random decision errors in clocked comparators, IEEE TCAS-I 56:1844 (2009)).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from memsim.errors import InputError, SimulationError
from memsim.imc.amplifiers.bench import FORCED, Array, Bench, Copy, Waves, run
from memsim.imc.amplifiers.circuit import AmplifierCircuit

RESOLUTION = 5e-6
"""On either side of a turning point decisions are as they should be [V]."""
STEPS = 20
"""Towards a turning point."""
ROW = 7
"""Inputs at which one amplifier is looked at side by side."""
CLOSER = 0.1
"""Share of a range on either side of the point where a decision should turn."""
OVERDRIVES = (3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
"""At which decisions are timed [V]."""
SHOWN, COURSE = 1.3, 120
"""Of the longest decision, what is kept of its course, and at how many times."""
TIMES = 20
"""At which charges are put into each channel."""
CHARGE = 5e-18
"""Some tens of electrons: outputs follow them linearly [C]."""
BOLTZMANN, TEMPERATURE = 1.380649e-23, 300.15
CONDUCTANCES = ("gm", "gds", "gmbs")


@dataclass(frozen=True, kw_only=True)
class AmplifierFigures:
    """Figures at the input of an amplifier.

    Attributes:
        offset: standard deviation over amplifiers [V].
        offset_error: standard error of that for so many samples [V].
        offset_mean: of the samples [V].
        samples: amplifiers that were drawn.
        hysteresis: mean over the samples, of the turning point, up and down [V].
        noise: standard deviation of each decision [V].
        noise_error: what half as many times change of it [V].
        time_offset: t0 [s].
        time_constant: tau [s].
        time_error: largest distance of a time from the fit [s].
        overdrives: beyond the turning point [V].
        times: of decisions at these [s].
        offsets: of the samples [V].
        course_times: from the rise of the clock [s].
        courses: difference of the outputs at these, for each overdrive [V].
    """

    offset: float
    offset_error: float
    offset_mean: float
    samples: int
    hysteresis: float
    noise: float
    noise_error: float
    time_offset: float
    time_constant: float
    time_error: float
    overdrives: tuple[float, ...]
    times: tuple[float, ...]
    offsets: tuple[float, ...]
    course_times: tuple[float, ...]
    courses: tuple[tuple[float, ...], ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def characterise(
    amplifier: AmplifierCircuit, bench: Bench, *, matching: float, samples: int = 50, seed: int = 0
) -> AmplifierFigures:
    """Figures of an amplifier.

    Args:
        amplifier: its circuit.
        bench: how it is driven.
        matching: A of thresholds [V m]; 3.5e-9 is 3.5 mV µm.
        samples: amplifiers that are drawn, 2 and more.
        seed: of the draw.

    Raises:
        InputError: a number out of range, or a circuit that does not decide as it should.
        SimulationError: a turning point that is not found, or ngspice fails.
    """
    if not matching >= 0 or samples < 2:
        raise InputError(
            f"matching = {matching:g}, samples = {samples}; allowed: matching of at least 0 V m, and 2 samples "
            "and more"
        )
    drawn = np.random.default_rng(seed).standard_normal((samples, len(amplifier.transistors)))
    spread = matching / np.sqrt([one.area for one in amplifier.transistors])
    found = _Amplifier(amplifier, bench)
    shifts = [found.shifted(one) for one in drawn * spread]
    copies = [Copy(0.0, before, one) for before in (-1, 1) for one in shifts]
    after_low, after_high = found.turning_points(copies).reshape(2, samples)
    offsets = -(after_low + after_high) / 2
    deviation = float(offsets.std(ddof=1))
    noise, coarse = found.noise()
    return AmplifierFigures(
        offset=deviation,
        offset_error=deviation / np.sqrt(2 * (samples - 1)).item(),
        offset_mean=float(offsets.mean()),
        samples=samples,
        hysteresis=float((after_low - after_high).mean() / 2),
        noise=noise,
        noise_error=abs(coarse - noise),
        time_offset=found.start,
        time_constant=found.tau,
        time_error=found.error,
        overdrives=OVERDRIVES,
        times=tuple(found.times.tolist()),
        offsets=tuple(offsets.tolist()),
        course_times=tuple(found.course_times.tolist()),
        courses=tuple(tuple(one.tolist()) for one in found.courses),
    )


class _Amplifier:
    """An amplifier on a bench, and the law of its times."""

    def __init__(self, amplifier: AmplifierCircuit, bench: Bench) -> None:
        self.amplifier, self.bench = amplifier, bench
        self._check_sides()
        self.turning = self._searched()
        waves = self.run([Copy(self.turning + over) for over in OVERDRIVES])
        self.times = self._timed(waves)
        self.course_times = np.linspace(0, SHOWN * self.times[0], COURSE)
        self.courses = [np.interp(bench.rise + self.course_times, one.time, one.outputs) for one in waves]
        logarithm = np.log(bench.supply / np.array(OVERDRIVES))
        slope, start = np.polyfit(logarithm, self.times, 1)
        self.tau, self.start = float(slope), float(start)
        self.error = float(np.abs(self.start + self.tau * logarithm - self.times).max())

    def run(self, copies: Sequence[Copy], save: Sequence[str] = ()) -> list[Waves]:
        return run(self.amplifier, self.bench, copies, save)

    def shifted(self, shifts: Array) -> dict[str, float]:
        """Handles of thresholds that differ by so much [V]."""
        names = (f"s_{one.name}" for one in self.amplifier.transistors)
        return dict(zip(names, shifts.tolist(), strict=True))

    def beyond(self, waves: Sequence[Waves]) -> Array:
        """How far inputs were beyond the turning point, by the times of decisions, [n] [V]; 0 where undecided."""
        times = np.array([one.crossing(self.bench.supply / 2) for one in waves])
        size = self.bench.supply * np.exp((self.start - times) / self.tau)
        return np.nan_to_num(size) * [one.decision for one in waves]

    def turning_points(self, drawn: Sequence[Copy]) -> Array:
        """Inputs at which decisions of these copies turn, [n] [V], to RESOLUTION; their own inputs do not matter."""
        ends = np.tile([-FORCED, FORCED], (len(drawn), 1))
        # how far beyond the turning point the ends are, by the law of times
        sizes = np.full(ends.shape, FORCED)
        for _ in range(STEPS):
            width = np.ptp(ends, axis=1)
            if width.max() <= 2 * RESOLUTION:
                return ends.mean(axis=1)
            middle = (ends * sizes[:, ::-1]).sum(axis=1) / sizes.sum(axis=1)
            reach = np.maximum(CLOSER * width, 0.9 * RESOLUTION)
            points = np.clip(middle[:, None] + reach[:, None] * [-1, 1], *ends.T[..., None])
            self._narrow(ends, sizes, points, drawn)
        worst = int(np.argmax(np.ptp(ends, axis=1)))
        raise SimulationError(
            f"the decision of amplifier {worst} of {len(drawn)} turns between {ends[worst, 0]:.4g} and "
            f"{ends[worst, 1]:.4g} V, and is not found to {RESOLUTION:g} V",
            remedy=f"look whether its offset is beyond {FORCED:g} V; lower matching, or lengthen the period",
        )

    def _narrow(self, ends: Array, sizes: Array, points: Array, drawn: Sequence[Copy]) -> None:
        """Put points [n, 2] in the place of the ends on their side."""
        copies = [
            replace(one, difference=point)
            for one, both in zip(drawn, points.tolist(), strict=True)
            for point in both
        ]
        waves = self.run(copies)
        # undecided is as near as can be
        away = np.maximum(np.abs(self.beyond(waves)), RESOLUTION / 10).reshape(points.shape)
        high = np.array([one.decision for one in waves]).reshape(points.shape) > 0
        for number, (row, up) in enumerate(zip(points, high, strict=True)):
            # the point nearest to the turn on either side
            for side, order in ((0, np.flatnonzero(~up)[-1:]), (1, np.flatnonzero(up)[:1])):
                ends[number, side] = row[order[0]] if len(order) else ends[number, side]
                sizes[number, side] = away[number, order[0]] if len(order) else sizes[number, side]

    def noise(self) -> tuple[float, float]:
        """Standard deviation at the input [V], and that of half as many times."""
        transistors = self.amplifier.transistors
        save = [f"@m.x0.{one.name}[{kind}]" for one in transistors for kind in CONDUCTANCES]
        (still,) = self.run([Copy(self.turning)], save)
        growing = self.times[-1]
        step = 1.5 * growing / TIMES
        moments = self.bench.rise - growing / 2 + step * (np.arange(TIMES) + 0.5)
        length = step / 4
        copies = [
            Copy(
                self.turning,
                -1,
                {f"i_{one.name}": CHARGE / length, "pulse_start": at - length / 2, "pulse_length": length},
            )
            for one in transistors
            for at in moments.tolist()
        ]
        at_input = self.beyond(self.run(copies)).reshape(len(transistors), TIMES) / CHARGE
        density = 8 * BOLTZMANN * TEMPERATURE / 3 * self._conductances(still, moments)
        parts = (at_input**2 * density / 2 * step).sum(axis=0)
        return float(np.sqrt(parts.sum())), float(np.sqrt(2 * parts[::2].sum()))

    def _conductances(self, waves: Waves, moments: Array) -> Array:
        """gm + gds + gmbs of each transistor, [transistors, times] [S]."""
        names = [[f"@m.x0.{one.name}[{kind}]" for kind in CONDUCTANCES] for one in self.amplifier.transistors]
        sums = [np.abs([waves.data[name].values for name in each]).sum(axis=0) for each in names]
        return np.array([np.interp(moments, waves.time, one) for one in sums])

    def _check_sides(self) -> None:
        sides = [(side, before) for side in (1, -1) for before in (1, -1)]
        waves = self.run([Copy(side * FORCED, before) for side, before in sides])
        for (side, before), one in zip(sides, waves, strict=True):
            last = one.at(self.bench.end)
            if one.decision != side or abs(last) < self.bench.supply / 2:
                raise InputError(
                    f"{self.amplifier.source}: with {side * FORCED:+g} V between inp and inn, after a decision of "
                    f"{before:+d}, outp less outn ends at {last:.3g} V; an amplifier takes outputs apart by the "
                    "supply, outp "
                    "up where inp is above inn. Give a longer period or another common, or exchange the inputs"
                )

    def _searched(self) -> float:
        """The turning point of the amplifier as it is drawn [V], in ever finer rows of inputs."""
        low, high = -FORCED, FORCED
        while high - low > RESOLUTION / 5:
            row = np.linspace(low, high, ROW + 2).tolist()
            inner = [one.decision for one in self.run([Copy(one) for one in row[1:-1]])]
            first_high = [*inner, 1].index(1)
            low, high = row[first_high], row[first_high + 1]
        return (low + high) / 2

    def _timed(self, waves: Sequence[Waves]) -> Array:
        """Times of decisions at OVERDRIVES [s]."""
        times = np.array([one.crossing(self.bench.supply / 2) for one in waves])
        if np.isnan(times).any():
            over = OVERDRIVES[int(np.flatnonzero(np.isnan(times))[-1])]
            raise InputError(
                f"{self.amplifier.source} is not done within half a period of {self.bench.period:g} s at {over:g} V "
                "between its inputs; give a longer period"
            )
        return times
