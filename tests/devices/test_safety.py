"""Models are finite, and pass no current at zero voltage, for any state in range and any voltage in reach."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from memsim.devices import MODELS, card_names, load_device, numeric

DEVICES = {
    **{name: model() for name, model in MODELS.items()},
    **{name: load_device(name) for name in card_names()},
}
VOLTAGES = st.lists(st.floats(-5, 5), min_size=1, max_size=20)
UNIT = st.floats(0, 1)


@pytest.fixture(params=DEVICES.values(), ids=DEVICES.keys(), scope="module")
def device(request):
    return request.param


def as_states(device, share, length):
    return [
        torch.full((length,), s.low + share * (s.high - s.low), dtype=torch.float64, requires_grad=True)
        for s in device.states.values()
    ]


@settings(deadline=None, max_examples=60, derandomize=True)
@given(voltages=VOLTAGES, share=UNIT)
def test_values_and_gradients_are_finite(device, voltages, share):
    v = torch.tensor(voltages, dtype=torch.float64, requires_grad=True)
    x = as_states(device, share, len(v))
    p = [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in device.values.values()]
    model = numeric(device, "torch")
    outputs = torch.stack([model.current(v, x, p), *model.rates(v, x, p)])
    gradients = torch.autograd.grad(outputs.sum(), [v, *x, *p], allow_unused=True)
    assert torch.isfinite(outputs).all()
    assert all(torch.isfinite(g).all() for g in gradients if g is not None)
    plain = [row.detach().numpy() for row in (v, *x)]
    jacobian = numeric(device).jacobian(plain[0], plain[1:], list(device.values.values()))
    assert all(np.isfinite(entry).all() for entry in jacobian)


@settings(deadline=None, max_examples=30, derandomize=True)
@given(share=UNIT)
def test_hysteresis_is_pinched(device, share):
    x = [s.low + share * (s.high - s.low) for s in device.states.values()]
    assert numeric(device).current(0.0, x, list(device.values.values())) == 0.0


@settings(deadline=None, max_examples=60, derandomize=True)
@given(voltage=st.floats(-5, 5))
def test_rates_push_back_at_the_walls(device, voltage):
    """A state cannot leave its range: the rate points inwards, or vanishes, at each end."""
    model, p = numeric(device), list(device.values.values())
    for index, spec in enumerate(device.states.values()):
        at_low = model.rates(voltage, [spec.low], p)[index]
        at_high = model.rates(voltage, [spec.high], p)[index]
        assert at_low >= 0 >= at_high
