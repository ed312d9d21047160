"""Stimuli: what a source of a circuit does over time, the same for every engine.

A circuit names its independent sources; a stimulus says what one of them does. Each stimulus is a function of
time for the torch and SciPy engines, and netlist lines that replace the source in an ngspice deck.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
import sympy as sp
from numpy.typing import ArrayLike, NDArray

from memsim.devices.ngspice import expression_text
from memsim.errors import InputError
from memsim.memory import check_memory

Array = NDArray[np.float64]
_PHASE = sp.Symbol("z", real=True)
_KNOTS = (0.0, 0.1, 0.3, 0.6, 1.0, 1.5, 2.2, 3.0, 4.0, 6.0, 9.0)
"""Phases of a pulse between which ngspice steps well: a peak 40 times shorter than its step comes out within 0.3 %."""
_LEAST_WIDTH = 1e-9
"""Share of the period below which a part of a pulse is none."""
MOST_STEPS = 1e300
SPARE_VALUES = 4
"""Numbers of each instant for the times, the stimulus and its parts."""


def number(value: float) -> str:
    """A number as netlists print it: shortest text that reads back to the same float."""
    return repr(float(value))


def check_finite(name: str, *values: float) -> None:
    """Raise InputError unless every value is a finite number."""
    for value in values:
        if not np.isfinite(value):
            raise InputError(f"{name} = {value!r} is not finite; give a number in SI units")


def check_positive(name: str, value: float) -> None:
    """Raise InputError unless the value is finite and above zero."""
    check_finite(name, value)
    if value <= 0:
        raise InputError(f"{name} = {value!r} is out of range; allowed: > 0, in SI units")


def check_times(stop: float, step: float) -> None:
    """Raise InputError unless a transient of `stop` seconds can be sampled every `step` seconds."""
    if not 0 < step <= stop < float("inf"):
        raise InputError(
            f"step = {step!r} s and stop = {stop!r} s are out of range; allowed: 0 < step <= stop"
        )


def time_points(stop: float, step: float, values: int) -> Array:
    """Times [s] from 0 to `stop`, every `step` seconds.

    Args:
        stop: end [s].
        step: between them [s].
        values: numbers that a run keeps of each instant, waveforms and unknowns.

    Raises:
        InputError: stop or step out of range, or more instants than the memory holds.
    """
    check_times(stop, step)
    steps = min(stop / step, MOST_STEPS)
    check_memory(
        f"a run of {steps:.3g} steps",
        8 * (values + SPARE_VALUES) * steps,
        "give a longer step or an earlier stop",
    )
    return np.arange(round(steps) + 1, dtype=np.float64) * step


class Stimulus(ABC):
    """Value of an independent source [A or V] as a function of time [s]."""

    @abstractmethod
    def __call__(self, t: ArrayLike) -> Array:
        """Value at times `t`, same shape."""

    @abstractmethod
    def netlist_lines(self, element: str, plus: str, minus: str) -> list[str]:
        """Deck lines that drive source `element` (`Iin`, `Vdrive`) between `plus` and `minus`."""

    def corners(self, stop: float) -> Array:
        """Times up to `stop` at which the value or its slope jumps; adaptive solvers restart there."""
        return np.empty(0)

    def knots(self, stop: float) -> Array:
        """Times up to `stop` that no step may pass over, corners among them: between them the value is smooth."""
        return self.corners(stop)

    @property
    def shortest(self) -> float:
        """Duration of the shortest thing it does [s]: an edge, a width, a quarter of a period; inf where it rests."""
        return math.inf

    @property
    def silent(self) -> bool:
        """Whether it says nothing of where it changes: a stimulus of one's own without any of the three above."""
        return all(
            getattr(type(self), name) is getattr(Stimulus, name) for name in ("corners", "knots", "shortest")
        )


def _independent(element: str, plus: str, minus: str, value: str) -> list[str]:
    return [f"{element} {plus} {minus} {value}"]


