"""Statistics of single programming pulses: how often a cell switches, and to which resistance.

    P(switches) = Phi(z(gate, log width, voltage)),    z linear between the measured conditions
    n_after     = rho n_before + sqrt(1 - rho^2) n

with n_before and n_after the normal scores of log10 resistance before and after the pulse, separate for cells that
switched and cells that did not.
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
from memsim.variability.quantiles import FEWEST, Array, JointDistribution, finite_samples

RAREST = 1e-5  # probability that stands for never: the score of 0 is not finite


@dataclass(frozen=True)
class Pulse:
    """A programming pulse: gate (word line) voltage [V], width [s] and voltage over the cell [V]."""

    gate: float
    width: float
    voltage: float


@dataclass(frozen=True)
class SwitchingStatistics:
    """What one pulse does to the cells of an array.

    Args:
        gates, widths, voltages: measured conditions, rising: V, s, V; gates are centres of windows.
        probability: [gates, widths, voltages] of switching.
        switched: resistance `before` and `after`, log10 ohm, of cells that switched, for each gate window; None
            where hardly any did.
        kept: the same of cells that did not switch.
    """

    gates: Array
    widths: Array
    voltages: Array
    probability: Array
    switched: tuple[JointDistribution | None, ...]
    kept: tuple[JointDistribution | None, ...]

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
        count = np.zeros((windows, len(widths), len(voltages)))
        hits = np.zeros_like(count)
        place = (window, np.searchsorted(widths, width), np.searchsorted(voltages, voltage))
        np.add.at(count, place, 1)
        np.add.at(hits, place, done)
        if not count.all():
            raise InputError(
                f"{int((count == 0).sum())} conditions have no pulse; use fewer windows of the gate voltage"
            )

        def joint(chosen: Array) -> JointDistribution | None:
            if chosen.sum() < FEWEST:
                return None
            return JointDistribution.estimate({"before": r_before[chosen], "after": r_after[chosen]})

        return cls(
            (edges[:-1] + edges[1:]) / 2,
            widths,
            voltages,
            hits / count,
            tuple(joint(done & (window == k)) for k in range(windows)),
            tuple(joint(~done & (window == k)) for k in range(windows)),
        )

    @cached_property
    def _scores(self) -> RegularGridInterpolator:
        scores = ndtri(np.clip(self.probability, RAREST, 1 - RAREST))
        axes = (self.gates, np.log10(self.widths), self.voltages)
        return RegularGridInterpolator(axes, scores)

    def switching_probability(self, pulse: Pulse) -> float:
        """Probability that a pulse switches a cell.

        Raises:
            InputError: a pulse outside the measured conditions.
        """
        check("voltage", pulse.voltage, low=float(self.voltages[0]), high=float(self.voltages[-1]))
        check("width", pulse.width, low=float(self.widths[0]), high=float(self.widths[-1]))
        gate = float(np.clip(pulse.gate, self.gates[0], self.gates[-1]))
        return float(ndtr(self._scores((gate, np.log10(pulse.width), pulse.voltage))))

    def sample(
        self, before: ArrayLike, pulse: Pulse, generator: np.random.Generator
    ) -> tuple[Array, NDArray[np.bool_]]:
        """Resistance [cells] in ohm after one pulse on cells of resistance `before`, and which of them switched."""
        resistance = np.asarray(before, dtype=float).ravel()
        switches = generator.random(resistance.shape) < self.switching_probability(pulse)
        window = int(np.abs(self.gates - pulse.gate).argmin())
        normal = generator.standard_normal(resistance.shape)
        after = np.empty_like(resistance)
        for chosen, tables in ((switches, self.switched), (~switches, self.kept)):
            joint = _nearest(tables, window)
            after[chosen] = resistance[chosen]
            if joint is not None:
                after[chosen] = _after(joint, np.log10(resistance[chosen]), normal[chosen])
        return after, np.asarray(switches)


def _nearest(tables: tuple[JointDistribution | None, ...], window: int) -> JointDistribution | None:
    filled = [k for k, table in enumerate(tables) if table is not None]
    return tables[min(filled, key=lambda k: abs(k - window))] if filled else None


def _after(joint: JointDistribution, before: Array, normal: Array) -> Array:
    rho = joint.correlation[0, 1]
    score = rho * joint.marginals["before"].normal(before) + np.sqrt(1 - rho**2) * normal
    return 10.0 ** joint.marginals["after"](score)
