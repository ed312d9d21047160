"""The deck of a crossbar: readable, without elements of no resistance, and quick to write."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from PySpice.Spice.Netlist import Circuit

from memsim import spice
from memsim.circuits import Constant, DeviceSubCircuit, PulseTrain
from memsim.crossbar import (
    Cells,
    InSeries,
    SinhCell,
    SinhSelector,
    ThresholdCell,
    Wires,
    column_currents,
    crossbar_deck,
    crossbar_transient_deck,
)
from memsim.crossbar.netlist import deck_size, definitions
from memsim.crossbar.wires import drops
from memsim.devices import load_device, numeric
from memsim.errors import InputError
from memsim.surrogate import reference

DECK = """two by two
* cells <i>_<j> lie between nodes w<i>_<j> of word line i and b<i>_<j> of bit line j
* rw<i>_<k>, rb<j>_<k>: segments of their wires, counted from in<i> and from out<j>; rc or xc: cells
rw0_0 in0 w0_0 3.0
rw0_1 w0_0 w0_1 1.0
rw1_0 in1 w1_0 3.0
rw1_1 w1_0 w1_1 1.0
rb0_0 out0 b1_0 5.0
rc0_0 w0_0 b1_0 1000
rc0_1 w0_1 out1 2000
rc1_1 w1_1 out1 4000
vdrive0 in0 0 0.25
vdrive1 in1 0 0.5
vsense0 out0 0 0.0
vsense1 out1 0 0.0
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


@pytest.mark.spice
@pytest.mark.parametrize(("rows", "columns"), [(1010, 4), (4, 1010)])
def test_more_lines_than_a_subcircuit_has_ports_run(rows, columns):
    generator = torch.Generator().manual_seed(0)
    conductance = 1e-6 + 99e-6 * torch.rand(rows, columns, generator=generator, dtype=torch.float64)
    voltage = 0.1 * torch.rand(rows, generator=generator, dtype=torch.float64)
    waves = spice.simulate(crossbar_deck(conductance, voltage, Wires(1.0, 1.0)))
    found = torch.tensor([float(waves[f"i(vsense{j})"]) for j in range(columns)], dtype=torch.float64)
    # what is asked of a deck; 1.5e-10 was measured
    torch.testing.assert_close(
        found, column_currents(conductance, voltage, Wires(1.0, 1.0)), rtol=1e-8, atol=0
    )


def test_large_decks_save_no_more_than_the_currents():
    small, large = (
        crossbar_deck(torch.full((n, 50), 1e-5), torch.ones(n), Wires(1.0, 1.0)) for n in (50, 51)
    )
    assert ".save" not in small
    assert large[large.index(".save") : large.index(".op\n")].count("vsense") == 50
    cells = Cells(load_device("knowm-sdc"))
    small, large = (
        crossbar_transient_deck(
            cells, torch.full((n, 50), 0.5), [Constant(0.1)] * n, WIRES, stop=STOP, step=STEP
        )
        for n in (100, 101)
    )
    assert small.count("v(xc") == 5000
    assert large.count("v(xc") == 0
    assert large.count("v(in") == 101


def test_a_deck_that_does_not_fit_is_refused_with_its_size(tmp_path):
    text = "a crossbar of 300 word lines and 200 bit lines is a deck of about "
    size = deck_size(300, 200)
    size.check(tmp_path / "made" / "later" / "x.cir")
    with pytest.raises(
        InputError, match=rf"{text}1000 TB and more, but .* free in {tmp_path}; take fewer lines"
    ):
        replace(size, text=1e18).check(tmp_path / "made" / "x.cir")
    with pytest.raises(
        InputError, match=f"{text}6.9 MB, for which ngspice needs about 1000 TB and more of memory, "
    ):
        replace(size, memory=1e18).check(tmp_path / "x.cir")


def test_large_decks_are_announced():
    size = replace(deck_size(512, 512), klu=True, memory=1.5e9)
    lines = "a crossbar of 512 word lines and 512 bit lines"
    assert list(size.notes()) == [
        f"{lines} is a deck of about 30.1 MB, for which ngspice needs about 1.5 GB of memory"
    ]
    assert "without KLU" in list(replace(size, klu=False).notes())[1]
    assert not list(replace(deck_size(1000, 50), klu=False).notes())


