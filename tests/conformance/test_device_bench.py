"""Single devices on the test bench in ngspice: the published loops, and the torch twin on top of them."""

from __future__ import annotations

import numpy as np
import pytest

from memsim import spice
from memsim.circuits import Samples, Sine, device_bench, triangle, with_device_currents
from memsim.devices import MODELS, card_names, load_card, load_device
from memsim.surrogate import simulate

pytestmark = pytest.mark.spice

# card, amplitude [V], frequency [Hz], cycles until settled, extreme currents of the last cycle [A], tolerance
LOOPS = {
    "knowm-sdc": (0.5, 100.0, 3, (1.000e-3, -0.4119e-3), 1e-3),
    "ag-chalcogenide": (0.25, 100.0, 4, (2.142e-3, -1.404e-3), 5e-3),
    "yakopcic-oblea": (0.45, 100.0, 1, (3.418e-3, -1.898e-3), 2e-3),
}


@pytest.fixture(params=LOOPS.items(), ids=LOOPS.keys())
def loop(request):
    """The bench with 1 milliohm in series (1e-5 of the lowest resistance), its drive, and what is known."""
    name, (amplitude, frequency, cycles, extremes, tolerance) = request.param
    bench = device_bench(load_device(name), series_resistance=1e-3)
    return (
        bench,
        {"vdrive": Sine(amplitude, frequency)},
        cycles / frequency,
        1 / frequency,
        extremes,
        tolerance,
    )


def test_published_extremes_in_ngspice(loop):
    bench, drive, stop, period, extremes, tolerance = loop
    data = spice.simulate(bench, stimuli=drive, stop=stop, step=period / 1000)
    last = with_device_currents(bench, data).sel(time=slice(stop - period, None))["i(xm1)"]
    assert [float(last.max()), float(last.min())] == pytest.approx(extremes, rel=tolerance)


def test_twin_follows_ngspice(loop):
    bench, drive, stop, period, extremes, _ = loop
    found = with_device_currents(bench, spice.simulate(bench, stimuli=drive, stop=stop, step=period / 2000))
    twin = with_device_currents(bench, simulate(bench, stimuli=drive, stop=stop, step=period / 1000))
    error = np.interp(twin["time"], found["time"], found["i(xm1)"]) - twin["i(xm1)"].values
    # the switching edge of the Ag device takes 1/100 of a period, ten steps
    assert np.max(np.abs(error)) < 0.01 * (extremes[0] - extremes[1])


def test_current_vanishes_with_the_voltage_in_ngspice(loop):
    """Pinched: where the device voltage crosses zero, so does its current, within a step."""
    bench, drive, stop, period, extremes, _ = loop
    data = with_device_currents(bench, spice.simulate(bench, stimuli=drive, stop=stop, step=period / 1000))
    v, i = data["v(xm1)"].values, -data["i(vdrive)"].values
    k = np.flatnonzero(np.diff(np.sign(v)))
    at_zero = i[k] - v[k] * (i[k + 1] - i[k]) / (v[k + 1] - v[k])
    assert np.max(np.abs(at_zero)) < 1e-4 * extremes[0]  # a chord of 1/1000 period instead of the curve


# One card of every model; benchmarks/devices.py saves what it finds for all of them under all drives.
CARDS = {load_card(name).device.model: name for name in card_names() if load_card(name).drive}
# Steps of the twin at which benchmarks/devices.py found it settled: an edge that is crossed in picoseconds wants many.
QUICK = {
    "hp-tio2-joglekar": 4000,
    "yakopcic-srtio3": 4000,
    "team-pickett": 64_000,
    "stanford-pku": 4000,
    "tiox-pulse": 4000,
    "mott-nbo2": 32_000,
}
NGSPICE_STEPS = 4000
WAVES = {
    "sine": Sine,
    "triangle": triangle,
    "pulses": lambda level, frequency: Samples(
        tuple(np.array([0, 0.02, 0.4, 0.42, 0.5, 0.52, 0.9, 0.92, 1]) / frequency),
        tuple(level * np.array([0, 1, 1, 0, 0, -1, -1, 0, 0])),
    ),
}


def error_of_the_twin(card: str, wave: str, share: float, steps: int) -> float:
    """Largest distance of the twin's current from ngspice's over the peak current, granted one step of ngspice's.

    A step of time, because a threshold device crosses its edge in less than any affordable step.
    """
    chosen = load_card(card)
    drive = chosen.drive
    bench = device_bench(chosen.device, series_resistance=drive.series_resistance)
    stimuli = {"vdrive": WAVES[wave](share * drive.amplitude, drive.frequency)}
    stop, reach = 1 / drive.frequency, 1 / drive.frequency / NGSPICE_STEPS
    exact = spice.simulate(bench, stimuli=stimuli, stop=stop, step=reach)
    twin = with_device_currents(bench, simulate(bench, stimuli=stimuli, stop=stop, step=stop / steps))
    times, current = twin["time"].values, twin["i(xm1)"].values
    near = np.array(
        [
            np.interp(times + shift * reach, exact["time"], -exact["i(vdrive)"])
            for shift in np.linspace(-1, 1, 9)
        ]
    )
    outside = np.maximum(near.min(axis=0) - current, current - near.max(axis=0))
    return float(max(outside.max(), 0.0) / np.abs(near).max())


@pytest.mark.parametrize("card", QUICK)
def test_current_of_the_twin_within_half_a_percent(card):
    assert error_of_the_twin(card, "sine", 1.0, QUICK[card]) <= 5e-3


# Where JART runs away a fixed step does not follow: 3 to 5 % of peak remain at two million steps. The neuristor's
# current reverses within a step of its edges: 0.7 and 2.5 %.
MISSED = {("jart-vcm-v1b", wave, share) for wave in WAVES for share in (0.75, 1.0)} | {
    ("vo2-neuristor", "sine", 0.75),
    ("vo2-neuristor", "pulses", 0.75),
}


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.5, 0.75, 1.0])
@pytest.mark.parametrize("wave", WAVES)
@pytest.mark.parametrize("card", CARDS.values())
def test_every_model_under_every_drive(request, card, wave, share):
    if (card, wave, share) in MISSED:
        request.applymarker(pytest.mark.xfail(reason="above half a percent, see MISSED"))
    assert error_of_the_twin(card, wave, share, 1_024_000) <= 5e-3


def test_every_model_has_a_card_that_says_how_to_drive_it():
    assert set(CARDS) == set(MODELS)
