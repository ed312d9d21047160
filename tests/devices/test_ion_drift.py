"""Ion drift against its closed forms, and the locks of its windows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp

from memsim.devices import MODELS, Device, load_device, numeric

HP_CARDS = ("hp-tio2-strukov", "hp-tio2-joglekar", "hp-tio2-prodromakis")


def trajectory(device: Device, voltage, times: np.ndarray, start: float | None = None) -> np.ndarray:
    """State at `times` under voltage(t)."""
    model, p = numeric(device), list(device.values.values())
    solution = solve_ivp(
        lambda t, x: model.rates(voltage(t), x, p),
        (times[0], times[-1]),
        [device.initial["x"] if start is None else start],
        t_eval=times,
        method="DOP853",
        rtol=1e-11,
        atol=1e-14,
        max_step=(times[-1] - times[0]) / 200,
    )
    return solution.y[0]


def flux(amplitude: float, frequency: float, times: np.ndarray) -> np.ndarray:
    """Integral of a sine voltage."""
    return amplitude * (1 - np.cos(2 * np.pi * frequency * times)) / (2 * np.pi * frequency)


def test_resistance_squared_is_linear_in_flux():
    """R^2 = R0^2 - 2 k (r_off - r_on) flux without a window, away from the walls."""
    device, times = load_device("hp-tio2"), np.linspace(0, 1, 101)
    p = device.values
    x = trajectory(device, lambda t: 0.8 * np.sin(2 * np.pi * t), times)
    resistance = p["r_on"] * x + p["r_off"] * (1 - x)
    k = p["mobility"] * p["r_on"] / p["depth"] ** 2
    expected = resistance[0] ** 2 - 2 * k * (p["r_off"] - p["r_on"]) * flux(0.8, 1.0, times)
    assert resistance**2 == pytest.approx(expected, rel=1e-8)  # asked of a solver at rtol 1e-11


@pytest.mark.parametrize(("card", "factor"), [("hp-tio2-strukov", 1.0), ("hp-tio2-joglekar", 4.0)])
def test_implicit_law_of_the_flux(card, factor):
    """k flux = [r_off ln x - r_on ln(1 - x)] from x0 to x, over 4 in Joglekar's window with exponent 1."""
    device, times = load_device(card), np.linspace(0, 1, 101)
    p = device.values
    x = trajectory(device, lambda t: 1.2 * np.sin(2 * np.pi * t), times)
    k = p["mobility"] * p["r_on"] / p["depth"] ** 2

    def law(x):
        return (p["r_off"] * np.log(x) - p["r_on"] * np.log(1 - x)) / factor

    assert law(x) - law(x[0]) == pytest.approx(k * flux(1.2, 1.0, times), rel=1e-8, abs=1e-8 * k)


# card, changed exponent, voltage [V], frequency [Hz], cycle, its x range and its peak currents [mA]
LOOPS = [
    ("hp-tio2-strukov", None, 1.2, 1.0, 1, (0.3145, 0.3989), (0.1160, -0.1160)),
    ("hp-tio2-joglekar", 1, 1.2, 1.0, 1, (0.3145, 0.8106), (0.1806, -0.1806)),
    ("hp-tio2-joglekar", 2, 1.2, 1.0, 1, (0.3145, 0.8941), (0.2018, -0.2018)),
    ("hp-tio2-joglekar", 7, 1.2, 1.0, 1, (0.3145, 0.9784), (0.2366, -0.2366)),
    ("hp-tio2-prodromakis", 7, 1.2, 1.0, 1, (0.3145, 0.738), (0.158, -0.158)),
    ("biolek-16nm", None, 1.0, 10.0, 2, (0.0764, 0.9926), (2.659, -1.889)),
]


@pytest.mark.parametrize("loop", LOOPS, ids=lambda loop: f"{loop[0]}-{loop[1]}")
def test_published_loops(loop):
    """Figures computed independently; they carry three to four digits."""
    card, exponent, amplitude, frequency, cycle, states, peaks = loop
    device = load_device(card)
    device = device.with_values(exponent=exponent) if exponent else device
    times = np.linspace(0, cycle / frequency, 2000 * cycle + 1)
    x = trajectory(device, lambda t: amplitude * np.sin(2 * np.pi * frequency * t), times)
    voltage = amplitude * np.sin(2 * np.pi * frequency * times)
    current = 1e3 * numeric(device).current(voltage, [x], list(device.values.values()))
    x, current = x[-2001:], current[-2001:]
    assert [x.min(), x.max()] == pytest.approx(states, rel=2e-3)
    assert [current.max(), current.min()] == pytest.approx(peaks, rel=2e-3)


@pytest.mark.parametrize("name", [name for name in MODELS if name.startswith("ion-drift")])
@pytest.mark.parametrize(("start", "voltage", "middle"), [(1.0, -1.2, 0.5), (0.0, 1.2, 0.5)])
def test_no_window_locks(name, start, voltage, middle):
    """From exactly an end a device returns to the middle; as published it stays for ever."""
    device = MODELS[name]()
    model, p = numeric(device), list(device.values.values())
    seconds, _ = quad(lambda x: 1 / model.rates(voltage, [x], p)[0], start, middle, limit=200)
    assert (
        0 < seconds < (2.0 if voltage < 0 else 20.0)
    )  # from the resistive end the current is 160 times smaller


def test_freeing_acts_at_the_ends_alone():
    """Ten edge widths inside, up and down are the published window to 1e-8."""
    for card in HP_CARDS:
        device = load_device(card)
        halved = device.with_values(edge=device.values["edge"] / 2)
        for voltage in (1.0, -1.0):
            rates = [numeric(d).rates(voltage, [0.99], list(d.values.values()))[0] for d in (device, halved)]
            assert rates[0] == pytest.approx(rates[1], rel=1e-8)


def test_exponential_drift_is_linear_far_below_its_field():
    """sinh(z) / z = 1 + z^2 / 6, with z = r_on i / (depth e_0) = 1.4e-2 here."""
    weak = load_device("hp-tio2-exponential")
    linear, p = weak.with_values(e_0=1e12), list(weak.values.values())
    x, v = [0.5], 0.005
    rate = numeric(weak).rates(v, x, p)[0] / numeric(linear).rates(v, x, list(linear.values.values()))[0]
    z = weak.values["r_on"] * numeric(weak).current(v, x, p) / weak.values["depth"] / weak.values["e_0"]
    assert rate == pytest.approx(1 + z**2 / 6, rel=1e-6)
