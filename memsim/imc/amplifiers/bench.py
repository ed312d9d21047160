"""Many copies of an amplifier in one deck, each with its own transistors and input, and two decisions of each.

The clock is low (reset) and then high (decision) in each of two periods. In the first one all inputs force the decision
that is to be remembered, in the second each copy gets the input that is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from memsim.errors import InputError, SimulationError
from memsim.imc.amplifiers.circuit import AmplifierCircuit
from memsim.spice import Job, simulate_many

Array = NDArray[np.float64]
FORCED = 0.1
"""Input that forces the first decision [V]."""
EDGE = 0.01
"""Rise and fall of the clock, of its period."""
POINTS = 200
"""Steps of a period, at least."""
ACCURACY = ".options reltol=1e-5 abstol=1e-13 vntol=1e-8 chgtol=1e-17 method=gear"
TIMEOUT = 600.0
AT_ONCE = 25
"""Copies in a deck."""


@dataclass(frozen=True, kw_only=True)
class Bench:
    """How an amplifier is driven.

    Attributes:
        supply: [V].
        common: mean of both inputs [V].
        period: of the clock [s], half of it reset.
    """

    supply: float
    common: float
    period: float

    def __post_init__(self) -> None:
        for name, value, most in (
            ("supply", self.supply, 100.0),
            ("common", self.common, self.supply),
            ("period", self.period, 1.0),
        ):
            if not 0 < value <= most:
                raise InputError(f"{name} = {value:g}; allowed: above 0, up to {most:g}")

    @property
    def rise(self) -> float:
        """When the clock is half way up before the second decision [s]."""
        return 1.5 * self.period + EDGE * self.period / 2

    @property
    def end(self) -> float:
        """Of the second decision, while the clock is still high [s]."""
        return 2 * self.period - EDGE * self.period


@dataclass(frozen=True)
class Copy:
    """One amplifier of a deck.

    Attributes:
        difference: of its inputs, first less second, at the second decision [V].
        before: the decision that is forced first, 1 or -1.
        handles: values of handles of its transistors, see AmplifierCircuit.definition.
    """

    difference: float
    before: int = -1
    handles: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Waves:
    """What came of one copy.

    Attributes:
        time: [points] [s].
        outputs: difference of its outputs, [points] [V].
        data: all that was saved of its deck.
        bench: how it was driven.
    """

    time: Array
    outputs: Array
    data: xr.Dataset
    bench: Bench

    @property
    def decision(self) -> int:
        """The second one: 1, or -1."""
        return 1 if self.at(self.bench.end) > 0 else -1

    def at(self, time: float) -> float:
        """Difference of the outputs at a time [V]."""
        return float(np.interp(time, self.time, self.outputs))

    def crossing(self, level: float) -> float:
        """When outputs differ by a level after the second rise of the clock, [s] from it; NaN where never."""
        late = self.time >= self.bench.rise
        time, size = self.time[late], np.abs(self.outputs[late])
        above = np.flatnonzero(size >= level)
        if not len(above) or not above[0]:
            return math.nan
        k = int(above[0])
        part = (level - size[k - 1]) / (size[k] - size[k - 1])
        return float(time[k - 1] + part * (time[k] - time[k - 1]) - self.bench.rise)


def run(
    amplifier: AmplifierCircuit, bench: Bench, copies: Sequence[Copy], save: Sequence[str] = ()
) -> list[Waves]:
    """Two decisions of each copy.

    Args:
        amplifier: the circuit.
        bench: how it is driven.
        copies: at least one.
        save: what else to keep of each deck of AT_ONCE copies, the first of which is `x0`.

    Raises:
        SimulationError: as of memsim.spice.simulate.
    """
    decks = [copies[start : start + AT_ONCE] for start in range(0, len(copies), AT_ONCE)]
    jobs = [Job(_deck(amplifier, bench, some, save), timeout=TIMEOUT) for some in decks]
    waves = []
    for some, data in zip(decks, simulate_many(jobs), strict=True):
        if isinstance(data, SimulationError):
            raise data
        time = np.asarray(data["time"].values, dtype=float)
        for number in range(len(some)):
            outputs = data[f"v(a{number})"].values - data[f"v(b{number})"].values
            waves.append(Waves(time, np.asarray(outputs, dtype=float), data, bench))
    return waves


def _deck(amplifier: AmplifierCircuit, bench: Bench, copies: Sequence[Copy], save: Sequence[str]) -> str:
    period, edge = bench.period, EDGE * bench.period
    pulse = " ".join(f"{one:.9e}" for one in (period / 2, edge, edge, period / 2 - edge, period))
    deck = [
        f"* {len(copies)} amplifiers",
        *amplifier.definition(),
        f"vdd vdd 0 {bench.supply:.9e}",
        f"vclk clk 0 pulse(0 {bench.supply:.9e} {pulse})",
        f"vcm cm 0 {bench.common:.9e}",
    ]
    for number, one in enumerate(copies):
        nodes = {"inp": f"p{number}", "inn": f"n{number}", "outp": f"a{number}", "outn": f"b{number}"}
        for name, half in (("inp", 0.5), ("inn", -0.5)):
            forced, asked = (f"{half * value:.12e}" for value in (one.before * FORCED, one.difference))
            turn = f"pwl(0 {forced} {period:.9e} {forced} {period + edge:.9e} {asked})"
            deck.append(f"v{nodes[name]} {nodes[name]} cm {turn}")
        deck.append(amplifier.instance(f"x{number}", {"vdd": "vdd", "clk": "clk", **nodes}, one.handles))
    outputs = [f"v({side}{number})" for number in range(len(copies)) for side in "ab"]
    step = period / POINTS
    deck += [
        ACCURACY,
        f".save {' '.join([*outputs, *save])}",
        f".tran {step:.9e} {2 * period:.9e} {period:.9e} {step:.9e}",
        ".end",
    ]
    return "\n".join(deck)
