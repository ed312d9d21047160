"""Drives: pulses against their closed forms, events against their statistics, circuits against tensors."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from memsim.errors import InputError
from memsim.networks.drives import EDGE, Drive

VOLTAGE, TAU, WINDOW = 0.2, 1e-3, 20e-3
TIMES = np.linspace(0, WINDOW, 20_001)
SUM_TOLERANCE = 1e-6
"""Of a sum against an integral, relative: the trapezoidal rule errs by (step / tau)^2 / 12 = 8e-8 at 1 us."""


def drive(**values) -> Drive:
    return Drive(**{"voltage": VOLTAGE, "tau": TAU, "window": WINDOW, "slots": 1, **values})


def wave(**values) -> np.ndarray:
    """One word line at full input."""
    one = torch.ones(1, 1, dtype=torch.float64)
    return drive(**values)(one).voltages(TIMES)[:, 0, 0].numpy()


def test_alpha_pulse_has_its_peak_at_tau_and_the_area_of_the_closed_form():
    pulse = wave()
    assert TIMES[pulse.argmax()] == pytest.approx(TAU, rel=1e-9)
    assert pulse.max() == pytest.approx(VOLTAGE, rel=1e-12)
    ends = WINDOW / TAU
    area = math.e * VOLTAGE * TAU * (1 - (1 + ends) * math.exp(-ends))
    assert np.trapezoid(pulse, TIMES) == pytest.approx(area, rel=SUM_TOLERANCE)


def test_exponential_pulse_starts_at_its_peak_and_falls_to_1_over_e_after_tau():
    pulse = wave(pulse="exponential")
    assert pulse[0] == VOLTAGE
    assert np.interp(TAU, TIMES, pulse) == pytest.approx(VOLTAGE / math.e, rel=1e-9)


def test_one_held_slot_is_direct_current():
    assert (wave(pulse="held") == VOLTAGE).all()


def test_static_inputs_share_one_train_scaled_by_the_input():
    inputs = torch.rand(3, 5, dtype=torch.float64)
    lines = drive(slots=4)(inputs)
    assert lines.shared is not None
    expected = lines.shared(TIMES)[:, None, None] * inputs.numpy()
    np.testing.assert_allclose(lines.voltages(TIMES), expected, rtol=1e-12)
    starts = np.arange(4) * WINDOW / 4
    one = drive().stimulus(1.0)
    np.testing.assert_allclose(
        lines.shared(TIMES), sum(one(TIMES - start) for start in starts), rtol=1e-9, atol=1e-15
    )


def test_held_time_bins_give_each_value_until_the_next():
    values = torch.tensor([[[0.2], [1.0], [0.0], [0.5]]], dtype=torch.float64)
    lines = drive(pulse="held", slots=4)(values)
    middles = (np.arange(4) + 0.5) * WINDOW / 4
    np.testing.assert_allclose(lines.voltages(middles)[:, 0, 0], VOLTAGE * values[0, :, 0], rtol=1e-12)
    assert lines.shared is None


def test_rate_coding_draws_the_probability_of_the_input():
    share, slots, rows = 0.3, 50, 2000
    lines = drive(encoding="rate", slots=slots)(torch.full((1, rows), share), generator(1))
    assert set(lines.amplitude.unique().tolist()) == {0.0, 1.0}
    # five standard deviations of a binomial share: one draw in 2 million falls outside
    bound = 5 * math.sqrt(share * (1 - share) / (slots * rows))
    assert lines.amplitude.mean().item() == pytest.approx(share, abs=bound)
    # independent in time: the variance of counts per line is binomial, too (five sigma, about sqrt(2 / rows) each)
    variance = slots * share * (1 - share)
    counts = lines.amplitude.sum(dim=1).var().item()
    assert counts == pytest.approx(variance, rel=5 * math.sqrt(2 / rows))


def test_rate_coding_is_never_silent_or_busy_where_it_must_not():
    lines = drive(encoding="rate", slots=20)(torch.tensor([[0.0, 1.0]]), generator(0))
    assert lines.amplitude[0, :, 0].sum() == 0
    assert lines.amplitude[0, :, 1].sum() == 20


def test_rate_coding_repeats_with_its_generator_and_differs_without():
    inputs = torch.rand(4, 30, generator=generator(9))
    coding = drive(encoding="rate", slots=10)
    first, again, other = (coding(inputs, generator(seed)).amplitude for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=20), st.integers(1, 64))
def test_latency_is_one_event_never_later_for_a_stronger_input(values: list[float], slots: int):
    inputs = torch.tensor([sorted(values)], dtype=torch.float64)
    events = drive(encoding="latency", slots=slots)(inputs).amplitude[0]
    assert torch.equal(events.sum(dim=0), (inputs[0] > 0).double())
    latency = events.argmax(dim=0)[inputs[0] > 0]
    assert (latency.diff() <= 0).all()


def test_latency_spans_the_window():
    events = drive(encoding="latency", slots=11)(torch.tensor([[1.0, 0.5, 1e-9]])).amplitude[0]
    assert events.argmax(dim=0).tolist() == [0, 5, 10]


CHOICES = [
    (drive(encoding=encoding, pulse=pulse, slots=7), time_domain)
    for encoding, time_domain in (
        ("amplitude", False),
        ("amplitude", True),
        ("rate", False),
        ("latency", False),
    )
    for pulse in ("alpha", "exponential", "held")
]


@pytest.mark.parametrize(("choice", "time_domain"), CHOICES)
def test_the_stimulus_of_a_circuit_equals_the_voltage_of_the_tensor(choice: Drive, time_domain: bool):
    inputs = torch.rand(2, 7, 3, dtype=torch.float64, generator=generator(2))
    lines = choice(inputs if time_domain else inputs[:, 0], generator(5))
    times = np.linspace(0, WINDOW, 301)
    voltages = lines.voltages(times)
    for number in range(2):
        for row, stimulus in enumerate(lines.stimuli(number)):
            # rounding only; tails of pulses reach 1e-9 of the peak, where sums in another order differ more
            np.testing.assert_allclose(
                stimulus(times), voltages[:, number, row], rtol=1e-9, atol=1e-15 * VOLTAGE
            )


def test_held_values_change_within_the_edge():
    before, after = (wave_at * WINDOW / 2 for wave_at in (1.0, 1.0 + EDGE))
    lines = drive(pulse="held", slots=2)(torch.tensor([[[1.0], [0.0]]]))
    np.testing.assert_allclose(lines.stimuli()[0]([before, after]), [VOLTAGE, 0.0], atol=1e-12)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"encoding": "phase"}, "encoding = 'phase'"),
        ({"pulse": "box"}, "pulse = 'box'"),
        ({"voltage": 0.0}, "voltage"),
        ({"tau": float("nan")}, "tau"),
        ({"window": -1.0}, "window"),
        ({"slots": 0}, "slots = 0"),
    ],
)
def test_a_drive_that_cannot_be_is_named(values: dict, named: str):
    with pytest.raises(InputError, match=named):
        drive(**values)


def test_inputs_that_do_not_fit_are_refused():
    frames = torch.rand(2, 5, 3)
    with pytest.raises(InputError, match="5, 3"):
        drive(slots=4)(frames)
    with pytest.raises(InputError, match="rate"):
        drive(slots=5, encoding="rate")(frames, generator(0))
    with pytest.raises(InputError, match="Generator"):
        drive(slots=5, encoding="rate")(frames[:, 0])