@dataclass(frozen=True)
class Constant(Stimulus):
    """A constant value from t = 0."""

    value: float

    def __post_init__(self) -> None:
        check_finite("stimulus value", self.value)

    def __call__(self, t: ArrayLike) -> Array:
        return np.full_like(np.asarray(t, dtype=float), self.value)

    @property
    def silent(self) -> bool:
        return False

    def netlist_lines(self, element: str, plus: str, minus: str) -> list[str]:
        return _independent(element, plus, minus, f"DC {number(self.value)}")


@dataclass(frozen=True)
class Sine(Stimulus):
    """offset + amplitude sin(2 pi frequency t)."""

    amplitude: float
    frequency: float
    offset: float = 0.0

    def __post_init__(self) -> None:
        check_finite("sine amplitude and offset", self.amplitude, self.offset)
        check_positive("sine frequency", self.frequency)

    def __call__(self, t: ArrayLike) -> Array:
        return self.offset + self.amplitude * np.sin(2 * np.pi * self.frequency * np.asarray(t, dtype=float))

    def netlist_lines(self, element: str, plus: str, minus: str) -> list[str]:
        arguments = " ".join(map(number, (self.offset, self.amplitude, self.frequency)))
        return _independent(element, plus, minus, f"SIN({arguments})")

    @property
    def shortest(self) -> float:
        return 0.25 / self.frequency


@dataclass(frozen=True)
class PulseTrain(Stimulus):
    """Trapezoidal pulses: from `base` to `level` and back, `period` apart, the first edge at `delay`.

    `width` is the time at `level`; `rise` and `fall` are the edges. Periods follow each other for ever.
    """

    level: float
    width: float
    period: float
    rise: float
    fall: float
    base: float = 0.0
    delay: float = 0.0

    def __post_init__(self) -> None:
        check_finite("pulse level, base, delay and width", self.level, self.base, self.delay, self.width)
        for name in ("period", "rise", "fall"):
            check_positive(f"pulse {name}", getattr(self, name))
        if self.width < 0 or self.rise + self.width + self.fall > self.period:
            raise InputError(
                f"pulse of rise {self.rise:g} s, width {self.width:g} s and fall {self.fall:g} s does not fit into its "
                f"period of {self.period:g} s; allowed: width >= 0 and rise + width + fall <= period"
            )

    def _phases(self) -> Array:
        return np.cumsum([0.0, self.rise, self.width, self.fall])

    def __call__(self, t: ArrayLike) -> Array:
        since = np.asarray(t, dtype=float) - self.delay
        phase = np.where(since < 0, 0.0, np.mod(since, self.period))
        return np.interp(phase, self._phases(), [self.base, self.level, self.level, self.base])

    def netlist_lines(self, element: str, plus: str, minus: str) -> list[str]:
        # for ngspice a width of zero is one without end
        width = self.width or _LEAST_WIDTH * self.period
        values = (self.base, self.level, self.delay, self.rise, self.fall, width, self.period)
        return _independent(element, plus, minus, f"PULSE({' '.join(map(number, values))})")

    def corners(self, stop: float) -> Array:
        pulses = max(stop - self.delay, 0.0) / self.period
        check_memory(f"a run of {pulses:.3g} pulses", 200 * pulses, "give an earlier stop or a longer period")
        starts = np.arange(self.delay, stop, self.period)
        times = np.unique(np.add.outer(starts, self._phases()))
        return times[(times > 0) & (times < stop)]

    @property
    def shortest(self) -> float:
        gap = self.period - self.rise - self.width - self.fall
        parts = (self.rise, self.width, self.fall, gap)
        return min(part for part in parts if part > _LEAST_WIDTH * self.period)


@cache
def _compiled(kernel: sp.Expr) -> Callable[[Array], Array]:
    return sp.lambdify(_PHASE, kernel, "numpy")


