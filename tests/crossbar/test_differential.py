"""Differential pairs of bounded conductances with ideal wires."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from memsim.crossbar import DifferentialCrossbar, conductance_range
from memsim.devices import Yakopcic, load_device
from memsim.errors import InputError

G_MIN, G_MAX = 4e-6, 25e-6


def crossbar(rows: int = 5, columns: int = 3, ratio: float = 0.1) -> DifferentialCrossbar:
    made = DifferentialCrossbar(
        rows,
        columns,
        g_min=G_MIN,
        g_max=G_MAX,
        mirror_ratio=ratio,
        generator=torch.Generator().manual_seed(1),
    )
    return made.double()


def test_current_is_that_of_the_conductances():
    """Ohm and Kirchhoff on the two bit lines of each pair, times the mirror ratio."""
    array = crossbar()
    voltage = torch.randn(7, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    plus, minus = array.conductances()
    expected = 0.1 * (voltage @ plus - voltage @ minus)
    # the difference of conductances cancels up to their common part: a few roundings of 25 uS
    assert torch.allclose(array(voltage), expected, rtol=1e-12, atol=1e-20)


@given(st.lists(st.floats(-3, 3), min_size=15, max_size=15))
def test_conductances_stay_in_range(weights):
    array = crossbar()
    with torch.no_grad():
        array.weight.copy_(torch.tensor(weights).reshape(5, 3))
    array.keep_in_range()
    for matrix in array.conductances():
        # the sum g_min + (g_max - g_min) may round past g_max by one unit in the last place
        assert matrix.min() >= G_MIN
        assert matrix.max() <= G_MAX * (1 + 1e-15)


def test_unused_half_rests_at_the_lowest_conductance():
    plus, minus = crossbar().conductances()
    assert torch.all(torch.minimum(plus, minus) == G_MIN)


def test_gradient_is_the_product_rule():
    """d i_j / d w_ij = ratio (g_max - g_min) v_i, also where the weight is zero or negative."""
    array, voltage = crossbar(), torch.tensor([0.1, -0.2, 0.0, 0.3, 0.05], dtype=torch.float64)
    array(voltage)[1].backward()
    expected = torch.zeros(5, 3, dtype=torch.float64)
    expected[:, 1] = 0.1 * (G_MAX - G_MIN) * voltage
    assert torch.allclose(array.weight.grad, expected, rtol=1e-14, atol=0)


def test_initial_weights_follow_the_generator():
    assert torch.equal(crossbar().weight, crossbar().weight)
    assert crossbar(100, 100).weight.abs().max() <= 0.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rows": 0}, "at least 1"),
        ({"g_min": 0.0}, "allowed: 0 < g_min < g_max"),
        ({"g_max": 1e-6}, "g_max = 1e-06 S are out of range"),
        ({"g_max": float("inf")}, "out of range"),
        ({"g_min": float("nan")}, "out of range"),
    ],
)
def test_sizes_and_conductances_out_of_range(arguments, message):
    with pytest.raises(InputError, match=message):
        DifferentialCrossbar(**{"rows": 2, "columns": 2, "g_min": G_MIN, "g_max": G_MAX, **arguments})


def test_range_of_a_device():
    device = load_device("pd-wo3-w")
    assert conductance_range(device) == pytest.approx((4e-6, 25e-6), rel=1e-15)
    assert conductance_range(device, 5e-6) == pytest.approx((5e-6, 25e-6), rel=1e-15)


@pytest.mark.parametrize(("low", "high"), [(1e-6, None), (None, 30e-6), (20e-6, 10e-6), (float("nan"), None)])
def test_conductance_beyond_the_device(low, high):
    with pytest.raises(InputError, match=r"S is (out of range|not below)"):
        conductance_range(load_device("pd-wo3-w"), low, high)


def test_device_without_two_resistances():
    with pytest.raises(InputError, match="yakopcic has no r_on and r_off"):
        conductance_range(Yakopcic())
