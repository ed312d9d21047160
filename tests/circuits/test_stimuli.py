"""Stimuli by their closed forms, and the same in ngspice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySpice.Spice.Netlist import Circuit

from memsim.circuits import AlphaTrain, Constant, ExponentialTrain, PulseTrain, Samples, Sine, triangle
from memsim.errors import InputError
from memsim.spice import simulate

STIMULI = {
    "constant": Constant(0.7),
    "sine": Sine(0.5, 200.0, offset=0.1),
    "pulses": PulseTrain(1.0, width=1e-3, period=3e-3, rise=0.2e-3, fall=0.4e-3, base=-0.2, delay=0.5e-3),
    "alpha": AlphaTrain((1.0, 0.5), 1e-3, (0.3e-3, 4e-3)),
    "exponential": ExponentialTrain(1.0, 1e-3, (0.0, 4e-3)),
    "triangle": triangle(0.8, 100.0),
    "samples": Samples((1e-3, 2e-3, 5e-3), (0.2, 1.0, -0.5)),
}
STOP = 10e-3


def test_sine():
    assert Sine(2.0, 50.0, offset=1.0)(np.array([0.0, 5e-3, 15e-3])) == pytest.approx([1.0, 3.0, -1.0])


def test_alpha_peaks_at_its_time_constant():
    """z exp(1 - z): peak at z = 1, and e/2 exp(-1) of it at z = 1/2, zero before the start."""
    pulse = AlphaTrain(3e-6, 1e-3, (2e-3,))
    assert pulse([0.0, 2e-3, 3e-3]) == pytest.approx([0.0, 0.0, 3e-6])
    assert float(pulse(2.5e-3)) == pytest.approx(3e-6 * 0.5 * np.exp(0.5))


def test_overlapping_pulses_add():
    both, first, second = (AlphaTrain(1.0, 1e-3, starts) for starts in ((0.0, 1e-3), (0.0,), (1e-3,)))
    t = np.linspace(0, 5e-3, 101)
    assert both(t) == pytest.approx(first(t) + second(t))


def test_exponential_jumps_and_decays():
    assert ExponentialTrain(2.0, 1e-3, (1e-3,))([0.9e-3, 1e-3, 2e-3]) == pytest.approx([0, 2, 2 / np.e])


def test_pulse_train_trapezoid():
    pulses = PulseTrain(1.0, width=2.0, period=10.0, rise=1.0, fall=2.0, delay=1.0)
    assert pulses([0, 1, 1.5, 2, 4, 5, 6, 11.5]) == pytest.approx([0, 0, 0.5, 1, 1, 0.5, 0, 0.5])
    assert pulses.corners(8.0) == pytest.approx([1, 2, 4, 6])


def test_triangle_has_four_corners_a_period():
    assert triangle(2.0, 100.0)([0, 2.5e-3, 5e-3, 7.5e-3, 10e-3]) == pytest.approx([0, 2, 0, -2, 0])


@given(st.floats(-1, 1), st.floats(0, 20e-3))
def test_samples_stay_within_their_values(value, time):
    held = Samples((1e-3, 4e-3), (0.0, value))
    assert min(0.0, value) <= float(held(time)) <= max(0.0, value)


@pytest.mark.spice
@pytest.mark.parametrize("kind", ["V", "I"])
@pytest.mark.parametrize("name", STIMULI)
def test_ngspice_drives_the_same(name, kind):
    """Across 1 ohm a current source gives its value in volts; points of ngspice compared where they fall."""
    circuit = Circuit("stimulus")
    if kind == "V":
        circuit.V("in", "a", circuit.gnd, 0)
    else:
        circuit.I("in", circuit.gnd, "a", 0)
    circuit.R("load", "a", circuit.gnd, 1.0)
    data = simulate(circuit, stimuli={f"{kind.lower()}in": STIMULI[name]}, stop=STOP, step=20e-6)
    t = data["time"].values
    keep = t > 1e-6  # with `uic` the first point, at a hundredth of a step, is the source's value at zero
    if name == "exponential":
        keep &= ~np.isclose(t, 4e-3, rtol=1e-12)  # the point of the jump has its value before
    # vntol 1e-8 V; expressions of time are exact
    error = np.abs(data["v(a)"].values - STIMULI[name](t))[keep]
    assert np.max(error) < 1e-6
    if kind == "V":
        assert "i(vin)" in data


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (Constant, "stimulus value"),
        (lambda bad: Sine(bad, 1.0), "sine amplitude"),
        (lambda bad: Sine(1.0, bad), "sine frequency"),
        (lambda bad: AlphaTrain(bad, 1e-3), "pulse peak"),
        (lambda bad: AlphaTrain(1.0, bad), "pulse tau"),
        (lambda bad: AlphaTrain(1.0, 1e-3, (0.0, bad)), "pulse peak and starts"),
        (lambda bad: PulseTrain(bad, 1.0, 5.0, 1.0, 1.0), "pulse level"),
        (lambda bad: PulseTrain(1.0, bad, 5.0, 1.0, 1.0), "pulse"),
        (lambda bad: PulseTrain(1.0, 1.0, 5.0, bad, 1.0), "pulse rise"),
        (lambda bad: Samples((0.0, 1.0), (0.0, bad)), r"values\[1\]"),
        (lambda bad: Samples((0.0, bad), (0.0, 1.0)), r"times\[1\]"),
        (lambda bad: triangle(bad, 1.0), "value"),
    ],
)
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_values_must_be_finite(make, message, bad):
    with pytest.raises(InputError, match=message):
        make(bad)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Sine(1.0, -5.0), "sine frequency = -5.0 is out of range; allowed: > 0"),
        (lambda: PulseTrain(1.0, 4.0, 5.0, 1.0, 1.0), "does not fit into its period"),
        (lambda: Samples((0.0, 2.0, 1.0), (0, 0, 0)), r"times\[2\] = .* does not increase"),
        (lambda: Samples((0.0, 1.0), (0.0,)), "give two equal rows"),
        (lambda: AlphaTrain((1.0, 2.0, 3.0), 1e-3, (0.0, 1e-3)), "3 peaks and 2 starts"),
    ],
)
def test_values_out_of_range(make, message):
    with pytest.raises(InputError, match=message):
        make()


def noise(count: int) -> np.ndarray:
    """Random values that begin at zero, since ngspice takes a jump at its first step coarsely."""
    return np.insert(np.random.default_rng(count).standard_normal(count - 1), 0, 0.0)


def uneven(count: int) -> np.ndarray:
    return np.cumsum(np.random.default_rng(1).uniform(0.5, 1.5, count)) * 1e-6


@pytest.mark.spice
@pytest.mark.parametrize("kind", ["V", "I"])
@pytest.mark.parametrize(
    "times",
    [
        np.linspace(0, 12e-3, 12_001),
        np.linspace(1e-3, 2e-3, 1001) + 1e-10 * noise(1001),
        np.linspace(-1e-3, 3e-3, 5001),
        uneven(2000),
    ],
    ids=["three expressions", "jitter", "begins early", "uneven"],
)
def test_long_samples_drive_ngspice_at_every_corner(kind, times):
    """Through a low pass whose response is known: none of the corners may be stepped over."""
    samples = Samples(times, noise(len(times)))
    circuit = Circuit("measured")
    if kind == "V":
        circuit.V("in", "a", circuit.gnd, 0)
        circuit.R("1", "a", "b", 1e3)
    else:
        circuit.I("in", circuit.gnd, "b", 0)
        circuit.R("1", "b", circuit.gnd, 1e3)
    circuit.C("1", "b", circuit.gnd, 100e-9)
    tight = {"reltol": 1e-7}
    data = simulate(circuit, stimuli={f"{kind}in": samples}, stop=13e-3, step=50e-6, options=tight)
    if kind == "V":
        np.testing.assert_allclose(
            data["v(a)"][1:], samples(data["time"])[1:], atol=1e-9
        )  # rounding of the pieces
        assert "i(vin)" in data
    expected = low_passed(samples, data["time"].values, 1e-4) * (1 if kind == "V" else 1e3)
    # where corners are stepped over the error is 0.02
    np.testing.assert_allclose(data["v(b)"][1:], expected[1:], atol=1e-3 * np.abs(expected).max())


def low_passed(samples: Samples, times: np.ndarray, tau: float) -> np.ndarray:
    """Exact response of a first-order low pass at rest to straight lines."""
    grid = np.union1d(times, np.clip(samples.times, 0, times[-1]))
    drive, out = samples(grid), np.zeros(len(grid))
    for k, h in enumerate(np.diff(grid)):
        slope = (drive[k + 1] - drive[k]) / h
        end = drive[k + 1] - slope * tau
        out[k + 1] = end + (out[k] - drive[k] + slope * tau) * np.exp(-h / tau)
    return out[np.searchsorted(grid, times)]


@pytest.mark.parametrize("times", [np.arange(300_001.0), np.cumsum(1 + np.arange(30_001) % 2)])
def test_decks_refuse_samples_without_end(times):
    with pytest.raises(
        InputError, match=r"samples; ngspice decks take at most 300000 at equal distances and 30000"
    ):
        Samples(times, np.zeros(len(times))).netlist_lines("Vin", "a", "0")


@pytest.mark.spice
def test_pulses_without_width_are_triangles():
    circuit = Circuit("triangles")
    circuit.V("in", "a", circuit.gnd, 0)
    circuit.R("load", "a", circuit.gnd, 1.0)
    pulses = PulseTrain(1.0, width=0.0, period=4e-3, rise=1e-3, fall=2e-3)
    data = simulate(circuit, stimuli={"vin": pulses}, stop=STOP, step=20e-6)
    assert np.abs(data["v(a)"].values - pulses(data["time"])).max() < 1e-6


def test_knots_of_pulses():
    """Corners among them, and closer together than a pulse is long."""
    train = AlphaTrain(1.0, 1e-3, (0.0, 5e-3))
    knots = train.knots(8e-3)
    assert set(train.corners(8e-3)) <= set(knots)
    assert knots.min() > 0
    assert knots.max() < 8e-3
    assert np.diff(knots[knots <= 4e-3]).max() <= 1e-3 + 1e-12
    pulses = PulseTrain(1.0, 1e-3, 3e-3, 0.2e-3, 0.4e-3)
    assert pulses.knots(9e-3) == pytest.approx(pulses.corners(9e-3))


@pytest.mark.parametrize(
    ("stimulus", "shortest"),
    [
        (Constant(1.0), np.inf),
        (Sine(1.0, 250.0), 1e-3),
        (PulseTrain(1.0, 2.0, 10.0, 1.0, 0.5), 0.5),
        (PulseTrain(1.0, 0.0, 4.0, 1.0, 2.0), 1.0),
        (PulseTrain(1.0, 2.0, 4.4, 1.0, 1.0), 0.4),
        (AlphaTrain(1.0, 3e-3), 3e-3),
        (ExponentialTrain(1.0, 3e-3, ()), np.inf),
        (Samples((0.0, 1.0, 1.25), (0.0, 0.0, 0.0)), 0.25),
        (Samples((0.0,), (1.0,)), np.inf),
    ],
)
def test_shortest_thing_a_stimulus_does(stimulus, shortest):
    assert stimulus.shortest == pytest.approx(shortest)