@pytest.mark.parametrize(
    "cell", [None, ThresholdCell(), InSeries(SinhSelector()), load_device("stanford-pku")], ids=str
)
def test_a_deck_is_about_as_long_as_was_estimated(cell):
    values = torch.full((60, 300), 1e-5 / 3, dtype=torch.float64)
    deck = crossbar_deck(values, torch.ones(60), Wires(1.0, 1.0), cell=cell)
    estimated = deck_size(60, 300, definitions(cell)).text
    assert 0.7 * estimated < len(deck) < 1.02 * estimated  # drivers and sense ends are not in it


def test_memory_is_that_of_what_a_cell_stands_for():
    device = load_device("stanford-pku")
    frozen, moving = (deck_size(64, 64, definitions(device, dynamic=dynamic)) for dynamic in (False, True))
    assert moving.text == frozen.text
    assert moving.memory > 3 * frozen.memory  # its rate is 2000 characters; ngspice took 400 MB


def test_a_deck_of_many_cells_is_written_in_a_moment():
    start = time.process_time()
    deck = crossbar_deck(torch.full((256, 256), 1e-5), torch.ones(256), Wires(1.0, 1.0))
    assert time.process_time() - start < 5  # takes 0.2 s; the margin is for machines under load
    lines = deck.splitlines()
    assert sum(line.startswith("r") for line in lines) == 3 * 256**2
    assert max(map(len, lines)) < 120
    assert ".options klu" in lines


@pytest.mark.spice
@pytest.mark.parametrize("cell", [SinhCell(), ThresholdCell(), load_device("yakopcic-oblea")], ids=repr)
def test_cells_of_a_static_law_obey_it_behind_their_wires(cell):
    """The node voltages that ngspice finds, put back into the equations of the array."""
    generator = torch.Generator().manual_seed(0)
    values = torch.rand(4, 3, generator=generator, dtype=torch.float64)
    if "g" in cell.parameters:
        values *= 1e-3
    voltage = torch.tensor([0.5, -0.25, 0.75, 1.0], dtype=torch.float64)
    wires = Wires(10.0, 5.0, 20.0, 15.0)
    waves = spice.simulate(crossbar_deck(values, voltage, wires, cell=cell, bit_line_voltage=0.05))

    def nodes(kind: str) -> torch.Tensor:
        return torch.tensor(
            [[float(waves[f"v({kind}{i}_{j})"]) for j in range(3)] for i in range(4)],
            dtype=torch.float64,
        )

    law = numeric(cell, "torch")
    parameters = {name: torch.tensor(value, dtype=torch.float64) for name, value in cell.values.items()}
    states = [values] if cell.states else []
    if not states:
        parameters["g"] = values
    current = law.current(nodes("w") - nodes("b"), states, list(parameters.values()))
    lost = drops(wires, 4, 3, values)(current)
    # Newton in ngspice stops at changes of 1e-9
    torch.testing.assert_close(nodes("w") - nodes("b"), voltage[:, None] - 0.05 - lost, rtol=0, atol=1e-8)
    sensed = torch.tensor([float(waves[f"i(vsense{j})"]) for j in range(3)], dtype=torch.float64)
    torch.testing.assert_close(sensed, current.sum(0), rtol=1e-8, atol=0)


@pytest.mark.spice
@pytest.mark.parametrize("cell", [None, SinhCell(v_0=0.2), InSeries(SinhSelector())], ids=repr)
def test_floating_lines_and_drivers_on_both_sides_are_those_of_the_solver(cell):
    generator = torch.Generator().manual_seed(1)
    conductance = 1e-4 * torch.rand(5, 4, generator=generator, dtype=torch.float64)
    conductance[1, 2] = 0
    voltage = torch.linspace(-0.3, 0.6, 5, dtype=torch.float64)
    sense = torch.tensor([0.0, torch.inf, 50.0, 10.0], dtype=torch.float64)
    wires = Wires(20.0, 10.0, 100.0, sense, driven_from_both_sides=True)
    waves = spice.simulate(crossbar_deck(conductance, voltage, wires, cell=cell))
    found = [float(waves[f"i(vsense{j})"]) for j in (0, 2, 3)]
    expected = column_currents(conductance, voltage, wires, cell=cell)[[0, 2, 3]]
    # what is asked of a deck; ngspice's Newton stops at 1e-9
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=0)


