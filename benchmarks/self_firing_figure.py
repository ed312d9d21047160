"""Figure of self_firing.py: spikes of a trained network in ngspice and in the twin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from memsim.plots.style import styled
from memsim.sweep.measures import crossings

Array = NDArray[np.float64]
COLOURS, WIDTHS = ("#56B4E9", "black"), (2.6, 0.8)
"""Of ngspice and of the twin."""
SPACING, LOWEST, BAR = 0.17, -0.05, 0.1
"""Between the rows of output neurons, the lowest potential that is drawn, and the scale for potentials [V]."""


@dataclass(frozen=True)
class Membranes:
    """Potentials relative to rest of one image in one engine, at times [s]: [time, neuron] in V."""

    times: Array
    hidden: Array
    output: Array


@dataclass(frozen=True)
class Shown:
    """What a network was shown, [height, width], the class it named, and what ngspice and the twin made of it."""

    picture: Array
    named: int
    engines: tuple[Membranes, Membranes]


@styled
def spikes(images: list[Shown], level: float) -> Figure:
    """Each image in a column: the image, spikes of hidden neurons, potentials of output neurons down to -50 mV.

    Args:
        images: what is shown.
        level: that a spike crosses [V].
    """
    figure = Figure(figsize=(7.2, 7.2))
    panels = figure.subplots(3, len(images), squeeze=False, height_ratios=(0.8, 2.2, 3.2))
    for image, (picture, raster, traces) in zip(images, panels.T, strict=True):
        picture.imshow(image.picture, cmap="Greys")
        picture.set_title(f"read as {image.named}")
        picture.set_axis_off()
        for membranes, colour, width in zip(image.engines, COLOURS, WIDTHS, strict=True):
            _raster(raster, membranes, level, colour, width)
            _traces(traces, membranes, colour, width)
        for axes in (raster, traces):
            axes.set_xlim(0, 1e3 * image.engines[0].times[-1])
        traces.set_xlabel("time (ms)")
    for axes in panels[1:, 1:].flat:
        axes.set_yticklabels([])
    panels[1, 0].set_ylabel("hidden neuron")
    panels[2, 0].set_ylabel("output neuron of class")
    _scale_bar(panels[2, -1], 1e3 * images[-1].engines[0].times[-1])
    labels = ("ngspice", "twin at its training step")
    handles = [
        Line2D([], [], color=colour, linestyle="-", linewidth=width, label=label)
        for colour, width, label in zip(COLOURS, WIDTHS, labels, strict=True)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def _raster(axes: Axes, membranes: Membranes, level: float, colour: str, width: float) -> None:
    rows = [1e3 * crossings(membranes.times, wave, level) for wave in membranes.hidden.T]
    axes.eventplot(rows, colors=colour, linewidths=width, linelengths=0.8, linestyles="-")
    axes.set_ylim(-0.8, len(rows) - 0.2)


def _traces(axes: Axes, membranes: Membranes, colour: str, width: float) -> None:
    count = membranes.output.shape[1]
    for place, wave in enumerate(membranes.output.T):
        drawn = np.where(wave < LOWEST, np.nan, wave) + place * SPACING
        axes.plot(1e3 * membranes.times, drawn, color=colour, linewidth=width, linestyle="-")
    axes.set_yticks([place * SPACING for place in range(count)], map(str, range(count)))
    axes.set_ylim(LOWEST - 0.02, count * SPACING)


def _scale_bar(axes: Axes, end: float) -> None:
    axes.plot([1.04 * end] * 2, [0, BAR], color="black", linewidth=2, linestyle="-", clip_on=False)
    axes.text(1.07 * end, BAR / 2, f"{1e3 * BAR:g} mV", rotation=90, va="center", fontsize=9)
