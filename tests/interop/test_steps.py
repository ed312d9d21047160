"""Memristive neurons called as snnTorch calls its own, and as layers of a Sequential."""

import numpy as np
import pytest
import torch
from torch import nn

from memsim import spice
from memsim.circuits import Constant
from memsim.circuits.catalogue import load_bench
from memsim.crossbar import Crossbar
from memsim.errors import InputError
from memsim.interop import SpikingNeuron, SpikingSequence

FIRING = "threshold-switching-a"


@pytest.mark.spice
def test_a_loop_over_steps_spikes_as_ngspice_does():
    # a tenth of the switch's time constant; at half of it round-off grows from step to step until it moves spikes
    neuron = SpikingNeuron(FIRING, dt=2e-6)
    mem, spikes = None, torch.zeros(2)
    for _ in range(6000):
        spk, mem = neuron(torch.tensor([0.6, 2.0], dtype=torch.float64), mem)
        spikes = spikes + spk
    bench = load_bench(FIRING)
    for count, current in zip(spikes.tolist(), (3e-6, 10e-6), strict=True):
        waves = spice.simulate(bench.circuit, stimuli={"iin": Constant(current)}, stop=12e-3, step=2e-6)
        above = waves["v(mem)"].values > neuron.level
        spikes_in_ngspice = np.count_nonzero(~above[:-1] & above[1:])
        assert spikes_in_ngspice > 1
        # from 20 to 106 mV s climbs from 0.01 to 0.98, and each spike counts as much
        assert count == pytest.approx(0.97 * spikes_in_ngspice, rel=0.02)


def test_steps_and_sequence_are_the_same_circuit():
    """Held currents in steps; straight lines between samples in a sequence: equal where the current is constant."""
    current = torch.rand(1, 5, dtype=torch.float64).expand(60, 5) + 1
    neuron, layer = SpikingNeuron(FIRING, dt=20e-6), SpikingSequence(FIRING, dt=20e-6, output="potential")
    mem, potentials = neuron.init_mem(current[0]), []
    for step in current:
        potentials.append(neuron.potential(mem))
        _, mem = neuron(step, mem)
    torch.testing.assert_close(torch.stack(potentials) / layer.level, layer(current), rtol=1e-9, atol=1e-12)


def test_nothing_is_kept_between_calls():
    neuron, cur = SpikingNeuron(dt=1e-4), torch.ones(3, 2)
    first = neuron(cur)
    second = neuron(cur, first[1])
    for one, other in zip(first, neuron(cur), strict=True):
        assert torch.equal(one, other)
    assert not torch.equal(second[1], first[1])
    assert list(neuron.buffers()) == []
    assert first[1].shape == (3, 3, 2)  # potential and two states of 3 x 2 neurons


def test_gradient_through_steps_is_that_of_finite_differences():
    neuron = SpikingNeuron("integrate-and-fire-set1", dt=1e-4, trainable=("cmem",))

    def spikes(current: torch.Tensor) -> torch.Tensor:
        mem, total = None, current.new_zeros(())
        for _ in range(6):
            spk, mem = neuron(current, mem)
            total = total + spk.sum()
        return total

    assert torch.autograd.gradcheck(spikes, torch.tensor([0.9, 1.3], dtype=torch.float64, requires_grad=True))
    spikes(torch.tensor([1.0], dtype=torch.float64)).backward()
    (capacitance,) = neuron.parameters()
    assert capacitance.grad is not None
    assert capacitance.grad != 0
    torch.optim.Adam(neuron.parameters(), lr=0.01).step()
    # the rate times a quarter of ln 100, the range
    assert abs(neuron.circuit.trained_values()["cmem"].item() / 1e-9 - 1) == pytest.approx(0.0115, rel=0.01)


def test_a_sequential_learns():
    """Two classes of constant inputs, told apart by the graded spikes of two neurons."""
    torch.manual_seed(0)
    hidden, last = (SpikingSequence(dt=2e-4, output="potential") for _ in range(2))
    model = nn.Sequential(nn.Linear(2, 8), hidden, nn.Linear(8, 2), last)
    inputs = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).repeat(16, 1) + 0.1 * torch.randn(32, 2)
    classes = torch.tensor([0, 1]).repeat(16)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(30):
        optimizer.zero_grad()
        scores = model(inputs.expand(20, 32, 2)).mean(dim=0)
        nn.functional.cross_entropy(4 * scores, classes).backward()
        optimizer.step()
    assert (scores.argmax(dim=1) == classes).float().mean() > 0.9


def test_a_crossbar_and_memristive_neurons_in_a_sequential():
    model = nn.Sequential(Crossbar(4, 3, g_min=4e-6, g_max=25e-6), SpikingSequence(dt=1e-4, unit_current=1.0))
    spikes = model(0.1 * torch.rand(50, 2, 4))
    assert spikes.shape == (50, 2, 3)
    assert bool((spikes >= 0).all())


def test_refused():
    with pytest.raises(InputError, match=r"unknown neuron 'leaky'.*threshold-switching-a"):
        SpikingNeuron("leaky", dt=1e-3)
    with pytest.raises(InputError, match="dt = 0"):
        SpikingNeuron(dt=0)
    with pytest.raises(InputError, match="use spikes or potential"):
        SpikingSequence(dt=1e-3, output="current")
    with pytest.raises(InputError, match="not finite"):
        SpikingNeuron(dt=1e-3)(torch.tensor([float("nan")]))