@pytest.mark.spice
def test_a_selector_in_series_takes_its_share_of_the_voltage():
    cell = InSeries(SinhSelector(i_0=1e-9, v_0=0.03))
    g = torch.tensor([[1e-5]], dtype=torch.float64)
    deck = crossbar_deck(g, torch.tensor([0.5], dtype=torch.float64), Wires(), cell=cell)
    current = float(spice.simulate(deck)["i(vsense0)"])
    assert current / 1e-5 + 0.03 * np.arcsinh(current / 1e-9) == pytest.approx(0.5, rel=1e-8)


PULSES = [PulseTrain(level, 50e-6, 200e-6, rise=1e-6, fall=1e-6, delay=5e-6) for level in (0.5, -0.4)]
STATE = torch.tensor([[0.1, 0.5], [0.8, 0.3]], dtype=torch.float64)
WIRES = Wires(5.0, 3.0, 10.0, 7.0)
TAU = torch.tensor([[1e-4, 2e-4], [1.5e-4, 0.5e-4]], dtype=torch.float64)
STOP, STEP = 100e-6, 0.25e-6


@pytest.fixture(scope="module")
def programmed():
    """Two by two memristors of their own time constants under pulses, in ngspice."""
    cells = Cells(load_device("knowm-sdc"), {"tau": TAU})
    return spice.simulate(crossbar_transient_deck(cells, STATE, PULSES, WIRES, stop=STOP, step=STEP))


def states(waves) -> torch.Tensor:
    """[time, 2, 2]."""
    cells = [[waves[f"v(xc{i}_{j}.x)"].values for j in range(2)] for i in range(2)]
    return torch.from_numpy(np.array(cells)).permute(2, 0, 1)


@pytest.mark.spice
def test_a_transient_starts_in_the_given_states(programmed):
    # two nanoseconds at no voltage, against time constants of 50 us
    torch.testing.assert_close(states(programmed)[0], STATE, rtol=0, atol=1e-6)


@pytest.mark.spice
def test_currents_of_a_transient_are_those_of_the_solver_in_the_same_states(programmed):
    """Wires have no memory: at each instant the array is a crossbar of the conductances it has then."""
    device = load_device("knowm-sdc")
    x = states(programmed)
    g = x / device.values["r_on"] + (1 - x) / device.values["r_off"]
    voltage = torch.from_numpy(np.stack([programmed[f"v(in{i})"].values for i in range(2)], axis=1))
    expected = column_currents(g, voltage, WIRES)
    found = torch.from_numpy(np.stack([programmed[f"i(vsense{j})"].values for j in range(2)], axis=1))
    # 1e-5 of Newton in a transient; the current on an edge is as uncertain as the voltage
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-5 * float(expected.abs().max()))
    assert float(expected.abs().max()) > 1e-4


@pytest.mark.spice
def test_states_of_a_transient_follow_the_reference(programmed):
    """The same array by hand as a PySpice circuit, integrated by SciPy to 1e-10."""
    circuit = Circuit("two by two")
    circuit.subcircuit(DeviceSubCircuit(load_device("knowm-sdc"), "cell"))
    for i in range(2):
        circuit.V(f"drive{i}", f"in{i}", circuit.gnd, 0)
        circuit.R(f"w{i}_0", f"in{i}", f"w{i}_0", 15.0)
        circuit.R(f"w{i}_1", f"w{i}_0", f"w{i}_1", 5.0)
        circuit.R(f"b{i}_0", f"b0_{i}", f"b1_{i}", 3.0)
        circuit.R(f"b{i}_1", f"b1_{i}", circuit.gnd, 10.0)
        for j in range(2):
            own = {"x_0": float(STATE[i, j]), "tau": float(TAU[i, j])}
            circuit.X(f"c{i}_{j}", "cell", f"w{i}_{j}", f"b{i}_{j}", **own)
    stimuli = {f"vdrive{i}": pulse for i, pulse in enumerate(PULSES)}
    exact = reference.simulate(circuit, stimuli=stimuli, stop=STOP, step=STEP)
    for i in range(2):
        for j in range(2):
            found = np.interp(exact["time"], programmed["time"], programmed[f"v(xc{i}_{j}.x)"])
            # steps of 0.25 us against time constants of 50 us: 3e-5 was measured
            np.testing.assert_allclose(found, exact[f"v(xc{i}_{j}.x)"], rtol=0, atol=2e-4)
    assert float(np.ptp(exact["v(xc0_0.x)"].values)) > 0.2


