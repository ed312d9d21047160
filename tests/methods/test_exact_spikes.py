"""Neurons of exact spike times as circuits: two RC products and a switch fire in ngspice when the closed form says."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from memsim.errors import InputError
from memsim.methods.exact_spikes import deck, times_in_ngspice
from memsim.networks.spike_times import SILENT, Events, ExactNeurons

NEURONS = ExactNeurons(tau=10.0, threshold=10.0, reset=10.0, window=40.0)
"""Those of the printed digits, in ms and in units of what is 1 in s."""
STEP = 0.1
"""Of the network in steps, in ms: what a membrane loses by discharging to a thousandth is less in time."""


@pytest.mark.spice
def test_ngspice_fires_at_the_times_of_the_closed_form() -> None:
    source = torch.Generator().manual_seed(3)
    times = torch.tensor([[0.0, 3.0, 6.0, 8.0]], dtype=torch.float64)
    weights = torch.tensor([1.5, 1.0, 2.0, -0.5], dtype=torch.float64)[:, None]
    others = torch.randn(4, 5, generator=source, dtype=torch.float64) + 1
    weights = torch.cat([weights, others], 1)
    exact = NEURONS(Events(times, torch.arange(4)[None]), weights)[0]
    found = times_in_ngspice(NEURONS, [np.array([time]) for time in times[0].tolist()], weights)
    assert found[0] == pytest.approx([6.613558, 11.471804], abs=STEP)
    assert sum(map(len, found)) > 6
    for mine, theirs in zip(exact, found, strict=True):
        assert theirs == pytest.approx(mine[mine < SILENT].numpy(), abs=STEP)


@pytest.mark.parametrize(
    ("neurons", "lines", "words"),
    [
        (ExactNeurons(10.0, 10.0, 5.0, 40.0), 4, "takes all of it"),
        (NEURONS, 3, "3 lines for weights of 4"),
    ],
)
def test_what_the_circuit_is_not_is_refused(neurons: ExactNeurons, lines: int, words: str) -> None:
    with pytest.raises(InputError, match=words):
        deck(neurons, [np.array([1.0])] * lines, torch.ones(4, 2))
