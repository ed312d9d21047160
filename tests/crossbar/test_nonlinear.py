"""Crossbars of cells that are not ohmic against the root of their node equations, ngspice, and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
import torch
from scipy.optimize import root

from memsim import spice
from memsim.crossbar import (
    InSeries,
    SinhCell,
    SinhSelector,
    StaticDevice,
    ThresholdCell,
    Wires,
    column_currents,
    crossbar_deck,
    operating_point,
)
from memsim.devices import MetastableSwitch, Parameter, Vteam, Yakopcic, numeric
from memsim.errors import ConvergenceError, InputError

SELECTOR = InSeries(SinhSelector(i_0=1e-8, v_0=0.04))
BY_CONDUCTANCE = [SinhCell(v_0=0.08), ThresholdCell(v_threshold=0.15, k=0.02), SELECTOR]
BY_STATE = [Yakopcic(b=3.0, a_1=2e-4, a_2=1e-4), Vteam(r_on=1e4, r_off=1e6), MetastableSwitch()]
CELLS = [*BY_CONDUCTANCE, *BY_STATE]


def name(cell):
    return repr(cell).partition("(")[0]


def values(cell, *shape, seed=1):
    """Conductances up to 100 uS, or states."""
    draw = torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return draw if cell in BY_STATE else 1e-4 * 100**-draw


def voltages(*shape, seed=2):
    """To both sides, so that laws that are not odd show it."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) - 0.3


def law(cell, v, value):
    """Current of a cell at its own terminals, with a selector by bisection."""
    if isinstance(cell, InSeries):
        i_0, v_0 = cell.selector.values.values()
        low, high = np.minimum(v, 0), np.maximum(v, 0)
        for _ in range(200):
            u = (low + high) / 2
            above = u + i_0 * np.sinh(u / v_0) / value > v
            low, high = np.where(above, low, u), np.where(above, u, high)
        return i_0 * np.sinh(u / v_0)
    model, given = numeric(cell), dict(cell.values)
    if cell.states:
        return model.current(v, [value], list(given.values()))
    return model.current(v, [], list((given | {"g": value}).values()))


def by_root(cell, value, voltage, ohm, *, held, floating):
    """Column currents from Kirchhoff's current law at all nodes of an array of equal segments."""
    m, n = value.shape

    def balance(nodes):
        word, bit = nodes.reshape(2, m, n)
        ends = np.where(np.isin(np.arange(n), floating), bit[-1], held)
        along_word = (np.column_stack([voltage, word[:, :-1]]) - word) / ohm
        along_bit = (bit - np.vstack([bit[1:], ends])) / ohm
        through = law(cell, word - bit, value)
        at_word = along_word - np.column_stack([along_word[:, 1:], np.zeros(m)]) - through
        at_bit = np.vstack([np.zeros(n), along_bit[:-1]]) + through - along_bit
        return np.concatenate([at_word.ravel(), at_bit.ravel()]) * ohm, along_bit[-1]

    start = np.concatenate([np.repeat(voltage, n), np.full(m * n, held)])
    found = root(lambda nodes: balance(nodes)[0], start, tol=1e-14)
    # the method says it is stuck once it cannot better the last digit
    assert np.abs(balance(found.x)[0]).max() < 1e-12
    return balance(found.x)[1]


@pytest.mark.parametrize("cell", CELLS, ids=name)
@pytest.mark.parametrize("floating", [(), (1,)])
def test_currents_are_those_of_the_node_equations(cell, floating, device):
    value, voltage = values(cell, 3, 4), voltages(3)
    expected = by_root(cell, value.numpy(), voltage.numpy(), 50.0, held=0.05, floating=floating)
    sense = torch.tensor(
        [torch.inf if column in floating else 0.0 for column in range(4)], dtype=torch.float64
    )
    point = operating_point(
        value.to(device), voltage.to(device), Wires(50.0, 50.0, sense=sense.to(device)),
        bit_line_voltage=0.05, cell=cell,
    )  # fmt: skip
    found = point.column_current.cpu()
    # the root is good to 1e-12 V on segments of 50 ohm
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-13)
    through = law(cell, point.cell_voltage.cpu().numpy(), value.numpy())
    np.testing.assert_allclose(point.cell_current.cpu(), through, rtol=1e-8, atol=1e-17)


@pytest.mark.parametrize("cell", CELLS, ids=name)
def test_without_wires_each_column_adds_the_currents_of_its_cells(cell):
    value, voltage = values(cell, 20, 30), voltages(5, 20)
    found = column_currents(value, voltage, Wires(), cell=cell)
    expected = law(cell, voltage.numpy()[..., None], value.numpy()).sum(-2)
    # 1e-12 of the voltage, which an exponential law of 0.04 V makes 1e-11 of a current
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10 * np.abs(expected).max())


@pytest.mark.parametrize("method", ["iterative", "lines", "direct"])
def test_a_device_that_is_ohmic_gives_the_currents_of_its_conductances(method):
    cell = Vteam(r_on=1e4, r_off=1e6)
    x, voltage = values(cell, 30, 20), voltages(4, 30)
    wires = Wires(10.0, 5.0, driver=20.0, driven_from_both_sides=True)
    found = column_currents(x, voltage, wires, cell=cell, method=method)
    expected = column_currents(1 / (1e4 + (1e6 - 1e4) * x), voltage, wires)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10 * float(expected.abs().max()))


