"""A synapse layer of cells that are not ohmic: closed forms with ideal wires, ngspice with wires, gradients, noise."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch

from memsim import spice
from memsim.crossbar import (
    Crossbar,
    Hardware,
    InSeries,
    ReadNoise,
    SinhCell,
    SinhSelector,
    Wires,
    crossbar_deck,
)
from memsim.devices import load_device
from memsim.errors import InputError

RANGE = {"g_min": 4e-6, "g_max": 25e-6, "mirror_ratio": 0.3}
V_0 = 0.25
SINH = SinhCell(v_0=V_0)
WIRES = Wires(200.0, 300.0, driver=1e3, sense=500.0)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def rand(*shape, seed=1):
    return 0.5 * torch.randn(shape, generator=generator(seed), dtype=torch.float64)


def crossbar(rows=5, columns=3, **hardware):
    weight = (2 * rand(rows, columns, seed=7)).clamp(-1, 1)
    made = Hardware(**{"cell": SINH, **hardware})
    return Crossbar.from_weights(weight, generator=generator(), hardware=made, **RANGE)


def sinh(voltage):
    return V_0 * np.sinh(voltage / V_0)


@pytest.mark.parametrize("tile", [None, (2, 2)])
def test_currents_are_those_of_the_law(tile):
    """Each cell by itself, with bit lines at membrane voltages; in tiles the same."""
    made = crossbar() if tile is None else crossbar(tile=tile, wires=Wires())
    voltage, held = rand(4, 5, seed=2).numpy(), rand(4, 3, seed=3).numpy()
    difference = np.subtract(*(g.detach().numpy() for g in made.conductances()))
    across = voltage[:, :, None] - held[:, None, :]
    expected = 0.3 * np.einsum("bij,ij->bj", sinh(across), difference)
    # Newton ends at 1e-12 of the voltages, and pairs cancel
    np.testing.assert_allclose(made(voltage, held), expected, rtol=1e-9, atol=1e-15)
    # driven from the neurons, the two lines of a pair have opposite voltages
    plus, minus = (g.detach().numpy() for g in made.conductances())
    rows = sinh(held) @ plus.T + sinh(-held) @ minus.T
    np.testing.assert_allclose(made.transposed(held), rows, rtol=1e-9, atol=1e-15)


def test_at_small_voltages_cells_are_ohmic():
    """sinh(x) / x - 1 = x^2 / 6: at a thousandth of the scale 2e-7."""
    voltage = 1e-3 * rand(4, 5, seed=2).numpy()
    for wires in (None, WIRES):
        law, ohmic = (crossbar(cell=cell, wires=wires)(voltage) for cell in (SinhCell(v_0=1.0), None))
        np.testing.assert_allclose(law, ohmic, rtol=1e-5, atol=1e-7 * np.abs(ohmic).max())


@pytest.mark.spice
def test_with_wires_and_membranes_they_are_those_of_ngspice():
    made = crossbar(wires=WIRES)
    cells = torch.stack(made.conductances(), -1).flatten(-2).detach()
    voltage, held = rand(5, seed=2), rand(3, seed=3)
    deck = crossbar_deck(cells, voltage, WIRES, bit_line_voltage=held.repeat_interleave(2), cell=SINH)
    waves = spice.simulate(deck)
    lines = np.array([float(waves[f"i(vsense{j})"]) for j in range(6)])
    # ngspice ends its Newton iteration at 1e-3 of a step by default and the decks ask for better: 1e-6 of the lines
    np.testing.assert_allclose(
        made(voltage.numpy(), held.numpy()),
        0.3 * (lines[::2] - lines[1::2]),
        rtol=0,
        atol=1e-6 * np.abs(lines).max(),
    )


@pytest.mark.parametrize("wires", [None, WIRES], ids=["ideal", "wires"])
@pytest.mark.parametrize("cell", [SINH, InSeries(SinhSelector(i_0=1e-7, v_0=0.05))], ids=["sinh", "selector"])
def test_gradients_are_those_of_finite_differences(cell, wires):
    made, voltage, held = crossbar(cell=cell, wires=wires), rand(2, 5, seed=2), rand(2, 3, seed=3)

    def currents(weight, voltage, held):
        return 1e6 * torch.func.functional_call(copy.deepcopy(made), {"weight": weight}, (voltage, held))

    # away from 0, where pairs have corners
    weight = (
        0.1 + 0.8 * torch.rand(5, 3, generator=generator(9), dtype=torch.float64)
    ) * made.weight.sign().detach()
    inputs = tuple(tensor.requires_grad_() for tensor in (weight, voltage, held))
    assert torch.autograd.gradcheck(currents, inputs, fast_mode=True)


def test_read_noise_is_that_of_the_currents_of_cells():
    """Each current is proportional to its g: var i_j = ratio^2 s^2 sum of squared cell currents, in 5 sigma."""
    draws, made = 4_000, crossbar(read_noise=ReadNoise(0.02))
    voltage, held = rand(5, seed=2), rand(3, seed=3)
    plus, minus = (g.detach() for g in made.conductances())
    across = torch.from_numpy(sinh((voltage[:, None] - held).numpy()))
    expected = 0.3 * 0.02 * (across.square() * (plus.square() + minus.square())).sum(0).sqrt()
    with torch.no_grad():
        found = made(voltage.expand(draws, 5), held).std(dim=0)
        assert made.transposed(held.expand(7, 3)).unique(dim=0).shape == (7, 5)
    torch.testing.assert_close(found, expected, rtol=5 / math.sqrt(2 * draws), atol=0)


def test_there_is_no_matrix_of_a_nonlinear_crossbar():
    with pytest.raises(InputError, match="are not ohmic and have no matrix"):
        crossbar().matrix()
    with pytest.raises(InputError, match="are not ohmic and have no matrix"):
        crossbar(wires=WIRES).bit_line_matrix()


def test_a_device_with_a_state_holds_no_weight():
    with pytest.raises(InputError, match="has no conductance g to hold a weight"):
        Hardware(cell=load_device("pd-wo3-w"))
