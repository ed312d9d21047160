"""Write and verify on the device models: against closed forms, SciPy, and pulses counted one by one."""

from __future__ import annotations

import math
from dataclasses import replace
from time import process_time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp
from scipy.integrate import solve_ivp

from memsim.crossbar.cells import Cells
from memsim.crossbar.programming import Pulse, WriteVerify
from memsim.devices import Vteam, Yakopcic, load_device, numeric
from memsim.errors import InputError

SWITCH = load_device("pd-wo3-w")
G_MIN, G_MAX = 1 / SWITCH.values["r_off"], 1 / SWITCH.values["r_on"]
WRITE = WriteVerify(Pulse(1.0, 200e-6), Pulse(-1.2, 200e-6), tolerance=0.1e-6)
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
SLOPE = 1.380649e-23 / 1.602176634e-19 * SWITCH.values["temperature"]

OTHERS = [
    (Vteam(), WriteVerify(Pulse(-0.3, 1e-10), Pulse(1.0, 1e-8), tolerance=2e-4)),
    (Yakopcic(), WriteVerify(Pulse(0.5, 1e-5), Pulse(-0.5, 1e-5), tolerance=5e-5)),
]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def targets(*shape: int, seed: int = 0) -> torch.Tensor:
    """Over the middle 96 % of the range, all of which the pulses of `WRITE` reach."""
    share = 0.02 + 0.96 * torch.rand(*shape, generator=generator(seed), dtype=torch.float64)
    return G_MIN + (G_MAX - G_MIN) * share


def switch_by_hand(x: float, v: float, width: float) -> tuple[float, float]:
    """Closed form at constant voltage: x relaxes to x_inf, and the current is affine in x.

    In 50 digits, as its differences cancel where the rates are slow.
    """
    with mp.workdps(50):
        p = {name: mp.mpf(value) for name, value in SWITCH.values.items()}
        on = 1 / (1 + mp.exp(-(v - p["v_on"]) / SLOPE)) / p["tau"]
        off = 1 / (1 + mp.exp(-(p["v_off"] - v) / SLOPE)) / p["tau"]
        end, decay = on / (on + off), mp.exp(-(on + off) * width)
        integral = end * width + (x - end) * (1 - decay) / (on + off)
        energy = v**2 * (width / p["r_off"] + (1 / p["r_on"] - 1 / p["r_off"]) * integral)
        return float(end + (x - end) * decay), float(energy)


@pytest.mark.parametrize("v", [-1.2, -0.5, 0.3, 0.8, 1.0, 1.5])
@pytest.mark.parametrize("width", [1e-7, 1e-4, 1e-2])
def test_one_pulse_on_a_metastable_switch_is_the_closed_form(v, width):
    x = torch.tensor([0.0, 0.3, 1.0], dtype=torch.float64)
    after, energy = Cells(SWITCH).pulse(x, torch.full_like(x, v), torch.full_like(x, width))
    for start, state, spent in zip(x.tolist(), after.tolist(), energy.tolist(), strict=True):
        expected_state, expected_energy = switch_by_hand(start, v, width)
        # rounding, also that of (v - v_on) / k inside an exponential
        assert state == pytest.approx(expected_state, rel=1e-12, abs=1e-15)
        assert spent == pytest.approx(expected_energy, rel=1e-12, abs=0)


@pytest.mark.parametrize(
    ("device", "voltage", "width"),
    [
        (Vteam(), -0.3, 3e-10),
        (Vteam(), -1.0, 1e-10),  # reaches the wall in a tenth of the pulse
        (Vteam(), 1.0, 3e-8),
        (Yakopcic(), 0.5, 3e-5),
        (Yakopcic(), -0.5, 3e-5),
    ],
)
def test_one_pulse_on_other_models_is_the_integral(device, voltage, width):
    """The steps of a pulse are doubled until state and energy agree to 1e-5 and 1e-4; SciPy is good to 1e-9."""
    model, p = numeric(device), list(device.values.values())

    def slope(_, y):
        return [model.rates(voltage, [y[0]], p)[0], voltage * model.current(voltage, [y[0]], p)]

    solution = solve_ivp(slope, (0, width), [0.4, 0.0], rtol=1e-9, atol=1e-16, max_step=width / 5000)
    x = torch.tensor([0.4], dtype=torch.float64)
    state, energy = Cells(device).pulse(x, torch.full_like(x, voltage), torch.full_like(x, width))
    assert abs(solution.y[0, -1] - 0.4) > 0.02
    assert state.item() == pytest.approx(solution.y[0, -1], abs=1e-5)
    assert energy.item() == pytest.approx(solution.y[1, -1], rel=1e-4, abs=0)


