"""One bit means one bit: what sense amplifiers and ADCs decide, and how often they err."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2, norm

from memsim.errors import InputError
from memsim.imc.converters import (
    Adc,
    Converter,
    IdealConverter,
    SenseAmplifier,
    TernaryAmplifier,
    converter_of,
)
from memsim.imc.estimators import SLOPES, slope
from memsim.imc.hardware import load_hardware

SUMS = torch.linspace(-20, 20, 801, dtype=torch.float64)[None, :, None]
QUIET: tuple[Converter, ...] = (
    IdealConverter(),
    SenseAmplifier(offset=1.3),
    SenseAmplifier(tie=1),
    TernaryAmplifier(threshold=0.5, offset=0.8),
    Adc(bits=5, step=1.0, offset=0.7),
    Adc(bits=4, step=1.5, inl=0.6, dnl=0.4),
)


def source(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("converter", QUIET, ids=lambda one: f"{type(one).__name__}")
def test_a_larger_sum_is_never_read_as_less(converter: Converter) -> None:
    made = converter.made(1, 1, source()).double()
    assert bool((converter(SUMS, made, None).diff(dim=1) >= 0).all())


@given(offset=st.floats(-5, 5), p=st.floats(-20, 20))
def test_an_offset_shifts_the_decision_by_exactly_itself(offset: float, p: float) -> None:
    amplifier = SenseAmplifier(offset=1.0)
    made = torch.full((1, 1, 1), offset, dtype=torch.float64)
    decided = amplifier(torch.full((1, 1, 1), p, dtype=torch.float64), made, None).item()
    assert decided == (1 if p + offset > 0 else -1)


@pytest.mark.parametrize(("tie", "decided"), [(-1, -1.0), (1, 1.0)])
def test_ties_follow_the_rule(tie: int, decided: float) -> None:
    assert SenseAmplifier(tie=tie)(torch.zeros(1, 1, 1), torch.zeros(1, 1, 1), None).item() == decided


@pytest.mark.parametrize("metastable", [0.0, 0.8])
def test_errors_follow_the_noise_model(metastable: float) -> None:
    """chi^2 over 21 inputs of 4000 reads each: above its 1 - 1e-6 quantile once in a million fixed seeds."""
    amplifier = SenseAmplifier(noise=1.2, metastable=metastable)
    reads, inputs, offset = 4_000, torch.linspace(-2, 2, 21, dtype=torch.float64), 0.35
    p = inputs.expand(1, reads, -1)
    high = (amplifier(p + offset, torch.zeros(1, 1, 1), source(1)) > 0).double().sum((0, 1))
    ends = [norm.cdf((inputs.numpy() + offset + side * metastable) / 1.2) for side in (-1, 1)]
    expected = torch.as_tensor((ends[0] + ends[1]) / 2)
    assert amplifier.probability(inputs + offset).tolist() == pytest.approx(expected.tolist(), rel=1e-9)
    statistic = float(((high - reads * expected).square() / (reads * expected * (1 - expected))).sum())
    assert statistic < chi2.isf(1e-6, df=len(inputs))


def test_offsets_are_those_of_converters_and_not_of_lines() -> None:
    made = SenseAmplifier(offset=2.0, columns=4).made(3, 10, source())
    assert made.shape == (3, 1, 10)
    assert bool((made[..., :4] == made[..., :1]).all())
    assert made[..., ::4].unique().numel() == 9
    # 4000 draws: their deviation is known to 1.1 %, of which 5 % is more than four
    assert SenseAmplifier(offset=2.0).made(4, 1000, source()).std().item() == pytest.approx(2.0, rel=0.05)


@given(seed=st.integers(0, 2**31), noise=st.sampled_from([0.0, 1.0]), window=st.sampled_from([0.0, 0.7]))
def test_hysteresis_is_the_rule_applied_read_by_read(seed: int, noise: float, window: float) -> None:
    amplifier = SenseAmplifier(hysteresis=1.5, noise=noise, metastable=window)
    p = 2 * torch.randn(2, 40, 3, generator=source(seed), dtype=torch.float64)
    found = amplifier(p, torch.zeros(1, 1, 1), source(seed))
    again = source(seed)
    n = torch.randn(p.shape, generator=again, dtype=p.dtype) * noise if noise else torch.zeros_like(p)
    coins = (
        torch.rand(p.shape, generator=again, dtype=p.dtype) < 0.5 if window else torch.zeros_like(p).bool()
    )
    last = -torch.ones(2, 3, dtype=p.dtype)
    for read in range(p.shape[1]):
        d = p[:, read] + n[:, read] + 1.5 * last
        last = torch.where(d > 0, 1.0, -1.0)
        last = torch.where(d.abs() < window, torch.where(coins[:, read], 1.0, -1.0), last) if window else last
        assert torch.equal(found[:, read], last.to(p.dtype))


def test_a_ternary_read_of_one_cell_is_the_sign() -> None:
    p = torch.tensor([-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0]).reshape(1, -1, 1)
    amplifier = TernaryAmplifier(threshold=0.5)
    assert amplifier(p, amplifier.made(1, 1, None), None).flatten().tolist() == [-1, -1, 0, 0, 0, 1, 1]


@given(bits=st.integers(1, 8), step=st.sampled_from([0.5, 1.0, 2.0]))
def test_an_ideal_adc_rounds_and_clips(bits: int, step: float) -> None:
    adc = Adc(bits=bits, step=step)
    codes = (SUMS / step + 0.5).floor().clamp(*adc.codes)
    assert torch.equal(adc(SUMS, adc.made(1, 1, None), None), codes * step)
    # the same thresholds one by one: a bow of a billionth of a step makes them explicit
    curved = Adc(bits=bits, step=step, inl=1e-9)
    inside = (SUMS / step - (SUMS / step).floor() - 0.5).abs() > 1e-6  # away from the thresholds
    found = curved(SUMS, curved.made(1, 1, source()).double(), None)
    assert torch.equal(found[inside], (codes * step)[inside])


def test_steps_of_an_adc_have_the_width_that_dnl_says() -> None:
    adc = Adc(bits=6, step=2.0, dnl=0.05)
    thresholds = adc.made(200, 20, source())[:, 0]
    widths = thresholds.diff(dim=-1) / 2.0
    # 4000 curves of 62 steps whose sum is fixed: deviation DNL sqrt(1 - 1/62), known to 0.2 %
    assert widths.std().item() == pytest.approx(0.05, rel=0.02)
    assert widths.mean().item() == pytest.approx(1.0, rel=1e-5)  # ends lie where they should, in float32


@pytest.mark.parametrize("estimator", sorted(SLOPES))
def test_gradients_of_decisions_add_up_to_the_step_from_low_to_high(estimator: str) -> None:
    d = torch.linspace(-60, 60, 120_001, dtype=torch.float64)
    # trapezia of 1 mLSB; the corners of `clipped` cost one of them, tails beyond 35 widths nothing
    assert torch.trapezoid(slope(d, estimator, 1.7), d).item() == pytest.approx(2.0, rel=1e-3)


def test_the_exact_gradient_is_the_slope_of_the_mean_decision() -> None:
    amplifier = SenseAmplifier(noise=0.9, gradient="exact")
    d = torch.linspace(-3, 3, 61, dtype=torch.float64).reshape(1, -1, 1).requires_grad_()
    amplifier(d, torch.zeros(1, 1, 1), source()).sum().backward()
    with torch.no_grad():
        step = 1e-5  # central difference: error of order 1e-10
        expected = (amplifier.probability(d + step) - amplifier.probability(d - step)) / (2 * step)
    assert d.grad.flatten().tolist() == pytest.approx((2 * expected).flatten().tolist(), rel=1e-6)


def test_an_adc_has_slope_inside_its_range_only() -> None:
    p = torch.tensor([-10.0, -8.0, 0.3, 7.0, 9.0]).reshape(1, -1, 1).requires_grad_()
    adc = Adc(bits=4, step=1.0)
    adc(p, adc.made(1, 1, None), None).sum().backward()
    assert p.grad.flatten().tolist() == [0, 1, 1, 1, 0]


@pytest.mark.parametrize(
    ("card", "kind"),
    [("adcless", SenseAmplifier), ("adcless-ternary", TernaryAmplifier), ("hp-adc", Adc), ("sar", Adc)],
)
def test_cards_say_which_converter(card: str, kind: type[Converter]) -> None:
    assert isinstance(converter_of(load_hardware(card)), kind)


def test_exact_gradients_add_their_width_to_the_noise_of_the_hardware() -> None:
    converter = converter_of(load_hardware("adcless", {"converter.noise": 3.0}), "exact", 4.0)
    assert isinstance(converter, SenseAmplifier)
    assert converter.noise == pytest.approx(5.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SenseAmplifier(noise=1.0)(SUMS, torch.zeros(1, 1, 1), None), "generator"),
        (lambda: SenseAmplifier(hysteresis=1.0).probability(SUMS), "hysteresis"),
        (lambda: SenseAmplifier(gradient="impulse", width=-1.0), "at least 0"),
        (lambda: TernaryAmplifier(threshold=0.5, gradient="straight"), "unknown"),  # type: ignore[arg-type]
    ],
)
def test_bad_input_is_named(call, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
