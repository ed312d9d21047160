"""Panels of the pictures of the device models, each drawn for one card by ngspice or by integrating its rates."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from memsim import spice
from memsim.circuits import Samples, Sine, device_bench, relaxation_oscillator, with_device_currents
from memsim.devices import Card, Device, Drive, numeric
from memsim.errors import InputError
from memsim.plots.loops import add_arrows
from memsim.plots.style import COLOURS, Array
from memsim.units import format_si, si_prefix

PALE = "0.72"
POINTS = 4000
"""Least number of steps of ngspice in a period."""


def drive_of(card: Card) -> Drive:
    """How a card says to drive its device.

    Raises:
        InputError: it does not say.
    """
    if card.drive is None:
        raise InputError(f"device card {card.name!r} has no [drive]; choose a card that has one")
    return card.drive


def driven(card: Card, frequency: float, periods: int, points: int = POINTS) -> tuple[Array, Array, Array]:
    """Times [s], voltage [V] and current [A] of a card's device under a sine of its own amplitude."""
    drive = drive_of(card)
    bench = device_bench(card.device, series_resistance=drive.series_resistance)
    wave = Sine(drive.amplitude, frequency, drive.offset)
    data = spice.simulate(
        bench,
        stimuli={"vdrive": wave},
        stop=periods / frequency,
        step=1 / frequency / points,
    )
    data = with_device_currents(bench, data)
    return data["time"].values, data["v(xm1)"].values, data["i(xm1)"].values


def volts(axes: Axes, v: Array) -> float:
    """Label the voltages, in mV where all are below 0.1 V; the unit in V."""
    unit, name = (1e-3, "mV") if np.abs(v).max() < 0.1 else (1.0, "V")
    axes.set_xlabel(f"voltage across the device ({name})")
    return unit


def amperes(axes: Axes, i: Array) -> float:
    """Label the currents with an SI prefix; the unit in A."""
    unit, prefix = si_prefix(float(np.abs(i).max()))
    axes.set_ylabel(f"current ({prefix}A)")
    return unit


def cross(axes: Axes) -> None:
    """Lines through zero."""
    axes.axhline(0, color="0.85", linewidth=0.7, linestyle="-", zorder=0)
    axes.axvline(0, color="0.85", linewidth=0.7, linestyle="-", zorder=0)


def draw_loop(axes: Axes, card: Card) -> None:
    """Two periods, the first pale."""
    t, v, i = driven(card, drive_of(card).frequency, 2)
    first = t <= 1 / drive_of(card).frequency
    x, y = v / volts(axes, v), i / amperes(axes, i)
    cross(axes)
    axes.plot(x[first], y[first], color=PALE, linestyle="-")
    axes.plot(x[~first], y[~first], color=COLOURS[0], linestyle="-")
    add_arrows(axes, x[~first], y[~first], COLOURS[0])


def draw_frequencies(axes: Axes, card: Card) -> None:
    """The last period at the card's frequency and at multiples of it."""
    runs = {
        factor * drive_of(card).frequency: driven(
            card, factor * drive_of(card).frequency, max(2, factor), POINTS // 2
        )
        for factor in (1, 3, 10)
    }
    unit = amperes(axes, np.concatenate([i for _, _, i in runs.values()]))
    cross(axes)
    for frequency, (t, v, i) in runs.items():
        last = t >= t[-1] - 1 / frequency
        axes.plot(v[last] / volts(axes, v), i[last] / unit, label=format_si(frequency, "Hz"))
    axes.legend()


def draw_logarithm(axes: Axes, card: Card) -> None:
    """Magnitude of the current, which spans decades."""
    t, v, i = driven(card, drive_of(card).frequency, 2)
    for part, colour in (
        (t <= 1 / drive_of(card).frequency, PALE),
        (t > 1 / drive_of(card).frequency, COLOURS[0]),
    ):
        axes.semilogy(v[part] / volts(axes, v), np.abs(i[part]), color=colour, linestyle="-")
    axes.set_ylim(np.abs(i).max() * 1e-6, np.abs(i).max() * 3)
    axes.set_ylabel("magnitude of the current (A)")


