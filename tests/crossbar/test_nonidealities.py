"""Statistics of conductances after each transform, against published figures and per-cell draws."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from memsim.crossbar import presets
from memsim.crossbar.laws import ClippedLog, ClippedPower
from memsim.crossbar.nonidealities import (
    Drift,
    Fading,
    Levels,
    LognormalVariation,
    PerArray,
    ProgrammingNoise,
    ReadNoise,
    StuckCells,
    Upsets,
    compose,
)
from memsim.errors import InputError

G_MIN, G_MAX = 1e-6, 40e-6
CELLS = 200_000
DAY = 86400.0

TRANSFORMS = [
    Levels(16, G_MIN, G_MAX),
    presets.NEURRAM_1S,
    presets.NEURRAM_2DAYS,
    presets.PCM_PROGRAMMING,
    LognormalVariation(0.2),
    presets.STUCK_CHIP_13,
    Drift(DAY, reference_time=1.0, mean=0.1),
    PerArray(LognormalVariation(0.2), seed=1),
    presets.pcm_drift(DAY),
]
DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=[pytest.mark.cuda, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")],
    ),
]
LAW = ClippedLog(-0.0155, 0.0244, low=0.049, high=0.1, g_max=25e-6)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def same(conductance: float, count: int = CELLS) -> torch.Tensor:
    return torch.full((count,), conductance, dtype=torch.float64)


def five_sigma_of_spread(count: int = CELLS) -> float:
    """The relative standard error of a Gaussian's standard deviation is 1 / sqrt(2 n)."""
    return 5 / math.sqrt(2 * count)


@pytest.mark.parametrize("transform", TRANSFORMS, ids=lambda transform: type(transform).__name__)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@given(shape=st.lists(st.integers(0, 4), max_size=4), seed=st.integers(0, 1000))
def test_shape_type_range_and_seed(transform, dtype, shape, seed):
    """Any shape, zero conductance included; the input is left alone and the seed repeats the draw."""
    g = torch.rand(shape, generator=generator(seed), dtype=dtype) * G_MAX * (torch.rand(shape) > 0.2)
    before = g.clone()
    one, two = transform(g, generator(seed)), transform(g, generator(seed))
    assert one.shape == g.shape
    assert one.dtype == dtype
    assert torch.equal(one, two)
    assert torch.equal(g, before)
    assert bool(((one >= 0) & one.isfinite()).all())


@pytest.mark.parametrize("transform", TRANSFORMS, ids=lambda transform: type(transform).__name__)
def test_gradients_are_finite_from_zero_to_the_highest_conductance(transform):
    g = torch.linspace(0, G_MAX, 101, dtype=torch.float64, requires_grad=True)
    transform(g, generator()).sum().backward()
    assert bool(g.grad.isfinite().all())


@pytest.mark.parametrize("place", DEVICES)
def test_place_is_that_of_the_conductances(place):
    g = same(10e-6, 6).reshape(3, 2).to(place)
    source = torch.Generator(place).manual_seed(0)
    assert compose(*TRANSFORMS)(g, source).device == g.device
    assert ReadNoise(0.1)(g.T, g, source).device == g.device


def test_levels_are_the_nearest_of_the_count():
    levels = Levels(5, 10e-6, 30e-6)
    g = torch.linspace(0, G_MAX, 1001, dtype=torch.float64)
    expected = torch.linspace(10e-6, 30e-6, 5, dtype=torch.float64)
    rounded = levels(g, generator())
    distance = (g[:, None] - expected).abs()
    assert torch.allclose(rounded.unique(), expected, rtol=1e-14, atol=0)
    # at the middle between two levels rounding may choose either
    assert torch.allclose((g - rounded).abs(), distance.min(dim=1).values, rtol=0, atol=1e-19)
    assert torch.equal(levels(rounded, generator()), rounded)


def test_pcm_programming_spread_is_the_published_one():
    """0.953 uS at half of 25 uS: three digits are published."""
    g = same(12.5e-6)
    assert presets.PCM_PROGRAMMING.sigma(g)[0].item() == pytest.approx(0.953e-6, abs=5e-10)
    noisy = presets.PCM_PROGRAMMING(g, generator())
    # zero lies 13 sigma away, so that nothing is cut off
    assert noisy.std().item() == pytest.approx(0.95269e-6, rel=five_sigma_of_spread(), abs=0)
    assert noisy.mean().item() == pytest.approx(12.5e-6, abs=5 * 0.953e-6 / math.sqrt(CELLS))


