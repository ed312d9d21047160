"""Everything derived from a model's expressions equals those expressions.

Truth is the symbolic form evaluated by mpmath at 30 digits. An error is relative to the size of the terms
that a value is summed from: where 1 - logistic(z) cancels to 1e-13, float64 cannot do better than 1e-16.
`magnitude` writes that size as an expression: |a| + |b| for a + b, |f(z)| + |df/dz| size(z) for f(z).
"""

from __future__ import annotations

from functools import cache

import mpmath
import numpy as np
import pytest
import sympy as sp
import torch

from memsim.devices import Device, numeric
from memsim.devices.functions import expm1, logistic, power, softplus

POINTS = 1000
VOLTAGE_LIMIT = 2.0
# 4500 roundings of float64; the longest expression takes about 60 operations, amplified at most by the
# argument of an exponential.
TOLERANCE = 1e-12
# Below this float64 loses digits to underflow: logistic(-700) is 1e-304.
UNDERFLOW = mpmath.mpf("1e-290")
EXACT = {
    "logistic": lambda z: 1 / (1 + mpmath.exp(-z)),
    "softplus": lambda z: mpmath.log1p(mpmath.exp(z)),
    "power": lambda base, exponent: base**exponent,
    "expm1": mpmath.expm1,
}


def random_points(device: Device) -> tuple[np.ndarray, np.ndarray]:
    """Voltages [POINTS] and states [number of states, POINTS]."""
    random = np.random.default_rng(7)
    return random.uniform(-VOLTAGE_LIMIT, VOLTAGE_LIMIT, POINTS), random.uniform(
        0, 1, (len(device.states), POINTS)
    )


def magnitude(expr: sp.Expr) -> sp.Expr:
    """Size of the terms that `expr` is summed from."""
    if not expr.args:
        return sp.Abs(expr)
    if isinstance(expr, sp.Piecewise):
        return sp.Piecewise(*((magnitude(value), condition) for value, condition in expr.args))
    if expr.is_Add:
        return sp.Add(*map(magnitude, expr.args))
    if expr.is_Mul:
        return sp.Mul(*map(magnitude, expr.args))
    slots = [sp.Dummy(real=True) for _ in expr.args]
    values = dict(zip(slots, expr.args, strict=True))
    own = expr.func(*slots)
    rounded = {slot: z for slot, z in values.items() if z.args}
    return sp.Abs(expr) + sp.Add(
        *(sp.Abs(own.diff(s).subs(values)) * magnitude(z) for s, z in rounded.items())
    )


@cache
def exact_functions(model: type[Device]):
    """Current, rates and Jacobian entries, and their magnitudes, as functions of mpmath numbers."""
    form = model().expressions
    outputs = [form.current, *form.rates, *form.jacobian]
    arguments = [form.voltage, *form.states, *form.parameters]
    return sp.lambdify(arguments, [*outputs, *map(magnitude, outputs)], [EXACT, "mpmath"], cse=True)


@cache
def exact_table(device: Device) -> tuple[np.ndarray, np.ndarray]:
    """Exact values and magnitudes [outputs, POINTS] as mpmath numbers."""
    v, x = random_points(device)
    function = exact_functions(type(device))
    parameters = [mpmath.mpf(value) for value in device.values.values()]
    with mpmath.workdps(30):
        rows = [
            function(*map(mpmath.mpf, (float(v[k]), *map(float, x[:, k]))), *parameters)
            for k in range(POINTS)
        ]
    table = np.array(rows, dtype=object).T
    return table[: len(table) // 2], table[len(table) // 2 :]


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


@pytest.mark.parametrize("function", [logistic, softplus, expm1, power])
def test_derivatives_of_elementary_functions(function):
    """`fdiff` against the derivative of the same function in plain exponentials and powers."""
    slots = sp.symbols("a b", positive=True)[: 2 if function is power else 1]
    expr = function(*slots)
    for slot in slots:
        difference = expr.diff(slot) - expr.rewrite(sp.exp).diff(slot)
        for point in (0.3, 1.7, 4.0):
            at = difference.rewrite(sp.exp).subs(dict.fromkeys(slots, sp.Float(point, 30)))
            assert abs(at) < 1e-27  # 30 digits, less a few lost in cancelling
