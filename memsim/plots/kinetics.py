from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, NullFormatter

from memsim.plots.style import COLOURS, Array, styled
from memsim.units import si_prefix

MOST_RAMPS = 40  # drawn, of the measured ones


@dataclass(frozen=True)
class FittedRamp:
    """Reads after identical pulses and what was fitted to them.

    Args:
        measured: [pulses, ramps], NaN after the end of a ramp.
        law: [pulses], the mean ramp of the fitted law.
        device: [pulses] of the device on the card, where there is one.
    """

    measured: Array
    law: Array
    device: Array | None = None


@styled
def fitted_ramps(ramps: Mapping[str, FittedRamp], unit: str = "") -> Figure:
    """Measured ramps as faint dots, the law and the device on the card as lines over them; a panel a direction.

    Args:
        ramps: by title.
        unit: of the values, empty where they are not conductances.
    """
    figure = Figure(figsize=(3.4 * len(ramps) + 0.6, 3.2))
    panels = list(figure.subplots(1, len(ramps), squeeze=False, sharey=True).flat)
    largest = max(float(np.nanmax(np.abs(ramp.measured))) for ramp in ramps.values())
    scale, prefix = si_prefix(largest) if unit else (1.0, "")
    for panel, (title, ramp) in zip(panels, ramps.items(), strict=True):
        shown = ramp.measured[:, :: -(-ramp.measured.shape[1] // MOST_RAMPS)] / scale
        panel.plot(shown, ".", color="0.7", markersize=2, zorder=1, rasterized=True)
        panel.plot([], [], ".", color="0.5", label="measured")
        panel.plot(ramp.law / scale, "-", color=COLOURS[1], linewidth=1.6, label="law")
        if ramp.device is not None:
            panel.plot(ramp.device / scale, "--", color=COLOURS[2], linewidth=1.2, label="device of the card")
        panel.set_title(title, fontsize=9)
        panel.set_xlabel("pulse")
    panels[0].set_ylabel(f"conductance ({prefix}{unit})" if unit else "read value")
    panels[0].legend(loc="best")
    return figure


@dataclass(frozen=True)
class FittedTimes:
    """Switching times [points] in s at constant voltages [points] in V, and those of the fitted model."""

    voltage: Array
    measured: Array
    fitted: Array


@styled
def fitted_times(times: Mapping[str, FittedTimes], columns: int = 3) -> Figure:
    """Measured switching times over voltage as dots with the model as a line, one panel a fit."""
    columns = min(columns, len(times))
    rows = -(-len(times) // columns)
    figure = Figure(figsize=(3.4 * columns + 0.6, 2.8 * rows + 0.4))
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for panel, (title, one) in zip(panels, times.items(), strict=False):
        order = np.argsort(one.voltage)
        panel.semilogy(one.voltage, one.measured, "o", color="0.45", markersize=4, label="measured")
        panel.semilogy(one.voltage[order], one.fitted[order], "-", color=COLOURS[1], label="fit")
        panel.set_title(title, fontsize=9)
        panel.set_xlabel("voltage (V)")
        panel.yaxis.set_major_formatter(EngFormatter("s"))
        panel.yaxis.set_minor_formatter(NullFormatter())
    for panel in panels[len(times) :]:
        panel.set_visible(False)
    panels[0].set_ylabel("switching time")
    panels[0].legend(loc="best")
    return figure
