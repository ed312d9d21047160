"""Readouts do what their equations say, on waveforms made by hand."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from memsim.errors import InputError
from memsim.learn import make_study
from memsim.networks import MemristiveNetwork, load_cell
from memsim.networks.readouts import Readout
from memsim.networks.tables import ReadoutTable

LEVEL, WIDTH, HIGH, LOW = 30e-3, 0.5e-3, 60e-3, 0.0
# sigmoid(+-30 mV / 0.5 mV) is 1 and 0 to 1e-26
EXACT = 1e-12


def readout(kind: str, scale: float = 1.0) -> Readout:
    return Readout(kind, scale, LEVEL, WIDTH)


def square_wave(spikes: int, samples: int = 100, start: int = 0) -> torch.Tensor:
    """Spikes of two samples, four apart, from `start` on: [time, 1, 1]."""
    wave = torch.full((samples, 1, 1), LOW, dtype=torch.float64)
    for spike in range(spikes):
        wave[start + 1 + 4 * spike : start + 3 + 4 * spike] = HIGH
    return wave


@given(st.integers(0, 20))
def test_the_count_is_the_number_of_full_spikes(spikes):
    assert float(readout("spike-count")(square_wave(spikes))) == pytest.approx(spikes, abs=EXACT)


def test_a_spike_that_only_reaches_the_level_counts_half():
    wave = square_wave(1)
    wave[wave == HIGH] = LEVEL
    assert float(readout("spike-count")(wave)) == pytest.approx(0.5, abs=EXACT)


def test_many_samples_of_one_spike_count_it_once():
    rise = torch.linspace(LOW, HIGH, 500, dtype=torch.float64)
    wave = torch.cat([rise, rise.flip(0)])[:, None, None]
    assert float(readout("spike-count")(wave)) == pytest.approx(1, abs=EXACT)


@given(st.integers(0, 19))
def test_the_first_spike_is_read_as_its_time(start):
    wave = square_wave(3, start=start)
    # start + 1 of 100 samples lie below the level before the first spike
    assert float(readout("first-spike")(wave)) == pytest.approx(-(start + 1) / 100, abs=EXACT)


def test_without_a_spike_the_first_one_is_at_the_end_of_the_window():
    assert float(readout("first-spike")(square_wave(0))) == pytest.approx(-1, abs=EXACT)


def test_mean_and_maximum_are_in_units_of_the_scale():
    wave = square_wave(5)  # 10 of 100 samples are high
    assert float(readout("mean", 2e-3)(wave)) == pytest.approx(0.1 * HIGH / 2e-3, rel=1e-12)
    assert float(readout("maximum", 10e-3)(wave)) == pytest.approx(HIGH / 10e-3, rel=1e-12)


@pytest.mark.parametrize("kind", ["spike-count", "first-spike"])
def test_a_neuron_that_almost_fires_feels_how_close_it_came(kind):
    wave = square_wave(1)
    wave[wave == HIGH] = LEVEL - 2 * WIDTH
    (gradient,) = torch.autograd.grad(readout(kind)(wave.requires_grad_()).sum(), wave)
    assert float(gradient.sum()) > 0  # a higher potential means more of a spike, and an earlier one
    assert bool(torch.isfinite(gradient).all())


def test_what_a_study_leaves_out_comes_from_kind_and_neuron():
    mine = Readout.of(
        ReadoutTable(kind="mean", scale=5e-3, level=0.02), load_cell("integrate-and-fire-set1").regime, 10e-3
    )
    assert (mine.scale, mine.level) == (5e-3, 0.02)
    for neuron, between in (("integrate-and-fire-set1", (0, 0.06)), ("threshold-switching-a", (0.02, 0.11))):
        for kind in ("mean", "maximum", "spike-count", "first-spike"):
            found = Readout.of(ReadoutTable(kind=kind), load_cell(neuron).regime, 10e-3)
            assert between[0] < found.level < between[1]
            assert 0 < found.width < found.level / 3
            assert math.isfinite(found.scale)
            assert found.scale > 0


@pytest.mark.parametrize("kind", ["mean", "maximum", "spike-count", "first-spike"])
def test_what_comes_before_the_start_is_not_looked_at(kind):
    wave = square_wave(12, samples=101)
    wave[6] = 2 * HIGH
    late = Readout(kind, 1.0, LEVEL, WIDTH, start=0.4)
    assert torch.equal(late(wave), readout(kind)(wave[40:]))
    assert not torch.equal(late(wave), readout(kind)(wave))


def test_the_start_of_a_study_is_a_share_of_its_window():
    study = make_study(hidden=(3,), window=20e-3, readout={"start": 15e-3})
    assert MemristiveNetwork((4,), 2, study).readout.start == pytest.approx(0.75)
    with pytest.raises(
        InputError, match=r"readout.start = 0.02 s leaves nothing to look at; allowed: at most"
    ):
        make_study(window=20e-3, readout={"start": 20e-3})
