"""After-hyperpolarising neurons: the study is the equation, and a volatile device remembers what a membrane forgets."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from memsim import spice
from memsim.circuits.catalogue import load_bench
from memsim.circuits.stimuli import AlphaTrain
from memsim.learn import load_study
from memsim.methods import load_method
from memsim.networks import CircuitNeuron, build_network
from memsim.surrogate import CompiledCircuit

METHOD = load_method("hyperpolarisation")
CELL, PLAIN = "after-hyperpolarising-set1", "integrate-and-fire-set1"


def test_the_study_is_the_equation() -> None:
    study = load_study(METHOD.studies["hyperpolarisation"])
    network = build_network((25,), 4, study).double()
    hidden, last = network.chain
    slow = hidden.neuron.compartments[0]
    leak, theta = hidden.neuron.leak.value(), hidden.neuron.threshold.value()
    rho, beta = slow.decay.value(), -slow.weight.value()
    inputs = torch.rand(3, study.time_steps, 25, generator=torch.Generator().manual_seed(0)) < 0.5
    a = u = z = torch.zeros(3, 64, dtype=torch.float64)
    y = torch.zeros(3, 4, dtype=torch.float64)
    fired = 0.0
    with torch.no_grad():
        for x in inputs.double().transpose(0, 1):
            a = rho * (a + z)
            u = leak * u + hidden.synapse.module(x) + hidden.recurrent.module(z) - beta * a - theta * z
            z = (u >= theta).double()
            y = last.neuron.leak.value() * y + last.synapse.module(z)
            fired += float(z.mean())
        # float64 sums in another order
        torch.testing.assert_close(network(inputs.double()), y, rtol=1e-9, atol=1e-12)
    assert fired > 1


@pytest.mark.parametrize(("plain", "other"), [("hyperpolarisation-plain", "hyperpolarisation")])
def test_plain_neurons_differ_in_nothing_but_the_compartment(plain: str, other: str) -> None:
    one, two = (load_study(METHOD.studies[name]) for name in (plain, other))
    assert one.data == two.data
    assert one.lif.given == {name: value for name, value in two.lif.given.items() if name != "compartments"}
    assert [layer.neurons for layer in one.layers] == [layer.neurons for layer in two.layers]


@pytest.mark.spice
def test_each_spike_of_the_circuit_lowers_the_next_in_both_engines() -> None:
    """Peaks, and potentials before the next pulse, as calculated by an independent program [mV]."""
    bench = load_bench(CELL)
    times = np.arange(0, bench.stop, bench.step)
    found = spice.simulate(bench.circuit, stimuli=bench.stimuli, stop=bench.stop, step=bench.step)
    drive = torch.from_numpy(bench.stimuli["iin"](times))
    waves, _ = CompiledCircuit(bench.circuit, inputs=("iin",))(drive, dt=bench.step)
    mine = 1e3 * np.interp(times, found["time"], found["v(mem)"]).reshape(6, -1)
    twin = 1e3 * waves["v(mem)"].numpy().reshape(6, -1)
    # that program was as far from ngspice; in the first four steps a membrane leaves 0 V within some 15 us
    apart = np.abs(mine - twin).ravel()
    assert apart[4:].max() < 0.045
    assert apart.max() < 0.11
    for v in (mine, twin):
        # its peaks are those of its steps, and 0.02 mV off
        np.testing.assert_allclose(v.max(axis=1), [52.79, 59.98, 59.57, 59.23, 58.96, 58.75], atol=0.03)
        np.testing.assert_allclose(v[1:, 0], [-20.13, -21.14, -21.89, -22.46, -22.88], atol=0.01)


def test_the_slow_device_remembers_a_cue_that_a_plain_circuit_forgets() -> None:
    """Potentials after a cue of two pulses and 20 ms of silence, over those without the cue."""
    times = np.arange(0, 30e-3, 50e-6)
    cue = torch.from_numpy(AlphaTrain(8e-6, 1e-3, (0.0, 5e-3))(times))[:, None, None]
    left = {}
    for name in (CELL, PLAIN):
        neuron = CircuitNeuron(name)
        waves, _ = neuron(torch.cat([cue, torch.zeros_like(cue)], 2), dt=50e-6)
        left[name] = 1e3 * float(waves[-1, 0, 0] - waves[-1, 0, 1])
    assert left[CELL] < -1
    assert abs(left[PLAIN]) < 0.01