def fed(
    device: Device, source: float, resistance: float, capacitance: float, stop: float
) -> dict[str, Array]:
    """Waveforms of a device beside a capacitor, fed by a constant voltage over a resistor."""
    circuit = relaxation_oscillator(device, load_resistance=resistance, capacitance=capacitance)
    wave = Samples((0.0, stop), (source, source))
    data = with_device_currents(
        circuit, spice.simulate(circuit, stimuli={"vdrive": wave}, stop=stop, step=stop / 2 / POINTS)
    )
    return {str(name): data[name].values for name in data.variables}


def draw_over_time(axes: Axes, card: Card, *, name: str, feed: tuple[float, ...], stop: float) -> None:
    """A voltage or current of the device beside a capacitor."""
    found = fed(card.device, *feed, stop)
    seconds, prefix = si_prefix(stop)
    unit, kind = si_prefix(float(np.abs(found[name]).max()))
    axes.plot(found["time"] / seconds, found[name] / unit, color=COLOURS[0], linestyle="-")
    quantity, letter = ("current", "A") if name.startswith("i") else ("voltage across the device", "V")
    axes.set(xlabel=f"time ({prefix}s)", ylabel=f"{quantity} ({kind}{letter})")


def draw_resistance_over_temperature(axes: Axes, card: Card, *, feed: tuple[float, ...], stop: float) -> None:
    """The cycle of a thermal oscillator, without its first half."""
    found = fed(card.device, *feed, stop)
    late = found["time"] > stop / 2
    kelvin, kiloohm = 300 + 150 * found["v(xm1.theta)"][late], 1e-3 / found["g(xm1)"][late]
    axes.semilogy(kelvin, kiloohm, color=COLOURS[0], linestyle="-")
    axes.set(xlabel="temperature (K)", ylabel="resistance (kΩ)")
    axes.set_yticks([1, 2, 5, 10, 20, 50], ["1", "2", "5", "10", "20", "50"])
    axes.minorticks_off()


def held(device: Device, voltage: float, times: NDArray, start: Array) -> Array:
    """States [states, times] at a constant voltage."""
    model, p = numeric(device), list(device.values.values())
    return solve_ivp(
        lambda _, x: np.array([*model.rates(voltage, x, p)]),
        (0, times[-1]),
        start,
        t_eval=times,
        method="LSODA",
        rtol=1e-8,
        atol=1e-11,
    ).y


def conductance(device: Device, states: Array) -> Array:
    """In S, read at 10 mV."""
    return np.asarray(numeric(device).current(0.01, list(states), list(device.values.values()))) / 0.01


def draw_pulse_train(
    axes: Axes, card: Card, *, amplitudes: tuple[float, ...], widths: tuple[float, float]
) -> None:
    """Resistance after each of 25 pulses that raise it and 25 that lower it."""
    for amplitude in amplitudes:
        state, found = np.array([0.0]), []
        for number in range(50):
            voltage, width = (-amplitude, widths[0]) if number < 25 else (amplitude, widths[1])
            state = held(card.device, voltage, np.array([0.0, width]), state)[:, -1]
            found.append(1e-3 / conductance(card.device, state))
        axes.plot(range(1, 51), found, marker=".", label=f"∓{format_si(amplitude, 'V')}")
    axes.set(xlabel="pulse", ylabel="resistance at 10 mV (kΩ)")
    axes.legend()


def draw_programming(axes: Axes, card: Card, *, width: float) -> None:
    """Conductance after one pulse of each amplitude, from either end."""
    voltages = np.linspace(0.6, 1.5, 91)
    for start, label in ((0.0, "from amorphous"), (1.0, "from crystalline")):
        after = [
            held(card.device, v, np.array([0.0, width]), np.array([start, 0.0]))[:, -1] for v in voltages
        ]
        axes.plot(voltages, [1e6 * conductance(card.device, x) for x in after], label=label)
    axes.set(xlabel="amplitude of the pulse (V)", ylabel="conductance (µS)", ylim=(-1, 34))
    axes.legend(loc="upper left", ncols=2)


def draw_drift(axes: Axes, card: Card) -> None:
    """Conductance since programming, from 1 s to ten years."""
    times = np.concatenate([[0.0], np.geomspace(1, 3.15e8, 60)])
    for share in (0.02, 0.1, 0.3, 1.0):
        states = held(card.device, 0.0, times, np.array([share, 0.0]))
        axes.loglog(times[1:], 1e6 * conductance(card.device, states)[1:], label=f"{share:g} crystalline")
    axes.set(xlabel="time since programming (s)", ylabel="conductance (µS)", ylim=(0.1, 300))
    axes.legend(ncols=2)
