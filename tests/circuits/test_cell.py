"""Any circuit as a neuron: flat, between an entry and an output, the same as the circuit that it was made of."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PySpice.Spice.Netlist import Circuit, SubCircuit

from memsim import spice
from memsim.circuits import (
    AlphaTrain,
    CellCircuit,
    CrossbarLayer,
    DeviceSubCircuit,
    IntegrateAndFire,
    network_circuit,
    pulsed_population,
    waveform_names,
)
from memsim.devices import load_device
from memsim.errors import InputError
from memsim.surrogate import CompiledCircuit
from memsim.surrogate.reference import equilibrium

PULSE = AlphaTrain(5e-6, 1e-3)


def nested() -> Circuit:
    """A membrane with a leaky switch in a sub-circuit of its own, and an output behind an RC.

    iin -> mem --+-- cmem -- 0          mem -- rout -- axon --+-- cout -- 0
                 +-- xleg: switch to a source of 20 mV, with a resistor of 2 k in series
    """
    leg = SubCircuit("leg", "top", rs=1e3)
    leg.R("s", "top", "mid", "{rs}")
    leg.X("m", "switch", "mid", "low", x_0=0.1)
    leg.V("low", "low", leg.gnd, 20e-3)
    circuit = Circuit("nested")
    circuit.subcircuit(DeviceSubCircuit(load_device("mif-set1"), "switch"))
    circuit.subcircuit(leg)
    circuit.C("mem", "mem", circuit.gnd, 2e-9, initial_condition=5e-3)
    circuit.X("leg", "leg", "mem", rs=2e3)
    circuit.R("out", "mem", "axon", 10e3, multiplier=2)
    circuit.C("out", "axon", circuit.gnd, 1e-9)
    circuit.I("in", circuit.gnd, "mem", 0)
    return circuit


def test_the_flat_cell_is_the_circuit():
    circuit, times = nested(), np.arange(101) * 50e-6
    cell = CellCircuit.of(circuit, output="axon")
    assert cell.terminals == ("mem", "axon")
    assert cell.values["rout"] == 5e3  # two of 10 k in parallel
    drive = torch.from_numpy(PULSE(times))
    waves, _ = CompiledCircuit(circuit, inputs=("iin",))(drive, dt=50e-6)
    flat, _ = CompiledCircuit(cell.circuit(), inputs=("iin",))(drive, dt=50e-6)
    assert set(flat) == {
        name.replace("xleg.xm.", "xleg_xm.").replace("xleg.m", "xleg_m").replace("xleg.l", "xleg_l")
        for name in waves
    }
    assert set(flat) == set(cell.waveforms)
    # the same equations with their terms in another order
    torch.testing.assert_close(flat["v(axon)"], waves["v(axon)"], rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(flat["v(xleg_xm.x)"], waves["v(xleg.xm.x)"], rtol=1e-9, atol=1e-12)


@pytest.mark.spice
def test_instances_of_a_population_are_the_cell_with_values_of_their_own():
    cell = CellCircuit.of(nested(), output="axon")
    values = {"cout": np.array([1e-9, 20e-9]), "xleg_xm.v_on": np.array([0.11, 0.05])}
    circuit = pulsed_population(cell, np.array([[1.0], [1.0]]), values)
    waves = spice.simulate(circuit, stimuli={"vpulse0": PULSE}, stop=5e-3, step=5e-6)
    times = waves["time"].values
    twin = CompiledCircuit(cell.circuit(), inputs=("iin",))
    steps = np.linspace(0, 5e-3, 1001)
    drive = torch.from_numpy(PULSE(steps))[:, None].expand(-1, 2)
    parameters = {name: torch.from_numpy(value) for name, value in values.items()}
    expected, _ = twin(drive.contiguous(), dt=5e-6, parameters=parameters)
    for index in range(2):
        names = waveform_names(cell, f"mem_{index}", f"xn_{index}")
        assert names["v(axon)"] == f"v(mem_{index}_out)"
        for name in cell.waveforms:
            found = np.interp(steps, times, waves[names[name]].values)
            # 0.04 mV was measured, where the start of 5 mV relaxes within a step of 5 us
            np.testing.assert_allclose(found, expected[name][:, index].numpy(), atol=1e-4)


def test_a_network_of_two_families_defines_each_once_and_shares_devices():
    first, second = CellCircuit.of(IntegrateAndFire.published(1)), CellCircuit.of(nested(), output="axon")
    rest = equilibrium(second.circuit())
    second = second.starting_from(rest)
    assert second.rest == pytest.approx(rest["v(axon)"])
    layers = [
        CrossbarLayer(np.full((2, 3), 1e-5), np.zeros((2, 3)), 1.0),
        CrossbarLayer(np.full((3, 1), 1e-5), np.zeros((3, 1)), 1.0),
    ]
    text = str(network_circuit(layers, [second, first], [1.0, 0.5]))
    lines = text.lower().splitlines()
    assert [line.split()[1] for line in lines if line.startswith(".subckt")] == [
        "metastable_switch_1",
        "neuron1",
        "neuron2",
    ]
    assert "ew2_0 wl2_0 0 mem1_0_out rest1 1.0" in lines  # later layers follow the output, not the membrane
    assert [line.split()[-1] for line in lines if line.startswith("xn")] == ["neuron1"] * 3 + ["neuron2"]
    with pytest.raises(InputError, match="3 neurons do not fit 2 layers"):
        network_circuit(layers, [first] * 3, [1.0, 0.5])


def without_source() -> Circuit:
    circuit = Circuit("no source")
    circuit.C("mem", "mem", circuit.gnd, 1e-9)
    return circuit


def turned_round() -> Circuit:
    circuit = without_source()
    circuit.I("in", "mem", circuit.gnd, 0)
    return circuit


def with_diode() -> Circuit:
    circuit = without_source()
    circuit.I("in", circuit.gnd, "mem", 0)
    circuit.model("d1", "D")
    circuit.D("1", "mem", circuit.gnd, model="d1")
    return circuit


@pytest.mark.parametrize(
    ("circuit", "options", "message"),
    [
        (without_source(), {}, "no current source 'iin' for its input; its current sources: none"),
        (nested(), {"source": "ix"}, "no current source 'ix' for its input; its current sources: iin"),
        (turned_round(), {}, "leads from node mem to node 0; it must lead from ground into the cell"),
        (
            nested(),
            {"output": "soma"},
            "no output node 'soma'; name one of its nodes: axon, mem, xleg_low, xleg_mid",
        ),
        (with_diode(), {}, "not understood|take resistors, capacitors, independent"),
    ],
)
def test_what_is_no_cell_is_named(circuit: Circuit, options: dict, message: str):
    with pytest.raises(InputError, match=message):
        CellCircuit.of(circuit, **options)


def test_a_value_that_no_instance_can_set_is_named():
    with pytest.raises(
        InputError, match=r"no value 'cmembrane' that could differ .*; it has: cmem, v1, v2, xm1\.ideality"
    ):
        pulsed_population(IntegrateAndFire.published(1), np.ones((1, 1)), {"cmembrane": np.ones(1)})
