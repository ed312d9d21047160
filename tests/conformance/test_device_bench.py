"""Single devices on the test bench in ngspice: the published loops, and the torch twin on top of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from memsim import spice
from memsim.circuits import Sine, device_bench, with_device_currents
from memsim.devices import MODELS, card_names, load_card, load_device
from memsim.surrogate import simulate
from memsim.verify.devices import PROMISE, Current, compare_device, distance

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
QUICK = ("hp-tio2-joglekar", "yakopcic-srtio3", "team-pickett", "stanford-pku", "tiox-pulse", "mott-nbo2")


def worst_error(card: str, **drives: Sequence[Any]) -> float:
    """Granted one step of ngspice: a threshold device crosses its edge in less than any affordable step."""
    return max(row.error_within_a_step for row in compare_device(load_card(card), **drives))


@pytest.mark.parametrize("card", QUICK)
def test_current_of_the_twin_within_half_a_percent(card):
    assert worst_error(card, waves=["sine"], shares=[1.0]) <= PROMISE


@pytest.mark.slow
@pytest.mark.parametrize("card", CARDS.values())
def test_every_model_under_every_drive(card):
    assert worst_error(card) <= PROMISE


def test_every_model_has_a_card_that_says_how_to_drive_it():
    assert set(CARDS) == set(MODELS)


def test_a_shift_in_time_is_granted_and_no_more():
    """An edge a hundredth of a second late, beside one that ends a tenth too low."""
    edge = Current(np.array([0, 0.5, 0.501, 1.0]), np.array([0, 0, 1.0, 1.0]), 0.0)
    late = Current(np.array([0, 0.51, 0.511, 1.0]), np.array([0, 0, 1.0, 1.0]), 0.0)
    low = Current(edge.times, 0.9 * edge.values, 0.0)
    assert distance(edge, late, 0.0) == pytest.approx(1.0)
    assert distance(edge, late, 0.0101) == pytest.approx(0.0, abs=1e-12)
    assert distance(edge, late, 0.005) == pytest.approx(1.0)
    assert distance(edge, low, 0.1) == pytest.approx(0.1)
    spike = Current(np.array([0, 0.2, 0.2001, 0.2002, 1.0]), np.array([0, 0, 1.0, 0, 0]), 0.0)
    nothing = Current(np.array([0, 1.0]), np.array([1e-9, 1e-9]), 0.0)
    assert distance(spike, nothing, 0.01) == pytest.approx(1.0, rel=1e-6)
