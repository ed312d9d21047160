"""Statistics of single programming pulses: how often a cell switches, and to which resistance.

    P(switches | n_0) = Phi{[z(gate, log width, voltage) + rho_0 n_0] / sqrt(1 - rho_0^2)}
    n_after           = rho n_before + sqrt(1 - rho^2) n

z is linear between the measured conditions, and Phi(z) the share of all cells that switches. n_0 is the normal score of
a cell's log10 resistance before the pulse among all cells; n_before and n_after are those before and after the pulse
among cells that switched, or that did not, at a like gate and voltage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import RegularGridInterpolator
from scipy.special import ndtr, ndtri

from memsim.crossbar.laws import check
from memsim.errors import InputError
from memsim.variability.quantiles import FEWEST, Array, JointDistribution, Quantiles, finite_samples

RAREST = 1e-5  # probability that stands for never: the score of 0 is not finite
ENOUGH = 50  # pulses that make a table of their own
STRONGEST = 0.95


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
    """Resistances before and after a pulse, log10 ohm, of cells that all switched or all did not.

    Args:
        tables: joint distributions of `before` and `after`.
        index: [gates, voltages], the table of each condition. Conditions with few such pulses share one; -1 where no
            cell ever ended so.
    """

    tables: tuple[JointDistribution, ...]
    index: NDArray[np.intp]

    @classmethod
    def estimate(
        cls, before: Array, after: Array, place: tuple[NDArray, NDArray], shape: tuple[int, int]
    ) -> Outcomes:
        """From pulses at the gate and voltage numbers `place`."""
        count = np.zeros(shape, int)
        np.add.at(count, place, 1)
        index, tables = np.full(shape, -1, np.intp), list[JointDistribution]()
        rare = (count < ENOUGH)[place]
        for gate, voltage in zip(*np.nonzero(count >= ENOUGH), strict=True):
            own = (place[0] == gate) & (place[1] == voltage)
            index[gate, voltage] = len(tables)
            tables.append(JointDistribution.estimate({"before": before[own], "after": after[own]}))
        pooled = rare if rare.sum() >= FEWEST else np.ones(len(before), bool)
        if pooled.sum() >= FEWEST:
            index[index < 0] = len(tables)
            tables.append(JointDistribution.estimate({"before": before[pooled], "after": after[pooled]}))
        return cls(tuple(tables), index)

    def after(self, before: Array, place: tuple[NDArray, NDArray], normal: Array) -> Array:
        """Log10 resistances after pulses on cells of log10 resistance `before`, by standard normal draws."""
        which, result = self.index[place], before.copy()
        for number, table in enumerate(self.tables):
            own = which == number
            rho = table.correlation[0, 1]
            score = rho * table.marginals["before"].normal(before[own]) + np.sqrt(1 - rho**2) * normal[own]
            result[own] = table.marginals["after"](score)
        return result


@dataclass(frozen=True)
class SwitchingStatistics:
    """What one pulse does to the cells of an array.

    Args:
        gates, widths, voltages: measured conditions, rising: V, s, V; gates are centres of windows.
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
        windows: int = 10,
    ) -> SwitchingStatistics:
        """From pulses on many cells.

        Args:
            pulses: `gate` [V], `width` [s] and `voltage` [V] of each pulse.
            before: resistance of the cell ahead of the pulse [ohm].
            after: resistance behind it [ohm].
            switched: whether it switched.
            windows: number of windows that gate voltages are pooled in.

        Raises:
            InputError: columns of different length or with values that are not finite, or a condition without pulses.
        """
        gate, width, voltage = (finite_samples(name, pulses[name]) for name in ("gate", "width", "voltage"))
        r_before, r_after = (
            np.log10(finite_samples("before", before)),
            np.log10(finite_samples("after", after)),
        )
        done = np.asarray(switched, bool).ravel()
        if len({len(gate), len(width), len(voltage), len(r_before), len(r_after), len(done)}) != 1:
            raise InputError("pulses, resistances and outcomes must have one entry per pulse")
        edges = np.linspace(gate.min(), gate.max(), windows + 1)
        window = np.clip(np.searchsorted(edges, gate, side="right") - 1, 0, windows - 1)
        widths, voltages = np.unique(width), np.unique(voltage)
        level = np.searchsorted(voltages, voltage)
        count = np.zeros((windows, len(widths), len(voltages)))
        hits = np.zeros_like(count)
        place = (window, np.searchsorted(widths, width), level)
        np.add.at(count, place, 1)
        np.add.at(hits, place, done)
        if not count.all():
            raise InputError(
                f"{int((count == 0).sum())} conditions have no pulse; use fewer windows of the gate voltage"
            )
        table, probability = Quantiles.estimate(r_before), hits / count
        outcomes = [
            Outcomes.estimate(
                r_before[own], r_after[own], (window[own], level[own]), (windows, len(voltages))
            )
            for own in (done, ~done)
        ]
        return cls(
            (edges[:-1] + edges[1:]) / 2,
            widths,
            voltages,
            probability,
            table,
            _bias(table.normal(r_before), probability[place], done),
            *outcomes,
        )

    @cached_property
    def _scores(self) -> RegularGridInterpolator:
        scores = ndtri(np.clip(self.probability, RAREST, 1 - RAREST))
        axes = (self.gates, np.log10(self.widths), self.voltages)
        return RegularGridInterpolator(axes, scores)

    def _score(self, pulse: Pulse) -> Array:
        ends = (("voltage", self.voltages), ("width", self.widths))
        for name, measured in ends:
            for value in np.unique(getattr(pulse, name)):
                check(name, float(value), low=float(measured[0]), high=float(measured[-1]))
        gate = np.clip(pulse.gate, self.gates[0], self.gates[-1])
        point = np.broadcast_arrays(gate, np.log10(pulse.width), np.asarray(pulse.voltage, dtype=float))
        return np.asarray(self._scores(np.stack(point, axis=-1)))

    def switching_probability(self, pulse: Pulse) -> float | Array:
        """Share of all cells that a pulse switches.

        Raises:
            InputError: a pulse outside the measured conditions.
        """
        probability = ndtr(self._score(pulse))
        return float(probability.item()) if probability.size == 1 else np.asarray(probability)

    def sample(
        self, before: ArrayLike, pulse: Pulse, generator: np.random.Generator
    ) -> tuple[Array, NDArray[np.bool_]]:
        """Resistance [cells] in ohm after one pulse on cells of resistance `before`, and which of them switched."""
        resistance = np.log10(np.asarray(before, dtype=float).ravel())
        score = self._score(pulse) + self.bias * self.before.normal(resistance)
        chance = ndtr(score / np.sqrt(1 - self.bias**2))
        switches = np.asarray(generator.random(resistance.shape) < chance)
        normal = generator.standard_normal(resistance.shape)
        gate, voltage = (
            np.broadcast_to(_nearest(measured, np.asarray(value, dtype=float)), resistance.shape)
            for measured, value in ((self.gates, pulse.gate), (self.voltages, pulse.voltage))
        )
        after = np.empty_like(resistance)
        for own, outcomes in ((switches, self.switched), (~switches, self.kept)):
            after[own] = outcomes.after(resistance[own], (gate[own], voltage[own]), normal[own])
        return 10.0**after, switches


def _nearest(measured: Array, value: Array) -> NDArray[np.intp]:
    return np.abs(value[..., None] - measured).argmin(-1)


def _bias(normal: Array, probability: Array, switched: NDArray[np.bool_]) -> float:
    """rho_0 from the mean of n_0 over cells that switched: E[n_0 s] = rho_0 phi(z)."""
    score = ndtri(np.clip(probability, RAREST, 1 - RAREST))
    density = np.exp(-(score**2) / 2) / np.sqrt(2 * np.pi)
    return float(np.clip(normal @ (switched - probability) / density.sum(), -STRONGEST, STRONGEST))
