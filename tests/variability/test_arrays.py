"""Crossbars draw their cells from measured distributions: each cell its own, the same ones by the same seed."""

import os

import numpy as np
import pytest
import torch

from memsim.crossbar import Crossbar, Hardware
from memsim.crossbar.nonidealities import PerArray
from memsim.variability import (
    Pulse,
    Relaxation,
    StuckDistribution,
    SwitchingStatistics,
    quantile_errors,
    reread_noise,
    stanford,
)

pytestmark = pytest.mark.skipif("MEMSIM_DATA" not in os.environ, reason="MEMSIM_DATA is not set")
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
TAILS = (0.01, 0.99)
ROWS, COLUMNS = 120, 120


@pytest.fixture(scope="module")
def measured(folder):
    """Cells of the measured array as they were programmed, and 1 s and 100 000 s later [cells] in S."""
    return stanford.relaxation(folder)


def crossbar(programmed, seed=0, **hardware):
    """Pairs whose positive cells are programmed to measured conductances, the negative ones to the lowest."""
    low, high = float(programmed.min()), float(programmed.max())
    chosen = torch.tensor(programmed[: ROWS * COLUMNS]).reshape(ROWS, COLUMNS)
    return Crossbar.from_weights(
        (chosen - low) / (high - low),
        g_min=low,
        g_max=high,
        generator=torch.Generator().manual_seed(seed),
        hardware=Hardware(**hardware),
    )


def positive(made):
    return made.conductances()[0].detach().numpy().ravel()


def test_relaxation_of_each_cell(measured):
    programmed, later = measured
    relaxation = Relaxation.estimate(programmed, later)
    before = positive(crossbar(programmed))
    np.testing.assert_allclose(before, programmed[: ROWS * COLUMNS], rtol=1e-12)
    for time in (1.0, 1e5):
        made = crossbar(programmed, nonidealities=(relaxation.at(time),))
        change = positive(made) - before
        truth = (later[time] - programmed)[: ROWS * COLUMNS]
        # 14 400 cells beside as many: 2 to 4 % by chance, 8 % where only 144 are beyond
        assert quantile_errors(change, truth, LEVELS).max() < 0.10
        assert quantile_errors(change, truth, TAILS).max() < 0.20
        again, other = (crossbar(programmed, seed, nonidealities=(relaxation.at(time),)) for seed in (0, 1))
        np.testing.assert_array_equal(positive(again), positive(made))
        assert not np.array_equal(positive(other), positive(made))


def test_the_same_cells_at_several_times(measured):
    programmed, later = measured
    relaxation = Relaxation.estimate(programmed, later)
    before = positive(crossbar(programmed))
    early, late = (
        positive(crossbar(programmed, nonidealities=(PerArray(relaxation.at(t), seed=4),))) - before
        for t in (1.0, 1e5)
    )
    truth = [(later[t] - programmed)[: ROWS * COLUMNS] for t in (1.0, 1e5)]
    # standard error of a correlation of 14 400 pairs is below 1 %, more with heavy tails
    assert np.corrcoef(early, late)[0, 1] == pytest.approx(np.corrcoef(*truth)[0, 1], abs=0.05)


def test_stuck_cells_are_those_of_the_chip(folder, measured):
    stuck = StuckDistribution.estimate(stanford.stuck(folder, 13), stanford.CELLS)
    made = crossbar(measured[0], nonidealities=(PerArray(stuck, seed=2),))
    held = positive(made) != positive(crossbar(measured[0]))
    # binomial: 171 of 14 400 expected, deviation 13
    assert held.sum() == pytest.approx(stuck.rate * ROWS * COLUMNS, abs=4 * 13)
    made.reprogram()
    np.testing.assert_array_equal(positive(made) != positive(crossbar(measured[0])), held)


def test_reads_are_as_noisy_as_those_of_the_array(folder, measured):
    p = stanford.pulses(folder, "set")
    quiet = p["voltage"] == 0.5
    noise = reread_noise(1 / p["before"][quiet], 1 / p["after"][quiet])
    made, steady = (crossbar(measured[0], read_noise=noise), crossbar(measured[0]))
    voltage = torch.zeros(400, ROWS, dtype=torch.float64)
    voltage[:, 7] = 0.1
    with torch.no_grad():
        error = (made(voltage) - steady(voltage)) / 0.1
    cells = torch.stack([lines[7].detach() for lines in steady.conductances()])
    expected = noise.sigma(cells).square().sum(0).sqrt()
    # a deviation of 400 reads is known to 3.5 %, the mean of 120 columns to 0.3 %
    assert float((error.std(0) / expected).mean()) == pytest.approx(1.0, abs=0.02)
    # the difference of two reads of a cell, as measured
    difference = 1 / p["after"][quiet] - 1 / p["before"][quiet]
    assert np.sqrt(2) * float(noise.sigma(torch.tensor(np.median(1 / p["before"][quiet])))) == pytest.approx(
        float(difference.std()), rel=0.1, abs=0
    )


def test_pulses_switch_the_measured_share_of_cells(folder):
    p = stanford.pulses(folder, "set")
    switched = p["after"] < stanford.SET_RESISTANCE
    statistics = SwitchingStatistics.estimate(
        {name: p[name] for name in ("gate", "width", "voltage")}, p["before"], p["after"], switched
    )
    pulse = Pulse(gate=2.0, width=1e-6, voltage=1.0)
    programmed = 1 / p["before"]
    made = crossbar(programmed, nonidealities=(statistics.at(pulse),))
    after = positive(made)
    like = (p["voltage"] == 1.0) & (np.abs(p["gate"] - 2.0) < 0.35) & (p["width"] >= 4e-7)
    # some 500 measured pulses like it, 20 % of which switch: a standard error of 2 %; 5 % of the 60 nearest ones
    assert like.sum() > 300
    share = (after > 1 / stanford.SET_RESISTANCE).mean()
    assert share == pytest.approx(switched[like].mean(), abs=0.10)
    assert share == pytest.approx(statistics.switching_probability(pulse), abs=0.02)
    assert (
        quantile_errors(
            np.log10(after[after < 1 / stanford.SET_RESISTANCE]),
            np.log10(1 / p["after"][like & ~switched]),
            LEVELS,
        ).max()
        < 0.25
    )  # some 400 measured cells: 10 to 20 % by chance
