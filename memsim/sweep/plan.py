"""The points of a sweep: one axis for every parameter of the grid, one for corners, one for samples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from memsim.errors import InputError
from memsim.memory import check_memory
from memsim.sweep.study import MOST_POINTS, Between, Normal, Samples, Spread, Steps, SweepStudy
from memsim.sweep.subject import Nominal

if TYPE_CHECKING:
    from memsim.variability import JointDistribution

Array = NDArray[np.float64]
CORNER, SAMPLE = "corner", "sample"
RESERVED = {CORNER, SAMPLE, "status", "error", "seconds"}


@dataclass(frozen=True)
class Axis:
    """One dimension of a sweep.

    Attributes:
        name: of the dimension.
        labels: [n] coordinate along it.
        values: [n] of each parameter that changes along it.
    """

    name: str
    labels: NDArray
    values: Mapping[str, Array]


@dataclass(frozen=True)
class Plan:
    """All points of a sweep, numbered in row-major order."""

    axes: tuple[Axis, ...]
    units: Mapping[str, str]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(len(axis.labels) for axis in self.axes)

    @property
    def dims(self) -> tuple[str, ...]:
        return tuple(axis.name for axis in self.axes)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def point(self, number: int) -> dict[str, float]:
        """Values of all parameters at a point."""
        places = np.unravel_index(number, self.shape) if self.axes else ()
        return {
            name: float(values[place])
            for axis, place in zip(self.axes, places, strict=True)
            for name, values in axis.values.items()
        }

    def coordinates(self) -> xr.Dataset:
        """The axes as coordinates, with units."""
        coords: dict[str, object] = {}
        for axis in self.axes:
            coords[axis.name] = (axis.name, axis.labels, self._attrs(axis.name))
            for name, values in axis.values.items():
                coords[name] = (axis.name, values, self._attrs(name))
        return xr.Dataset(coords=coords)

    def _attrs(self, name: str) -> dict[str, str]:
        return {"units": self.units[name], "long_name": name} if name in self.units else {}


def make_plan(study: SweepStudy, nominal: Mapping[str, Nominal], folder: Path = Path()) -> Plan:
    """The points of a study.

    Args:
        study: the sweep.
        nominal: value and unit of every parameter there is.
        folder: where files of devices lie.

    Raises:
        InputError: an unknown parameter, one that changes along two axes, a file that cannot be used, or too many
            points.
    """
    _check_size(study)
    devices = _devices(study.samples, folder) if study.samples else {}
    sampled = [f"{instance}.{name}" for instance, spread in devices.items() for name in spread.marginals]
    _check_names(study, nominal, sampled)
    axes = [
        Axis(name, values, {name: values})
        for name, given in study.grid.items()
        for values in [_steps(given) if isinstance(given, Steps) else np.array(given, dtype=float)]
    ]
    if study.corners:
        names = list(dict.fromkeys(name for corner in study.corners.values() for name in corner))
        values = {
            name: np.array([corner.get(name, nominal[name].value) for corner in study.corners.values()])
            for name in names
        }
        axes.append(Axis(CORNER, np.array(list(study.corners), dtype=object), values))
    if study.samples:
        draws = _draw(study.samples, study.seed, nominal, devices)
        axes.append(Axis(SAMPLE, np.arange(study.samples.count), draws))
    used = [name for axis in axes for name in axis.values]
    return Plan(tuple(axes), {name: nominal[name].unit for name in used})


def _check_size(study: SweepStudy) -> None:
    values = [given.points if isinstance(given, Steps) else len(given) for given in study.grid.values()]
    samples = study.samples.count if study.samples else 1
    points = math.prod(values) * max(len(study.corners), 1) * samples
    if points > MOST_POINTS:
        raise InputError(f"the sweep has {points} points; at most {MOST_POINTS} are run, take fewer values")
    drawn = len(study.samples.parameters) if study.samples else 0
    draws = f"{samples} samples of {drawn} parameters"
    check_memory(draws, 32 * samples * drawn, "take fewer samples or parameters")


def _devices(samples: Samples, folder: Path) -> dict[str, JointDistribution]:
    from memsim.variability import load_spread  # takes a second, which most sweeps need not spend

    return {instance: load_spread(folder / file) for instance, file in samples.devices.items()}


def _check_names(study: SweepStudy, nominal: Mapping[str, Nominal], of_devices: Sequence[str]) -> None:
    corners = {name for corner in study.corners.values() for name in corner}
    alone = set(study.samples.parameters) if study.samples else set()
    samples = alone | set(of_devices)
    for name in [*study.grid, *corners, *samples]:
        if name not in nominal:
            raise InputError(
                f"there is no parameter {name!r} to sweep; there are: {', '.join(nominal) or 'none'}"
            )
    both = alone & set(of_devices)
    if both:
        raise InputError(
            f"{min(both)!r} is in parameters and in a file of devices; leave it out of parameters"
        )
    twice = (set(study.grid) & corners) | (set(study.grid) & samples) | (corners & samples)
    if twice:
        raise InputError(f"{min(twice)!r} is set in two of grid, corners and samples; keep it in one")
    taken = RESERVED | set(nominal)
    for name in study.measure:
        if name in taken or "/" in name:
            raise InputError(f"a measure cannot be named {name!r}, which has a meaning already; rename it")


def _steps(given: Steps) -> Array:
    if given.spacing == "log":
        return np.geomspace(given.low, given.high, given.points)
    return np.linspace(given.low, given.high, given.points)


def _draw(
    samples: Samples, seed: int, nominal: Mapping[str, Nominal], devices: Mapping[str, JointDistribution]
) -> dict[str, Array]:
    from scipy.special import ndtri

    sizes = [len(spread.marginals) for spread in devices.values()]
    unit = _unit_cube(samples, len(samples.parameters) + sum(sizes), seed)
    alone, *together = np.split(unit.T, np.cumsum([len(samples.parameters), *sizes])[:-1])
    draws = {
        name: _distributed(share, given, nominal[name].value)
        for share, (name, given) in zip(alone, samples.parameters.items(), strict=True)
    }
    for shares, (instance, spread) in zip(together, devices.items(), strict=True):
        values = spread.of_normal(ndtri(shares))
        draws |= {f"{instance}.{name}": column for name, column in values.items()}
    return draws


def _unit_cube(samples: Samples, dimensions: int, seed: int) -> Array:
    """Points [count, dimensions] between 0 and 1, neither included."""
    from scipy.stats import qmc  # takes a second, which workers need not spend

    generator = np.random.default_rng(seed)
    if samples.method == "sobol":
        points = qmc.Sobol(dimensions, rng=generator).random(samples.count)
    elif samples.method == "latin-hypercube":
        points = qmc.LatinHypercube(dimensions, rng=generator).random(samples.count)
    else:
        points = generator.random((samples.count, dimensions))
    smallest = np.finfo(float).eps
    return np.clip(points, smallest, 1 - smallest)


def _distributed(share: Array, given: Between | Normal | Spread, nominal: float) -> Array:
    from scipy.special import ndtri

    if isinstance(given, Between):
        if given.spacing == "log":
            return given.low * (given.high / given.low) ** share
        return given.low + (given.high - given.low) * share
    if isinstance(given, Normal):
        return given.mean + given.deviation * ndtri(share)
    return nominal * np.exp(given.spread * ndtri(share))
