from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from memsim.errors import InputError
from memsim.fit.orientation import Orientation, oriented
from memsim.fit.records import Array, Mask, Record
from memsim.fit.tables import Reading, Table, read_table
from memsim.units import format_si

UNLIKELY_CURRENT = 0.1  # A; devices that carry more are rare, files in mA or µA without a header are not
MOST_DROP = 1.1  # of the source, over a series resistor: the rest is error of either
CLEAR = 0.3  # of the largest current: below, an offset may turn the sign of a power
MOST_ACTIVE = 0.1  # share of such samples in which a passive device may seem to give off power
PLATEAU_SAMPLES = 5
OUTLIER = 8.0  # robust standard deviations from the running median
WINDOW = 7  # samples of that median
CHUNK = 100_000  # samples at a time: windows of ten million would fill the memory


@dataclass(frozen=True)
class Layout:
    """How a file is to be understood.

    Args:
        columns, units, rows, skip_lines, decimal, encoding: as in `Reading`.
        frequency: of a periodic drive [Hz], where the file has no time column.
        sample_time: between two rows [s], where the file has no time column.
        series_resistance: of a known resistor in series [ohm].
        voltage: whether the voltage column is across the `device` or the whole `source`.
        current: how the current was recorded: `as-is`, `reversed`, `absolute`; told by the power where left out.
    """

    columns: Sequence[str] | None = None
    units: Mapping[str, str] = field(default_factory=dict)
    rows: slice = field(default_factory=lambda: slice(None))
    frequency: float | None = None
    sample_time: float | None = None
    series_resistance: float = 0.0
    voltage: Literal["source", "device"] = "source"
    skip_lines: int = 0
    decimal: str | None = None
    encoding: str | None = None
    current: Orientation | None = None

    @property
    def reading(self) -> Reading:
        """How its table is read."""
        return Reading(self.columns, self.units, self.rows, self.skip_lines, self.decimal, self.encoding)


def read_record(path: str | Path, layout: Layout | None = None) -> Record:
    """A measured transient from a file, cleaned, with a note on everything that was done.

    Rows are sorted by time, rows without numbers left out, isolated outliers and samples at a current limit marked. A
    current that was recorded reversed, or without its sign, gets the sign of the voltage.

    Raises:
        InputError: what is missing or implausible, and the option that helps.
    """
    layout = layout or Layout()
    _check_layout(layout)
    table = read_table(path, layout.reading)
    time, voltage, current, notes = _in_order(table, layout)
    scale, told = _current_scale(table, layout)
    current, turned = oriented(table.name, voltage, current * scale, layout.current)
    notes += [*told, *turned]
    r = layout.series_resistance
    _check_drop(table.name, voltage, current, layout)
    drive = voltage + r * current if layout.voltage == "device" else voltage
    limited = at_limit(drive, current)
    outliers = spikes(current) & ~limited
    resistor = _named_resistor(table.name)
    if not r and resistor:
        notes.append(
            f"the name says {resistor}: where that is a resistor in series, give it with --series-resistance {resistor}"
        )
    if limited.any():
        bound = format_si(float(np.abs(current[limited]).max()), "A", 3)
        notes.append(f"{int(limited.sum())} samples at a current limit of {bound}")
    if outliers.any():
        notes.append(f"{int(outliers.sum())} isolated outliers left out")
    return Record(table.name, time, drive, current, r, ~outliers, limited, tuple(notes))


def _check_layout(layout: Layout) -> None:
    for name, unit in (("frequency", "Hz"), ("sample_time", "s")):
        value = getattr(layout, name)
        if value is not None and not (np.isfinite(value) and value > 0):
            raise InputError(f"{name} = {value!r} {unit} is out of range; allowed: above 0")


def _in_order(table: Table, layout: Layout) -> tuple[Array, Array, Array, list[str]]:
    voltage, current = table.columns["voltage"], table.columns["current"]
    notes = list(table.notes)
    if "time" not in table.columns:
        if layout.frequency is None and layout.sample_time is None:
            layout = replace(layout, frequency=_named_frequency(table.name))
            if layout.frequency is not None:
                notes.append(f"a drive of {format_si(layout.frequency, 'Hz')}, as the name of the file says")
        step = _sample_time(table.name, voltage, layout, int(table.rows[-1] - table.rows[0]) + 1)
        return (table.rows - table.rows[0]) * step, voltage, current, notes
    time = table.columns["time"]
    if np.ptp(time) == 0:
        raise InputError(f"{table.name}: time is constant at {time[0]:g} s; give a file with a running time")
    falls = np.diff(time) < 0
    restarts = int((np.diff(time) < -0.5 * np.ptp(time)).sum())
    if falls.any():
        if restarts and restarts == int(falls.sum()):
            row = int(np.argmax(falls)) + 1
            raise InputError(
                f"{table.name}: time starts again at row {row}: the file holds {restarts + 1} records; "
                f"read one with --rows, such as --rows 0:{row}"
            )
        order = np.argsort(time, kind="stable")
        time, voltage, current = time[order], voltage[order], current[order]
        notes.append(f"rows sorted by time ({int(falls.sum())} were out of order)")
    first = np.concatenate([[True], np.diff(time) > 0])
    if not first.all():
        notes.append(f"{int((~first).sum())} rows at a time already seen left out")
    return time[first], voltage[first], current[first], notes


