"""What cannot be solved is refused, and the message says where."""

from __future__ import annotations

import pytest
import torch

from memsim.crossbar import Wires, column_currents, crossbar_deck, effective_conductance
from memsim.errors import ConvergenceError, InputError


def cells(place=None, value=0.0):
    conductance = torch.full((3, 4), 1e-5, dtype=torch.float64)
    if place is not None:
        conductance[place] = value
    return conductance


VOLTAGE = torch.full((3,), 0.1, dtype=torch.float64)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e-6])
def test_a_bad_cell_is_named(value):
    with pytest.raises(InputError, match=r"conductance\[2, 1\] = .* S is out of range"):
        column_currents(cells((2, 1), value), VOLTAGE, Wires(1.0, 1.0))


def test_a_bad_cell_of_a_batch_is_named():
    batch = torch.stack([cells(), cells((0, 3), float("nan"))])
    with pytest.raises(InputError, match=r"conductance\[1, 0, 3\]"):
        effective_conductance(batch, Wires(1.0, 1.0))


@pytest.mark.parametrize("shape", [(0, 4), (3, 0), (4,), ()])
def test_an_array_without_rows_or_columns_is_refused(shape):
    with pytest.raises(InputError, match="at least one of each"):
        column_currents(torch.zeros(shape), torch.zeros(3), Wires())


def test_a_bit_line_that_nothing_holds_is_named():
    conductance = cells()
    conductance[:, 2] = 0.0
    sense = torch.tensor([0.0, 0.0, torch.inf, 0.0])
    with pytest.raises(InputError, match=r"bit line 2 is a floating island.*conductance\[:, 2\] = 0"):
        column_currents(conductance, VOLTAGE, Wires(1.0, 1.0, sense=sense))
    with pytest.raises(InputError, match=r"bit line 2 of array \[1\] .*conductance\[1, :, 2\] = 0"):
        column_currents(torch.stack([cells(), conductance]), VOLTAGE, Wires(1.0, 1.0, sense=sense))


def test_a_word_line_of_open_cells_is_no_island():
    conductance = cells(1)
    found = column_currents(conductance, VOLTAGE, Wires(1.0, 1.0))
    assert torch.isfinite(found).all()
    assert (column_currents(torch.zeros_like(conductance), VOLTAGE, Wires(1.0, 1.0)) == 0).all()


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_bad_voltages_are_named(bad):
    voltage = VOLTAGE.repeat(2, 1)
    voltage[1, 2] = bad
    with pytest.raises(InputError, match=r"voltage\[1, 2\]"):
        column_currents(cells(), voltage, Wires(1.0, 1.0))
    with pytest.raises(InputError, match=r"bit_line_voltage\[1\]"):
        column_currents(cells(), VOLTAGE, Wires(), bit_line_voltage=torch.tensor([0.0, bad, 0.0, 0.0]))


@pytest.mark.parametrize(
    ("wires", "message"),
    [
        ({"word_line": -1.0}, r"word_line = -1.0 ohm .* at least 0 and finite"),
        ({"bit_line": torch.tensor([[0.0, torch.nan]])}, r"bit_line\[0, 1\] = nan ohm"),
        ({"driver": float("inf")}, "driver = inf ohm"),
        ({"sense": -5.0}, "sense = -5.0 ohm .* at least 0"),
        ({"word_line": torch.ones(3, 5)}, r"word_line has shape \[3, 5\]; .* \[..., 3, 4\]"),
        ({"word_line": torch.ones(3, 4), "driven_from_both_sides": True}, r"\[..., 3, 5\]"),
        ({"driver": torch.ones(4)}, r"driver has shape \[4\]"),
        ({"sense": torch.tensor([[0.0, 0, 0, 0], [0, 0, 0, torch.inf]])}, "the same lines must float"),
    ],
)
def test_wires_that_make_no_sense_are_refused(wires, message):
    with pytest.raises(InputError, match=message):
        column_currents(cells(), VOLTAGE, Wires(**wires))


def test_shapes_types_and_options_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match=r"shape \[4\] .* needs torch.float64 of shape \[..., 3\]"):
        column_currents(cells(), torch.zeros(4, dtype=torch.float64), Wires())
    with pytest.raises(InputError, match=r"voltage is torch.float32"):
        column_currents(cells(), VOLTAGE.float(), Wires())
    with pytest.raises(InputError, match=r"conductance is .*int64"):
        column_currents(cells().long(), VOLTAGE, Wires())
    with pytest.raises(InputError, match=r"bit_line_voltage has shape \[3\]"):
        column_currents(cells(), VOLTAGE, Wires(), bit_line_voltage=torch.zeros(3))
    with pytest.raises(InputError, match="method = 'fast' is unknown"):
        column_currents(cells(), VOLTAGE, Wires(), method="fast")
    with pytest.raises(InputError, match=r"tolerance = .* is out of range"):
        column_currents(cells(), VOLTAGE, Wires(), tolerance=0.0)
    with pytest.raises(InputError, match="are not one array with one vector"):
        crossbar_deck(cells(), VOLTAGE.repeat(2, 1), Wires())
    with pytest.raises(InputError, match="first line of a deck"):
        crossbar_deck(cells(), VOLTAGE, Wires(), title="10 µS\n")


@pytest.mark.parametrize("method", ["iterative", "lines", "direct"])
def test_a_residual_that_cannot_be_reached_is_an_error_that_names_the_place(method):
    generator = torch.Generator().manual_seed(1)
    conductance = 1e-3 * torch.rand(64, 64, generator=generator)
    voltage = torch.rand(2, 64, generator=generator)
    with pytest.raises(
        ConvergenceError, match=r"(?s)residual .* largest at cell \[\d+, \d+\].*What to do: use float64"
    ):
        column_currents(
            conductance.requires_grad_(), voltage, Wires(10.0, 10.0), method=method, tolerance=1e-13
        )
