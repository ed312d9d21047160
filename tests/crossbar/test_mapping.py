"""Weights as conductances and back: closed forms, ranges, levels, digits."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from memsim.crossbar import DifferentialPairs, ReferenceColumn, conductance_range
from memsim.devices import load_device
from memsim.errors import InputError

G_MIN, G_MAX = 4e-6, 25e-6
SPAN = G_MAX - G_MIN
KINDS = [DifferentialPairs, ReferenceColumn]
# A conductance is u times the span plus g_min: four roundings of numbers up to g_max, here and back.
ROUNDING = 4 * np.finfo(float).eps * G_MAX

weights = arrays(np.float64, (5, 3), elements=st.floats(-1, 1)).map(torch.from_numpy)
cells_of = st.sampled_from([(None, 1), (2, 1), (16, 1), (2, 8), (3, 3), (16, 2)])


def mapping(kind, levels=None, slices=1):
    return kind(g_min=G_MIN, g_max=G_MAX, levels=levels, slices=slices)


@pytest.mark.parametrize("kind", KINDS)
@given(weight=weights, cells=cells_of)
def test_what_cells_stand_for_is_the_weight_to_half_a_step(kind, weight, cells):
    """u has levels^slices values from 0 to 1, so its steps are 1 / (levels^slices - 1); w = 2 u - 1 for references."""
    made = mapping(kind, *cells)
    levels, slices = cells
    step = 0.0 if levels is None else (1 if kind is DifferentialPairs else 2) / (levels**slices - 1)
    found = made.weights(made.cells(weight))
    assert found.shape == weight.shape
    assert float((found - weight).abs().max()) <= step / 2 + 4 * ROUNDING / SPAN
    # what was rounded stays; where rounding errors decide between two levels it may move by one
    again = made.weights(made.cells(found))
    assert float((again - found).abs().max()) <= 4 * ROUNDING / SPAN


@pytest.mark.parametrize("kind", KINDS)
@given(weight=weights, cells=cells_of)
def test_conductances_are_in_range_and_at_levels(kind, weight, cells):
    made = mapping(kind, *cells)
    conductance = made.own(made.cells(weight))
    assert conductance.shape == (5, 3, made.lines)
    assert bool((conductance >= G_MIN).all())
    assert bool((conductance <= G_MAX + ROUNDING).all())
    if cells[0] is not None:
        place = (conductance - G_MIN) / SPAN * (cells[0] - 1)
        assert float((place - place.round()).abs().max()) <= 16 * 4 * ROUNDING / SPAN


@given(weights)
def test_the_difference_of_a_pair_is_its_weight(weight):
    plus, minus = mapping(DifferentialPairs).cells(weight).unflatten(-1, (3, 2)).unbind(-1)
    torch.testing.assert_close(plus - minus, SPAN * weight, rtol=0, atol=ROUNDING)
    # the half that is not used rests at g_min, exactly
    assert bool((torch.minimum(plus, minus) == G_MIN).all())


@given(weights)
def test_references_are_half_way_up_the_range(weight):
    cells = mapping(ReferenceColumn, levels=2).cells(weight)
    torch.testing.assert_close(
        cells[:, -1], torch.full((5,), (G_MIN + G_MAX) / 2, dtype=torch.float64), rtol=0, atol=ROUNDING
    )
    # beside two levels the cells are at either end
    assert set(cells[:, :-1].flatten().tolist()) <= {G_MIN, G_MIN + SPAN}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("levels", "slices"), [(None, 1), (4, 1), (4, 3)])
def test_a_neuron_s_current_is_that_of_its_lines(kind, levels, slices):
    """The shift-and-add of bit line currents is the product with the weights that the cells stand for."""
    made = mapping(kind, levels, slices)
    source = torch.Generator().manual_seed(1)
    weight = 2 * torch.rand(5, 3, generator=source, dtype=torch.float64) - 1
    voltage = torch.randn(7, 5, generator=source, dtype=torch.float64)
    cells = made.cells(weight)
    expected = made.gain * (voltage @ made.weights(cells))
    # five products of up to 3 V and g_max on each of some lines, which cancel
    torch.testing.assert_close(made.combine(voltage @ cells), expected, rtol=0, atol=1e3 * ROUNDING)


@pytest.mark.parametrize("kind", KINDS)
def test_driving_is_the_transpose_of_reading(kind):
    made = mapping(kind, 4, 2)
    source = torch.Generator().manual_seed(2)
    lines = torch.randn(6, 3 * made.lines + made.references, generator=source, dtype=torch.float64)
    neurons = torch.randn(6, 3, generator=source, dtype=torch.float64)
    left, right = (made.combine(lines) * neurons).sum(), (lines * made.spread(neurons)).sum()
    assert float(left) == pytest.approx(float(right), rel=1e-13, abs=0)  # some roundings of sums of 60 terms


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [-1.0, -0.3, 0.0, 0.2, 1.0])
def test_gradients_pass_straight_through_rounding(kind, value):
    weight = torch.full((2, 2), value, dtype=torch.float64, requires_grad=True)
    made = mapping(kind, 3, 2)
    made.weights(made.cells(weight)).sum().backward()
    torch.testing.assert_close(weight.grad, torch.ones_like(weight), rtol=1e-12, atol=0)


@pytest.mark.parametrize("levels", [2, 5, 4096])
def test_the_finest_digits_of_float32_are_exact(levels):
    """levels^slices up to 2^24 steps: every weight that is a step comes back as the same step."""
    slices = int(math.log(2**24, levels) + 1e-9)
    made = mapping(DifferentialPairs, levels, slices)
    steps = levels**slices - 1
    chosen = torch.tensor([[0, 1, levels - 1, levels, steps // 2, steps - 1, steps]])
    u = chosen.float() / steps
    digits = made.own((made.cells(u) - G_MIN) / SPAN)[..., :slices].double() * (levels - 1)
    powers = torch.tensor([levels**k for k in range(slices)], dtype=torch.float64)
    assert torch.equal((digits.round() * powers).sum(-1), chosen.double())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"g_min": 0.0}, "allowed: 0 < g_min < g_max"),
        ({"g_max": 1e-6}, "g_max = 1e-06 S are out of range"),
        ({"g_max": float("inf")}, "out of range"),
        ({"g_min": float("nan")}, "out of range"),
        ({"levels": 1}, "levels = 1 cannot hold a weight"),
        ({"levels": 2.5}, "levels = 2.5"),
        ({"levels": 4, "slices": 0}, "slices = 0"),
        ({"slices": 2}, "slices = 2 of cells without levels"),
        ({"levels": 16, "slices": 7}, "7 slices of 16 levels are finer than float32"),
    ],
)
def test_mappings_that_cannot_be(kind, changes, message):
    with pytest.raises(InputError, match=message):
        kind(**{"g_min": G_MIN, "g_max": G_MAX, **changes})


def test_the_range_of_a_device_is_that_of_its_resistances():
    device = load_device("pd-wo3-w")
    assert conductance_range(device) == pytest.approx((4e-6, 25e-6), rel=1e-15, abs=0)
    assert conductance_range(device, 5e-6, 20e-6) == (5e-6, 20e-6)


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_a_bound_is_accepted_only_within_the_device_s_range(value):
    device = load_device("pd-wo3-w")
    lowest, highest = conductance_range(device)
    # a bound in decimal may miss the reciprocal of a resistance by rounding: 1e-9 is allowed for it
    if lowest * (1 - 1e-9) <= value < highest:
        assert conductance_range(device, value) == (value, highest)
    else:
        with pytest.raises(InputError, match="conductance_min"):
            conductance_range(device, value)


def test_crossed_bounds_and_devices_without_a_range_are_refused():
    with pytest.raises(InputError, match="conductance_min = 2e-05 S is not below conductance_max = 1e-05 S"):
        conductance_range(load_device("pd-wo3-w"), 20e-6, 10e-6)
    with pytest.raises(InputError, match="conductance_max = 3e-05 S is out of range"):
        conductance_range(load_device("pd-wo3-w"), None, 30e-6)
    with pytest.raises(InputError, match="yakopcic has no r_on and r_off"):
        conductance_range(load_device("yakopcic-oblea"))
