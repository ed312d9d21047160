"""Filament models: Stanford-PKU, SKY130 ReRAM and JART VCM v1b against independently computed figures."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from memsim import spice
from memsim.circuits import Samples, device_bench
from memsim.devices import Device, load_device, numeric
from memsim.surrogate import reference


def ramp_through(device: Device, corners: list[tuple[float, float]], start: float, points: int):
    """Times, voltages, currents and state along straight lines between (time, voltage) corners."""
    model, p = numeric(device), list(device.values.values())
    t, v = np.array(corners).T
    times = np.linspace(0, t[-1], points)
    solution = solve_ivp(
        lambda s, x: model.rates(np.interp(s, t, v), x, p),
        (0, t[-1]),
        [start],
        t_eval=times,
        method="LSODA",
        rtol=1e-7,
        atol=1e-10,
        max_step=t[-1] / 1000,
    )
    voltage = np.interp(times, t, v)
    return voltage, model.current(voltage, solution.y, p), solution.y[0]


@pytest.mark.parametrize("slowness", [1.0, 500.0])
def test_stanford_sets_where_the_field_passes_its_gate(slowness):
    """V_set = f_min t_ox / (gamma_0 - beta g^3) = 1.392 V at g = 1.7 nm, whatever the ramp."""
    device = load_device("stanford-pku")
    voltage, _, x = ramp_through(device, [(0, 0), (4e-3 * slowness, 2)], 1.0, 4001)
    gate = 1.4e9 * 12e-9 / (16 - 0.8 * 1.7**3)
    assert voltage[np.argmax(x < 0.9)] == pytest.approx(gate, abs=2e-3)
    assert gate == pytest.approx(1.392, abs=5e-4)


def test_stanford_resistances():
    device = load_device("stanford-pku")
    current = [numeric(device).current(0.1, [x], list(device.values.values())) for x in (0.0, 1.0)]
    assert [0.1 / i for i in current] == pytest.approx([542, 218.6e3], rel=2e-3)


@pytest.mark.parametrize(
    ("period", "v_set", "v_reset", "end"), [(1e-6, 1.723, -1.457, 3.655), (1e-3, 1.481, -1.248, 3.402)]
)
def test_sky130_triangle(period, v_set, v_reset, end):
    """+-1.8 V triangle from 3.8 nm, no compliance; SET at 4.1 nm on the way up, RESET at 4.4 nm on the way down."""
    corners = [(0, 0), (period / 4, 1.8), (3 * period / 4, -1.8), (period, 0)]
    voltage, current, x = ramp_through(load_device("sky130-reram"), corners, 0.3125, 20001)
    filament = 3.3 + 1.6 * x
    falling = 10000 + np.argmax(filament[10000:] < 4.4)
    # 3 mV asked for; samples are 0.36 mV apart
    assert [voltage[np.argmax(filament > 4.1)], voltage[falling]] == pytest.approx([v_set, v_reset], abs=3e-3)
    assert filament[-1] == pytest.approx(end, abs=2e-3)
    assert current.max() == pytest.approx(1.403e-3, rel=1e-3)


def crossing_time(device: Device, voltage: float, start: float, end: float) -> float:
    """Seconds from one concentration to another, both in 1e26 / m^3."""
    p = device.values
    span = np.log(p["n_max"] / p["n_min"])
    x = np.linspace(*(np.log(n / p["n_min"]) / span for n in (start, end)), 4001)
    rates = numeric(device).rates(voltage, [x], list(p.values()))[0]
    return float(np.trapezoid(1 / rates, x))


@pytest.mark.parametrize(
    ("voltage", "seconds"),
    [(-0.5, 0.37), (-0.6, 4.2e-3), (-0.7, 60e-6), (-0.8, 1.3e-6), (-0.9, 49e-9), (-1.0, 3.0e-9)],
)
def test_jart_set_kinetics(voltage, seconds):
    """From 0.01 to 1; printed to two digits."""
    assert crossing_time(load_device("jart-vcm-v1b"), voltage, 0.01, 1.0) == pytest.approx(seconds, rel=0.03)


@pytest.mark.parametrize(("voltage", "seconds"), [(0.7, 31), (0.8, 1.24), (1.0, 6.1e-3), (1.2, 105e-6)])
def test_jart_reset_kinetics(voltage, seconds):
    """From 20 to 1, starting a hair below the limit."""
    device = load_device("jart-vcm-v1b")
    assert crossing_time(device, voltage, 20 * (1 - 1e-4), 1.0) == pytest.approx(seconds, rel=0.02)


@pytest.mark.parametrize(
    ("volt_per_second", "v_set", "v_reset"), [(1.0, -0.563, 0.920), (10.0, -0.614, 1.007)]
)
def test_jart_sweep(volt_per_second, v_set, v_reset):
    """+-1.3 V from 0.01, negative first: SET to 1, extreme current -0.768 mA, RESET to half, and 1608 ohm when on.

    -0.563 V and 1.007 V are quoted together for 1 V/s. The first is that of 1 V/s; the second, and the 0.606 mA
    quoted with it, are those of 10 V/s. At 1 V/s the switching times above leave no way past 0.93 V: the sweep spends
    38 ms where the rate rises by a factor of e, and half of the vacancies are gone after 37 ms at 0.92 V.
    """
    device = load_device("jart-vcm-v1b")
    span = np.log(20 / 0.008)
    corners = [(at / volt_per_second, v) for at, v in ((0, 0), (1.3, -1.3), (3.9, 1.3), (5.2, 0))]
    voltage, current, x = ramp_through(device, corners, np.log(0.01 / 0.008) / span, 10401)
    n = 0.008 * np.exp(span * x)
    reset = 5200 + np.argmax(n[5200:] < 10)
    assert voltage[np.argmax(n > 1)] == pytest.approx(v_set, abs=5e-3)
    assert voltage[reset] == pytest.approx(v_reset, abs=5e-3)
    assert current.min() == pytest.approx(-0.768e-3, rel=2e-3)
    on = numeric(device).current(0.2, [1.0], list(device.values.values()))
    assert 0.2 / on == pytest.approx(1608, rel=1e-3)


@pytest.mark.spice
@pytest.mark.parametrize("seconds", [1e-3, 3e-3, 10e-3, 100e-3])
def test_jart_resets_in_ngspice(seconds):
    """From 1.0 to 1.35 V behind 200 ohm: the state runs away, and ngspice finds its way and ends where LSODA does."""
    device = load_device("jart-vcm-v1b").with_values(initial={"x": 0.9999})
    bench = device_bench(device, series_resistance=200.0)
    run = {
        "stimuli": {"vdrive": Samples((0.0, seconds), (1.0, 1.35))},
        "stop": seconds,
        "step": seconds / 500,
    }
    found = spice.simulate(bench, **run)["v(xm1.x)"].values
    exact = reference.simulate(bench, rtol=1e-8, **run)["v(xm1.x)"].values
    assert exact[-1] < 0.1
    assert found[-1] == pytest.approx(exact[-1], abs=1e-4)  # 500 steps of second order