def test_noise_of_a_pulse_is_that_of_counted_switches():
    """Mean and variance of binomial counts of 1000 switches, within five standard errors of 20 000 cells."""
    cells, count = 20_000, 1000
    x = torch.full((cells,), 0.3, dtype=torch.float64)
    noisy = Cells(SWITCH, switches=count)
    after, _ = noisy.pulse(x, torch.full_like(x, 0.8), torch.full_like(x, 4e-4), generator())
    stays, turns = switch_by_hand(1.0, 0.8, 4e-4)[0], switch_by_hand(0.0, 0.8, 4e-4)[0]
    rng = np.random.default_rng(1)
    counted = (rng.binomial(300, stays, cells) + rng.binomial(700, turns, cells)) / count
    variance = (0.3 * stays * (1 - stays) + 0.7 * turns * (1 - turns)) / count
    for sample in (after.numpy(), counted):
        assert sample.mean() == pytest.approx(
            switch_by_hand(0.3, 0.8, 4e-4)[0], abs=5 * math.sqrt(variance / cells)
        )
        assert sample.var() == pytest.approx(variance, rel=5 * math.sqrt(2 / cells), abs=0)


@pytest.mark.parametrize("switches", [None, 1e4])
def test_each_cell_of_150_by_150_is_within_tolerance_in_seconds(switches):
    target = targets(150, 150)
    start = process_time()
    done = WRITE(
        Cells(SWITCH, switches=switches), target, generator=None if switches is None else generator()
    )
    seconds, pulses = process_time() - start, done.set_pulses + done.reset_pulses
    print(  # noqa: T201
        f"150 x 150 cells, switches {switches}: {seconds:.2f} CPU-s, {pulses.double().mean():.1f} pulses a cell, "
        f"at most {pulses.max()}, {done.energy.sum().item() * 1e6:.1f} uJ"
    )
    assert bool(done.converged.all())
    assert (done.conductance - target).abs().max() <= WRITE.tolerance
    assert torch.equal(done.conductance, Cells(SWITCH).conductance(done.state, 0.1))
    assert bool(((done.energy > 0) == (pulses > 0)).all())
    # a fraction of a second where nothing else runs
    assert seconds < 20


def test_one_cell_is_the_sum_over_its_pulses_by_hand():
    """Conductance, counts and energy; both directions occur, and the widths halve at each crossing."""
    target, x, width, energy = 13e-6, 0.0, 1.0, 0.0
    counts, last = {True: 0, False: 0}, None
    while abs((g := G_MIN + (G_MAX - G_MIN) * x) - target) > 1e-8:
        up = g < target
        width *= 0.5 if last is not None and up != last else 1.0
        pulse = WRITE.set_pulse if up else WRITE.reset_pulse
        x, spent = switch_by_hand(x, pulse.voltage, width * pulse.width)
        energy, last = energy + spent, up
        counts[up] += 1
    done = replace(WRITE, tolerance=1e-8)(Cells(SWITCH), torch.tensor([[target]], dtype=torch.float64))
    assert (done.set_pulses.item(), done.reset_pulses.item()) == (counts[True], counts[False])
    assert min(counts.values()) > 0
    # exact steps: rounding of some tens of pulses
    assert done.conductance.item() == pytest.approx(g, rel=1e-11, abs=0)
    assert done.energy.item() == pytest.approx(energy, rel=1e-10, abs=0)


@pytest.mark.parametrize(("device", "write"), OTHERS, ids=["vteam", "yakopcic"])
def test_other_models_are_programmed_too(device, write):
    ends = Cells(device).conductance(torch.tensor([0.2, 0.8], dtype=torch.float64), write.read_voltage)
    target = ends.min() + (ends.max() - ends.min()) * torch.rand(
        5, 4, generator=generator(), dtype=torch.float64
    )
    done = write(Cells(device), target)
    assert bool(done.converged.all())
    assert (done.conductance - target).abs().max() <= write.tolerance


def test_cells_out_of_reach_are_reported():
    """A target above the range fails after all its pulses; the cells beside it are as if it were not there."""
    target = targets(3, 3)
    alone = WRITE(Cells(SWITCH), target)
    target[1, 2] = 1.5 * G_MAX
    done = WRITE(Cells(SWITCH), target)
    failed = torch.zeros(3, 3, dtype=torch.bool)
    failed[1, 2] = True
    assert torch.equal(done.converged, ~failed)
    assert done.set_pulses[1, 2] == WRITE.max_pulses
    assert torch.equal(done.state[~failed], alone.state[~failed])
    assert torch.equal(done.energy[~failed], alone.energy[~failed])


