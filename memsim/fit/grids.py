from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memsim.fit.records import Array, Record

LARGEST_GROWTH = 2.0  # of a step over its predecessor: the second-order formula is stable up to 1 + sqrt(2)


@dataclass(frozen=True)
class Grid:
    """Steps and sources of several records, padded to one length.

    The derivative of y at step n is (y_n - a_1 y_{n-1} - a_2 y_{n-2}) / (b h). Padded steps repeat the last one
    with h = 0.

    Args:
        a_1, a_2, b_h: [steps, records], coefficients; `b_h` in s.
        drive: [steps, records], source voltage [V].
        limit: [steps, records], current [A] where the instrument limits it, NaN elsewhere.
        resistance: [records] in ohm.
        sample: [samples, records], the step of each sample.
    """

    a_1: Array
    a_2: Array
    b_h: Array
    drive: Array
    limit: Array
    resistance: Array
    sample: NDArray[np.intp]


def make_grid(records: Sequence[Record], *, substeps: int, cycles: int = 0) -> Grid:
    """Time grid of the records.

    Args:
        records: measured transients.
        substeps: steps between two samples; the drive is linear between samples.
        cycles: periods to run before the record starts, for records that are whole periods.
    """
    columns = [_steps(record, substeps, cycles if record.closed else 0) for record in records]
    shape = (max(len(times) for times, *_ in columns), len(records))
    samples = np.zeros((max(len(record.time) for record in records), len(records)), np.intp)
    grid = Grid(
        np.ones(shape),
        np.zeros(shape),
        np.zeros(shape),
        np.zeros(shape),
        np.full(shape, np.nan),
        np.array([record.series_resistance for record in records]),
        samples,
    )
    for k, (record, (times, drive, limit)) in enumerate(zip(records, columns, strict=True)):
        n = len(times)
        grid.drive[:n, k], grid.drive[n:, k], grid.limit[:n, k] = drive, drive[-1], limit
        grid.a_1[1:n, k], grid.a_2[1:n, k], grid.b_h[1:n, k] = _coefficients(np.diff(times))
        own = len(record.time)
        samples[:own, k] = n - 1 - substeps * np.arange(own)[::-1]
        samples[own:, k] = n - 1
    return grid


def _steps(record: Record, substeps: int, cycles: int) -> tuple[Array, Array, Array]:
    """Times, drive and imposed current of a record with periods before it."""
    knots = np.concatenate([record.time + shift * record.duration for shift in range(-cycles, 1)])
    fine = np.arange((len(knots) - 1) * substeps + 1) / substeps
    number = np.arange(len(knots))
    imposed = np.tile(np.where(record.limited, record.current, np.nan), cycles + 1)
    return (
        np.interp(fine, number, knots),
        np.interp(fine, number, np.tile(record.drive, cycles + 1)),
        imposed[np.ceil(fine).astype(int)],
    )


def _coefficients(h: Array) -> tuple[Array, Array, Array]:
    """Backward differentiation of order two; of order one at the start and after a much shorter step."""
    growth = np.concatenate([[np.inf], h[1:] / h[:-1]])
    w = np.where(growth <= LARGEST_GROWTH, growth, 0.0)
    return (1 + w) ** 2 / (1 + 2 * w), -(w**2) / (1 + 2 * w), h * (1 + w) / (1 + 2 * w)
