"""A fit as an optimiser sees it: unknowns z for many starts, and residuals with their derivatives.

    r = (y - measured) / peak        for every used sample, peak that of the record

Unknowns are the model's free parameters, a capacitance in parallel to the device, and the device's states at the
start of each record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.stats import qmc

from memsim.devices.base import Device
from memsim.fit.coordinates import Coordinate
from memsim.fit.grids import Grid, make_grid
from memsim.fit.records import Array, Record
from memsim.fit.transient import Batch, currents, simulate

HOPELESS = 1e3  # residual of a transient that could not be solved, in peaks


def initial_name(state: str, record: Record, number: int) -> str:
    """What the unknown start of a state in a record is called; records may share their name, hence the number."""
    return f"{state}_0 of {record.name} ({number + 1})"


@dataclass(frozen=True)
class Problem:
    """Records, model and unknowns.

    Args:
        model: the device class.
        records: measured transients.
        free: unknown parameters of the model.
        fixed: values of the others, by name.
        largest_capacitance: bound of the unknown capacitance [F]; 0 leaves it out.
        substeps: steps between two samples.
    """

    model: type[Device]
    records: tuple[Record, ...]
    free: tuple[Coordinate, ...]
    fixed: Mapping[str, float]
    largest_capacitance: float = 0.0
    substeps: int = 2

    @cached_property
    def grid(self) -> Grid:
        return make_grid(self.records, substeps=self.substeps)

    @cached_property
    def unknowns(self) -> tuple[Coordinate, ...]:
        """All unknowns in the order of z."""
        extra = []
        if self.largest_capacitance:
            c = self.largest_capacitance
            extra.append(Coordinate("capacitance", "F", 0.0, c, 0.0, 0.1 * c, False, c))
        for number, record in enumerate(self.records):
            for name, spec in self.model.states.items():
                # states without an upper end start within one unit of the lower one
                last = spec.high if np.isfinite(spec.high) else spec.low + 1.0
                extra.append(
                    Coordinate(
                        initial_name(name, record, number),
                        spec.unit,
                        spec.low,
                        spec.high,
                        spec.low,
                        last,
                        False,
                    )
                )
        return (*self.free, *extra)

    @cached_property
    def bounds(self) -> tuple[Array, Array]:
        return (
            np.array([c.to_z(c.low) for c in self.unknowns]),
            np.array([c.to_z(c.high) for c in self.unknowns]),
        )

    def starts(self, count: int, seed: int) -> Array:
        """Starting points [count, unknowns], spread evenly over the ranges (Latin hypercube)."""
        first = np.array([c.to_z(c.first) for c in self.unknowns])
        last = np.array([c.to_z(c.last) for c in self.unknowns])
        spread = qmc.LatinHypercube(len(self.unknowns), rng=np.random.default_rng(seed)).random(count)
        return first + spread * (last - first)

    def batch(self, z: Array, polarity: Array) -> Batch:
        """The transients of the unknowns `z` [starts, unknowns]."""
        values = {c.name: c.to_value(z[:, k]) for k, c in enumerate(self.free)}
        full = [
            values.get(name, np.full(len(z), self.fixed.get(name, spec.default)))
            for name, spec in self.model.parameters.items()
        ]
        position = len(self.free)
        capacitance = np.zeros(len(z))
        if self.largest_capacitance:
            capacitance = self.unknowns[position].to_value(z[:, position])
            position += 1
        initial = z[:, position:].reshape(len(z), len(self.records), len(self.model.states))
        return Batch(self.model, np.array(full), initial.transpose(2, 0, 1), capacitance, polarity)

    def predictions(self, z: Array, polarity: Array) -> tuple[Array, Array]:
        """Currents [starts, records, samples] in A and derivatives by z [starts, records, samples, unknowns]."""
        batch = self.batch(z, polarity)
        trajectory = simulate(self.grid, batch)
        y, by = currents(self.grid, batch, trajectory, [c.name for c in self.free])
        starts, records, samples = len(z), len(self.records), len(y)
        y[:, ~trajectory.converged] = HOPELESS
        y = y.T.reshape(starts, records, samples)
        by = by.transpose(1, 0, 2).reshape(starts, records, samples, -1)
        shared = len(self.free) + bool(self.largest_capacitance)
        jacobian = np.zeros((starts, records, samples, len(self.unknowns)))
        jacobian[..., : len(self.free)] = by[..., : len(self.free)]
        if self.largest_capacitance:
            jacobian[..., len(self.free)] = by[..., len(self.free)]
        states = len(self.model.states)
        for k in range(records):
            place = slice(shared + k * states, shared + (k + 1) * states)
            jacobian[:, k, :, place] = by[:, k, :, len(self.free) + 1 :]
        for k, c in enumerate(self.unknowns):
            jacobian[..., k] *= c.slope(z[:, k])[:, None, None]
        return y, jacobian

    def residuals(self, z: Array, polarity: Array) -> tuple[Array, Array]:
        """Residuals [starts, samples used] and derivatives [starts, samples used, unknowns]."""
        y, jacobian = self.predictions(z, polarity)
        used, measured, weight = self._targets
        r = (y - measured) * weight
        return r[:, used], (jacobian * weight[..., None])[:, used]

    @cached_property
    def _targets(self) -> tuple[Array, Array, Array]:
        samples = max(len(record.time) for record in self.records)
        used = np.zeros((len(self.records), samples), bool)
        measured = np.zeros(used.shape)
        for k, record in enumerate(self.records):
            n = len(record.time)
            used[k, :n], measured[k, :n] = record.used, record.current
        return used, measured, np.array([[1 / record.peak] for record in self.records])
