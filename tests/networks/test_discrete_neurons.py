"""Discrete neurons: every policy by its equation, and the published numbers of methods that stand on them."""

from __future__ import annotations

import copy
import math
import statistics
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import memsim.networks.discrete_neurons as module
from memsim.errors import InputError
from memsim.learn import make_study, train
from memsim.networks import DiscreteNeuron, LeakyIntegrateAndFire
from memsim.networks.discrete import (
    SLOPES,
    Coefficient,
    Compartment,
    Complement,
    Fixed,
    Hoyer,
    Learned,
    Logistic,
    Reset,
    Scheduled,
    Spike,
    alpha_kernel,
    hoyer_extremum,
    hoyer_penalty,
)

F64 = torch.float64
CLOSED = {"relative": False, "inclusive": True}


def tensor(*values: Any) -> Tensor:
    return torch.tensor(values, dtype=F64)


def fired(neuron: DiscreteNeuron, inputs: Tensor) -> list[int]:
    """Steps in which a single neuron fires."""
    return neuron(inputs[:, None])[0][:, 0].nonzero().flatten().tolist()


class _Plain(nn.Module):
    """The equation as a loop of four lines, which autograd goes back through."""

    def __init__(self, *, spiking: bool = True) -> None:
        super().__init__()
        self.spiking = spiking
        self.leak = nn.Parameter(torch.tensor(0.9))
        self.threshold = nn.Parameter(torch.tensor(1.0), requires_grad=spiking)

    def forward(self, current: Tensor, membrane: Tensor | None = None) -> tuple[Tensor, Tensor]:
        leak, threshold = self.leak.clamp(0, 1), self.threshold.clamp(min=0.05)
        m = torch.zeros_like(current[0]) if membrane is None else membrane
        out = []
        for i in current:
            m = leak * m + i
            if self.spiking:
                spikes = _PlainSpike.apply(m / threshold - 1)
                m = m - (threshold * spikes).detach()
            out.append(spikes if self.spiking else m)
        return torch.stack(out), m