def test_neurram_spread_is_that_of_the_tabulated_polynomial():
    """Values at 2 to 39 uS as tabulated to 0.01 uS; half a unit of the last digit and of its rounding."""
    g = torch.tensor([2.0, 5, 10, 15, 20, 25, 30, 35, 39], dtype=torch.float64) * 1e-6
    expected = torch.tensor([1.05, 1.75, 2.26, 2.25, 2.02, 1.75, 1.53, 1.35, 1.17], dtype=torch.float64)
    assert torch.allclose(presets.NEURRAM_1S.sigma(g) * 1e6, expected, rtol=0, atol=0.0101)
    assert bool((presets.NEURRAM_1DAY.sigma(g) > presets.NEURRAM_1S.sigma(g)).all())


def test_beyond_the_fit_the_spread_stays():
    sigma = presets.NEURRAM_1S.sigma(torch.tensor([40e-6, 80e-6], dtype=torch.float64))
    assert sigma[0] == sigma[1]


def test_variation_is_lognormal_about_the_median():
    """Mean and spread of ln g within five standard errors."""
    logarithm = LognormalVariation(0.3)(same(10e-6), generator()).log()
    assert logarithm.mean().item() == pytest.approx(math.log(10e-6), abs=5 * 0.3 / math.sqrt(CELLS))
    assert logarithm.std().item() == pytest.approx(0.3, rel=five_sigma_of_spread(), abs=0)


@pytest.mark.parametrize("stuck", [presets.STUCK_CHIP_13, presets.STUCK_CHIP_14, StuckCells(1.0, 0.0)])
def test_stuck_cells_are_as_many_as_the_rate_says(stuck):
    """A binomial count, within five standard deviations; the other cells are untouched."""
    g = stuck(same(5e-6), generator())
    count = int((g == stuck.conductance).sum())
    assert abs(count - stuck.rate * CELLS) <= 5 * math.sqrt(CELLS * stuck.rate * (1 - stuck.rate))
    assert int((g == 5e-6).sum()) == CELLS - count


def test_upsets_turn_as_many_cells_as_the_rate_says_to_the_other_end():
    """A binomial count, within five standard deviations; the other cells are untouched."""
    upsets = Upsets(0.01, 1e-6, 9e-6)
    g = upsets(same(3e-6), generator())
    count = int(torch.isclose(g, torch.tensor(7e-6, dtype=g.dtype), rtol=1e-12, atol=0).sum())
    assert abs(count - 0.01 * CELLS) <= 5 * math.sqrt(CELLS * 0.01 * 0.99)
    assert int((g == 3e-6).sum()) == CELLS - count
    assert (Upsets(1.0, 1e-6, 9e-6)(same(1e-5, 3), generator()) == 1e-6).all()


def test_faded_cells_keep_a_share_of_what_they_were_written_apart_by():
    g = torch.tensor([1e-6, 5e-6, 9e-6], dtype=torch.float64)
    wanted = torch.tensor([4e-6, 5e-6, 6e-6], dtype=torch.float64)
    torch.testing.assert_close(Fading(0.25, 5e-6)(g, generator()), wanted, rtol=1e-12, atol=0)


def test_stuck_rates_are_the_counted_ones():
    """1.19 % and 0.52 % of 65 536 cells, as published to 0.01 %."""
    assert pytest.approx(0.0119, abs=5e-5) == presets.STUCK_CHIP_13.rate
    assert pytest.approx(0.0052, abs=5e-5) == presets.STUCK_CHIP_14.rate


def test_pcm_drifts_to_the_published_share_after_a_day_and_a_year():
    """0.664 and 0.497 of the programmed conductance at g = 0.5, three digits; the median has no bias by spread."""
    for time, share in ((DAY, 0.664), (365 * DAY, 0.497)):
        drifted = presets.pcm_drift(time)(same(12.5e-6), generator()) / 12.5e-6
        # ln G spreads by 0.008 ln(t / t_0); the median's standard error is 1.2533 sigma / sqrt(n)
        error = 5 * 1.2533 * 0.008 * math.log(time / 20) / math.sqrt(CELLS)
        assert drifted.median().item() == pytest.approx(share, rel=error, abs=5e-4)


def test_drift_of_a_given_exponent_is_a_power_law():
    """The generator has nothing to say without a spread."""
    drift = Drift(99.0, reference_time=1.0, mean=0.5)
    assert torch.allclose(drift(same(10e-6, 3), generator()), same(1e-6, 3), rtol=1e-14, atol=0)


