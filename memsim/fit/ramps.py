from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from memsim.errors import InputError
from memsim.fit.records import Array

EDGE = 0.1  # part of a column whose mean says where it starts or ends
INNER = (0.15, 0.85)  # part of a column in which it may turn
TURN = 0.5  # of the span: the least by which a column that turns comes back
SMOOTHING = 20  # windows a column


@dataclass(frozen=True)
class Ramps:
    """Reads after pulses, by direction.

    Args:
        up, down: [pulses, ramps] of potentiation and depression, NaN after the end of a shorter ramp; None without one.
        unit: `S`, or empty where the values are not known to be conductances.
        notes: what was done to the data, one sentence each.
    """

    up: Array | None
    down: Array | None
    unit: str = ""
    notes: tuple[str, ...] = ()

    @property
    def directions(self) -> dict[str, Array]:
        """The ramps there are, by name."""
        both = {"potentiation": self.up, "depression": self.down}
        return {name: ramps for name, ramps in both.items() if ramps is not None}

    def read_at(self, voltage: float) -> Ramps:
        """Conductances of reads that are currents at `voltage` [V]."""
        if not (np.isfinite(voltage) and voltage != 0):
            raise InputError(f"read_voltage = {voltage!r} V reads nothing; allowed: any other finite voltage")
        return self._scaled(0.0, 1 / voltage)

    def spanning(self, low: float, high: float) -> Ramps:
        """Conductances of normalised reads, the mean ramps of which reach from `low` to `high` [S]."""
        if not 0 < low < high < np.inf:
            raise InputError(
                f"conductance_range = {low!r}, {high!r} S is out of range; allowed: 0 < lowest < highest"
            )
        means = np.concatenate([smoothed(np.nanmean(ramps, 1)) for ramps in self.directions.values()])
        factor = (high - low) / float(np.ptp(means))
        return self._scaled(low - factor * float(means.min()), factor)

    def _scaled(self, offset: float, factor: float) -> Ramps:
        up, down = (None if ramps is None else offset + factor * ramps for ramps in (self.up, self.down))
        return replace(self, up=up, down=down, unit="S")


def sort_ramps(files: Sequence[Array]) -> Ramps:
    """Columns of all files by direction; one that rises and falls again is cut where it turns.

    Args:
        files: [rows, columns] each, a column for a ramp and a row for a pulse, NaN where a ramp has ended.

    Raises:
        InputError: a column with fewer than 4 reads, or one that does not change.
    """
    groups: dict[bool, list[Array]] = {True: [], False: []}
    notes = []
    for number, table in enumerate(files):
        columns = [column[~np.isnan(column)] for column in table.T]
        if len(columns) > 1 and _counts(columns[0]):
            notes.append(f"file {number + 1}: first column left out, it counts the pulses")
            columns = columns[1:]
        for column in columns:
            if len(column) < 4 or not np.isfinite(column).all() or np.ptp(column) == 0:
                raise InputError(
                    f"file {number + 1} has a column of {len(column)} reads that cannot be a ramp; give 4 finite reads "
                    "or more that change"
                )
            parts = _cut(column)
            if len(parts) > 1:
                notes.append(f"file {number + 1}: a column cut at pulse {len(parts[0])}, where it turns")
            for part in parts:
                groups[_rises(part)].append(part)
    return Ramps(_padded(groups[True]), _padded(groups[False]), notes=tuple(notes))


def smoothed(column: Array) -> Array:
    """Running mean [n] over a twentieth of the column, of fewer neighbours at its ends."""
    half = max(len(column) // SMOOTHING // 2, 1)
    total = np.concatenate([[0.0], np.cumsum(column)])
    first = np.maximum(np.arange(len(column)) - half, 0)
    last = np.minimum(np.arange(len(column)) + half + 1, len(column))
    return (total[last] - total[first]) / (last - first)


def _counts(column: Array) -> bool:
    return len(column) > 2 and bool((np.diff(column) == 1).all())


def _rises(column: Array) -> bool:
    edge = max(int(EDGE * len(column)), 1)
    return bool(column[-edge:].mean() > column[:edge].mean())


def _cut(column: Array) -> list[Array]:
    """The column, or its two parts where it turns around."""
    smooth = smoothed(column)
    span = np.ptp(smooth)
    reach = len(column) // SMOOTHING + 1
    for sign in (1.0, -1.0):
        near = int(np.argmax(sign * smooth))
        inside = INNER[0] * len(column) < near < INNER[1] * len(column)
        back = min(abs(smooth[near] - smooth[0]), abs(smooth[near] - smooth[-1]))
        if inside and back > TURN * span:
            # the mean rounds the turn
            first = near - reach
            at = first + int(np.argmax(sign * column[first : near + reach])) + 1
            return [column[:at], column[at:]]
    return [column]


def _padded(columns: Sequence[Array]) -> Array | None:
    if not columns:
        return None
    ramps = np.full((max(map(len, columns)), len(columns)), np.nan)
    for k, column in enumerate(columns):
        ramps[: len(column), k] = column
    return ramps
