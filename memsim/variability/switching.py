"""Statistics of single programming pulses: how often a cell switches, and to which resistance.

    P(switches | n_0) = Phi{[z(gate, log width, voltage) + rho_0 n_0] / sqrt(1 - rho_0^2)}

z is linear between the measured conditions, and Phi(z) there the share of cells that switches, by the pulses nearest to
it. n_0 is the normal score of a cell's log10 resistance before the pulse among all cells.

The resistance after a pulse is that of a measured cell: one of those whose pulse and resistance before were nearest,
and that switched as well, or did not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import RegularGridInterpolator
from scipy.spatial import KDTree
from scipy.special import ndtr, ndtri
from torch import Tensor

from memsim.crossbar.laws import check, check_conductance
from memsim.errors import InputError
from memsim.variability.neighbours import shares, weights
from memsim.variability.quantiles import Array, Quantiles, finite_samples

RAREST = 1e-5  # probability that stands for never: the score of 0 is not finite
STRONGEST = 0.95
ROUNDING = 1e-9
SMALLEST = 1e-12  # S, that stands for a cell that does not conduct at all
ALIKE = 10  # cells that a resistance is drawn from


@dataclass(frozen=True)
class Pulse:
    """Programming pulses: gate (word line) voltage [V], width [s] and voltage over the cell [V].

    Each is a number, or an array with one for each cell.
    """

    gate: ArrayLike
    width: ArrayLike
    voltage: ArrayLike


@dataclass(frozen=True)
class Outcomes:
    """Resistances after pulses on cells that all switched, or all did not.

    Args:
        places: [cells, properties] of the pulse and the cell before it.
        after: [cells] log10 resistance.
    """

    places: Array
    after: Array

    @cached_property
    def _weights(self) -> Array:
        return weights(self.places, self.after)

    @cached_property
    def _tree(self) -> KDTree:
        return KDTree(self.places * self._weights)

    def like(self, places: Array, generator: np.random.Generator) -> Array:
        """Log10 resistances after, drawn for cells at `places` [cells, properties]."""
        near = min(ALIKE, len(self.after))
        _, found = self._tree.query(places * self._weights, k=[*range(1, near + 1)])
        chosen = generator.integers(near, size=(len(places), 1))
        return self.after[np.take_along_axis(found, chosen, axis=1)[:, 0]]


@dataclass(frozen=True)
class SwitchingStatistics:
    """What one pulse does to the cells of an array.

    Args:
        gates, widths, voltages: measured conditions, rising: V, s, V.
        probability: [gates, widths, voltages] of switching.
        before: log10 resistance of all cells ahead of a pulse.
        bias: rho_0, of the resistance before a pulse with whether it switches the cell.
        switched: what became of cells that switched.
        kept: what became of the others.
    """

    gates: Array
    widths: Array
    voltages: Array
    probability: Array
    before: Quantiles
    bias: float
    switched: Outcomes
    kept: Outcomes

    @classmethod
    def estimate(
        cls,
        pulses: Mapping[str, ArrayLike],
        before: ArrayLike,
        after: ArrayLike,
        switched: ArrayLike,
        levels: int = 64,
    ) -> SwitchingStatistics:
        """From pulses on many cells.

        Args:
            pulses: `gate` [V], `width` [s] and `voltage` [V] of each pulse.
            before: resistance of the cell ahead of the pulse [ohm].
            after: resistance behind it [ohm].
            switched: whether it switched.
            levels: of each property that are told apart at most; more are replaced by as many even ones.

        Raises:
            InputError: columns of different length or with values that are not finite or not positive.
        """
        columns = {name: finite_samples(name, pulses[name]) for name in ("gate", "width", "voltage")}
        for name, values in {"width": pulses["width"], "before": before, "after": after}.items():
            columns[name] = np.log10(_positive(name, values))
        done = np.asarray(switched, bool).ravel()
        if len({len(done), *map(len, columns.values())}) != 1:
            raise InputError("pulses, resistances and outcomes must have one entry per pulse")
        conditions = np.stack([columns[name] for name in ("gate", "width", "voltage")], axis=1)
        places = np.column_stack([conditions, columns["before"]])
        axes = [_levels(column, levels) for column in conditions.T]
        probability, table = shares(conditions, done, axes), Quantiles.estimate(columns["before"])
        score = _interpolator(axes, probability)(conditions)
        return cls(
            axes[0],
            10.0 ** axes[1],
            axes[2],
            probability,
            table,
            _bias(table.normal(columns["before"]), score, done),
            *(Outcomes(places[own], columns["after"][own]) for own in (done, ~done)),
        )

    @property
    def _axes(self) -> list[Array]:
        return [self.gates, np.log10(self.widths), self.voltages]

    @cached_property
    def _scores(self) -> RegularGridInterpolator:
        return _interpolator(self._axes, self.probability)

    def _conditions(self, pulse: Pulse) -> Array:
        """Properties [..., 3] of pulses."""
        for name, measured in (("voltage", self.voltages), ("width", self.widths)):
            for value in np.unique(getattr(pulse, name)):
                # ends may be off by rounding, as widths are kept as logarithms
                check(
                    name, float(value), low=measured[0] * (1 - ROUNDING), high=measured[-1] * (1 + ROUNDING)
                )
        given = np.broadcast_arrays(pulse.gate, np.log10(pulse.width), np.asarray(pulse.voltage, dtype=float))
        # a gate beyond the measured ones is fully on or off
        return np.stack(
            [np.clip(g, axis[0], axis[-1]) for g, axis in zip(given, self._axes, strict=True)], -1
        )

    def switching_probability(self, pulse: Pulse) -> float | Array:
        """Share of all cells that a pulse switches.

        Raises:
            InputError: a pulse outside the measured conditions.
        """
        probability = ndtr(self._scores(self._conditions(pulse)))
        return float(probability.item()) if probability.size == 1 else np.asarray(probability)

    def at(self, pulse: Pulse) -> PulsedCells:
        """The transform of conductances that a pulse on each cell is."""
        self._conditions(pulse)
        return PulsedCells(self, pulse)

    def sample(
        self, before: ArrayLike, pulse: Pulse, generator: np.random.Generator
    ) -> tuple[Array, NDArray[np.bool_]]:
        """Resistance [cells] in ohm after one pulse on cells of resistance `before`, and which of them switched.

        Raises:
            InputError: a pulse outside the measured conditions, or resistances that are not positive.
        """
        resistance = np.log10(_positive("before", before, fewest=0))
        conditions = np.broadcast_to(self._conditions(pulse), (len(resistance), 3))
        score = self._scores(conditions) + self.bias * self.before.normal(resistance)
        switches = np.asarray(generator.random(resistance.shape) < ndtr(score / np.sqrt(1 - self.bias**2)))
        measured = [_measured(g, axis, generator) for g, axis in zip(conditions.T, self._axes, strict=True)]
        places, after = np.column_stack([*measured, resistance]), resistance.copy()
        for own, outcomes in ((switches, self.switched), (~switches, self.kept)):
            if own.any() and len(outcomes.after):
                after[own] = outcomes.like(places[own], generator)
        return 10.0**after, switches


@dataclass(frozen=True)
class PulsedCells:
    """A transform of conductances like those of `memsim.crossbar.nonidealities`; nothing passes gradients.

    Args:
        statistics: of the pulses.
        pulse: on all cells, or arrays of the shape of the conductances with one for each.
    """

    statistics: SwitchingStatistics
    pulse: Pulse

    def __call__(self, g: Tensor, generator: torch.Generator) -> Tensor:
        check_conductance(g)
        draws = torch.randint(2**63 - 1, (), generator=generator, device=g.device)
        each = [
            np.broadcast_to(np.asarray(one, dtype=float), tuple(g.shape)).ravel()
            for one in (self.pulse.gate, self.pulse.width, self.pulse.voltage)
        ]
        before = 1 / g.detach().double().clamp(min=SMALLEST).cpu().numpy().ravel()
        after, _ = self.statistics.sample(before, Pulse(*each), np.random.default_rng(int(draws)))
        return torch.from_numpy(1 / after).reshape(g.shape).to(g)


def _positive(name: str, values: ArrayLike, fewest: int | None = None) -> Array:
    flat = finite_samples(name, values) if fewest is None else np.asarray(values, dtype=float).ravel()
    if not (flat > 0).all():
        raise InputError(f"{name} holds {flat.min():g}; allowed: values above 0")
    return flat


def _levels(values: Array, most: int) -> Array:
    own = np.unique(values)
    return own if len(own) <= most else np.linspace(own[0], own[-1], most)


def _interpolator(axes: Sequence[Array], probability: Array) -> RegularGridInterpolator:
    return RegularGridInterpolator(axes, ndtri(np.clip(probability, RAREST, 1 - RAREST)))


def _measured(values: Array, axis: Array, generator: np.random.Generator) -> Array:
    """One of the two measured levels around each value, the nearer one more often."""
    position = np.interp(values, axis, np.arange(len(axis)))
    return axis[(position + generator.random(len(values))).astype(np.intp)]


def _bias(normal: Array, score: Array, switched: NDArray[np.bool_]) -> float:
    """rho_0 from the mean of n_0 over cells that switched: E[n_0 s] = rho_0 phi(z)."""
    density = np.exp(-(score**2) / 2) / np.sqrt(2 * np.pi)
    return float(np.clip(normal @ (switched - ndtr(score)) / density.sum(), -STRONGEST, STRONGEST))
