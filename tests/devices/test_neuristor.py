"""The VO2 thermal neuristor with its resistor and capacitor, against an event-driven integration of the same film."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from memsim.devices import load_device, numeric

RESISTANCE, CAPACITANCE, STOP = 12e3, 145.346e-12, 20e-6


def spiking(source: float):
    """Frequency [Hz] of the spikes (zero for none), and the ranges of voltage and temperature after the first ones."""
    device = load_device("vo2-neuristor")
    model, p = numeric(device), list(device.values.values())

    def flow(_, y):
        charging = (source - y[0]) / RESISTANCE - model.current(y[0], y[1:], p)
        return [charging / CAPACITANCE, *model.rates(y[0], y[1:], p)]

    times = np.linspace(0, STOP, 20001)
    start = [0.0, *device.initial.values()]
    y = solve_ivp(flow, (0, STOP), start, t_eval=times, method="LSODA", rtol=1e-7, atol=1e-10).y
    current = model.current(y[0], y[1:], p)
    spikes = times[1:][(current[:-1] < 2e-3) & (current[1:] >= 2e-3)]
    late = y[:, times > STOP / 2]
    frequency = 1 / np.diff(spikes)[-1] if len(spikes) > 3 else 0.0
    return frequency, (late[0].min(), late[0].max()), (300 + 150 * late[1].min(), 300 + 150 * late[1].max())


def test_twelve_volts():
    frequency, voltage, temperature = spiking(12.0)
    assert frequency == pytest.approx(0.329e6, rel=1e-2)
    assert voltage == pytest.approx((1.29, 6.89), abs=0.02)
    assert temperature == pytest.approx((327.6, 373), abs=0.5)


@pytest.mark.parametrize(("source", "frequency"), [(11.0, 0.277e6), (14.0, 0.413e6), (15.0, 0.486e6)])
def test_frequency_rises_with_the_source(source, frequency):
    assert spiking(source)[0] == pytest.approx(frequency, rel=1e-2)


@pytest.mark.parametrize("source", [10.0, 15.75])
def test_no_spikes_outside_the_window(source):
    assert spiking(source)[0] == 0.0
