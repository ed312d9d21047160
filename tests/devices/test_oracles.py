"""Published or independently computed figures of the shipped cards."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import constants
from scipy.integrate import quad, solve_ivp
from scipy.special import expit

from memsim.circuits import Sine
from memsim.devices import Device, load_device, numeric


def traverse_time(device: Device, voltage: float) -> float:
    """Time to cross the whole depth, from its inner 90 %, where the soft walls do not reach."""
    model, p = numeric(device), list(device.values.values())
    return abs(quad(lambda x: 1 / model.rates(voltage, [x], p)[0], 0.05, 0.95)[0]) / 0.9


@pytest.mark.parametrize("smoothing", [1, 0.5])
@pytest.mark.parametrize(
    ("voltage", "seconds"),
    [
        (0.05, 4.0e-6), (0.1, 1.5e-6), (0.5, 0.25e-6), (1.0, 122.4e-9),
        (-0.25, 19.2e-9), (-0.3, 2.4e-9), (-0.5, 88.9e-12), (-1.0, 4.69e-12),
    ],
)  # fmt: skip
def test_vteam_traverse_times(voltage, seconds, smoothing):
    """Linear in time without walls: depth / [k (v / v_threshold - 1)**alpha]; printed to three digits.

    Halving the width of the rounded thresholds does not move them.
    """
    device = load_device("vteam-memtorch")
    device = device.with_values(smoothing=device.values["smoothing"] * smoothing)
    assert traverse_time(device, voltage) == pytest.approx(seconds, rel=1.5e-3)


@pytest.mark.parametrize("smoothing", [1, 0.5])
def test_yakopcic_oblea_sine(smoothing, cycle):
    """0.45 V, 100 Hz, first cycle. The rounded threshold and its half move the loop by less than 0.2 %."""
    device = load_device("yakopcic-oblea")
    device = device.with_values(smoothing=device.values["smoothing"] * smoothing)
    current, x = cycle(device, Sine(0.45, 100.0), 0.01, 1)
    assert [current.max(), current.min()] == pytest.approx([3.418e-3, -1.898e-3], rel=2e-3)
    assert [x.min(), x.max()] == pytest.approx([0.0929, 0.9694], rel=2e-3)


def test_yakopcic_smoothing_converges(cycle):
    """Each halving of the corner's width s moves the peak by less: the corner gains an area of order s^2."""
    device = load_device("yakopcic-oblea")
    peaks = [
        cycle(device.with_values(smoothing=s), Sine(0.45, 100.0), 0.01, 1)[0].max()
        for s in (8e-3, 4e-3, 2e-3)
    ]
    assert abs(peaks[2] - peaks[1]) < 0.5 * abs(peaks[1] - peaks[0])


def test_ag_chalcogenide_peaks(cycle):
    """0.25 V, 100 Hz, settled; the source's figures carry four digits at its own sampling, hence 0.5 %."""
    current, x = cycle(load_device("ag-chalcogenide"), Sine(0.25, 100.0), 0.01, 4)
    assert [current.max(), current.min()] == pytest.approx([2.142e-3, -1.404e-3], rel=5e-3)
    assert [x.min(), x.max()] == pytest.approx([0.011, 0.9996], rel=2e-2)  # 0.011 is printed to two digits


def test_knowm_peaks(cycle):
    current, _ = cycle(load_device("knowm-sdc"), Sine(0.5, 100.0), 0.01, 3)
    assert [current.max(), current.min()] == pytest.approx([1.000e-3, -0.4119e-3], rel=1e-3)


@pytest.mark.parametrize(
    ("voltage", "seconds"), [(0.0, 0.2103), (0.1, 5.206e-3), (0.2, 0.4195e-3), (0.3, 0.3220e-3)]
)
def test_metastable_switch_at_constant_voltage(voltage, seconds):
    """Exponential approach to on / (on + off), time constant tau / (on + off), with logistics on and off."""
    device = load_device("ag-chalcogenide")
    model, p = numeric(device), list(device.values.values())
    thermal = constants.k * device.values["temperature"] / constants.e
    on, off = expit((voltage - 0.17) / thermal), expit(-(voltage + 0.22) / thermal)
    x_end, tau = on / (on + off), 0.32e-3 / (on + off)
    assert tau == pytest.approx(seconds, rel=5e-4)  # printed to four digits, with k T / q = 25.68 mV
    times = np.linspace(0, 3 * tau, 13)
    solution = solve_ivp(
        lambda _, x: model.rates(voltage, x, p),
        (0, times[-1]),
        [0.9],
        t_eval=times,
        rtol=1e-10,
        atol=1e-13,
        method="LSODA",
    )
    # LSODA at rtol 1e-10 gains about two digits less than asked
    assert solution.y[0] == pytest.approx(x_end + (0.9 - x_end) * np.exp(-times / tau), abs=1e-6, rel=1e-6)


def test_knowm_switch_forgets_within_seconds():
    """Zero-bias relaxation of the published default: 1.83 s at v_on = -v_off = 0.27 V, 0.1 ms, 298.15 K."""
    device = load_device("knowm-sdc").with_values(temperature=298.15)
    model, p = numeric(device), list(device.values.values())
    v_x_jacobian = model.jacobian(0.0, [0.5], p)
    assert model.rates(0.0, [0.5], p)[0] == pytest.approx(0.0, abs=1e-12)  # at rest by symmetry
    assert -1 / v_x_jacobian[3] == pytest.approx(1.83, abs=0.005)  # printed to three digits