class _PlainSpike(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:
        ctx.save_for_backward(z)
        return (z > 0).to(z.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (z,) = ctx.saved_tensors
        return gradient * (0.3 * (1 - z.abs()).clamp(min=0))


def _results(layer: nn.Module, inputs: Tensor, weights: Tensor) -> list[Tensor]:
    inputs = inputs.clone().requires_grad_()
    out, state = layer(inputs)
    membrane = state if isinstance(state, Tensor) else state.membrane
    ((out * weights).sum() + membrane.square().sum()).backward()
    return [out, membrane, inputs.grad, *(p.grad for p in layer.parameters() if p.grad is not None)]


@pytest.mark.parametrize("shape", [(20, 8, 16), (5, 3, 4, 5, 5)])
@pytest.mark.parametrize("spiking", [True, False])
@pytest.mark.parametrize("fuse", [True, False])
def test_nothing_differs_from_the_plain_loop(
    shape: tuple[int, ...], spiking: bool, fuse: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = torch.Generator().manual_seed(0)
    inputs, weights = (torch.randn(shape, generator=generator) + shift for shift in (0.3, 0.0))
    if not fuse:
        monkeypatch.setattr(module, "can_fuse", lambda _: False)
    expected = _results(_Plain(spiking=spiking), inputs, weights)
    found = _results(LeakyIntegrateAndFire(spiking=spiking), inputs, weights)
    assert len(expected) == len(found) == (5 if spiking else 4)
    assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))


def test_staged_training_gives_the_same_losses_to_the_last_digit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make_study(
        data="digits",
        hidden=({"channels": 2, "kernel": 3, "stride": 2}, 12),
        steps=3,
        batch=32,
        stages=({"name": "software", "epochs": 2, "learning_rate": 0.01, "examples": 200},),
    )
    found = train(study, tmp_path / "now").records[0].history
    monkeypatch.setattr("memsim.networks.lif_table.LeakyIntegrateAndFire", _Plain)
    expected = train(study, tmp_path / "plain").records[0].history
    assert [one.loss for one in found] == [one.loss for one in expected]


def test_checkpoints_from_before_the_policies_load() -> None:
    neurons = nn.Sequential(LeakyIntegrateAndFire())
    neurons.load_state_dict({"0.leak": torch.tensor(0.7), "0.threshold": torch.tensor(1.3)})
    assert neurons[0].leak.value().item() == pytest.approx(0.7)
    assert neurons[0].threshold.value().item() == pytest.approx(1.3)


@pytest.mark.parametrize("reset", [Reset(kind, detach_amount=True) for kind in ("subtract", "zero", "set")])
@pytest.mark.parametrize("relative", [True, False])
def test_the_fused_steps_are_the_adjoint_of_the_loop(
    reset: Reset, relative: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = torch.Generator().manual_seed(1)
    inputs, weights = (torch.randn((9, 4, 6), generator=generator, dtype=F64) + s for s in (0.3, 0.0))

    def results() -> list[Tensor]:
        leak, theta = (Learned(torch.full((6,), value, dtype=F64)) for value in (0.8, 0.9))
        spike = Spike("gaussian", 0.7, 0.5, support=0.8, relative=relative)
        return _results(DiscreteNeuron(leak, theta, reset=reset, spike=spike, gain=1.2), inputs, weights)

    fast = results()
    monkeypatch.setattr(module, "can_fuse", lambda _: False)
    for a, b in zip(fast, results(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-13, atol=1e-14)  # rounding of float64


@pytest.mark.parametrize(
    ("beta", "first", "count"),
    [
        (0.05, [3, 9, 16, 25, 36, 51, 67, 84, 102, 120, 137, 155], 14),
        (0.0, [3, 8, 12, 16, 21, 25, 29, 34], 46),
    ],
)
def test_after_hyperpolarisation(beta: float, first: list[int], count: int) -> None:
    ahp = Compartment(0.985, 0.985, weight=-beta)
    neuron = DiscreteNeuron(0.9, 1.0, reset=Reset(when="next"), spike=Spike(**CLOSED), compartments=(ahp,))
    found = fired(neuron, torch.full((200,), 0.3, dtype=F64))
    assert found[: len(first)] == first
    assert len(found) == count


def test_a_reset_to_the_threshold() -> None:
    neuron = DiscreteNeuron(0.3, 0.3, reset=Reset("set"), spike=Spike("box", 2.0, 0.25, **CLOSED))
    state, seen, spikes = neuron.start(torch.zeros(1, dtype=F64)), [], []
    for i in (0.1, 0.25, 0.3, 0.0, 0.5):
        seen.append(float(0.3 * state.membrane + i))
        out, state = neuron.step(tensor(i), state)
        spikes.append(int(out))
    assert seen == pytest.approx([0.1, 0.28, 0.384, 0.09, 0.527], abs=1e-12)
    assert spikes == [0, 0, 1, 0, 1]


def test_the_kernel_of_a_spike_response_model() -> None:
    impulse = torch.zeros((21, 1), dtype=F64)
    impulse[0] = 1
    neuron = DiscreteNeuron(0.0, 1.0, compartments=alpha_kernel(10.0), spiking=False)
    found = neuron(impulse)[0][:, 0]
    assert found[[0, 1, 5, 10, 20]].tolist() == pytest.approx([0, 0.245960, 0.824361, 1, 0.735759], abs=5e-7)
    # and that of a refractory time, which a spike of the step before is the first step of
    refractory = alpha_kernel(1.0, driven_by="spike", feeds="membrane", weight=-2.0)
    quiet = DiscreteNeuron(0.0, 1.0, reset=Reset("none"), compartments=refractory)
    state, seen = None, []
    for i in (1.5, 0.0, 0.0, 0.0):
        _, state = quiet.step(tensor(i), state)
        seen.append(state.membrane.item())
    assert seen == pytest.approx([1.5, *(-2 * k * math.exp(1 - k) for k in (1, 2, 3))])


def test_a_trace_is_a_compartment_that_feeds_nothing() -> None:
    trace = Compartment(0.75, driven_by="input", feeds="nothing")
    neuron, state, total = DiscreteNeuron(0.75, 1.0, compartments=(trace,)), None, 0.0
    for given, spike in zip((1.0, 0.0, 1.0, 1.0), (0, 1, 0, 1), strict=True):
        _, state = neuron.step(tensor(given), state)
        total += spike * state.compartments[0].item()
    assert total == pytest.approx(2.921875, abs=1e-12)


def test_sparse_gradients_are_those_of_a_slope_with_support() -> None:
    beta, weights = math.exp(-0.1), tensor([0.6, 0.3], [0.2, 0.5], [0.45, 0.1]).requires_grad_()
    inputs = tensor([1, 0, 1], [0, 1, 0], [1, 1, 0], [0, 0, 1], [1, 0, 0], [0, 0, 0])
    wanted = torch.arange(12, dtype=F64).reshape(6, 2) / 10
    spike = Spike("fast-sigmoid", 1.0, 0.01, support=0.2, relative=False)
    neuron = DiscreteNeuron(beta, 1.0, reset=Reset(when="next"), spike=spike)
    late = torch.cat([torch.zeros(1, 3, dtype=F64), inputs[:-1]])
    spikes, _ = neuron((late @ weights)[:, None])
    (spikes[:, 0] * wanted).sum().backward()
    expected = tensor([0.02537452, 0.00206365], [0.02075728, 0.00228068], [0.01447738, 0.00206365])
    torch.testing.assert_close(weights.grad, expected, rtol=0, atol=5e-9)


def test_thresholds_learn_with_the_synapses() -> None:
    weights = tensor([0.5, 0.7], [0.9, 0.2], [0.3, 1.1]).requires_grad_()
    theta = Learned(tensor(0.8, 1.0, 1.2), "neuron")
    spike = Spike("arctan", 1.0, 1 / math.pi, **CLOSED)
    neuron = DiscreteNeuron(0.5, theta, reset=Reset("zero", detach=False), spike=spike)
    inputs = tensor([1, 0], [1, 1], [0, 1], [1, 1])
    spikes = neuron((inputs @ weights.T)[:, None])[0][:, 0]
    loss = (spikes.mean(0) - tensor(1, 0, 0)).square().mean()
    loss.backward()
    assert loss.item() == pytest.approx(0.25)
    assert spikes.tolist() == [[0] * 3, [1] * 3, [0] * 3, [1] * 3]
    assert theta.raw.grad.tolist() == pytest.approx([0.133123, -0.153868, -0.102396], abs=5e-7)
    expected = tensor([-0.063907, -0.096034], [0.149817, 0.113237], [0.038474, 0.099676])
    torch.testing.assert_close(weights.grad, expected, rtol=0, atol=5e-7)


def test_hoyer_thresholds_and_both_supports_of_their_slope() -> None:
    u, v = tensor([-0.5, 0.1, 0.3, 0.5, 0.9, 1.4, 2.5]), torch.ones((), dtype=F64, requires_grad=True)
    assert hoyer_extremum(u).item() == pytest.approx(3.16 / 3.8)
    assert hoyer_penalty(u).item() == pytest.approx(4.569620, abs=5e-7)
    slopes = {}
    for name, half in (("as run", 0.5), ("as printed", 1.0)):
        hoyer, inputs = Hoyer(), u.clone().requires_grad_()
        spike = Spike("box", 0.5, half, centre=half, **CLOSED)
        neuron = DiscreteNeuron(0.0, hoyer, reset=Reset("none"), spike=spike)
        spikes, _ = neuron((inputs / v)[None])
        spikes.sum().backward()
        assert spikes.flatten().tolist() == [0, 0, 0, 0, 1, 1, 1]
        slopes[name] = inputs.grad.flatten().tolist()
        if name == "as run":
            assert v.grad.item() == pytest.approx(-0.9)
            assert hoyer.running.item() == pytest.approx(0.1 * 3.16 / 3.8)
            neuron.eval()
            assert neuron.threshold.frozen().value().item() == hoyer.running.item() == neuron.unit.level
    assert slopes["as run"] == [0, 0.5, 0.5, 0.5, 0.5, 0, 0]
    assert slopes["as printed"] == [0, 0.5, 0.5, 0.5, 0.5, 0.5, 0]


def test_normalisation_folds_into_a_schedule_of_the_reference() -> None:
    generator = torch.Generator().manual_seed(3)
    leak, theta = 0.95, 1.0
    current, mean, gain = (torch.randn((20, 1, n), generator=generator, dtype=F64) for n in (200, 1, 1))
    mean, gain = 0.3 * mean[:, 0], gain[:, 0].abs() + 0.5
    spike = Spike(relative=False)
    expected, _ = DiscreteNeuron(leak, theta, spike=spike)(gain[:, None] * (current - mean[:, None]))
    ramp, r = [], torch.zeros(1, dtype=F64)
    for t in range(20):
        r = leak * r + gain[t] * mean[t]
        ramp.append(r)
    folded, _ = DiscreteNeuron(leak, Scheduled(torch.stack(ramp), theta), spike=spike)(
        gain[:, None] * current
    )
    naive = DiscreteNeuron(leak, Scheduled(gain * mean, theta), spike=spike)
    assert torch.equal(folded, expected)  # 0 of 4 000
    assert int((naive(gain[:, None] * current)[0] != expected).sum()) > 50


def test_a_reset_at_the_next_step_is_one_of_theta_over_lambda_at_once() -> None:
    inputs = torch.rand((1000, 100), generator=torch.Generator().manual_seed(4), dtype=F64)
    spike = Spike(relative=False)
    late, _ = DiscreteNeuron(0.9, 1.0, spike=spike, reset=Reset(when="next"))(inputs)
    once, _ = DiscreteNeuron(0.9, 1.0, spike=spike, reset=Reset(amount=1 / 0.9))(inputs)
    other, _ = DiscreteNeuron(0.9, 1.0, spike=spike)(inputs)
    assert torch.equal(late, once)
    assert int((late != other).sum()) > 1000


def test_rates_of_a_recurrent_layer_settle_at_their_equilibrium() -> None:
    i = torch.arange(6, dtype=F64)
    weights = ((7 * i[:, None] + 3 * i) % 5 - 2) / 10
    weights *= 0.8 / torch.linalg.matrix_norm(weights, 2)
    drive = tensor(0.9, 0.2, 0.6, 0.4, 0.7, 0.3)
    settled = tensor(0.733354, 0.337508, 0.617608, 0.373568, 0.737963, 0.133354)
    neuron, state = DiscreteNeuron(1.0, 1.0, spike=Spike(**CLOSED)), None
    spikes, count, distances = torch.zeros(6, dtype=F64), torch.zeros(6, dtype=F64), []
    for step in range(1, 1001):
        spikes, state = neuron.step(weights @ spikes + drive, state)
        count += spikes
        if step in (10, 100, 1000):
            distances.append(float((count / step - settled).norm()))
    assert distances == pytest.approx([0.1039, 0.01459, 0.001458], abs=6e-5)  # printed digits


def test_what_is_shared_by_whom() -> None:
    counts = {}
    for shared in ("layer", "column", "neuron"):
        neuron = DiscreteNeuron(threshold=Learned(1.0, shared)).shaped((8, 5, 4))
        counts[shared] = neuron.threshold.raw.numel()
        assert neuron(torch.rand(2, 3, 8, 5, 4))[0].shape == (2, 3, 8, 5, 4)
    assert counts == {"layer": 1, "column": 8, "neuron": 160}
    with pytest.raises(InputError, match=r"shaped"):
        DiscreteNeuron(threshold=Learned(1.0, "column"))(torch.rand(2, 3, 8))


def test_learned_numbers_stay_in_range() -> None:
    neuron = LeakyIntegrateAndFire()
    with torch.no_grad():
        neuron.leak.raw.fill_(1.7)
        neuron.threshold.raw.fill_(-3.0)
    assert (neuron.leak.value().item(), neuron.threshold.value().item()) == pytest.approx((1.0, 0.05))
    assert Logistic(0.9, rising=False).value().item() == pytest.approx(0.9)


def test_a_complement_follows_its_leak_and_owns_no_parameter() -> None:
    leak = Learned(0.75)
    neuron = DiscreteNeuron(leak, gain=Complement(leak, 2.0), spiking=False)
    assert [name for name, _ in neuron.named_parameters()] == ["leak.raw", "threshold.raw"]
    twin = copy.deepcopy(neuron)
    with torch.no_grad():
        twin.leak.raw.fill_(0.5)
    steady = torch.ones(200, 1)
    assert neuron(steady)[0][-1].item() == pytest.approx(2.0)
    assert twin(steady)[0][0].item() == pytest.approx(1.0)


def test_frozen_neurons_fire_the_same() -> None:
    generator = torch.Generator().manual_seed(5)
    inputs = torch.rand((12, 4, 3), generator=generator)
    for policy in (Fixed(0.8), Learned(0.8), Scheduled(torch.linspace(0, 1, 12), Learned(0.8))):
        neuron, held = (DiscreteNeuron(0.9, one) for one in (policy, policy.frozen()))
        held.threshold.bind(module.THRESHOLD, None)
        assert torch.equal(neuron(inputs)[0], held(inputs)[0])
        assert not list(held.threshold.parameters())


def test_an_adaptive_threshold() -> None:
    up = Compartment(0.9, 1.0, feeds="threshold", weight=0.5)
    neuron = DiscreteNeuron(0.0, 1.0, compartments=(up,), reset=Reset("none"))
    # raised by 0.5 * 0.9^k after k + 1 steps: 0.5, 0.45, 0.405 < 0.42;
    # then by 1.729 times as much, and 0.9^7 < 0.84 / 1.729
    assert fired(neuron, torch.full((13,), 1.42, dtype=F64)) == [0, 3, 11]


@pytest.mark.parametrize("name", SLOPES)
def test_slopes_are_one_at_zero_and_exactly_zero_beyond_the_support(name: str) -> None:
    spike = Spike(name, 0.7, 2.0, support=0.5)
    x = torch.linspace(-1, 1, 201, dtype=F64)
    found = spike.slope_at(x)
    assert found[100].item() == pytest.approx(0.7)
    assert found.max() <= 0.7 + 1e-12
    assert not found[x.abs() > 0.5 + 1e-9].any()
    torch.testing.assert_close(found, found.flip(0))


def test_state_goes_in_and_out() -> None:
    parts = {
        "reset": Reset(when="next"),
        "compartments": (Compartment(0.8, weight=-0.2), *alpha_kernel(2.0)),
        "threshold": Scheduled(torch.linspace(0, 0.5, 10)),
    }
    neuron, inputs = DiscreteNeuron(0.9, **parts), torch.rand(10, 4, 3)
    whole, end = neuron(inputs)
    first, state = neuron(inputs[:6])
    second, state = neuron(inputs[6:], state)
    assert torch.equal(whole, torch.cat([first, second]))
    assert state.step == end.step == 10
    state, steps = None, []
    for i in inputs:
        out, state = neuron.step(i, state)
        steps.append(out)
    assert torch.equal(whole, torch.stack(steps))
    assert torch.equal(state.membrane, end.membrane)


def test_own_policies_need_no_file_of_memsim() -> None:
    class Rising(Coefficient):
        changes = True

        def value(self, step: int = 0, membrane: Tensor | None = None) -> float:
            return 1.0 + step

    neuron = DiscreteNeuron(0.0, Rising(), spike=Spike(lambda x: 1 / (1 + x**4)))
    assert fired(neuron, tensor(1.5, 1.5, 3.5, 3.5)) == [0, 2]


def test_what_cannot_be_is_refused_by_name() -> None:
    cases = {
        "leak = 1.2 is out of range": lambda: DiscreteNeuron(1.2),
        "threshold = 0 is out of range": lambda: DiscreteNeuron(0.9, 0.0),
        "threshold = 0.01 is out of range": lambda: DiscreteNeuron(0.9, Learned(0.01)),
        "kind = 'hard'": lambda: Reset("hard"),
        "when = 'later'": lambda: Reset(when="later"),
        "slope = 'hat'": lambda: Spike("hat"),
        "width = 0": lambda: Spike(width=0.0),
        "feeds = 'axon'": lambda: Compartment(0.9, feeds="axon"),
        "driven_by = 'calcium'": lambda: DiscreteNeuron(
            compartments=(Compartment(0.9, driven_by="calcium"),)
        ),
        "two compartments are called": lambda: DiscreteNeuron(
            compartments=(Compartment(0.9), Compartment(0.8))
        ),
        "driven by spikes": lambda: DiscreteNeuron(compartments=(Compartment(0.9),), spiking=False),
        "shared = 'row'": lambda: Learned(1.0, "row"),
        "does not fit to a layer": lambda: DiscreteNeuron(torch.full((3,), 0.9)).shaped((4,)),
        "momentum = 0": lambda: Hoyer(0.0),
        "has seen no batch": lambda: DiscreteNeuron(0.9, Hoyer()).eval()(torch.rand(2, 3, 4)),
        "scheduled for 2 steps": lambda: DiscreteNeuron(0.9, Scheduled(torch.zeros(2)))(torch.rand(3, 1)),
        "with a step": lambda: LeakyIntegrateAndFire()(torch.rand(0, 3, 4)),
        "the state is of neurons": lambda: LeakyIntegrateAndFire()(
            torch.rand(2, 3), LeakyIntegrateAndFire().start(torch.rand(4))
        ),
        "with 0 compartments": lambda: DiscreteNeuron(compartments=(Compartment(0.9),))(
            torch.rand(2, 3), LeakyIntegrateAndFire().start(torch.rand(3))
        ),
    }
    for words, make in cases.items():
        with pytest.raises(InputError, match=words.replace("(", r"\(")):
            make()


@pytest.mark.bench
def test_the_layer_is_faster_than_the_plain_loop() -> None:
    inputs, weights = torch.rand(50, 64, 256), torch.randn(50, 64, 256)
    ratios = []
    for _ in range(9):
        times = []
        for layer in (LeakyIntegrateAndFire(), _Plain()):
            began = time.process_time()
            _results(layer, inputs, weights)
            times.append(time.process_time() - began)
        ratios.append(times[0] / times[1])
    assert statistics.median(ratios) < 0.95  # 0.7 on a quiet machine
