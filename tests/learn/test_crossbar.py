"""A differential pair realises its weight: closed forms of `memsim.crossbar`."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from memsim.crossbar import DifferentialCrossbar, conductance_range
from memsim.devices import load_device
from memsim.errors import InputError

G_MIN, G_MAX = 4e-6, 25e-6
SPAN = G_MAX - G_MIN
# A conductance is the weight times the span plus g_min, four roundings of float64 on numbers of size g_max.
ROUNDING = 4 * np.finfo(float).eps * G_MAX

weights = arrays(np.float64, (5, 3), elements=st.floats(-1, 1))
voltages = arrays(np.float64, (4, 5), elements=st.floats(-0.2, 0.2))


def crossbar(weight: np.ndarray, **changes: float) -> DifferentialCrossbar:
    rows, columns = weight.shape
    made = DifferentialCrossbar(rows, columns, **{"g_min": G_MIN, "g_max": G_MAX, **changes}).double()
    made.weight.data = torch.tensor(weight)
    return made


@given(weights)
def test_the_difference_of_a_pair_is_its_weight(weight):
    plus, minus = (g.detach().numpy() for g in crossbar(weight).conductances())
    np.testing.assert_allclose(plus - minus, SPAN * weight, rtol=0, atol=ROUNDING)
    # the half that is not used rests at g_min, exactly
    assert np.all(np.minimum(plus, minus) == G_MIN)


@given(weights)
def test_conductances_stay_in_their_range(weight):
    for conductance in crossbar(weight).conductances():
        assert bool((conductance >= G_MIN).all())
        assert bool((conductance <= G_MAX + ROUNDING).all())


@given(weights, voltages)
def test_neuron_currents_are_those_of_the_bit_lines(weight, voltage):
    """Kirchhoff at the two bit lines: what the product of weights gives is what the conductances carry."""
    ratio = 0.3
    made = crossbar(weight, mirror_ratio=ratio)
    plus, minus = (g.detach().numpy() for g in made.conductances())
    expected = ratio * (voltage @ plus - voltage @ minus)
    current = made(torch.tensor(voltage)).detach().numpy()
    # five products summed on each bit line, of up to 0.2 V and g_max; the bit lines cancel
    np.testing.assert_allclose(current, expected, rtol=0, atol=10 * 0.2 * ROUNDING)


@given(arrays(np.float64, (5, 3), elements=st.floats(-1e6, 1e6)))
def test_any_update_ends_within_range(weight):
    made = crossbar(weight)
    made.keep_in_range()
    assert bool((made.weight.abs() <= 1).all())
    inside = np.abs(weight) <= 1
    np.testing.assert_array_equal(made.weight.detach().numpy()[inside], weight[inside])


@pytest.mark.parametrize(("rows", "columns"), [(0, 3), (3, 0), (-1, 3)])
def test_an_empty_crossbar_is_refused(rows, columns):
    with pytest.raises(InputError, match=f"{rows} word lines and {columns} neurons"):
        DifferentialCrossbar(rows, columns, g_min=G_MIN, g_max=G_MAX)


@pytest.mark.parametrize(
    ("low", "high"),
    [(0.0, 1e-6), (-1e-6, 1e-6), (2e-6, 1e-6), (1e-6, 1e-6), (float("nan"), 1e-6), (1e-6, float("inf"))],
)
def test_impossible_conductances_are_refused(low, high):
    with pytest.raises(InputError, match=r"g_min = .* S and g_max = .* S are out of range; allowed"):
        DifferentialCrossbar(2, 2, g_min=low, g_max=high)


def test_the_range_of_a_device_is_that_of_its_resistances():
    device = load_device("pd-wo3-w")
    expected = sorted((1 / device.values["r_off"], 1 / device.values["r_on"]))
    assert conductance_range(device) == tuple(expected)
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
    with pytest.raises(InputError, match="yakopcic has no r_on and r_off"):
        conductance_range(load_device("yakopcic-oblea"))
