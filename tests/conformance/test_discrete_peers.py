"""Discrete neurons against snnTorch and SpikingJelly: not one spike differs, and gradients are the same."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from memsim.errors import InputError
from memsim.interop import from_snntorch, from_spikingjelly, to_snntorch, to_spikingjelly
from memsim.networks import DiscreteNeuron, LeakyIntegrateAndFire
from memsim.networks.discrete import Compartment, Complement, Learned, Logistic, Reset, Spike

F64 = torch.float64
STEPS, NEURONS = 200, 500


def drive(highest: float, seed: int = 0) -> Tensor:
    """Mostly positive inputs, so that neurons fire in a third of the steps or so."""
    generator = torch.Generator().manual_seed(seed)
    return highest * (torch.rand((STEPS, NEURONS), generator=generator, dtype=F64) - 0.1)


def relative(a: Tensor, b: Tensor) -> float:
    return float((a - b).detach().norm() / b.detach().norm())


def compared(peer: Any, neuron: DiscreteNeuron, inputs: Tensor, tolerance: float) -> tuple[int, int]:
    """Spikes, and how many of them differ; gradients of the inputs are the same."""
    weights = torch.randn(inputs.shape, generator=torch.Generator().manual_seed(1)).to(F64)
    theirs, ours = (inputs.clone().requires_grad_() for _ in range(2))
    expected, (found, _) = peer(theirs), neuron(ours)
    (expected * weights).sum().backward()
    (found * weights).sum().backward()
    assert relative(ours.grad, theirs.grad) < tolerance
    return int(expected.sum()), int((found != expected).sum())


# snnTorch hands spikes and their gradients on in float32, whatever its membranes are
SNNTORCH_TOLERANCE = 1e-6


def stepped(layer: nn.Module, states: int) -> Any:
    """All steps of a module of snnTorch, which keeps the state that it is not given."""

    def steps(inputs: Tensor) -> Tensor:
        state: tuple[Tensor, ...] = (torch.zeros_like(inputs[0]),) * states
        out = []
        for i in inputs:
            spikes, *state = layer(i, *state)
            out.append(spikes)
        return torch.stack(out).to(F64)

    return steps


@pytest.mark.parametrize("delay", [True, False])
@pytest.mark.parametrize("reset", ["subtract", "zero", "none"])
@pytest.mark.parametrize("slope", ["atan", "fast_sigmoid", "sigmoid"])
def test_leaky_of_snntorch(slope: str, reset: str, delay: bool) -> None:
    snntorch = pytest.importorskip("snntorch", reason="snnTorch is in the extra bench")
    surrogate = getattr(pytest.importorskip("snntorch.surrogate"), slope)
    layer = snntorch.Leaky(
        torch.tensor(0.9, dtype=F64),
        threshold=torch.tensor(1.0, dtype=F64),
        learn_beta=True,
        learn_threshold=True,
        reset_mechanism=reset,
        reset_delay=delay,
        spike_grad=surrogate() if slope == "atan" else surrogate(slope=4),
    )
    neuron = from_snntorch(layer)
    spikes, differing = compared(stepped(layer, 1), neuron, drive(1.2), SNNTORCH_TOLERANCE)
    assert spikes > 10_000
    assert differing == 0
    assert relative(neuron.leak.raw.grad, layer.beta.grad) < SNNTORCH_TOLERANCE
    # a sum of terms that cancel, so float32 shows more
    assert relative(neuron.threshold.raw.grad, layer.threshold.grad) < 10 * SNNTORCH_TOLERANCE


@pytest.mark.parametrize("delay", [True, False])
def test_synaptic_of_snntorch(delay: bool) -> None:
    snntorch = pytest.importorskip("snntorch", reason="snnTorch is in the extra bench")
    betas = torch.linspace(0.5, 0.95, NEURONS, dtype=F64)
    layer = snntorch.Synaptic(alpha=torch.tensor(0.7, dtype=F64), beta=betas, reset_delay=delay)
    steps = stepped(layer, 2)
    spikes, differing = compared(steps, from_snntorch(layer), drive(0.4), SNNTORCH_TOLERANCE)
    assert spikes > 10_000
    assert differing == 0


def test_where_snntorch_stays_silent() -> None:
    """The one difference: reset_delay=False holds back a neuron that is still above the threshold after a reset."""
    snntorch = pytest.importorskip("snntorch", reason="snnTorch is in the extra bench")
    layer = snntorch.Leaky(0.5, reset_delay=False)
    inputs = torch.tensor([2.6, 0.4, 0.0], dtype=F64)[:, None]
    assert stepped(layer, 1)(inputs).flatten().tolist() == [1, 0, 0]
    assert from_snntorch(layer)(inputs)[0].flatten().tolist() == [1, 1, 0]


JELLY = "SpikingJelly is not installed: pip install spikingjelly"


@pytest.mark.parametrize("detach", [True, False])
@pytest.mark.parametrize("v_reset", [None, 0.0, -0.2])
@pytest.mark.parametrize("decay_input", [True, False])
@pytest.mark.parametrize("kind", ["IFNode", "LIFNode", "ParametricLIFNode"])
def test_nodes_of_spikingjelly(kind: str, decay_input: bool, v_reset: float | None, detach: bool) -> None:
    neurons = pytest.importorskip("spikingjelly.activation_based.neuron", reason=JELLY)
    surrogate = pytest.importorskip("spikingjelly.activation_based.surrogate", reason=JELLY)
    times = {"IFNode": {}, "LIFNode": {"tau": 2.7}, "ParametricLIFNode": {"init_tau": 2.3}}[kind]
    decays = {} if kind == "IFNode" else {"decay_input": decay_input}
    node = getattr(neurons, kind)(
        **times,
        **decays,
        v_threshold=0.9,
        v_reset=v_reset,
        surrogate_function=surrogate.ATan(),
        detach_reset=detach,
        step_mode="m",
    ).double()
    neuron = from_spikingjelly(node)
    highest = 0.5 if kind == "IFNode" else 3.0 if decay_input else 1.2
    spikes, differing = compared(node, neuron, drive(highest), 1e-12)  # rounding of float64
    assert spikes > 10_000
    assert differing == 0
    if kind == "ParametricLIFNode":
        assert relative(neuron.leak.raw.grad, node.w.grad) < 1e-10  # a sum of 100 000 terms that cancel


@pytest.mark.parametrize("name", ["ATan", "Sigmoid", "PiecewiseQuadratic", "PiecewiseExp"])
def test_slopes_of_spikingjelly(name: str) -> None:
    neurons = pytest.importorskip("spikingjelly.activation_based.neuron", reason=JELLY)
    surrogate = pytest.importorskip("spikingjelly.activation_based.surrogate", reason=JELLY)
    node = neurons.LIFNode(surrogate_function=getattr(surrogate, name)(alpha=1.7), step_mode="m")
    spikes, differing = compared(node, from_spikingjelly(node), drive(3.0), 1e-12)
    assert spikes > 10_000
    assert differing == 0


@pytest.mark.parametrize(
    "reset", [Reset(kind, when=when) for kind in ("subtract", "zero") for when in ("now", "next")]
)
@pytest.mark.parametrize("relative", [True, False])
def test_there_and_back_by_snntorch(reset: Reset, relative: bool) -> None:
    pytest.importorskip("snntorch", reason="snnTorch is in the extra bench")
    leak, theta = (Learned(torch.tensor(value, dtype=F64)) for value in (0.85, 1.3))
    ours = DiscreteNeuron(leak, theta, reset=reset, spike=Spike("gaussian", 0.6, 0.7, 2.0, relative=relative))
    there = to_snntorch(ours)
    inputs = drive(1.2)
    spikes, _ = ours(inputs)
    assert torch.equal(stepped(there, 1)(inputs), spikes)
    assert spikes.sum() > 10_000
    back = from_snntorch(there)
    assert torch.equal(back(inputs)[0], spikes)
    assert (back.reset.kind, back.reset.when) == (reset.kind, reset.when)
    # snnTorch passes the reset itself where it acts at once, so only one at the next step is the same in gradients
    if reset.waits:
        compared(stepped(there, 1), ours, inputs, SNNTORCH_TOLERANCE)


def test_the_neurons_of_spiking_networks_fire_the_same_in_snntorch() -> None:
    pytest.importorskip("snntorch", reason="snnTorch is in the extra bench")
    ours, inputs = LeakyIntegrateAndFire(), drive(1.2).float()
    assert torch.equal(stepped(to_snntorch(ours), 1)(inputs), ours(inputs)[0].to(F64))


@pytest.mark.parametrize("kind", ["subtract", "zero"])
@pytest.mark.parametrize("leak", ["1", "0.8", "trained"])
@pytest.mark.parametrize("averages", [True, False])
def test_there_and_back_by_spikingjelly(kind: str, leak: str, averages: bool) -> None:
    pytest.importorskip("spikingjelly.activation_based.neuron", reason=JELLY)
    policy = (
        Logistic(torch.tensor(0.8, dtype=F64), rising=False) if leak == "trained" else Learned(float(leak))
    )
    averages = averages and leak != "1"  # a gain of 0
    spike = Spike("triangle", 0.6, 0.7, relative=False, inclusive=True)
    ours = DiscreteNeuron(
        policy.double(), 0.9, reset=Reset(kind), spike=spike, gain=Complement(policy) if averages else 1.0
    )
    inputs = drive(4.0 if averages else 0.8)
    there = to_spikingjelly(ours)
    spikes, differing = compared(there, ours, inputs, 1e-12)  # rounding of float64
    assert spikes > 10_000
    assert differing == 0
    there.reset()
    assert torch.equal(from_spikingjelly(there)(inputs)[0], ours(inputs)[0])


class Leaky(nn.Module):
    """What a module of snnTorch shows, for the cases that it takes no snnTorch to refuse."""

    def __init__(self, **values: Any) -> None:
        super().__init__()
        self.beta, self.threshold, self.graded_spikes_factor = (torch.tensor(v) for v in (0.9, 1.0, 1.0))
        self.reset_mechanism, self.reset_delay, self.spike_grad = "subtract", True, lambda x: x
        for name, value in values.items():
            setattr(self, name, value)


def test_what_cannot_be_taken_over_is_refused_by_name() -> None:
    pytest.importorskip("snntorch", reason="snnTorch is in the extra bench")
    assert isinstance(from_snntorch(Leaky(), Spike()), DiscreteNeuron)
    cases = {
        "Linear is no Leaky": lambda: from_snntorch(nn.Linear(2, 2)),
        "has inhibition": lambda: from_snntorch(Leaky(inhibition=True)),
        "has recurrent": lambda: from_snntorch(Leaky(recurrent=nn.Linear(2, 2))),
        "has graded_spikes_factor": lambda: from_snntorch(Leaky(graded_spikes_factor=torch.tensor(2.0))),
        "surrogate function .* is unknown": lambda: from_snntorch(Leaky()),
        "Linear is no neuron": lambda: from_spikingjelly(nn.Linear(2, 2)),
        "has no compartments": lambda: to_snntorch(DiscreteNeuron(compartments=(Compartment(0.9),))),
        "has no such reset": lambda: to_snntorch(DiscreteNeuron(reset=Reset("set"))),
        "above the threshold alone": lambda: to_snntorch(DiscreteNeuron(spike=Spike(inclusive=True))),
        "no gain": lambda: to_snntorch(DiscreteNeuron(gain=2.0)),
    }
    for words, make in cases.items():
        with pytest.raises(InputError, match=words):
            make()