@settings(max_examples=25)
@given(shape=st.lists(st.integers(1, 4), min_size=1, max_size=3), seed=st.integers(0, 1000))
def test_cells_do_not_depend_on_their_place(shape, seed):
    """Any shape: the same as in one row backwards."""
    target = targets(*shape, seed=seed)
    done, row = WRITE(Cells(SWITCH), target), WRITE(Cells(SWITCH), target.flatten().flip(0))
    assert done.conductance.shape == done.energy.shape == done.set_pulses.shape == target.shape
    # vector and scalar kernels round exponentials differently in the last digits
    assert torch.allclose(done.conductance.flatten().flip(0), row.conductance, rtol=1e-9, atol=0)
    assert torch.allclose(done.energy.flatten().flip(0), row.energy, rtol=1e-9, atol=0)


def test_written_cells_need_no_pulse():
    target = targets(4, 4)
    done = WRITE(Cells(SWITCH), target)
    again = WRITE(Cells(SWITCH), target, state=done.state)
    assert bool(again.converged.all())
    assert (again.set_pulses + again.reset_pulses).sum() == 0
    assert again.energy.sum() == 0
    assert torch.equal(again.state, done.state)


def test_seeds_repeat_noisy_writing():
    cells, target = Cells(SWITCH, switches=1e3), targets(10, 10)
    one, two, other = (WRITE(cells, target, generator=generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(one.conductance, two.conductance)
    assert torch.equal(one.energy, two.energy)
    assert not torch.equal(one.conductance, other.conductance)


def test_parameters_may_differ_from_cell_to_cell():
    """Thresholds spread by 30 mV: all are written, those that switch late with more pulses; one cell is as alone."""
    spread = torch.linspace(-0.03, 0.03, 12, dtype=torch.float64).reshape(3, 4)
    thresholds, target = SWITCH.values["v_on"] + 0.2 + spread, torch.full((3, 4), 15e-6, dtype=torch.float64)
    done = WRITE(Cells(SWITCH, {"v_on": thresholds}), target)
    assert bool(done.converged.all())
    assert done.set_pulses[2, 3] > done.set_pulses[0, 0]
    alone = WRITE(Cells(SWITCH.with_values(v_on=thresholds[1, 2].item())), target[:1, :1])
    assert done.conductance[1, 2].item() == pytest.approx(alone.conductance.item(), rel=1e-9, abs=0)
    assert done.set_pulses[1, 2] == alone.set_pulses


@pytest.mark.parametrize("place", DEVICES)
@pytest.mark.parametrize("switches", [None, 1e4])
def test_type_and_place_are_those_of_the_target(place, switches):
    """Single precision resolves 1e-12 S here, far below the tolerance."""
    target = targets(20, 20).float().to(place)
    source = None if switches is None else torch.Generator(place).manual_seed(0)
    done = WRITE(Cells(SWITCH, switches=switches), target, generator=source)
    assert (done.conductance.dtype, done.conductance.device) == (target.dtype, target.device)
    assert bool(done.converged.all())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Pulse(0.0, 1e-3), "voltage = 0 V"),
        (lambda: Pulse(1.0, 0.0), "width = 0.0 is out of range; allowed: > 0"),
        (lambda: Pulse(math.nan, 1.0), "voltage = nan"),
        (lambda: replace(WRITE, tolerance=0.0), "tolerance = 0.0"),
        (lambda: replace(WRITE, max_pulses=0), "max_pulses = 0"),
        (lambda: replace(WRITE, max_pulses=2.5), "max_pulses = 2.5"),
        (lambda: replace(WRITE, read_voltage=0.0), "read_voltage = 0 V"),
        (lambda: Cells(SWITCH, switches=0.5), "switches = 0.5"),
        (lambda: Cells(Vteam(), switches=1e3), "says nothing to vteam"),
        (lambda: Cells(SWITCH, {"v_onn": torch.ones(2)}), "no parameter 'v_onn'"),
        (lambda: Cells(SWITCH, {"tau": torch.tensor([1e-3, -1e-3])}), "tau = -0.001"),
        (lambda: WRITE(Cells(SWITCH), torch.tensor([-1e-6])), r"target\[0\] = -"),
        (lambda: WRITE(Cells(SWITCH), targets(2), state=torch.zeros(3)), "state of shape"),
        (lambda: WRITE(Cells(SWITCH), targets(2), state=2 * torch.ones(2)), "state is out of range"),
        (lambda: WRITE(Cells(SWITCH, {"tau": torch.ones(3)}), targets(2)), "tau of shape"),
        (lambda: WRITE(Cells(SWITCH), targets(2), generator=generator()), "go together"),
        (lambda: WRITE(Cells(SWITCH, switches=1e3), targets(2)), "go together"),
        (lambda: WRITE(Cells(Vteam()), targets(2)), "set_pulse of 1 V does not raise"),
        (lambda: replace(WRITE, reset_pulse=Pulse(1.0, 1e-3))(Cells(SWITCH), targets(2)), "does not lower"),
    ],
)
def test_values_out_of_range_or_without_effect(make, message):
    with pytest.raises(InputError, match=message):
        make()
