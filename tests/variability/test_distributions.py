"""Distributions on synthetic arrays whose truth is known."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from memsim.crossbar.nonidealities import compose
from memsim.errors import InputError
from memsim.variability import (
    CycleStatistics,
    JointDistribution,
    NoiseSpectrum,
    Pulse,
    Quantiles,
    Relaxation,
    StuckDistribution,
    SwitchingStatistics,
    quantile_errors,
    reread_noise,
)

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def test_quantiles_of_a_skewed_distribution_come_back(rng):
    samples = rng.lognormal(size=20_000)
    drawn = Quantiles.estimate(samples)(rng.standard_normal(20_000))
    # a 5 % quantile of 20 000 draws is uncertain by 1.5 % of its distance from the median, tables add about as much
    assert quantile_errors(drawn, samples, LEVELS).max() < 0.05
    assert drawn.max() <= samples.max()


GAMMA = Quantiles.estimate(np.random.default_rng(0).gamma(2.0, size=5_000))


# beyond 3.5 lies less than one of 5 000 samples: the outermost knots share its value
@given(st.floats(-3.5, 3.5))
def test_scores_invert_the_table(normal):
    assert GAMMA.normal(GAMMA(normal)) == pytest.approx(normal, abs=1e-6)


def test_correlated_parameters_stay_correlated(rng):
    common = rng.standard_normal(5_000)
    columns = {
        "r_on": np.exp(0.3 * common),
        "v_on": 0.3 + 0.02 * (0.8 * common + 0.6 * rng.standard_normal(5_000)),
        "tau": np.exp(rng.standard_normal(5_000)),
    }
    drawn = JointDistribution.estimate(columns).sample(20_000, rng)
    assert list(drawn) == list(columns)
    # standard error of a correlation of 5 000 pairs is below 0.015
    assert np.corrcoef(np.log(drawn["r_on"]), drawn["v_on"])[0, 1] == pytest.approx(0.8, abs=0.04)
    assert np.corrcoef(np.log(drawn["r_on"]), np.log(drawn["tau"]))[0, 1] == pytest.approx(0.0, abs=0.04)


def relaxing(rng, cells=16_000):
    """Cells whose change has heavy tails that widen with conductance, and remembers from read to read."""
    g = rng.uniform(2e-6, 40e-6, cells)
    first = rng.standard_t(3, cells)
    second = 0.7 * first + 0.7 * rng.standard_t(3, cells)
    width = 0.2e-6 + 0.03 * g
    return g, {1.0: g + width * first, 100.0: g + 2 * width * second}


def test_relaxation_keeps_tails_and_memory(rng):
    g, later = relaxing(rng)
    relaxation = Relaxation.estimate(g, later)
    drawn = relaxation.sample(g, rng)
    for k, time in enumerate(relaxation.times):
        change, measured = drawn[k] - g, np.maximum(later[time], 0) - g
        assert quantile_errors(change, measured, LEVELS).max() < 0.1
        # 160 cells lie beyond each tail of 1 %: about 8 % by chance in both arrays
        assert quantile_errors(change, measured, (0.01, 0.99)).max() < 0.2
    changes = [np.argsort(np.argsort(row)) for row in (drawn - g)]
    measured_changes = [np.argsort(np.argsort(later[t] - g)) for t in relaxation.times]
    assert np.corrcoef(*changes)[0, 1] == pytest.approx(np.corrcoef(*measured_changes)[0, 1], abs=0.06)


def test_relaxation_is_a_transform_of_crossbars(rng):
    g, later = relaxing(rng, 4_000)
    transform = Relaxation.estimate(g, later).at(10.0)
    stuck = StuckDistribution.estimate(rng.uniform(5e3, 7e3, 40), 1_000)
    cells = torch.full((64, 64), 20e-6, requires_grad=True)
    generator = torch.Generator().manual_seed(1)
    out = compose(transform, stuck)(cells, generator)
    assert out.shape == cells.shape
    assert (out >= 0).all()
    again = compose(transform, stuck)(cells, torch.Generator().manual_seed(1))
    torch.testing.assert_close(out, again, rtol=0, atol=0)
    out.sum().backward()
    # cells that relax pass the gradient on, stuck ones do not: 4 % of them, with 0.3 % standard error
    assert float(cells.grad.mean()) == pytest.approx(0.96, abs=0.012)


def test_relaxation_between_measured_times_lies_between(rng):
    g, later = relaxing(rng)
    relaxation = Relaxation.estimate(g, later)
    cells = torch.full((20_000,), 20e-6, dtype=torch.float64)
    spread = [
        float(relaxation.at(t)(cells, torch.Generator().manual_seed(2)).std()) for t in (1.0, 10.0, 100.0)
    ]
    assert spread[0] < spread[1] < spread[2]
    with pytest.raises(InputError, match="time = 1000"):
        relaxation.at(1000.0)


def test_noise_spectrum_is_found_and_sampled(rng):
    true = NoiseSpectrum(white=1e-5, flicker=4e-6, exponent=1.2)
    trace = 1e-4 * (1 + true.sample(1, 20_000, 0.05, rng)[0])
    found = NoiseSpectrum.estimate(trace, 0.05)
    # one trace fixes its slow part by a handful of lines, so by tens of per cent
    assert found.white == pytest.approx(true.white, rel=0.1, abs=0)
    assert found.exponent == pytest.approx(true.exponent, abs=0.3)
    fast = np.diff(true.sample(20, 5_000, 0.05, rng), axis=1).std()
    assert np.diff(found.sample(20, 5_000, 0.05, rng), axis=1).std() == pytest.approx(fast, rel=0.05, abs=0)


def test_sampled_noise_has_the_power_of_its_spectrum(rng):
    spectrum = NoiseSpectrum(white=1e-5, flicker=0.0, exponent=1.0)
    waves = spectrum.sample(50, 1_000, 0.1, rng)
    # white noise fills the band up to 5 Hz
    assert waves.std() == pytest.approx(np.sqrt(1e-5 * 5), rel=0.02, abs=0)
    assert spectrum.deviation(1e-9, 5.0) == pytest.approx(np.sqrt(1e-5 * 5), rel=1e-3, abs=0)


def switching(rng, cells=20_000):
    gate, width = rng.uniform(1.0, 3.0, cells), rng.choice([1e-8, 1e-6], cells)
    voltage, before = rng.choice([1.0, 2.0], cells), 10 ** rng.normal(5.0, 0.2, cells)
    chance = np.where(voltage == 2.0, 0.9, np.where(width == 1e-6, 0.3, 0.1))
    done = rng.random(cells) < chance
    after = np.where(done, 10 ** rng.normal(3.8, 0.04, cells), before * 10 ** rng.normal(0, 0.05, cells))
    return {"gate": gate, "width": width, "voltage": voltage}, before, after, done


def test_switching_probability_and_resistance(rng):
    pulses, before, after, done = switching(rng)
    statistics = SwitchingStatistics.estimate(pulses, before, after, done, levels=10)
    # 500 pulses a condition: standard error 2 %
    assert statistics.switching_probability(Pulse(1.5, 1e-6, 1.0)) == pytest.approx(0.3, abs=0.06)
    assert statistics.switching_probability(Pulse(1.5, 1e-8, 2.0)) == pytest.approx(0.9, abs=0.04)
    assert 0.12 < statistics.switching_probability(Pulse(1.5, 1e-7, 1.0)) < 0.28
    drawn, switched = statistics.sample(before, Pulse(**pulses), rng)
    assert quantile_errors(np.log10(drawn[switched]), np.log10(after[done]), LEVELS).max() < 0.1
    kept = np.corrcoef(np.log10(before[~switched]), np.log10(drawn[~switched]))[0, 1]
    assert kept == pytest.approx(np.corrcoef(np.log10(before[~done]), np.log10(after[~done]))[0, 1], abs=0.02)
    with pytest.raises(InputError, match="voltage = 3"):
        statistics.switching_probability(Pulse(1.5, 1e-6, 3.0))


def test_stuck_cells(rng):
    stuck = StuckDistribution.estimate(rng.uniform(5e3, 7e3, 100), 10_000)
    out = stuck(torch.full((200, 200), 1e-6), torch.Generator().manual_seed(0))
    held = out[out > 1e-5]
    assert len(held) / out.numel() == pytest.approx(0.01, abs=0.002)
    assert held.min() >= 1 / 7e3 - 1e-9
    assert held.max() <= 1 / 5e3 + 1e-9


def autocorrelation(rows, lag):
    """Of the mean over all rows, so that what differs from row to row counts."""
    deviations = rows - rows.mean()
    return (deviations[..., lag:] * deviations[..., :-lag]).mean() / deviations.var()


def test_cycles_remember_over_many_cycles(rng):
    low = 10 ** rng.normal(4.0, 0.05, 10_000)
    walk = NoiseSpectrum(white=1.0, flicker=0.05, exponent=1.0).sample(1, 10_000, 1.0, rng)[0]
    cycles = CycleStatistics.estimate(low, 10 ** (5 + 0.2 * walk))
    high = np.log10(cycles.sample(200, 1_000, rng)["high"])
    # one record of 10 000 cycles holds some ten slow waves: its spectrum is known to some ten per cent
    for lag in (1, 10, 100):
        assert autocorrelation(high, lag) == pytest.approx(autocorrelation(walk, lag), abs=0.12)
    few = cycles.sample(4_000, 3, rng)
    for name, measured in (("low", low), ("high", 10 ** (5 + 0.2 * walk))):
        assert quantile_errors(np.log10(few[name]), np.log10(measured), LEVELS).max() < 0.1


def test_read_noise_of_cells_read_twice(rng):
    g = rng.lognormal(np.log(2e-5), 1.0, 20_000)
    noise = 1e-6 * (g / 2e-5) ** 0.3
    reads = [np.maximum(g + noise * rng.standard_normal(len(g)), 1e-8) for _ in "12"]
    found = reread_noise(*reads)
    cells = torch.tensor([1e-5, 5e-5], dtype=torch.float64)
    # some 1 % for as many cells, some more as conductances are only known as they were read
    torch.testing.assert_close(found.sigma(cells), 1e-6 * (cells / 2e-5) ** 0.3, rtol=0.05, atol=0)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Quantiles.estimate([1.0, 2.0]), "at least 8"),
        (lambda: Quantiles.estimate([1.0] * 9 + [np.nan]), "not finite"),
        (lambda: JointDistribution.estimate({"a": np.ones(9), "b": np.ones(10)}), "one value of each"),
        (lambda: Relaxation.estimate(np.ones(20), {1.0: np.ones(21)}), "same order"),
        (lambda: Relaxation.estimate(np.ones(20), {0.0: np.ones(20)}), "all above 0"),
        (lambda: StuckDistribution.estimate(np.ones(9), 5), "size of the array"),
        (lambda: NoiseSpectrum(-1.0, 0.0, 1.0), "white = -1.0"),
    ],
)
def test_what_cannot_be_estimated(call, words):
    with pytest.raises(InputError, match=words):
        call()
