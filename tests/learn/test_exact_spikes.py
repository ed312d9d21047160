"""Spike times in closed form and their gradients: printed digits, differences, clocked steps, refusals."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from memsim.errors import InputError
from memsim.learn import make_study, train
from memsim.learn.data.yin_yang import yin_yang
from memsim.learn.rules import ExactSpikes
from memsim.networks import DiscreteNeuron, SpikingNetwork, build_network
from memsim.networks.discrete import Compartment, Spike
from memsim.networks.spike_times import SILENT, Events, ExactNeurons, events_of_steps, events_of_times

NEURON = ExactNeurons(tau=10e-3, threshold=0.01, reset=0.01, window=40e-3)
TIMES, WEIGHTS = (0.0, 3e-3, 6e-3, 8e-3), (1.5, 1.0, 2.0, -0.5)
PRINTED = 5e-7
"""Half of the last printed digit, of times in ms."""
LINES = torch.arange(4)[None]


def spikes(times: Tensor, weights: Tensor) -> Tensor:
    """Of one neuron, in s."""
    found = NEURON(Events(times[None], LINES), weights[:, None])[0, 0]
    return found[found < SILENT]


def numbers(values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def test_times_and_gradients_have_the_printed_digits() -> None:
    times, weights = numbers(TIMES), numbers(WEIGHTS)
    found = spikes(times, weights)
    assert (1e3 * found.detach()).tolist() == pytest.approx([6.613558, 11.471804], abs=PRINTED)
    found.sum().backward()
    assert (1e3 * weights.grad).tolist() == pytest.approx(
        [-5.948672, -5.022106, -3.284615, -2.216586], abs=PRINTED
    )
    assert times.grad.tolist() == pytest.approx([0.307447, 0.427062, 1.502398, -0.236906], abs=PRINTED)
    # whoever shifts all inputs shifts all spikes
    assert float(times.grad.sum()) == pytest.approx(2, abs=1e-12)


def clocked(step: float) -> list[float]:
    """The same neuron in steps: exact propagators, spikes seen at the end of the step."""
    leak, decay = math.exp(-step / 20e-3), math.exp(-step / 10e-3)
    gain = (leak - decay) / (1 / 10e-3 - 1 / 20e-3)
    current = Compartment(decay, driven_by="input", feeds="input", weight=gain)
    neuron = DiscreteNeuron(leak, 0.01, compartments=(current,), spike=Spike(relative=False))
    inputs = torch.zeros(round(15e-3 / step), 1, 1, dtype=torch.float64)
    for time, weight in zip(TIMES, WEIGHTS, strict=True):
        inputs[round(time / step)] += weight
    fired, _ = neuron(inputs)
    return ((fired[:, 0, 0].nonzero()[:, 0] + 1) * step).tolist()


def test_clocked_steps_come_to_the_same_times_with_slope_one() -> None:
    found = [clocked(step) for step in (100e-6, 10e-6, 1e-6)]
    assert found[0] == pytest.approx([6.7e-3, 11.5e-3], abs=1e-9)
    assert found[1] == pytest.approx([6.62e-3, 11.48e-3], abs=1e-9)
    assert found[2] == pytest.approx([6.614e-3, 11.472e-3], abs=1e-9)
    exact = spikes(numbers(TIMES), numbers(WEIGHTS)).detach().tolist()
    # over many steps that meet all inputs, since a time that is rounded up is off by any part of a step
    sizes = [1e-3 / parts for parts in range(5, 60, 3)]
    errors = [sum(abs(a - b) for a, b in zip(clocked(size), exact, strict=True)) for size in sizes]
    slope, _ = np.polyfit(np.log(sizes), np.log(errors), 1)
    assert slope == pytest.approx(1, abs=0.1)


def two_layers(seed: int) -> tuple[Tensor, list[Tensor]]:
    source = torch.Generator().manual_seed(seed)
    times = 20e-3 * torch.rand(2, 5, 1, generator=source, dtype=torch.float64)
    weights = [
        torch.randn(rows, columns, generator=source, dtype=torch.float64)
        for rows, columns in ((5, 4), (4, 3))
    ]
    return times, [2.5 * weights[0] + 1.0, 1.5 * weights[1] + 0.7]


def through(times: Tensor, weights: list[Tensor]) -> Tensor:
    for weight in weights:
        times = NEURON(events_of_times(times), weight)
    return times


@pytest.mark.parametrize("seed", range(5))
def test_gradients_are_differences_where_counts_stay(seed: int) -> None:
    times, weights = two_layers(seed)
    parts = [part.requires_grad_() for part in (times, *weights)]
    found = through(parts[0], parts[1:])
    came = found < SILENT
    assert int(came.sum()) > 2
    found[came].sum().backward()
    source, step = torch.Generator().manual_seed(seed + 100), 1e-7
    for part in parts:
        along = torch.randn(part.shape, generator=source, dtype=torch.float64)
        scale = 1e-3 if part is times else 1.0
        with torch.no_grad():
            beside = []
            for sign in (1, -1):
                moved = [one + sign * step * scale * along if one is part else one for one in parts]
                there = through(moved[0], moved[1:])
                assert torch.equal(there < SILENT, came)
                beside.append(float(there[came].sum()))
        difference = (beside[0] - beside[1]) / (2 * step * scale)
        assert float((part.grad * along).sum()) == pytest.approx(difference, rel=1e-6, abs=1e-8)


def test_spikes_of_a_window_and_of_a_count_are_all_that_is_found() -> None:
    strong = torch.tensor([3.0, 3.0, 3.0, 3.0], dtype=torch.float64)
    many = spikes(numbers(TIMES).detach(), strong)
    assert len(many) > 4
    few = ExactNeurons(10e-3, 0.01, 0.01, 40e-3, most=3)(Events(numbers(TIMES)[None], LINES), strong[:, None])
    assert torch.equal(few[0, 0], many[:3])
    short = ExactNeurons(10e-3, 0.01, 0.01, float(many[2]) + 1e-6)(
        Events(numbers(TIMES)[None], LINES), strong[:, None]
    )
    assert torch.equal(short[0, 0, :3], many[:3])
    assert bool((short[0, 0, 3:] == SILENT).all())


def test_spikes_of_steps_are_events_in_order() -> None:
    source = torch.Generator().manual_seed(0)
    frames = (torch.rand(6, 3, 4, generator=source) < 0.3).float()
    frames[:, 1] = 0
    events = events_of_steps(frames)
    for number in range(3):
        come = events.times[number] < SILENT
        pairs = list(
            zip(events.times[number][come].tolist(), events.lines[number][come].tolist(), strict=True)
        )
        assert pairs == [tuple(place) for place in frames[:, number].nonzero().tolist()]
    with pytest.raises(InputError, match="0 or 1"):
        events_of_steps(frames / 2)


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"tau": 0.0}, "tau = 0.0"), ({"threshold": -1.0}, "threshold"), ({"window": float("nan")}, "window")],
)
def test_neurons_out_of_range_are_refused(changes: dict[str, float], words: str) -> None:
    with pytest.raises(InputError, match=words):
        ExactNeurons(**{"tau": 1.0, "threshold": 1.0, "reset": 1.0, "window": 1.0, **changes})


def test_windows_beyond_the_range_of_numbers_are_refused() -> None:
    long = ExactNeurons(10e-3, 0.01, 0.01, 1.0)
    assert long(Events(numbers(TIMES)[None], LINES), numbers(WEIGHTS)[:, None]).shape == (1, 1, 30)
    with pytest.raises(InputError, match="too long"):
        long(Events(torch.tensor([TIMES]), LINES), torch.tensor(WEIGHTS)[:, None])


LEAK = math.exp(-1 / 40)
CURRENT = {"decay": LEAK**2, "driven_by": "input", "feeds": "input", "weight": 0.15}


def study(**changes: Any) -> dict[str, Any]:
    entries: dict[str, Any] = {
        "data": "yin-yang",
        "steps": 120,
        "coding": "latency",
        "scores": "sum",
        "rule": "exact-spikes",
        "lif": {"leak": LEAK, "threshold": 1.0, "compartments": [CURRENT]},
        "layers": [{"neurons": 20, "bias": False}, {"fires": True, "bias": False, "lif": {"threshold": 1.0}}],
    }
    return {**entries, **changes}


def network(**changes: Any) -> SpikingNetwork:
    found = build_network((4,), 3, make_study(**study(**changes))).double()
    assert isinstance(found, SpikingNetwork)
    return found


def test_a_network_in_steps_fires_as_in_continuous_time_within_a_step() -> None:
    found, inputs = network(), torch.rand(8, 4, generator=torch.Generator().manual_seed(1)).double()
    with torch.no_grad():
        hidden = ExactSpikes().times(found, inputs)[0]
        waves = found.waveforms(inputs)[0]
    assert int(waves.sum()) > 100
    for example in range(8):
        for neuron in range(20):
            exact = hidden[example, neuron][hidden[example, neuron] < SILENT]
            steps = waves[:, example, neuron].nonzero()[:, 0]
            # rounding up takes less from a spike that it delays: later ones lag by as many steps as there were
            late = steps[: len(exact)] + 1 - exact[: len(steps)]
            assert bool((late >= 0).all())
            assert bool((late <= 1 + 2 * torch.arange(len(late))).all())


def test_scores_are_counts() -> None:
    found, inputs = network(), torch.rand(8, 4, generator=torch.Generator().manual_seed(1)).double()
    counts = 3 + 12 * ExactSpikes(most=80).scores(found, inputs).detach()
    assert torch.allclose(counts, counts.round(), atol=1e-12)
    # within the spikes that rounding times to steps takes from a neuron that fires every few steps
    assert float(counts.sum()) == pytest.approx(float(found(inputs).detach().sum()), rel=0.1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"scores": "mean"}, "counts"),
        ({"layers": [{"neurons": 3, "bias": False}, {"bias": False}]}, "fires"),
        ({"layers": [{"neurons": 3}, {"fires": True, "bias": False}]}, "bias"),
        (
            {"layers": [{"neurons": 3, "bias": False, "recurrent": True}, {"fires": True, "bias": False}]},
            "dense",
        ),
        (
            {"lif": {"leak": LEAK, "compartments": [{**CURRENT, "decay": 0.9}], "threshold": 1.0}},
            "two to one",
        ),
        ({"lif": {"leak": LEAK, "threshold": 1.0}}, "compartment"),
        ({"lif": {"leak": LEAK, "threshold": 1.0, "compartments": [CURRENT], "reset": "zero"}}, "subtract"),
        ({"lif": {"leak": LEAK, "compartments": [CURRENT]}}, "must stay"),
        ({"training": {"dropout": 0.1}}, "dropout"),
    ],
)
def test_networks_that_are_not_the_clocked_form_are_refused(
    changes: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=words):
        train(make_study(**study(epochs=1, **changes)), tmp_path)


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"neuron": "lif", "layers": [{"neurons": 3, "fires": True}, {}]}, "all others fire"),
        ({"layers": [{"neurons": 3}, {"fires": True}]}, "circuits fire"),
    ],
)
def test_an_output_that_fires_is_said_where_it_counts(entries: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        make_study(**entries)


def test_the_loss_of_a_batch_falls_and_the_network_in_steps_says_the_same() -> None:
    layers = [{"neurons": 40, "bias": False}, {"fires": True, "bias": False, "lif": {"threshold": 1.0}}]
    found, rule = network(layers=layers), ExactSpikes()
    inputs, classes = yin_yang().train.batch(slice(0, 30))
    inputs, wanted = inputs.double(), torch.nn.functional.one_hot(classes, 3).double()
    optimizer, losses = torch.optim.Adam(found.parameters(), 0.005), []
    for _ in range(60):
        loss = (rule.scores(found, inputs) - wanted).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    with torch.no_grad():
        same = rule.scores(found, inputs).argmax(1) == found(inputs).argmax(1)
    assert (
        float(same.double().mean()) > 0.8
    )  # counts of spikes that come near the end differ by one, and may tie
