from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from memsim.errors import InputError

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

FEWEST_SAMPLES = 8
STILL_CLOSED = 2.0  # a loop closes on itself when its ends are no further apart than two of its steps


@dataclass(frozen=True)
class Record:
    """One measured transient of a device behind a series resistor.

    Args:
        name: what people call it.
        time: [n] in s, rising.
        drive: [n] voltage of the source in V, across the series resistor and the device.
        current: [n] in A.
        series_resistance: in ohm; 0 where `drive` is the voltage across the device.
        used: [n], False for samples that do not count in the fit, such as outliers.
        limited: [n], True where the instrument limited the current; there it is imposed, not the voltage.
        notes: what was done to the data on reading, one sentence each.
    """

    name: str
    time: Array
    drive: Array
    current: Array
    series_resistance: float = 0.0
    used: Mask = field(default_factory=lambda: np.empty(0, bool))
    limited: Mask = field(default_factory=lambda: np.empty(0, bool))
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, absent in (("used", True), ("limited", False)):
            if not getattr(self, name).size:
                object.__setattr__(self, name, np.full(self.time.shape, absent))
        self._check()

    def _check(self) -> None:
        shapes = {self.time.shape, self.drive.shape, self.current.shape, self.used.shape, self.limited.shape}
        if len(shapes) != 1:
            raise InputError(f"{self.name}: time, drive and current have shapes {shapes}; give one shape [n]")
        if self.time.size < FEWEST_SAMPLES:
            raise InputError(
                f"{self.name} has {self.time.size} samples; a fit needs at least {FEWEST_SAMPLES}"
            )
        if not (np.diff(self.time) > 0).all():
            raise InputError(f"{self.name}: time does not rise from sample to sample; sort the rows by time")
        for quantity, unit in (("drive", "voltage"), ("current", "current")):
            values = getattr(self, quantity)
            if not np.isfinite(values).all():
                raise InputError(
                    f"{self.name}: the {unit} holds values that are not finite; remove these rows"
                )
            if np.ptp(values) == 0:
                raise InputError(
                    f"{self.name}: the {unit} is constant at {values[0]:g}; "
                    "a fit needs a record in which both voltage and current change"
                )
        if not (np.isfinite(self.series_resistance) and self.series_resistance >= 0):
            raise InputError(f"series_resistance = {self.series_resistance!r} ohm; allowed: finite, >= 0")

    @cached_property
    def peak(self) -> float:
        """Largest current as a magnitude [A], to which errors are relative."""
        return float(np.abs(self.current[self.used]).max())

    @cached_property
    def device_voltage(self) -> Array:
        """Voltage across the device [n] in V."""
        return self.drive - self.series_resistance * self.current

    @cached_property
    def closed(self) -> bool:
        """Whether the record is one or more whole periods, so that its end continues at its start."""
        swing, reach = np.ptp(self.drive), np.abs(np.diff(self.drive)).max()
        gap = abs(self.drive[0] - self.drive[-1])
        return bool(reach < 0.25 * swing and gap <= STILL_CLOSED * reach)

    def voltage_at(self, current: Array) -> Array:
        """Voltage across the device [n] in V when `current` [n] in A flows."""
        return self.drive - self.series_resistance * current

    @property
    def duration(self) -> float:
        """From the first sample to one step after the last [s]."""
        return float((self.time[-1] - self.time[0]) * self.time.size / (self.time.size - 1))

    def thinned(self, longest: int) -> Record:
        """At most `longest` samples, each the mean of a block of neighbours.

        Raises:
            InputError: the blocks would wash out the drive: it changes too fast for that many samples.
        """
        block = -(-self.time.size // longest)
        if block == 1:
            return self
        whole = self.time.size // block * block
        drive, current, time = (
            values[:whole].reshape(-1, block).mean(1) for values in (self.drive, self.current, self.time)
        )
        lost = 1 - np.std(drive) / np.std(self.drive)
        if lost > 0.02:
            raise InputError(
                f"{self.name} has {self.time.size} rows, too many periods for one fit: means over {block} rows lose "
                f"{lost:.0%} of the drive; give fewer periods (--rows FIRST:LAST)"
            )
        used, limited = (mask[:whole].reshape(-1, block).mean(1) > 0.5 for mask in (self.used, self.limited))
        note = f"{self.time.size} rows averaged in blocks of {block}"
        return replace(
            self,
            time=time,
            drive=drive,
            current=current,
            used=used,
            limited=limited,
            notes=(*self.notes, note),
        )