def _named_frequency(name: str) -> float | None:
    """Frequency [Hz] in a name such as `5k_0.8V_100Hz_M1`, if there is one and no other."""
    found = re.findall(r"(?<![\d.])(\d+(?:\.\d+)?) ?([kM]?)Hz(?![a-z])", name)
    return float(found[0][0]) * {"": 1.0, "k": 1e3, "M": 1e6}[found[0][1]] if len(found) == 1 else None


def _named_resistor(name: str) -> str | None:
    """A resistance in a name such as `5k_0.8V_100Hz_M1`, if there is one and no other."""
    found = re.findall(r"(?<![A-Za-z\d.])(\d+(?:\.\d+)?[kM])(?:ohm|Ohm|Ω)?(?![A-Za-z\d])", name)
    return found[0] if len(found) == 1 else None


def _sample_time(name: str, voltage: Array, layout: Layout, rows: int) -> float:
    if layout.sample_time is not None:
        return layout.sample_time
    if layout.frequency is None:
        raise InputError(
            f"{name} has no time column; give --frequency, such as 100, of the drive it spans in whole periods, or "
            "--sample-time"
        )
    return periods(voltage) / (layout.frequency * rows)


def periods(voltage: Array) -> int:
    """Whole periods in a record, by its upward crossings of the middle; at least one."""
    middle, swing = (voltage.max() + voltage.min()) / 2, np.ptp(voltage)
    side = np.where(voltage > middle + 0.1 * swing, 1, np.where(voltage < middle - 0.1 * swing, -1, 0))
    side = side[side != 0]
    turns = int((np.diff(np.concatenate([side, side[:1]])) > 0).sum()) if side.size else 1
    return max(turns, 1)


def _current_scale(table: Table, layout: Layout) -> tuple[float, list[str]]:
    """What turns the current column into ampere where neither file nor caller names its unit, and a note on it.

    Raises:
        InputError: no device carries a current as large as the numbers, and nothing tells the unit.
    """
    largest = float(np.abs(table.columns["current"]).max(initial=0.0))
    if "current" in table.stated or "current" in layout.units or largest <= UNLIKELY_CURRENT:
        return 1.0, []
    reach = float(np.abs(table.columns["voltage"]).max())
    for scale, unit in ((1e-3, "mA"), (1e-6, "µA"), (1e-9, "nA")) if layout.series_resistance else ():
        if layout.voltage == "source" and layout.series_resistance * largest * scale <= MOST_DROP * reach:
            reason = (
                "in the next larger unit it would drop more over the series resistance than the source gives"
            )
            return scale, [f"current taken in {unit}: {reason}; --current-unit says otherwise"]
    raise InputError(
        f"{table.name}: the current reaches {largest:.3g} and the file does not name its unit; give it: "
        "--current-unit uA, mA or A; a known resistor in series with the source's voltage (--series-resistance) tells "
        "it, too"
    )


def _check_drop(name: str, voltage: Array, current: Array, layout: Layout) -> None:
    if layout.voltage == "device" or not layout.series_resistance:
        return
    drop, reach = layout.series_resistance * float(np.abs(current).max()), float(np.abs(voltage).max())
    if drop > MOST_DROP * reach:
        raise InputError(
            f"{name}: the series resistance drops {drop:.3g} V of a source of {reach:.3g} V; check the units and the "
            "resistance, or say --voltage device where the column holds the voltage across the device"
        )
    across = voltage - layout.series_resistance * current
    clear = np.abs(current) > CLEAR * np.abs(current).max()
    if np.mean((across * current)[clear] < 0) > MOST_ACTIVE:
        raise InputError(
            f"{name}: behind the series resistance the device would give off power; say --voltage device where the "
            "column holds the voltage across the device alone, or check the resistance"
        )


def at_limit(drive: Array, current: Array) -> Mask:
    """Samples where the current stays at its largest value while the drive moves on."""
    limited = np.zeros(current.shape, bool)
    for sign in (1.0, -1.0):
        top = float((sign * current).max())
        near = sign * current >= 0.995 * top if top > 0 else np.zeros(current.shape, bool)
        edges = np.flatnonzero(np.diff(np.concatenate([[0], near.astype(int), [0]])))
        for start, stop in edges.reshape(-1, 2):
            flat = np.ptp(current[start:stop]) < 2e-3 * top
            moving = np.ptp(drive[start:stop]) > 0.05 * np.ptp(drive)
            if stop - start >= PLATEAU_SAMPLES and flat and moving:
                limited[start:stop] = True
    return limited


def spikes(current: Array) -> Mask:
    """Single samples far from their neighbours on both sides, which agree with each other."""
    padded = np.pad(current, WINDOW // 2, mode="reflect")
    floor = 0.02 * np.ptp(current)
    far = np.zeros(current.shape, bool)
    for start in range(0, len(current), CHUNK):
        part = current[start : start + CHUNK]
        around = np.lib.stride_tricks.sliding_window_view(
            padded[start : start + len(part) + WINDOW - 1], WINDOW
        )
        median = np.median(around, axis=1)
        spread = 1.4826 * np.median(np.abs(around - median[:, None]), axis=1)
        far[start : start + CHUNK] = np.abs(part - median) > np.maximum(OUTLIER * spread, floor)
    alone = ~np.concatenate([[False], far[:-1]]) & ~np.concatenate([far[1:], [False]])
    return far & alone
