"""A model nobody prepared for: two states, one of them a temperature, through every derived form."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
import torch
from scipy.optimize import approx_fprime

from memsim.circuits import Sine, device_bench
from memsim.devices import Device, Parameter, State, latex, numeric, positive, verilog_a
from memsim.devices.functions import logistic
from memsim.spice import simulate as ngspice
from memsim.surrogate import CompiledCircuit, reference, simulate


class HeatedSwitch(Device):
    """A switch that its own Joule heat turns on.

    i = (g_off + g_on x) v,  dx/dt = [logistic((theta - hot) / width) - x] / tau,
    dtheta/dt = (r_thermal i v - theta) / tau_thermal, theta in units of 100 K above ambient.
    """

    model = "heated-switch"
    reference = "a test"
    parameters = {
        "g_off": positive(1e-4, "S", "conductance when cold"),
        "g_on": positive(1e-3, "S", "conductance gained when hot"),
        "hot": Parameter(0.8, "100 K", "temperature at which it switches", low=0.0, high=5.0),
        "width": positive(0.1, "100 K", "width of the transition"),
        "tau": positive(1e-4, "s", "switching time constant"),
        "r_thermal": positive(5e3, "100 K/W", "thermal resistance"),
        "tau_thermal": positive(2e-4, "s", "thermal time constant"),
    }
    states = {
        "x": State(0.0, "fraction that is on"),
        "theta": State(0.0, "temperature rise", high=20.0, unit="100 K"),
    }

    def current(self, v, x, p):
        return (p.g_off + p.g_on * x.x) * v

    def rates(self, v, x, p):
        heat = p.r_thermal * self.current(v, x, p) * v
        return (logistic((x.theta - p.hot) / p.width) - x.x) / p.tau, (heat - x.theta) / p.tau_thermal


DRIVE = {"vdrive": Sine(2.0, 100.0)}
STOP = 10e-3


@pytest.fixture
def bench():
    return device_bench(HeatedSwitch(), series_resistance=500.0)


@pytest.fixture(scope="module")
def exact():
    return reference.simulate(
        device_bench(HeatedSwitch(), series_resistance=500.0), stimuli=DRIVE, stop=STOP, step=5e-5
    )


def test_jacobian_has_a_row_for_every_equation():
    device = HeatedSwitch()
    model, p = numeric(device), list(device.values.values())
    point = np.array([0.7, 0.4, 0.9])
    jacobian = np.reshape(model.jacobian(point[0], point[1:], p), (3, 3))
    forward = [lambda y: model.current(y[0], y[1:], p)] + [
        lambda y, k=k: model.rates(y[0], y[1:], p)[k] for k in (0, 1)
    ]
    # forward differences of step 1.5e-8 are good to about that
    assert jacobian == pytest.approx(np.array([approx_fprime(point, f) for f in forward]), rel=1e-6)


def test_numpy_and_torch_agree():
    device = HeatedSwitch()
    p = list(device.values.values())
    random = np.random.default_rng(3)
    v, x, theta = random.uniform([-3, 0, 0], [3, 1, 20], (100, 3)).T
    plain = numeric(device).rates(v, [x, theta], p)
    tensors = numeric(device, "torch").rates(
        torch.as_tensor(v), [torch.as_tensor(x), torch.as_tensor(theta)], p
    )
    assert np.array(plain) == pytest.approx(np.stack([t.numpy() for t in tensors]), rel=1e-12)


def test_twin_follows_the_reference(bench, exact):
    twin = simulate(bench, stimuli=DRIVE, stop=STOP, step=1e-5)
    assert exact["v(xm1.theta)"].max() > 1.0  # it did heat up and switch
    for name in ("v(top)", "v(xm1.x)", "v(xm1.theta)"):
        span = float(exact[name].max() - exact[name].min())
        # second order at a twentieth of the fastest time constant, and less than 1 % of the span asked for
        assert np.max(np.abs(twin[name].values[::5] - exact[name].values)) < 0.005 * span


@pytest.mark.spice
def test_ngspice_follows_the_reference(bench, exact):
    data = ngspice(bench, stimuli=DRIVE, stop=STOP, step=5e-6).interp(time=exact["time"])
    for name in ("v(top)", "v(xm1.x)", "v(xm1.theta)"):
        span = float(exact[name].max() - exact[name].min())
        # reltol 1e-5 per step, a step of 1/20 of the fastest time constant
        assert np.nanmax(np.abs(data[name] - exact[name])) < 0.002 * span


def test_temperature_starts_where_the_device_says():
    warm = HeatedSwitch(initial={"theta": 1.5})
    twin = CompiledCircuit(device_bench(warm, series_resistance=500.0), inputs=("vdrive",))
    waveforms, _ = twin(torch.zeros(2, dtype=torch.float64), dt=1e-6)
    assert float(waveforms["v(xm1.theta)"][0]) == 1.5


def test_gradients_reach_every_parameter(bench):
    names = tuple(f"xm1.{name}" for name in HeatedSwitch.parameters)
    twin = CompiledCircuit(bench, inputs=("vdrive",), trainable=names)
    waveforms, _ = twin(torch.full((100,), 1.5, dtype=torch.float64), dt=1e-5)
    waveforms["v(top)"].sum().backward()
    assert all(parameter.grad != 0 for parameter in twin.parameters())


def test_text_forms_name_everything():
    assert len(latex(HeatedSwitch)) == 3
    module = verilog_a(HeatedSwitch())
    for name in (*HeatedSwitch.parameters, *HeatedSwitch.states):
        assert name in module


def test_odd_powers_of_signed_voltages_keep_their_sign_in_ngspice_text():
    """ngspice takes the magnitude of a base: v**3 is printed as v * v**2."""
    from memsim.devices.ngspice import expression_text

    v = sp.Symbol("v", real=True)
    assert expression_text(v**3, {v: "v(p,n)"}) == "(v(p,n)*v(p,n)**2)"
    with pytest.raises(ValueError, match="never negative"):
        expression_text(v ** sp.Rational(3, 2), {v: "v(p,n)"})
