"""Location spiking neurons: the kernel of the paper over locations, and events that one scan alone does not see."""

from __future__ import annotations

import pytest
import torch

from memsim.learn import load_study, make_study
from memsim.learn.data import load_dataset
from memsim.methods import load_method
from memsim.networks import build_network


def test_an_event_is_remembered_over_locations_as_the_kernel_of_the_paper_says() -> None:
    lif = {"leak": 0.0, "compartments": [{"kind": "alpha-kernel", "tau": 10.0}]}
    layers = ({"over": "location", "bias": False},)
    network = build_network((21,), 1, make_study(layers=layers, steps=3, lif=lif)).double()
    with torch.no_grad():
        network.chain[0].synapse.module.weight.fill_(1.0)
    events = torch.zeros(1, 3, 21, dtype=torch.float64)
    events[0, 1, 0] = 1
    (membranes,) = network.waveforms(events)
    expected = [0, 0.245960, 0.824361, 1, 0.735759]
    assert membranes[[0, 1, 5, 10, 20], 0, 0].tolist() == pytest.approx(expected, abs=5e-7)  # printed digits


def test_counts_over_time_tell_the_region_and_counts_over_lines_early_from_late() -> None:
    data = load_dataset("early-late", bins=32)
    inputs, labels = data.train.batch(slice(None))
    late, region = labels // 2, labels % 2
    halves = inputs.unflatten(2, (2, -1)).unflatten(1, (2, -1)).sum((2, 4))  # [n, halves of time, of lines]
    by_line, by_step = halves.sum(1), halves.sum(2)
    assert torch.equal(by_line.argmax(1), region)
    assert torch.equal(by_step.argmax(1), late)
    for counts, other in ((by_line, late), (by_step, region)):
        means = torch.stack([counts[other == one].mean(0) for one in (0, 1)])
        assert (means[0] - means[1]).abs().max() < 0.05 * means.mean()  # 4 standard errors of 500 examples
    turned = load_dataset("early-late-both-ways", bins=32).train.inputs()
    assert torch.equal(turned[..., :32], inputs)
    assert torch.equal(turned[..., 32:], inputs.mT)


@pytest.mark.parametrize("task", ["", "-objects", "-containers"])
def test_branches_alone_are_those_of_the_whole(task: str) -> None:
    """The same neurons, layers, data and training, so that what the whole adds is the other branch."""
    files = load_method("location").studies
    whole, time, location = (
        load_study(files[f"location{task}{part}"]) for part in ("", "-time", "-locations")
    )
    alike = {"data", "steps", "scores", "lif", "batch", "training"}
    for alone in (time, location):
        assert alone.model_dump(include=alike) == whole.model_dump(include=alike)
        assert alone.stages[0] == whole.stages[0]
    hidden = [one.model_copy(update={"after": None}) for one in whole.layers[::2]]
    assert [time.layers[0], location.layers[0]] == hidden