def test_laws_are_clipped_where_published():
    """mu = clip(-0.0155 ln g + 0.0244, 0.049, 0.1), here between both ends at g = 0.1."""
    g = torch.tensor([0.0, 1e-6 / 40, 2.5e-6, 12.5e-6, 50e-6], dtype=torch.float64)
    middle = -0.0155 * math.log(0.1) + 0.0244
    expected = torch.tensor([0.1, 0.1, middle, 0.049, 0.049], dtype=torch.float64)
    # through an exponential and a logarithm: some roundings, divided by the slope
    assert torch.allclose(LAW(g), expected, rtol=1e-12, atol=0)


def test_an_array_is_the_same_at_each_programming():
    """Whatever the generator says; another seed is another array."""
    variation = PerArray(LognormalVariation(0.2), seed=4)
    g = same(10e-6, 100)
    assert torch.equal(variation(g, generator(1)), variation(2 * g, generator(2)) / 2)
    assert torch.equal(variation(g, generator(1)), LognormalVariation(0.2)(g, generator(4)))
    assert not torch.equal(
        variation(g, generator(1)), PerArray(LognormalVariation(0.2), seed=5)(g, generator(1))
    )


def test_levels_pass_gradients_straight_through():
    g = same(12.3e-6, 3).requires_grad_()
    Levels(5, 10e-6, 30e-6)(g, generator()).sum().backward()
    assert torch.equal(g.grad, torch.ones(3, dtype=torch.float64))


def test_composition_is_one_after_the_other():
    first, second = LognormalVariation(0.2), presets.NEURRAM_1S
    source = generator(5)
    expected = second(first(same(10e-6, 9), source), source)
    assert torch.equal(compose(first, second)(same(10e-6, 9), generator(5)), expected)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Levels(1, G_MIN, G_MAX), "count = 1"),
        (lambda: Levels(2.5, G_MIN, G_MAX), "count = 2.5"),
        (lambda: Levels(4, G_MAX, G_MIN), "g_max = 1e-06 is out of range; allowed: > 4e-05"),
        (lambda: Levels(4, -1e-6, G_MAX), "g_min"),
        (lambda: ProgrammingNoise((0.0, 0.0), G_MAX), "adds no noise"),
        (lambda: ProgrammingNoise((), G_MAX), "adds no noise"),
        (lambda: ProgrammingNoise((1e-6, -2e-6), G_MAX), "negative spread"),
        (lambda: ProgrammingNoise((1e-6, -4.1e-6, 4e-6), G_MAX), "negative spread"),
        (lambda: ProgrammingNoise((1e-6,), 0.0), "g_max = 0.0"),
        (lambda: ProgrammingNoise((math.nan,), G_MAX), r"coefficients\[0\] = nan"),
        (lambda: LognormalVariation(0.0), "sigma = 0.0 is out of range; allowed: > 0"),
        (lambda: StuckCells(0.0, G_MAX), "rate = 0.0 is out of range; allowed: > 0, <= 1"),
        (lambda: StuckCells(1.1, G_MAX), "rate = 1.1"),
        (lambda: StuckCells(0.1, -G_MAX), "conductance"),
        (lambda: Drift(0.0, reference_time=1.0, mean=0.1), "time = 0.0"),
        (lambda: Drift(1.0, reference_time=0.0, mean=0.1), "reference_time = 0.0"),
        (lambda: Drift(1.0, reference_time=1.0, mean=0.0), "let nothing drift"),
        (lambda: Drift(1.0, reference_time=1.0, mean=-0.1), "mean = -0.1"),
        (lambda: ReadNoise(0.0), "relative = 0.0"),
        (lambda: ReadNoise(math.inf), "relative = inf"),
        (lambda: ClippedLog(0.0, 0.1, 0.0, 1.0, G_MAX), "slope = 0"),
        (lambda: ClippedLog(1.0, 0.1, 1.0, 0.0, G_MAX), "high = 0.0"),
        (lambda: ClippedPower(0.1, 0.5, 0.2, G_MAX), "exponent = 0.5"),
        (lambda: presets.pcm_read_noise(1e-7), "time = 1e-07"),
        (compose, "no transforms"),
    ],
)
def test_values_out_of_range_or_without_effect(make, message):
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize("transform", TRANSFORMS, ids=lambda transform: type(transform).__name__)
@pytest.mark.parametrize("bad", [-1e-9, math.nan, math.inf])
def test_conductance_that_cannot_be(transform, bad):
    g = same(10e-6, 6).reshape(2, 3)
    g[1, 2] = bad
    with pytest.raises(InputError, match=r"conductance\[1, 2\]"):
        transform(g, generator())


def test_integers_are_no_conductances():
    with pytest.raises(InputError, match="floating point"):
        LognormalVariation(0.1)(torch.ones(3, dtype=torch.int64), generator())
