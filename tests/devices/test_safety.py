"""Models are finite, and pass no current at zero voltage, for any state in range and any voltage in reach."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from memsim.devices import numeric

LIMIT = 5.0
VOLTAGES = st.lists(st.floats(-LIMIT, LIMIT), min_size=1, max_size=20)
SHARES = st.lists(st.floats(0, 1), min_size=5, max_size=5)
# A rate at a wall is the difference of two terms that cancel there to rounding, relative to its size elsewhere.
ROUNDING = 1e-12


def states_at(device, shares):
    """A value of each state at its share of the range."""
    return [
        s.low + share * (s.high - s.low) for s, share in zip(device.states.values(), shares, strict=False)
    ]


def finite_with_gradients(device, voltages, shares, dtype):
    """Whether current, rates and their gradients by voltage, states and parameters are finite."""
    v = torch.tensor(voltages, dtype=dtype, requires_grad=True)
    x = [torch.full_like(v, value).detach().requires_grad_() for value in states_at(device, shares)]
    p = [torch.tensor(value, dtype=dtype, requires_grad=True) for value in device.values.values()]
    model = numeric(device, "torch")
    outputs = torch.stack([model.current(v, x, p), *model.rates(v, x, p)])
    gradients = torch.autograd.grad(outputs.sum(), [v, *x, *p], allow_unused=True)
    return bool(torch.isfinite(outputs).all()) and all(
        torch.isfinite(g).all() for g in gradients if g is not None
    )


@settings(deadline=None, max_examples=8, derandomize=True)
@given(voltages=VOLTAGES, shares=SHARES)
def test_values_and_gradients_are_finite(device, voltages, shares):
    assert finite_with_gradients(device, voltages, shares, torch.float64)
    v = np.array(voltages)
    x = [np.full_like(v, value) for value in states_at(device, shares)]
    jacobian = numeric(device).jacobian(v, x, list(device.values.values()))
    assert all(np.isfinite(entry).all() for entry in jacobian)


def test_single_precision_is_finite_where_devices_work(device):
    """Training runs in float32, at voltages of up to 2 V."""
    for share in (0.0, 1e-3, 0.5, 1 - 1e-3, 1.0):
        assert finite_with_gradients(device, list(np.linspace(-2, 2, 41)), [share] * 5, torch.float32), share


@settings(deadline=None, max_examples=15, derandomize=True)
@given(shares=SHARES)
def test_hysteresis_is_pinched(model, shares):
    assert numeric(model).current(0.0, states_at(model, shares), list(model.values.values())) == 0.0


@settings(deadline=None, max_examples=15, derandomize=True)
@given(voltages=VOLTAGES, shares=SHARES)
def test_devices_are_passive(model, voltages, shares):
    v = np.array(voltages)
    current = numeric(model).current(v, states_at(model, shares), list(model.values.values()))
    assert (current * v >= 0).all()


@settings(deadline=None, max_examples=25, derandomize=True)
@given(voltage=st.floats(-LIMIT, LIMIT), shares=SHARES)
def test_rates_push_back_at_the_walls(model, voltage, shares):
    """A state cannot leave its range: the rate points inwards, or vanishes, at each end, wherever the others are."""
    functions, p = numeric(model), list(model.values.values())
    x = states_at(model, shares)
    for index, spec in enumerate(model.states.values()):
        low, middle, high = (
            float(functions.rates(voltage, [*x[:index], value, *x[index + 1 :]], p)[index])
            for value in (spec.low, (spec.low + spec.high) / 2, spec.high)
        )
        rounding = ROUNDING * max(abs(low), abs(middle), abs(high))
        assert low >= -rounding
        assert high <= rounding
