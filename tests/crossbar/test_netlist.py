"""The deck of a crossbar: readable, without elements of no resistance, and quick to write."""

from __future__ import annotations

import time

import pytest
import torch

from memsim import spice
from memsim.crossbar import Wires, column_currents, crossbar_deck

DECK = """two by two
.subckt crossbar in0 in1 out0 out1
rw0_0 in0 w0_0 3.0
rw0_1 w0_0 w0_1 1.0
rw1_0 in1 w1_0 3.0
rw1_1 w1_0 w1_1 1.0
rb0_0 out0 b1_0 5.0
rc0_0 w0_0 b1_0 1000.0
rc0_1 w0_1 out1 2000.0
rc1_1 w1_1 out1 4000.0
.ends
vdrive0 in0 0 0.25
vdrive1 in1 0 0.5
vsense0 out0 0 0.0
vsense1 out1 0 0.0
xarray in0 in1 out0 out1 crossbar
.op
.end
"""


def test_a_deck_is_what_one_would_write_by_hand():
    conductance = torch.tensor([[1 / 1000, 1 / 2000], [0.0, 1 / 4000]], dtype=torch.float64)
    wires = Wires(1.0, driver=2.0, sense=torch.tensor([5.0, 0.0]))
    assert crossbar_deck(conductance, torch.tensor([0.25, 0.5]), wires, title="two by two") == DECK


@pytest.mark.spice
def test_ideal_segments_at_the_right_driver_join_nodes_from_that_side():
    word = torch.tensor([[4.0, 2.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]], dtype=torch.float64)
    wires = Wires(word, 1.0, driven_from_both_sides=True)
    conductance = torch.tensor([[0.1, 0.2, 0.3], [0.3, 0.2, 0.1]], dtype=torch.float64)
    voltage = torch.tensor([1.0, 2.0], dtype=torch.float64)
    waves = spice.simulate(crossbar_deck(conductance, voltage, wires))
    found = torch.tensor([float(waves[f"i(vsense{j})"]) for j in range(3)], dtype=torch.float64)
    torch.testing.assert_close(found, column_currents(conductance, voltage, wires), rtol=1e-8, atol=0)


def test_a_deck_of_many_cells_is_written_in_a_moment():
    start = time.process_time()
    deck = crossbar_deck(torch.full((256, 256), 1e-5), torch.ones(256), Wires(1.0, 1.0))
    assert time.process_time() - start < 5  # takes 0.2 s; the margin is for machines under load
    lines = deck.splitlines()
    assert sum(line.startswith("r") for line in lines) == 3 * 256**2
    assert max(map(len, lines)) < 120
    assert ".options klu" in lines
