"""Exact steps and their scatter, and retention times."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from scipy.optimize import brentq
from scipy.special import expit

from memsim.devices import load_device, numeric
from memsim.devices.retention import memory, retention
from memsim.devices.switching import exact_step
from memsim.errors import InputError

F64 = torch.float64


def tensor(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=F64)


@pytest.mark.parametrize("card", ["ag-chalcogenide", "pd-wo3-w-schottky", "memdiode"])
def test_one_exact_step_equals_the_differential_equation(card):
    """Of any length: a thousandth of the time constant, and a thousand of them."""
    device = load_device(card)
    model, p = numeric(device), list(device.values.values())
    for voltage in (-1.0, 0.3, 1.0):
        speed = -float(model.jacobian(voltage, [0.5], p)[3])
        for h in (1e-3 / speed, 1 / speed, 1e3 / speed):
            solution = solve_ivp(
                lambda _, x, v=voltage: model.rates(v, x, p),
                (0, h),
                [0.3],
                method="LSODA",
                rtol=1e-11,
                atol=1e-13,
            )
            found = exact_step(device, tensor(voltage), tensor(0.3), h)
            assert float(found) == pytest.approx(solution.y[0, -1], abs=1e-8)


def test_two_halves_make_a_whole():
    device, v, x = load_device("ag-chalcogenide"), tensor(0.2), tensor(0.3)
    half = exact_step(device, v, exact_step(device, v, x, 1e-4), 1e-4)
    assert float(half) == pytest.approx(float(exact_step(device, v, x, 2e-4)), rel=1e-14)


def test_gradients_pass_the_exact_step():
    device = load_device("ag-chalcogenide")
    names = ("v_on", "tau")

    def step(v, x, *p):
        return exact_step(device, v, x, 1e-4, parameters=dict(zip(names, p, strict=True)))

    inputs = [tensor(0.17, 0.2), tensor(0.4, 0.1), tensor(0.17), tensor(0.32e-3)]
    for one in inputs:
        one.requires_grad_()
    # steps of 1e-9 V and of 1e-9 s, a hundred-thousandth of tau; the slope over tau is about 300 / s
    assert torch.autograd.gradcheck(step, inputs, eps=1e-9, atol=1e-4, rtol=1e-4)


def test_finite_switches_scatter_as_binomials():
    """N = 100 units at x = 0.5: mean of the mean-field step, variance of two binomials, over 40 000 draws."""
    device = load_device("ag-chalcogenide")
    generator = torch.Generator().manual_seed(5)
    x, v, h, units = torch.full((40_000,), 0.5, dtype=F64), tensor(0.2), 2e-4, 100
    drawn = exact_step(device, v, x, h, units=units, generator=generator)
    mean = float(exact_step(device, v, tensor(0.5), h))
    p_on = float(exact_step(device, v, tensor(0.0), h))
    p_off = 1 - float(exact_step(device, v, tensor(1.0), h))
    variance = 0.5 * (p_on * (1 - p_on) + p_off * (1 - p_off)) / units
    assert float(drawn.mean()) == pytest.approx(mean, abs=4 * math.sqrt(variance / 40_000))
    assert float(drawn.var()) == pytest.approx(variance, rel=0.03)  # four sigma of a variance estimate
    repeated = exact_step(device, v, x, h, units=units, generator=torch.Generator().manual_seed(5))
    assert torch.equal(drawn, repeated)


def test_finite_switches_stay_in_range_and_keep_gradients():
    device = load_device("ag-chalcogenide")
    v = torch.linspace(-5, 5, 101, dtype=F64, requires_grad=True)
    for start in (0.0, 1.0):
        x = torch.full_like(v, start).detach()
        drawn = exact_step(device, v, x, 1e-3, units=3, generator=torch.Generator().manual_seed(1))
        (slope,) = torch.autograd.grad(drawn.sum(), v)
        assert ((drawn >= 0) & (drawn <= 1)).all()
        assert torch.isfinite(slope).all()


def test_what_is_refused():
    v = tensor(0.1)
    with pytest.raises(InputError, match="vteam does not relax exponentially"):
        exact_step(load_device("vteam-memtorch"), v, v, 1e-3)
    with pytest.raises(InputError, match="units = 5 needs a generator"):
        exact_step(load_device("knowm-sdc"), v, v, 1e-3, units=5)
    with pytest.raises(InputError, match="no parameter 'tua'"):
        exact_step(load_device("knowm-sdc"), v, v, 1e-3, parameters={"tua": v})


@pytest.mark.parametrize(
    ("card", "seconds"),
    [
        ("ag-chalcogenide", 0.2103), ("aginsbte", 0.80), ("knowm-sdc", 1.81), ("gst", 5.9e6), ("wox", 10 / 4.5),
        ("threshold-a", 20e-6), ("stanford-pku", math.inf), ("vteam-memtorch", math.inf), ("pcm-gst", math.inf),
    ],
)  # fmt: skip
def test_retention(card, seconds):
    """Time constants at zero voltage, printed to two to four digits."""
    assert retention(load_device(card)) == pytest.approx(seconds, rel=6e-3)


def test_vo2_forgets_as_it_cools():
    """From 370 K with c_th / s_th, until the conductance of the cooling branch has fallen to 1/e."""
    device = load_device("vo2-neuristor")
    p = device.values

    def conductance(kelvin):
        share = expit(2 * p["beta"] * (p["t_c"] - p["w"] / 2 - kelvin))
        return 1 / (p["r_0"] * np.exp(p["e_a"] / kelvin) * share + p["r_m"])

    kelvin = brentq(lambda t: conductance(t) - conductance(370.0) / np.e, 326.0, 360.0)
    seconds = p["c_th"] / p["s_th"] * np.log((370.0 - p["t_base"]) / (kelvin - p["t_base"]))
    # the cold copy warms up meanwhile and conducts 2 % of the hot one
    assert retention(device) == pytest.approx(seconds, rel=2e-2)


def test_memory_in_words():
    assert memory(load_device("ag-chalcogenide")) == "volatile, 210 ms"
    assert memory(load_device("gst")) == "volatile, 68.2 days"
    assert memory(load_device("sky130-reram")) == "non-volatile, over 10 years"


def test_retention_is_the_time_constant_of_linear_relaxation():
    device = load_device("aginsbte").with_values(v_on=0.4, v_off=-0.1, tau=3e-3)
    slope = numeric(device).jacobian(0.0, [0.5], list(device.values.values()))[3]
    assert retention(device) == pytest.approx(-1 / slope, rel=1e-5)
    assert np.isfinite(retention(device))
