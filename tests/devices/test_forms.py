"""Everything derived from a model's expressions equals those expressions.

Truth is the symbolic form evaluated at 30 digits by numbers that know the size of their terms (see `sized`); an error
is relative to that size.
"""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from pathlib import Path

import mpmath
import numpy as np
import pytest
import sympy as sp
import torch

from memsim.devices import Device, numeric
from memsim.devices.functions import clip, expm1, logistic, power, ramp, softplus
from memsim.devices.numeric import generate

_SPEC = importlib.util.spec_from_file_location("sized", Path(__file__).with_name("sized.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
_SIZED = importlib.util.module_from_spec(_SPEC)
sys.modules["sized"] = _SIZED  # where dataclasses look for it
_SPEC.loader.exec_module(_SIZED)
FUNCTIONS, sized = _SIZED.FUNCTIONS, _SIZED.sized

POINTS = 50
VOLTAGE_LIMIT = 2.0
# 4500 roundings of float64; the longest expression takes about 60 operations, amplified at most by the
# argument of an exponential.
TOLERANCE = 1e-12
# Below this float64 loses digits to underflow: logistic(-705) is 1e-306, times rates of up to 1e18 / s.
UNDERFLOW = mpmath.mpf("1e-280")


def random_points(device: Device) -> tuple[np.ndarray, np.ndarray]:
    """Voltages [POINTS] and states [number of states, POINTS]."""
    random = np.random.default_rng(7)
    return random.uniform(-VOLTAGE_LIMIT, VOLTAGE_LIMIT, POINTS), random.uniform(
        0, 1, (len(device.states), POINTS)
    )


@cache
def exact_functions(model: type[Device]):
    """Current, rates and Jacobian entries as functions of numbers that know the size of their terms."""
    form = model().expressions
    outputs = [form.current, *form.rates, *form.jacobian]
    arguments = [form.voltage, *form.states, *form.parameters]
    return sp.lambdify(arguments, outputs, [FUNCTIONS, "mpmath"], cse=True)


@cache
def exact_table(device: Device) -> tuple[np.ndarray, np.ndarray]:
    """Exact values and magnitudes [outputs, POINTS] as mpmath numbers."""
    v, x = random_points(device)
    function = exact_functions(type(device))
    with mpmath.workdps(30):
        parameters = [sized(value) for value in device.values.values()]
        rows = [
            [sized(out) for out in function(*map(sized, (v[k], *x[:, k])), *parameters)]
            for k in range(POINTS)
        ]
    table = np.array([[(out.value, out.size) for out in row] for row in rows], dtype=object)
    return table[:, :, 0].T, table[:, :, 1].T


def worst_error(computed: list[np.ndarray], device: Device, rows: slice) -> float:
    exact, size = (table[rows] for table in exact_table(device))
    computed = np.array([np.broadcast_to(np.asarray(row, dtype=float), POINTS) for row in computed])
    return float(np.max(np.abs(computed - exact) / (size + UNDERFLOW)))


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_current_rates_and_jacobian_equal_the_symbolic_form(device, backend):
    v, x = random_points(device)
    p = list(device.values.values())
    if backend == "torch":
        v, x = torch.as_tensor(v), torch.as_tensor(x)
        p = [torch.tensor(value, dtype=torch.float64) for value in p]
    model = numeric(device, backend)
    states = 1 + len(device.states)
    values = [model.current(v, x, p), *model.rates(v, x, p)]
    jacobian = model.jacobian(v, x, p)
    assert worst_error(values, device, slice(0, states)) <= TOLERANCE
    assert worst_error(jacobian, device, slice(states, None)) <= TOLERANCE


def test_torch_differentiates_the_generated_code_to_the_same_jacobian(device):
    v, x = random_points(device)
    inputs = [torch.tensor(row, requires_grad=True) for row in (v, *x)]
    p = [torch.tensor(value, dtype=torch.float64) for value in device.values.values()]
    model = numeric(device, "torch")
    outputs = [model.current(inputs[0], inputs[1:], p), *model.rates(inputs[0], inputs[1:], p)]
    gradients = [
        torch.autograd.grad(out.sum(), inputs, allow_unused=True, retain_graph=True) for out in outputs
    ]
    flat = [torch.zeros(POINTS) if g is None else g for row in gradients for g in row]
    assert worst_error(flat, device, slice(len(outputs), None)) <= TOLERANCE


def test_the_measure_of_error_is_not_blind(device):
    """At most points nothing cancels, and the plain relative error is as small."""
    v, x = random_points(device)
    current = numeric(device).current(v, x, list(device.values.values()))
    exact = exact_table(device)[0][0].astype(float)
    assert np.median(np.abs(current / exact - 1)) <= 1e-15 * 4  # a handful of roundings


@pytest.fixture
def device(model):
    """Cards differ from their model in numbers alone, so the forms of the models are those of the cards."""
    return model


@pytest.mark.parametrize("function", [logistic, softplus, expm1, power, ramp])
def test_derivatives_of_elementary_functions(function):
    """`fdiff` against the derivative of the same function in plain exponentials and powers."""
    slots = sp.symbols("a b", positive=True)[: 2 if function is power else 1]
    expr = function(*slots)
    for slot in slots:
        difference = expr.diff(slot) - expr.rewrite(sp.exp).diff(slot)
        for point in (0.3, 1.7, 4.0):
            at = difference.rewrite(sp.exp).subs(dict.fromkeys(slots, sp.Float(point, 30)))
            assert abs(at) < 1e-27  # 30 digits, less a few lost in cancelling


def test_clip_bounds_its_argument_and_its_slope():
    z = sp.Symbol("z", real=True)
    for backend in ("numpy", "torch"):
        value, slope = (generate([[z]], [expr], backend) for expr in (clip(z, 2), clip(z, 2).diff(z)))
        points = np.array([-9.0, -1.5, 0.0, 1.5, 9.0])
        points = torch.as_tensor(points) if backend == "torch" else points
        assert value([points])[0].tolist() == [-2.0, -1.5, 0.0, 1.5, 2.0]
        assert slope([points])[0].tolist() == [0.0, 1.0, 1.0, 1.0, 0.0]
