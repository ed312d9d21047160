"""Crossbars with wires against analysis of their resistors, against ngspice, and against circuits solved by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from memsim import spice
from memsim.crossbar import Wires, column_currents, crossbar_deck, effective_conductance, operating_point
from memsim.crossbar.solver import prefers_lines
from memsim.crossbar.system import system

METHODS = ["iterative", "lines", "direct"]
OHMS = st.sampled_from([0.0, 0.1, 1.0, 10.0, 100.0])


def double(values):
    return torch.tensor(values, dtype=torch.float64)


def array(rows, columns, *, seed, on_off=100.0, open_cells=0.0, shorted=0.0):
    """Conductances up to 100 uS, spread evenly over the decades, and voltages up to 0.2 V."""
    draw = np.random.default_rng(seed)
    g = 1e-4 * on_off ** -draw.random((rows, columns))
    g[draw.random(g.shape) < open_cells] = 0.0
    g[draw.random(g.shape) < shorted] = 1e3
    return torch.from_numpy(g), torch.from_numpy(draw.random(rows) * 0.2)


@st.composite
def cases(draw):
    rows, columns = draw(st.tuples(*2 * [st.integers(1, 9)]))
    uneven = draw(st.booleans())
    both, floating = draw(st.booleans()), draw(st.booleans())
    generator = np.random.default_rng(draw(st.integers(0, 2**16)))

    def segments(*shape):
        return draw(OHMS) * (generator.random(shape) if uneven else np.ones(shape))

    sense = segments(columns)
    # every line conducts through one cell at least, so that no bit line floats on open cells only
    conductance, voltage = array(
        rows, columns, seed=draw(st.integers(0, 2**16)), on_off=draw(st.sampled_from([1.0, 1e2, 1e6])),
        open_cells=0.0 if floating else draw(st.sampled_from([0.0, 0.3])),
    )  # fmt: skip
    if floating:
        sense[draw(st.integers(0, columns - 1))] = np.inf
    lines = {"word": segments(rows, columns + both), "bit": segments(rows, columns), "driver": segments(rows)}
    return conductance, voltage, lines | {"sense": sense}, draw(st.sampled_from([0.0, 0.1]))


def wires_of(lines, device="cpu"):
    parts = [torch.from_numpy(lines[name]).to(device) for name in ("word", "bit", "driver", "sense")]
    return Wires(*parts, driven_from_both_sides=lines["word"].shape[1] > lines["bit"].shape[1])


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=150)
@given(case=cases())
def test_currents_and_voltages_are_those_of_the_resistors(case, method, device, by_resistors):
    conductance, voltage, lines, bit_voltage = case
    cell, word, bit = by_resistors(conductance.numpy(), voltage.numpy(), lines, bit_voltage)
    point = operating_point(
        conductance.to(device), voltage.to(device), wires_of(lines, device),
        bit_line_voltage=bit_voltage, method=method,
    )  # fmt: skip
    # promised: 1e-9. Cells are compared with the largest cell: what flows in small ones may be a small difference.
    # A current that should be 0, all its cells on one floating line, is rounding of the largest possible one.
    limit = 1e-9 * np.abs(cell).max() + 1e-15 * float(conductance.max() * voltage.max())
    np.testing.assert_allclose(point.cell_current.cpu(), cell, rtol=0, atol=limit)
    np.testing.assert_allclose(point.column_current.cpu(), cell.sum(0), rtol=1e-9, atol=limit)
    np.testing.assert_allclose(point.word_line_voltage.cpu(), word, rtol=0, atol=1e-9)
    np.testing.assert_allclose(point.bit_line_voltage.cpu(), bit, rtol=0, atol=1e-9)


@pytest.mark.parametrize("ohm", [0.0, 0.1, 1.0, 10.0, 100.0])
@pytest.mark.parametrize("shape", [(48, 48), (96, 12), (12, 96), (64, 1), (1, 64)])
@pytest.mark.parametrize("on_off", [1e2, 1e6])
def test_larger_arrays_of_all_shapes_give_the_column_currents_of_the_resistors(
    ohm, shape, on_off, by_resistors
):
    conductance, voltage = array(*shape, seed=1, on_off=on_off)
    lines = {
        "word": np.full(shape, ohm),
        "bit": np.full(shape, ohm),
        "driver": np.zeros(shape[0]),
        "sense": np.zeros(shape[1]),
    }
    cell, _, _ = by_resistors(conductance.numpy(), voltage.numpy(), lines)
    for method in METHODS:
        found = column_currents(conductance, voltage, Wires(ohm, ohm), method=method)
        np.testing.assert_allclose(found, cell.sum(0), rtol=1e-9)  # promised, each column by itself


@pytest.mark.spice
@pytest.mark.parametrize("ohm", [0.0, 0.1, 1.0, 10.0, 100.0])
@pytest.mark.parametrize("shape", [(16, 16), (24, 5), (5, 24)])
def test_currents_are_those_of_ngspice(ohm, shape):
    conductance, voltage = array(*shape, seed=2, on_off=1e6, open_cells=0.1)
    _check_against_ngspice(conductance, voltage, Wires(ohm, 2 * ohm, driver=ohm, sense=50.0))


@pytest.mark.spice
def test_a_large_array_has_the_currents_of_ngspice():
    _check_against_ngspice(*array(32, 32, seed=3), Wires(1.0, 1.0))


@pytest.mark.spice
@pytest.mark.parametrize("ohm", [0.0, 10.0])
def test_floating_lines_and_two_drivers_are_those_of_ngspice(ohm):
    conductance, voltage = array(9, 7, seed=4)
    sense = torch.tensor([0.0, torch.inf, 5.0, 0.0, torch.inf, 0.0, 1.0])
    wires = Wires(ohm, ohm, driver=3.0, sense=sense, driven_from_both_sides=True)
    _check_against_ngspice(conductance, voltage, wires, bit_line_voltage=0.05)


def _check_against_ngspice(conductance, voltage, wires, **bits):
    waves = spice.simulate(crossbar_deck(conductance, voltage, wires, **bits))
    found = column_currents(conductance, voltage, wires, **bits)
    floats = torch.isinf(torch.as_tensor(wires.sense)).expand(found.shape)
    expected = [0.0 if floats[j] else float(waves[f"i(vsense{j})"]) for j in range(len(found))]
    # promised: 1e-8; ngspice stores node voltages, of which the current is a difference
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-9 * np.abs(expected).max())


def test_one_cell_is_a_series_circuit():
    wires = Wires(2.0, 3.0, driver=50.0, sense=100.0)
    current = column_currents(double([[1e-3]]), double([0.5]), wires)
    assert float(current) == pytest.approx(0.5 / (1000 + 2 + 3 + 50 + 100), rel=1e-13)


def test_two_drivers_share_the_current_of_one_cell():
    wires = Wires(torch.tensor([[1.0, 2.0, 7.0]]), 0.0, driven_from_both_sides=True)
    current = column_currents(double([[0.0, 1e-3]]), double([0.5]), wires)
    assert float(current[1]) == pytest.approx(0.5 / (1000 + 3 * 7 / (3 + 7)), rel=1e-13)


@pytest.mark.parametrize("method", METHODS)
def test_ideal_wires_make_a_matrix_product(method):
    conductance, voltage = array(20, 30, seed=5)
    found = column_currents(conductance, voltage, Wires(), method=method)
    np.testing.assert_allclose(found, voltage @ conductance, rtol=1e-14)  # rounding of one sum of 20


@pytest.mark.parametrize("shape", [(90, 97), (97, 90)])
def test_lines_are_taken_where_wires_weigh_enough(shape):
    conductance, voltage = array(*shape, seed=12)
    heavy, light = (system(conductance, Wires(ohm, ohm)).scaled() for ohm in (1e4, 1.0))
    assert prefers_lines(heavy, "auto")
    assert not prefers_lines(light, "auto")
    assert not prefers_lines(heavy, "iterative")
    assert prefers_lines(light, "lines")
    found, expected = (
        column_currents(conductance, voltage, Wires(1e4, 1e4), method=method) for method in ("auto", "direct")
    )
    # residual of 1e-12 times a condition of some 1e4; each column by itself
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=0)


@pytest.mark.parametrize("method", METHODS)
def test_open_cells_carry_nothing_and_shorted_cells_take_what_their_wires_let_through(method, by_resistors):
    conductance, voltage = array(16, 12, seed=6, open_cells=0.2, shorted=0.05)
    conductance[3] = 0.0
    shape = conductance.shape
    lines = {
        "word": np.full(shape, 2.0),
        "bit": np.full(shape, 1.0),
        "driver": np.zeros(16),
        "sense": np.zeros(12),
    }
    cell, _, _ = by_resistors(conductance.numpy(), voltage.numpy(), lines)
    point = operating_point(conductance, voltage, Wires(2.0, 1.0), method=method)
    assert (conductance == 1e3).sum() > 3
    assert (point.cell_current[conductance == 0] == 0).all()
    np.testing.assert_allclose(point.cell_current, cell, rtol=0, atol=1e-9 * np.abs(cell).max())


def test_what_the_drivers_give_is_what_cells_and_wires_turn_into_heat():
    conductance, voltage = array(12, 15, seed=7)
    word, bit = 5 * torch.rand(12, 15, dtype=torch.float64), 5 * torch.rand(12, 15, dtype=torch.float64)
    point = operating_point(conductance, voltage, Wires(word, bit))
    heat = (word * point.cell_current.flip(-1).cumsum(-1).flip(-1).square()).sum()
    heat += (bit * point.cell_current.cumsum(-2).square()).sum() + point.cell_power.sum()
    assert (point.cell_power > 0).all()
    torch.testing.assert_close(voltage @ point.row_current, heat, rtol=1e-12, atol=0)
    torch.testing.assert_close(point.ir_drop + point.cell_voltage, voltage[:, None].expand(12, 15))


@pytest.mark.parametrize("shape", [(20, 20), (31, 8), (8, 31)])
@pytest.mark.parametrize("both", [False, True])
def test_the_effective_matrix_gives_the_column_currents_of_any_vector(shape, both, device):
    conductance = array(*shape, seed=8)[0].to(device)
    sense = torch.full(shape[1:], 20.0, device=device).double()
    sense[3] = torch.inf
    voltages = torch.rand(5, shape[0], dtype=torch.float64, device=device)
    for ends in (20.0, sense):
        wires = Wires(10.0, 5.0, driver=30.0, sense=ends, driven_from_both_sides=both)
        matrix = effective_conductance(conductance, wires)
        expected = column_currents(conductance, voltages, wires, method="iterative")
        # the iteration stops at a residual of 1e-12, to be multiplied with a condition of less than 100
        torch.testing.assert_close(voltages @ matrix, expected, rtol=1e-10, atol=1e-10 * expected.abs().max())


def test_wires_only_take_away():
    conductance, _ = array(32, 32, seed=9)
    ideal, better, worse = (
        effective_conductance(conductance, Wires(ohm, ohm)).sum() for ohm in (0.0, 1.0, 10.0)
    )
    assert ideal > better > worse > 0


@pytest.mark.parametrize("method", ["auto", *METHODS])
@pytest.mark.parametrize(
    ("cells", "vectors"),
    [
        ((6, 5), (40, 6)),
        ((3, 6, 5), (3, 6)),
        ((3, 6, 5), (6,)),
        ((3, 1, 6, 5), (3, 20, 6)),
        ((2, 1, 6, 5), (20, 6)),
    ],
)
def test_batches_are_what_their_members_are(cells, vectors, method):
    generator = torch.Generator().manual_seed(10)
    conductance = 1e-4 * torch.rand(cells, generator=generator, dtype=torch.float64)
    voltage = torch.rand(vectors, generator=generator, dtype=torch.float64)
    word = torch.rand((*cells[:-2], 6, 5), generator=generator, dtype=torch.float64)
    driver = torch.rand(cells[:-1], generator=generator, dtype=torch.float64)
    found = column_currents(conductance, voltage, Wires(word, 3.0, driver=driver), method=method)
    shape = torch.broadcast_shapes(cells[:-2], vectors[:-1])
    assert found.shape == (*shape, 5)
    g, v, w, d = (part.expand(*shape, *part.shape[-own:]) for part, own in
                  ((conductance, 2), (voltage, 1), (word, 2), (driver, 1)))  # fmt: skip
    for place in np.ndindex(shape):
        alone = column_currents(g[place], v[place], Wires(w[place], 3.0, driver=d[place]), method="iterative")
        torch.testing.assert_close(
            found[place], alone, rtol=1e-10, atol=0
        )  # residuals of 1e-12 on both sides


@pytest.mark.parametrize("method", METHODS)
def test_single_precision_is_good_to_single_precision(method, device):
    conductance, voltage = array(64, 64, seed=11)
    exact = column_currents(conductance, voltage, Wires(5.0, 5.0))
    found = column_currents(
        conductance.float().to(device), voltage.float().to(device), Wires(5.0, 5.0), method=method
    )
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.cpu(), exact, rtol=1e-4)  # residual 1e-6 times a condition below 100


VIEWS = {
    "turned": lambda g: g.mT,
    "upside down": lambda g: g.flip(0),
    "every other": lambda g: g[::2, ::3],
    "one for all": lambda g: g.expand(3, *g.shape),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("view", sorted(VIEWS))
@pytest.mark.parametrize("vectors", [(), (4,)])
def test_arrays_may_lie_in_memory_in_any_way(method: str, view: str, vectors: tuple[int, ...]) -> None:
    g = VIEWS[view](array(12, 9, seed=0)[0])
    v = torch.rand(
        *vectors, *[1] * (g.ndim - 2), g.shape[-2], dtype=torch.float64, generator=torch.manual_seed(0)
    )
    wires = Wires(word_line=1.0, bit_line=2.0)
    plain = column_currents(g.contiguous(), v, wires, method=method)
    # both to a residual of 1e-12
    torch.testing.assert_close(column_currents(g, v, wires, method=method), plain, rtol=1e-9, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_lone_bit_line_that_floats_carries_nothing(dtype: torch.dtype) -> None:
    conductance = torch.rand(5, 1, generator=torch.Generator().manual_seed(0)).to(dtype) * 1e-4
    matrix = effective_conductance(conductance, Wires(1.0, 2.0, sense=float("inf")))
    # what the four currents of a path that ends nowhere leave is their rounding
    assert float(matrix.abs().max()) <= 4 * torch.finfo(dtype).eps * float(conductance.sum())
