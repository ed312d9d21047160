"""Threshold devices with a capacitor and a resistor: static thresholds and the period of their oscillation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from memsim.devices import Device, load_device, numeric


def oscillation(device: Device, source: float, resistance: float, capacitance: float, stop: float):
    """Period [s] and range of the voltage of a device beside `capacitance`, fed by `source` over `resistance`."""
    model, p = numeric(device), list(device.values.values())

    def flow(_, y):
        charging = (source - y[0]) / resistance - model.current(y[0], y[1:], p)
        return [charging / capacitance, *model.rates(y[0], y[1:], p)]

    start = [0.0, *device.initial.values()]
    times = np.linspace(0, stop, 20001)
    v = solve_ivp(flow, (0, stop), start, t_eval=times, method="LSODA", rtol=1e-8, atol=1e-11).y[0]
    late = slice(len(v) // 3, None)
    low, high, middle = v[late].min(), v[late].max(), (v[late].min() + v[late].max()) / 2
    k = np.flatnonzero((v[:-1] < middle) & (v[1:] >= middle))
    crossings = times[k] + (middle - v[k]) / (v[k + 1] - v[k]) * (times[1] - times[0])
    return np.diff(crossings)[-1], low, high


def static_extremes(device: Device):
    """(threshold voltage, its current), (hold voltage, its current) where heating equals cooling."""
    model, p = numeric(device), list(device.values.values())
    cores = np.linspace(0.02, 0.98, 400)
    voltages = np.array([brentq(lambda v, x=x: model.rates(v, [x], p)[0], 1e-6, 50) for x in cores])
    top = int(voltages.argmax())
    bottom = top + int(voltages[top:].argmin())
    return [(voltages[k], model.current(voltages[k], [cores[k]], p)) for k in (top, bottom)]


@pytest.mark.parametrize(
    ("card", "threshold", "hold"),
    [
        ("mott-nbo2", (1.855, 33e-6), (1.271, 213e-6)),
        ("mott-vo2", (0.647, None), (0.063, None)),
        ("mott-vo2-36nm", (1.007, None), (0.097, None)),
    ],
)
def test_mott_thresholds(card, threshold, hold):
    found = static_extremes(load_device(card))
    for (voltage, current), (expected_voltage, expected_current) in zip(
        found, (threshold, hold), strict=True
    ):
        assert voltage == pytest.approx(expected_voltage, rel=8e-3)  # 0.063 V is printed to two digits
        if expected_current is not None:
            assert current == pytest.approx(expected_current, rel=1e-2)  # the extremes of v are flat in i


def test_nbo2_oscillates():
    """3.2 V over 20 kohm onto 1 pF: 57.5 MHz between 1.17 and 1.93 V."""
    period, low, high = oscillation(load_device("mott-nbo2"), 3.2, 20e3, 1e-12, 120e-9)
    assert 1 / period == pytest.approx(57.5e6, rel=2e-3)
    assert [low, high] == pytest.approx([1.17, 1.93], abs=5e-3)


def test_vo2_oscillates():
    """1.8 V over 8 kohm onto 1 pF: 142 MHz, printed to three digits."""
    period, _, _ = oscillation(load_device("mott-vo2"), 1.8, 8e3, 1e-12, 60e-9)
    assert 1 / period == pytest.approx(142e6, rel=4e-3)


def pearson_anson(switch: Device, source: float, resistance: float, capacitance: float) -> float:
    """Closed form of the period for an ideal switch."""
    p, seconds = switch.values, 0.0
    low, high = p["v_hold"], p["v_threshold"]
    for r, start, end in ((p["r_off"], low, high), (p["r_on"], high, low)):
        rest = source * r / (resistance + r)
        seconds += resistance * r / (resistance + r) * capacitance * np.log((start - rest) / (end - rest))
    return seconds


def test_pearson_anson_period():
    """5 V over 47 kohm onto 1 nF, 2 V and 1 V: 17.94 us. A width of 1 mV and a delay of 1 ns cost less than 0.5 %."""
    switch = load_device("vo2-switch").with_values(v_threshold=2.0, v_hold=1.0, k=1e-3, tau=1e-9)
    period, low, high = oscillation(switch, 5.0, 47e3, 1e-9, 60e-6)
    ideal = pearson_anson(switch, 5.0, 47e3, 1e-9)
    assert ideal == pytest.approx(17.94e-6, rel=1e-3)
    assert period == pytest.approx(ideal, rel=5e-3)
    assert [low, high] == pytest.approx([1.0, 2.0], abs=5e-3)


def test_folds_of_the_switch_lie_at_its_thresholds():
    """v(x) where the state rests has its extremes at v_threshold and v_hold, to second order in k."""
    p = load_device("vo2-switch").values
    gap = p["v_threshold"] - p["v_hold"]
    tail = p["k"] * (1 + np.log(gap / p["k"]))
    x = np.linspace(1e-4, 1 - 1e-4, 200001)
    v = p["k"] * np.log(x / (1 - x)) + p["v_threshold"] + tail - (gap + 2 * tail) * x
    inside = slice(200, -200)
    assert v[inside].max() == pytest.approx(p["v_threshold"], abs=p["k"] / 5)
    assert v[inside].min() == pytest.approx(p["v_hold"], abs=p["k"] / 5)