@pytest.mark.spice
def test_bit_lines_can_be_driven_and_can_float():
    """Half of the voltage on either side is the whole voltage across the cell."""
    cells = Cells(load_device("knowm-sdc"))
    state, wires = torch.full((1, 2), 0.5), Wires(1.0, 1.0, 0.0, torch.tensor([0.0, torch.inf]))
    options = {"stop": 50e-6, "step": 0.25e-6}
    whole = crossbar_transient_deck(
        cells, state, [PulseTrain(0.5, 30e-6, 1e-3, 1e-6, 1e-6)], wires, **options
    )
    half = [PulseTrain(sign * 0.25, 30e-6, 1e-3, 1e-6, 1e-6) for sign in (1, -1)]
    split = crossbar_transient_deck(
        cells, state, half[:1], wires, bit_lines=[half[1], Constant(0.0)], **options
    )
    one, other = (spice.simulate(deck) for deck in (whole, split))
    assert "i(vsense1)" not in one
    grid = one["time"]
    for name in ("i(vsense0)", "v(xc0_0.x)"):
        found = np.interp(grid, other["time"], other[name])
        np.testing.assert_allclose(found, one[name], rtol=0, atol=1e-4 * float(np.abs(one[name]).max()))


def test_states_give_the_conductances_that_were_asked_for():
    for card in ("pd-wo3-w", "yakopcic-oblea", "vteam-memtorch"):
        cells = Cells(load_device(card))
        ends = cells.conductance(torch.tensor([0.0, 1.0], dtype=torch.float64), 0.1)
        share = torch.linspace(0, 1, 7, dtype=torch.float64)[:, None]
        asked = ends[0] + share * (ends[1] - ends[0])
        torch.testing.assert_close(
            cells.conductance(cells.state(asked, 0.1), 0.1), asked, rtol=1e-12, atol=1e-18
        )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"state": torch.full((2, 2), 1.5)}, r"x\[0, 0\] = 1\.5 is out of range"),
        ({"state": torch.zeros(2)}, r"x has shape \[2\]; give \[rows, columns\]"),
        ({"state": torch.zeros(3, 2)}, "word_lines has 2 stimuli, but this array needs 3"),
        ({"bit_lines": PULSES[:1]}, "bit_lines has 1 stimuli, but this array needs 2"),
        (
            {"cells": Cells(load_device("knowm-sdc"), {"tau": torch.ones(3)})},
            r"parameter tau has shape \[3\]",
        ),
        ({"step": 1.0}, "allowed: 0 < step <= stop"),
    ],
)
def test_a_transient_that_cannot_be_is_refused(change, said):
    given = {
        "cells": Cells(load_device("knowm-sdc")), "state": STATE, "word_lines": PULSES, "wires": WIRES,
        "stop": STOP, "step": STEP,
    } | change  # fmt: skip
    with pytest.raises(InputError, match=said):
        crossbar_transient_deck(**given)


def test_conductances_that_a_device_does_not_reach_are_refused():
    g = torch.tensor([[1e-5, 1e-3]], dtype=torch.float64)
    with pytest.raises(
        InputError, match=r"conductance\[0, 1\] = 0\.001 S is out of range; metastable-switch allows 4e-06"
    ):
        Cells(load_device("pd-wo3-w")).state(g, 0.1)


def test_a_deck_of_many_devices_is_written_in_a_moment():
    start = time.process_time()
    cells, state = Cells(load_device("pd-wo3-w")), torch.full((256, 256), 0.5)
    deck = crossbar_transient_deck(cells, state, [Constant(0.1)] * 256, WIRES, stop=1e-3, step=1e-6)
    assert time.process_time() - start < 5  # takes 0.4 s; the margin is for machines under load
    assert deck.count(" metastable_switch x_0=0.5") == 256**2
    assert max(map(len, deck.splitlines()[10:])) < 120
