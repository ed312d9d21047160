from __future__ import annotations

from statistics import NormalDist

import numpy as np
from matplotlib.figure import Figure

from memsim.imc.amplifiers import AmplifierFigures
from memsim.plots.style import COLOURS, columns, styled
from memsim.units import format_si


@styled
def amplifier(figures: AmplifierFigures) -> Figure:
    """Decisions of a sense amplifier: outputs over time, times with their fit, and offsets over drawn amplifiers."""
    figure, (courses, times, offsets) = columns(3, (9.6, 3.0))
    shades = np.linspace(0.75, 0.0, len(figures.overdrives))
    for over, course, shade in zip(figures.overdrives, figures.courses, shades, strict=True):
        picoseconds = 1e12 * np.array(figures.course_times)
        courses.plot(picoseconds, course, color=str(shade), linestyle="-", label=format_si(over, "V"))
    courses.set(xlabel="time from the rise of the clock (ps)", ylabel="difference of the outputs (V)")
    courses.legend(title="overdrive", fontsize=7, title_fontsize=7, loc="upper left", handlelength=1.2)
    millivolts = 1e3 * np.array(figures.overdrives)
    times.semilogx(millivolts, 1e12 * np.array(figures.times), "o", color=COLOURS[0], label="ngspice")
    constant, delay = np.polyfit(np.log(millivolts), 1e12 * np.array(figures.times), 1)
    times.semilogx(
        millivolts,
        delay + constant * np.log(millivolts),
        "-",
        color=COLOURS[1],
        label=f"τ = {-constant:.3g} ps",
    )
    times.set(xlabel="overdrive (mV)", ylabel="decision time (ps)")
    times.xaxis.set_major_formatter("{x:g}")
    times.legend()
    found = 1e3 * np.sort(figures.offsets)
    share = (np.arange(len(found)) + 0.5) / len(found)
    offsets.plot(found, share, "o", markersize=3, color=COLOURS[0], label="drawn")
    normal = NormalDist(1e3 * figures.offset_mean, 1e3 * figures.offset or 1e-9)
    across = np.linspace(found[0], found[-1], 100)
    offsets.plot(
        across,
        [normal.cdf(x) for x in across],
        "-",
        color=COLOURS[1],
        label=f"σ = {1e3 * figures.offset:.3g} mV",
    )
    offsets.set(xlabel="offset (mV)", ylabel="share of amplifiers below", ylim=(0, 1))
    offsets.legend()
    return figure