@pytest.mark.spice
@pytest.mark.parametrize("cell", CELLS, ids=name)
@pytest.mark.parametrize("ohm", [0.0, 1.0, 100.0])
def test_currents_are_those_of_ngspice(cell, ohm):
    value, voltage = values(cell, 8, 6), voltages(8)
    wires = Wires(ohm, ohm, driver=10.0, sense=20.0)
    waves = spice.simulate(crossbar_deck(value, voltage, wires, cell=cell))
    expected = np.array([float(waves[f"i(vsense{column})"]) for column in range(6)])
    found = column_currents(value, voltage, wires, cell=cell)
    # promised: 1e-8; of the largest current, of which the small ones are differences
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-8 * np.abs(expected).max())


@pytest.mark.parametrize("cell", CELLS, ids=name)
def test_gradients_are_those_of_finite_differences(cell, device):
    """In units of 10 uS, so that finite differences see everything."""
    unit = 1e-5

    def scaled(*shape, low, high, seed):
        draw = torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        return (low + (high - low) * draw).to(device).requires_grad_()

    given = [
        scaled(3, 2, low=0.3, high=0.9, seed=1),
        scaled(3, low=-0.5, high=0.5, seed=2),
        scaled(3, 3, low=0.01, high=0.1, seed=3),
        scaled(3, 2, low=0.01, high=0.1, seed=4),
        scaled(3, low=0.01, high=0.1, seed=5),
    ]
    sense = torch.tensor([0.01 / unit, torch.inf], dtype=torch.float64, device=device)

    def outputs(value, voltage, word, bit, driver):
        wires = Wires(word / unit, bit / unit, driver / unit, sense, driven_from_both_sides=True)
        value = value if cell in BY_STATE else value * unit
        point = operating_point(value, voltage, wires, cell=cell, tolerance=1e-14)
        return point.column_current / unit, point.cell_voltage, point.bit_line_voltage

    assert torch.autograd.gradcheck(outputs, given)


def test_an_open_cell_carries_nothing_and_a_short_what_its_wires_let_through():
    conductance = values(SELECTOR, 4, 3)
    conductance[1, 2], conductance[2, 0] = 0.0, 1e3
    for cell in BY_CONDUCTANCE:
        point = operating_point(conductance, voltages(4), Wires(5.0, 5.0), cell=cell)
        assert float(point.cell_current[1, 2]) == 0
        through = law(cell, point.cell_voltage.numpy()[2, 0], 1e3)
        # a short turns 1e-16 V into 1e-13 A
        assert float(point.cell_current[2, 0]) == pytest.approx(float(through), rel=1e-6, abs=1e-12)


def test_strong_selectors_in_a_large_array_converge():
    cell = InSeries(SinhSelector(i_0=1e-12, v_0=0.025))
    conductance, voltage = values(cell, 64, 64), 2.0 * voltages(3, 64)
    point = operating_point(conductance, voltage, Wires(10.0, 10.0), cell=cell)
    u = point.cell_voltage - point.cell_current / conductance
    # what a voltage right to 1e-12 makes of a current with 0.025 V to a factor e
    torch.testing.assert_close(point.cell_current, 1e-12 * torch.sinh(u / 0.025), rtol=1e-8, atol=1e-20)


@pytest.mark.parametrize("cell", CELLS, ids=name)
def test_single_precision_is_good_to_single_precision(cell):
    value, voltage = values(cell, 16, 16), voltages(16)
    exact = column_currents(value, voltage, Wires(5.0, 5.0), cell=cell)
    found = column_currents(value.float(), voltage.float(), Wires(5.0, 5.0), cell=cell)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-4 * float(exact.abs().max()))


class Falling(StaticDevice):
    """A current that falls beyond 0.3 V."""

    model = "falling"
    reference = "this test"
    parameters = {"g": Parameter(1e-5, "S", "slope at 0 V", low=0.0)}

    def current(self, v, x, p):
        return p.g * v * sp.exp(-((v / 0.3) ** 2) / 2)


def test_a_law_whose_current_falls_is_refused_and_its_cell_named():
    conductance = torch.full((2, 3), 1e-5, dtype=torch.float64)
    voltage = torch.tensor([0.1, 0.6], dtype=torch.float64)
    with pytest.raises(ConvergenceError, match=r"current of cell \[1, 0\] does not grow with its voltage"):
        column_currents(conductance, voltage, Wires(1.0, 1.0), cell=Falling())


def test_what_does_not_converge_names_its_cell():
    conductance = values(SELECTOR, 16, 16).float()
    with pytest.raises(
        ConvergenceError, match=r"(?s)did not converge: .* V are left at cell \[\d+, \d+\].*float64"
    ):
        column_currents(conductance, voltages(16).float(), Wires(10.0, 10.0), cell=SELECTOR, tolerance=1e-12)


def test_values_that_do_not_fit_a_law_are_refused():
    voltage = voltages(3)
    state = torch.full((3, 2), 0.5, dtype=torch.float64)
    state[1, 1] = 1.5
    with pytest.raises(InputError, match=r"x\[1, 1\] of vteam = 1.5"):
        column_currents(state, voltage, Wires(), cell=Vteam())
    with pytest.raises(InputError, match=r"conductance\[0, 0\] = -0.5 S"):
        column_currents(-state, voltage, Wires(), cell=SinhCell())
    with pytest.raises(InputError, match="cannot stand in series"):
        InSeries(SinhCell())
    with pytest.raises(InputError, match="one state, or none and a parameter g"):
        column_currents(state, voltage, Wires(), cell=SinhSelector())
    conductance = torch.zeros(3, 2, dtype=torch.float64, requires_grad=True)
    with pytest.raises(InputError, match="has no derivative"):
        column_currents(conductance, voltage, Wires(), cell=SELECTOR)