@dataclass(frozen=True)
class _KickTrain(Stimulus):
    """Pulses of one shape: sum over k of peak_k kernel((t - start_k) / tau) for t >= start_k."""

    peak: float | Sequence[float]
    tau: float
    starts: Sequence[float] = (0.0,)
    kernel: ClassVar[sp.Expr]

    def __post_init__(self) -> None:
        check_positive("pulse tau", self.tau)
        if np.ndim(self.peak) and np.shape(self.peak) != (len(self.starts),):
            raise InputError(
                f"{np.size(self.peak)} peaks and {len(self.starts)} starts; give one peak, or one for each start"
            )
        check_finite("pulse peak and starts", *self._peaks(), *self.starts)

    def _peaks(self) -> Array:
        return np.broadcast_to(np.asarray(self.peak, dtype=float), (len(self.starts),))

    def __call__(self, t: ArrayLike) -> Array:
        times = np.asarray(t, dtype=float)
        kernel = _compiled(self.kernel)
        total = np.zeros_like(times)
        for peak, start in zip(self._peaks(), self.starts, strict=True):
            pulse = peak * kernel(np.maximum(times - start, 0.0) / self.tau)
            total = total + np.where(times >= start, pulse, 0.0)
        return total

    def netlist_lines(self, element: str, plus: str, minus: str) -> list[str]:
        pulses = [
            f"{number(peak)}*(time{_since(start)}?{self._kernel_text(start)}:0)"
            for peak, start in zip(self._peaks(), self.starts, strict=True)
        ]
        lines = _behavioural(element, plus, minus, "+".join(pulses) or "0")
        return lines + _break_points(element, self.knots(math.inf))

    def _kernel_text(self, start: float) -> str:
        phase = f"((time-{number(start)})/{number(self.tau)})"
        return f"({expression_text(self.kernel, {_PHASE: phase})})"

    def corners(self, stop: float) -> Array:
        starts = np.asarray(self.starts, dtype=float)
        return starts[(starts > 0) & (starts < stop)]

    def knots(self, stop: float) -> Array:
        times = np.unique(np.add.outer(np.asarray(self.starts, dtype=float), self.tau * np.array(_KNOTS)))
        return times[(times > 0) & (times < stop)]

    @property
    def shortest(self) -> float:
        return self.tau if len(self.starts) else math.inf


def _since(start: float) -> str:
    """After the start, where a step of ngspice ends: no step that ends in a jump is ever short enough for it."""
    return f"{'>' if start > 0 else '>='}{number(start)}"


class AlphaTrain(_KickTrain):
    """Alpha-shaped pulses z exp(1 - z), z = (t - start) / tau: each reaches its peak at `tau` after its start.

    The response of two cascaded first-order stages to a kick, as the notebook of jeshraghian/mem-IF has it.

    Args:
        peak: peak value of each pulse [A or V]; one number serves all.
        tau: time to peak [s].
        starts: start times [s].
    """

    kernel = _PHASE * sp.exp(1 - _PHASE)


class ExponentialTrain(_KickTrain):
    """Pulses that jump to `peak` and decay as exp(-z): the drive that the torch classes of jeshraghian/mem-IF step.

    Arguments as for AlphaTrain.
    """

    kernel = sp.exp(-_PHASE)


def _behavioural(element: str, plus: str, minus: str, expression: str) -> list[str]:
    """A voltage source keeps its name, in series with the expression, so that its current can still be read."""
    if element[0].lower() == "i":
        return [f"B{element} {plus} {minus} i={expression}"]
    inner = f"{element.lower()}_drive"
    return [f"{element} {plus} {inner} DC 0", f"B{element} {inner} {minus} v={expression}"]


def _break_points(element: str, times: Array) -> list[str]:
    """A source of nothing, from ground to ground, at whose corners ngspice ends a step.

    Expressions of time have no break points of their own: ngspice would step over what they do in between.
    """
    corners = " ".join(f"{number(time)} 0" for time in times)
    return [f"I{element}_knots 0 0 PWL({corners})"] if len(times) else []
