"""Stimuli as samples with straight lines between them, of any length that ngspice can take."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from memsim.circuits.stimuli import Array, Stimulus, check_positive, number
from memsim.errors import InputError

PWL_POINTS = 1000
"""Up to here a PWL source is as quick as any; ngspice scans its corners one by one at every step."""
MOST_UNEVEN = 30_000
"""Corners of a PWL source: the time grows with their square, 0.1 s at 3000 and 11 s here."""
MOST_EVEN = 300_000
"""Samples at equal distances: 1.2 s at 30 000, 6 s at 100 000 and 30 s here."""
_PIECE = 5000
"""Samples in one expression: ngspice reads one in a time that grows with the square of its length."""
_JITTER = 1e-3
"""Share of their distance by which equally distant samples may be off."""


@dataclass(frozen=True)
class Samples(Stimulus):
    """Straight lines between samples, constant before the first and after the last.

    Args:
        times: increasing times [s].
        values: value at each time [A or V].
    """

    times: Sequence[float]
    values: Sequence[float]

    def __post_init__(self) -> None:
        times, values = np.asarray(self.times, dtype=float), np.asarray(self.values, dtype=float)
        if times.ndim != 1 or times.shape != values.shape or not len(times):
            raise InputError(
                f"samples have times of shape {times.shape} and values of shape {values.shape}; give two equal rows"
            )
        for name, row in (("times", times), ("values", values)):
            if not np.isfinite(row).all():
                where = int(np.flatnonzero(~np.isfinite(row))[0])
                raise InputError(
                    f"stimulus {name}[{where}] = {row[where]!r} is not finite; remove or interpolate such samples"
                )
        if (np.diff(times) <= 0).any():
            where = int(np.flatnonzero(np.diff(times) <= 0)[0]) + 1
            raise InputError(
                f"stimulus times[{where}] = {times[where]!r} does not increase; sort the samples and drop repeats"
            )

    def __call__(self, t: ArrayLike) -> Array:
        return np.interp(np.asarray(t, dtype=float), self.times, self.values)

    def netlist_lines(self, element: str, plus: str, minus: str) -> list[str]:
        count, spacing = len(self.times), self._spacing()
        if count <= PWL_POINTS or (spacing is None and count <= MOST_UNEVEN):
            corners = " ".join(
                f"{number(t)} {number(v)}" for t, v in zip(self.times, self.values, strict=True)
            )
            return [f"{element} {plus} {minus} PWL({corners})"]
        if spacing is None or count > MOST_EVEN:
            raise InputError(
                f"stimulus has {count} samples; ngspice decks take at most {MOST_EVEN} at equal distances and "
                f"{MOST_UNEVEN} at others. Resample it, or describe it as pulses"
            )
        return [*_expressions(element, plus, minus, self._pieces()), _beat(element, self.times[0], spacing)]

    def _spacing(self) -> float | None:
        """Distance between the samples [s] where it is the same for all."""
        times = np.asarray(self.times, dtype=float)
        even = np.linspace(times[0], times[-1], len(times))
        spacing = (times[-1] - times[0]) / max(len(times) - 1, 1)
        return float(spacing) if np.abs(times - even).max() <= _JITTER * spacing else None

    def _pieces(self) -> Iterator[str]:
        """Expressions whose sum is the stimulus: each follows a stretch of the samples and is constant beside it."""
        times, values = np.asarray(self.times, dtype=float), np.asarray(self.values, dtype=float)
        for first in range(0, len(times) - 1, _PIECE):
            t, v = times[first : first + _PIECE + 1], values[first : first + _PIECE + 1]
            v = v - (v[0] if first else 0.0)
            # pwl() goes on along its first and last line, which are level here
            span = t[-1] - t[0]
            t = np.concatenate([[t[0] - span], t, [t[-1] + span]])
            v = np.concatenate([[v[0]], v, [v[-1]]])
            yield f"pwl(time,{','.join(f'{number(a)},{number(b)}' for a, b in zip(t, v, strict=True))})"

    def corners(self, stop: float) -> Array:
        times = np.asarray(self.times, dtype=float)
        return times[(times > 0) & (times < stop)]

    @property
    def shortest(self) -> float:
        return float(np.min(np.diff(self.times))) if len(self.times) > 1 else math.inf


def _expressions(element: str, plus: str, minus: str, pieces: Iterable[str]) -> list[str]:
    """Currents side by side, or voltages in a row below a source that keeps its name, so that its current is read."""
    if element[0].lower() == "i":
        return [f"B{element}_{k} {plus} {minus} i={piece}" for k, piece in enumerate(pieces)]
    expressions = list(pieces)
    nodes = [f"{element.lower()}_drive{k}" for k in range(len(expressions))] + [minus]
    lines = [
        f"B{element}_{k} {above} {below} v={piece}"
        for k, (piece, (above, below)) in enumerate(zip(expressions, pairwise(nodes), strict=True))
    ]
    return [f"{element} {plus} {nodes[0]} DC 0", *lines]


def _beat(element: str, start: float, spacing: float) -> str:
    """A source of nothing whose corners are the samples, so that ngspice ends a step at each."""
    edge = number(spacing)
    return f"I{element}_beat 0 0 PULSE(0 0 {number(start)} {edge} {edge} {edge} {number(4 * spacing)})"


def triangle(amplitude: float, frequency: float) -> Samples:
    """One period of a triangle: 0, +amplitude, -amplitude, 0."""
    check_positive("triangle frequency", frequency)
    quarter = 0.25 / frequency
    return Samples((0.0, quarter, 3 * quarter, 4 * quarter), (0.0, amplitude, -amplitude, 0.0))
