"""Blocks merged two by two are the array: elimination word line by word line, and Kirchhoff, give the same matrix."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from memsim.crossbar import Wires, effective_conductance, merging
from memsim.crossbar.effective import effective
from memsim.crossbar.merging import can_merge, merged
from memsim.crossbar.system import system


def array(*shape, seed=0):
    """1 to 100 uS."""
    source = torch.Generator().manual_seed(seed)
    return 1e-6 * 10 ** (2 * torch.rand(shape, generator=source, dtype=torch.float64))


def draw_pattern(name, cells):
    source = torch.Generator().manual_seed(1)
    chance = torch.rand(cells.shape, generator=source)
    return {
        "as they are": cells,
        "half of them open": cells * (chance < 0.5),
        "some shorted": torch.where(chance < 0.05, 1e3, cells),
        "one row alone": cells * (torch.arange(cells.shape[-2])[:, None] == 1),
        "1e9 between on and off": torch.where(chance < 0.5, 1e-4, 1e-13 * torch.ones_like(cells)),
    }[name]


@settings(deadline=None, max_examples=60)
@given(
    rows=st.integers(2, 20),
    columns=st.integers(1, 20),
    ohm=st.tuples(*[st.sampled_from([0.0, 1e-6, 1e-3, 1.0, 1e3])] * 4),
    pattern=st.sampled_from(
        ["as they are", "half of them open", "some shorted", "one row alone", "1e9 between on and off"]
    ),
)
def test_merging_is_elimination(rows, columns, ohm, pattern):
    conductance = draw_pattern(pattern, array(2, rows, columns))
    word, bit, driver, sense = ohm
    crossbar = system(conductance, Wires(word, bit, driver=driver, sense=sense))
    assert can_merge(crossbar)
    expected = effective(crossbar)
    # elimination itself loses a digit or two to shorts, of whatever flows in the array at most
    torch.testing.assert_close(
        merged(crossbar), expected, rtol=1e-11, atol=1e-12 * float(expected.abs().max())
    )


def test_a_matrix_is_what_resistors_do_one_by_one(by_resistors):
    rows, columns = 9, 13
    conductance = array(rows, columns, seed=3)
    lines = {
        "word": 50 * torch.rand(rows, columns, dtype=torch.float64),
        "bit": 50 * torch.rand(rows, columns, dtype=torch.float64),
        "driver": 90 * torch.rand(rows, dtype=torch.float64),
        "sense": 90 * torch.rand(columns, dtype=torch.float64),
    }
    wires = Wires(*(lines[name] for name in ("word", "bit", "driver", "sense")))
    matrix = effective_conductance(conductance, wires)
    for row in (0, 5, 8):
        voltage = [float(number == row) for number in range(rows)]
        plain = {name: value.numpy() for name, value in lines.items()}
        cells, *_ = by_resistors(conductance.numpy(), voltage, plain)
        torch.testing.assert_close(matrix[row], torch.as_tensor(cells.sum(0)), rtol=1e-10, atol=0)


@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (6, 11), (2, 9, 5)])
def test_merged_matrices_have_gradients(shape):
    wires = Wires(300.0, 200.0, driver=100.0, sense=50.0)
    conductance = array(*shape, seed=4).requires_grad_()
    # in units of 10 uS, so that differences are not lost in the small numbers
    scaled = (conductance.detach() * 1e5).requires_grad_()
    assert torch.autograd.gradcheck(lambda g: 1e5 * merged(system(g / 1e5, wires)), scaled)


def test_gradients_are_those_of_elimination():
    conductance, wires = array(3, 65, 33, seed=5).requires_grad_(), Wires(1.0, 2.0)
    weight = torch.rand(3, 65, 33, dtype=torch.float64)
    found, expected = (
        torch.autograd.grad((way(system(conductance, wires)) * weight).sum(), conductance)[0]
        for way in (merged, effective)
    )
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-13 * float(expected.abs().max()))


def test_arrays_in_groups_are_those_one_by_one(monkeypatch):
    conductance = array(5, 12, 17, seed=6)
    word = torch.rand(5, 12, 17, dtype=torch.float64)
    together = [merged(system(conductance, Wires(ohm, 1.0))) for ohm in (0.5, word)]
    monkeypatch.setattr(merging, "_GROUP_ON_CPU", 2 * 8 * 16 * 12 * 17)
    for whole, ohm in zip(together, (0.5, word), strict=True):
        torch.testing.assert_close(merged(system(conductance, Wires(ohm, 1.0))), whole, rtol=1e-13, atol=0)


def test_single_precision_keeps_six_digits():
    conductance, wires = array(64, 65, seed=7), Wires(0.3, 0.3)
    exact = merged(system(conductance, wires))
    found = merged(system(conductance.float(), wires))
    # some ten roundings of 6e-8 on the way
    torch.testing.assert_close(found.double(), exact, rtol=5e-6, atol=0)


def test_what_cannot_be_merged_is_eliminated():
    conductance = array(5, 4)
    sense = torch.tensor([1.0, torch.inf, 1.0, 1.0], dtype=torch.float64)
    for wires in (
        Wires(1.0, 1.0, sense=sense),
        Wires(1.0, 1.0, driven_from_both_sides=True),
        Wires(torch.ones(5, 4, dtype=torch.float64).requires_grad_(), 1.0),
    ):
        crossbar = system(conductance, wires)
        assert not can_merge(crossbar)
        torch.testing.assert_close(effective_conductance(conductance, wires), effective(crossbar))
