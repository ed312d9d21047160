"""Gradients of every model by voltage, states and parameters: autograd against finite differences."""

from __future__ import annotations

import numpy as np
import torch

from memsim.devices import numeric

POINTS = 4


def working_points(device):
    """Voltages and states away from the documented corners: v = 0, and the ends of the states."""
    random = np.random.default_rng(17)
    v = np.where(np.arange(POINTS) % 2, -1.0, 1.0) * random.uniform(0.2, 1.0, POINTS)
    shares = random.uniform(0.15, 0.85, (len(device.states), POINTS))
    spans = [(s.low, s.high) for s in device.states.values()]
    return [v, *(low + row * (high - low) for (low, high), row in zip(spans, shares, strict=True))]


def test_gradcheck(model):
    """In relative changes of every argument, outputs relative to their value."""
    functions, n = numeric(model, "torch"), 1 + len(model.states)
    rows = [*working_points(model), *(np.full(POINTS, value) for value in model.values.values())]
    base = [torch.as_tensor(row, dtype=torch.float64) for row in rows]

    def outputs(*arguments):
        v, x, p = arguments[0], arguments[1:n], arguments[n:]
        return torch.stack([functions.current(v, x, p), *functions.rates(v, x, p)])

    scale = outputs(*base).abs() + 1e-30

    def relative(*changes):
        return outputs(*(value * (1 + change) for value, change in zip(base, changes, strict=True))) / scale

    changes = [torch.zeros(POINTS, dtype=torch.float64, requires_grad=True) for _ in base]
    # Steps of 1e-6: exponents of some hundred leave 1e4 x 1e-12 of curvature, cancelled terms 1e-10 of rounding.
    assert torch.autograd.gradcheck(relative, changes, eps=1e-6, atol=1e-5, rtol=1e-4)
