from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from memsim.devices.base import Device, Parameter
from memsim.fit.records import Array, Record

# Constants of the set-up or roundings of corners: not what a transient tells about a device.
KEPT = ("temperature", "smoothing", "window", "depth")
FURTHEST = {"1": 10.0, "1/V": 10.0}  # factor by which a positive parameter may leave the range of its starts
FURTHEST_ELSEWHERE = 1e4
NANOMETRE = 1e-9


@dataclass(frozen=True)
class Coordinate:
    """One unknown of a fit: its allowed range, the range that starts are drawn from, and its scale.

    The optimiser moves `z`; the value is exp(z) where `logarithmic`, else z times `scale`.
    """

    name: str
    unit: str
    low: float
    high: float
    first: float
    last: float
    logarithmic: bool
    scale: float = 1.0

    def to_value(self, z: Array) -> Array:
        return np.exp(z) if self.logarithmic else z * self.scale

    def to_z(self, value: float) -> float:
        return math.log(value) if self.logarithmic else value / self.scale

    def slope(self, z: Array) -> Array:
        """d value / d z."""
        return np.exp(z) if self.logarithmic else np.full_like(z, self.scale)


def coordinates(
    model: type[Device], records: Sequence[Record], *, keep: Sequence[str] = KEPT
) -> tuple[Coordinate, ...]:
    """Unknowns of a model, with starting ranges from the units of its parameters and the size of the data."""
    scales = Scales.of(records)
    return tuple(
        coordinate(name, spec, scales) for name, spec in model.parameters.items() if name not in keep
    )


@dataclass(frozen=True)
class Scales:
    """What the data tells before any model: voltage, current, resistances and times."""

    voltage: float
    current: float
    resistance: tuple[float, float]
    time: tuple[float, float]

    @classmethod
    def of(cls, records: Sequence[Record]) -> Scales:
        ratios = [_resistances(record) for record in records]
        low, high = np.quantile(np.concatenate(ratios), [0.02, 0.95])
        return cls(
            voltage=max(float(np.abs(record.device_voltage).max()) for record in records),
            current=max(record.peak for record in records),
            resistance=(float(low), float(high)),
            time=(
                min(float(np.diff(record.time).min()) for record in records),
                max(record.duration for record in records),
            ),
        )

    def start(self, unit: str) -> tuple[float, float] | None:
        """Magnitudes to start from for a parameter in `unit`; None where the data tells nothing."""
        low, high = self.resistance
        short, long = self.time
        ranges = {
            "V": (0.05 * self.voltage, self.voltage),
            "A": (1e-3 * self.current, 3 * self.current),
            "ohm": (0.3 * low, 3 * high),
            "S": (0.3 / high, 3 / low),
            "s": (0.02 * short, long),
            "1/s": (0.1 / long, 3 / short),
            "Hz": (0.1 / long, 3 / short),
            "1/V": (0.3 / self.voltage, 10 / self.voltage),
            "m/s": (0.1 * NANOMETRE / long, 3 * NANOMETRE / short),
        }
        return ranges.get(unit)


def _resistances(record: Record) -> Array:
    v, i = record.device_voltage, record.current
    clear = (np.abs(v) > 0.1 * np.abs(v).max()) & (np.abs(i) > 0.002 * record.peak) & (v * i > 0)
    return v[clear] / i[clear] if clear.sum() > 2 else np.array([np.ptp(v) / np.ptp(i)])


def coordinate(name: str, spec: Parameter, scales: Scales) -> Coordinate:
    """The unknown that a parameter is."""
    start = scales.start(spec.unit)
    if spec.positive and spec.low == 0:
        low, high = start or (spec.default / 4, spec.default * 4)
        low, high = min(low, spec.high / 2), min(high, spec.high)
        far = FURTHEST.get(spec.unit, FURTHEST_ELSEWHERE)
        return Coordinate(name, spec.unit, low / far, min(high * far, spec.high), low, high, True)
    magnitude = start[1] if start else 2 * abs(spec.default) or 1.0
    first, last = max(-magnitude, spec.low), min(magnitude, spec.high)
    if not first < last:
        first, last = spec.low, spec.high
    scale = max(abs(first), abs(last))
    return Coordinate(name, spec.unit, spec.low, spec.high, first, last, False, scale)
