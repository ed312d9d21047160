from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from memsim.plots.style import COLOURS, Array, styled
from memsim.units import si_prefix


@dataclass(frozen=True)
class FittedLoop:
    """A measured loop and its fit, [n] each.

    Args:
        voltage: measured across the device [V].
        measured: current [A].
        fitted_voltage: what the fit expects across the device, which behind a resistor is not what was measured [V].
        fitted: current [A].
        unused: marks samples that took no part in the fit.
    """

    voltage: Array
    measured: Array
    fitted_voltage: Array
    fitted: Array
    unused: NDArray[np.bool_] | None = None


@styled
def fitted_loops(loops: Mapping[str, FittedLoop], columns: int = 4) -> Figure:
    """Measured current over device voltage as dots with the fit as a line, one panel a loop."""
    columns = min(columns, len(loops))
    rows = -(-len(loops) // columns)
    size = (2.7 * columns + 0.6, 2.2 * rows + 0.4) if columns > 1 else (5.0, 3.8)
    figure = Figure(figsize=size)
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for panel, (title, loop) in zip(panels, loops.items(), strict=False):
        _draw(panel, loop, fontsize=8 if columns > 1 else 10)
        panel.set_title(title, fontsize=8 if columns > 1 else 10)
    for panel in panels[len(loops) :]:
        panel.set_visible(False)
    panels[0].legend(loc="upper left", fontsize=7 if columns > 1 else 9)
    figure.supxlabel("voltage across the device (V)", fontsize=10)
    return figure


def _draw(panel: Axes, loop: FittedLoop, fontsize: int) -> None:
    scale, prefix = si_prefix(float(np.abs(loop.measured).max()))
    measured, line = loop.measured / scale, loop.fitted / scale
    panel.plot(loop.voltage, measured, ".", color="0.45", markersize=3.5, label="measured")
    panel.plot(loop.fitted_voltage, line, "-", color=COLOURS[1], linewidth=1.1, label="fit")
    if loop.unused is not None and loop.unused.any():
        panel.plot(loop.voltage[loop.unused], measured[loop.unused], "x", color=COLOURS[0], label="not used")
    panel.axhline(0, color="0.85", linewidth=0.7, linestyle="-", zorder=0)
    panel.axvline(0, color="0.85", linewidth=0.7, linestyle="-", zorder=0)
    panel.set_ylabel(f"current ({prefix}A)", fontsize=fontsize)
