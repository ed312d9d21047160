"""The guarded step: right, or divided, or refused, at any size, waveforms and gradients."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
import torch
from PySpice.Spice.Netlist import Circuit

from memsim.circuits import (
    AlphaTrain,
    Constant,
    IntegrateAndFire,
    PulseTrain,
    Sine,
    ThresholdSwitching,
    device_bench,
)
from memsim.circuits.feedback import feedbacks
from memsim.circuits.flatten import state_bounds
from memsim.circuits.nodal import nodal_equations
from memsim.devices import load_device
from memsim.errors import ConvergenceError
from memsim.surrogate import CompiledCircuit, estimate_error, reference
from memsim.surrogate.fused import find_compiler

ENGINES = ["native", "fused"] if find_compiler() else ["fused"]
LEVEL = 0.06
"""Potential [V] that spikes of the self-firing neuron cross."""


def self_firing(**options) -> CompiledCircuit:
    return CompiledCircuit(ThresholdSwitching.set_a().circuit(), inputs=("iin",), **options)


def crossings(wave: torch.Tensor) -> int:
    return int(((wave[1:] > LEVEL) & (wave[:-1] <= LEVEL)).sum())


def steady(step: float, stop: float, current: torch.Tensor | float = 20e-6) -> torch.Tensor:
    return torch.ones(round(stop / step) + 1, dtype=torch.float64) * current


@pytest.mark.parametrize("step", [0.1e-6, 1e-6, 2e-6, 5e-6, 10e-6, 20e-6, 50e-6])
def test_self_firing_neuron_fires_as_often_at_any_step(step):
    """SciPy and ngspice count 13 spikes of 107 mV in 10 ms."""
    with torch.no_grad():
        wave = self_firing()(steady(step, 10e-3), dt=step)[0]["v(mem)"]
    assert crossings(wave) == 13
    assert 0.1 < float(wave.max()) < 0.1075


def objectives(step: float) -> list[torch.Tensor]:
    """Time of the sixth spike [s], mean potential [V] and soft count, of 5 ms, with their gradients by the current."""
    current = torch.tensor(20e-6, dtype=torch.float64, requires_grad=True)
    wave = self_firing()(steady(step, 5e-3, current), dt=step)[0]["v(mem)"]
    up = torch.nonzero((wave[1:] > LEVEL) & (wave[:-1] <= LEVEL)).reshape(-1)
    k = int(up[5])
    time = (k + (LEVEL - wave[k]) / (wave[k + 1] - wave[k])) * step
    count = torch.sigmoid((wave - LEVEL) / 10e-3).diff().clamp(min=0).sum()
    return [torch.autograd.grad(what, current, retain_graph=True)[0] for what in (time, wave.mean(), count)]


@pytest.fixture(scope="module")
def converged() -> list[torch.Tensor]:
    return objectives(0.1e-6)


@pytest.mark.parametrize("step", [1e-6, 2e-6, 5e-6, 10e-6])
def test_gradients_of_the_self_firing_neuron(step, converged):
    for found, expected in zip(objectives(step), converged, strict=True):
        assert float(found) == pytest.approx(float(expected), rel=0.05)


def test_converged_gradients_are_those_of_finite_differences(converged):
    """Of the mean, by runs of SciPy at 1e-11; the current differs by 1e-4."""
    means = []
    for current in (20e-6 * 0.9999, 20e-6 * 1.0001):
        data = reference.simulate(
            ThresholdSwitching.set_a().circuit(),
            stimuli={"iin": Constant(current)},
            stop=5e-3,
            step=1e-6,
            rtol=1e-11,
        )
        means.append(float(data["v(mem)"].mean()))
    assert float(converged[1]) == pytest.approx((means[1] - means[0]) / (20e-6 * 2e-4), rel=0.01)


def test_a_disturbance_shifts_all_later_spikes_alike():
    """Without an input that depends on time a shift in time stays what it is; steps must not make it fade or grow."""
    twin, step = self_firing(), 10e-6
    kick = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)
    start = twin.initial_state(torch.tensor(20e-6, dtype=torch.float64))
    state = tuple(part + kick * (name == "v(mem)") for part, name in zip(start, twin.unknowns, strict=True))
    wave = twin(steady(step, 5e-3), state, dt=step)[0]["v(mem)"]
    shifts = []
    for k in torch.nonzero((wave[1:] > LEVEL) & (wave[:-1] <= LEVEL)).reshape(-1).tolist():
        time = (k + (LEVEL - wave[k]) / (wave[k + 1] - wave[k])) * step
        shifts.append(float(torch.autograd.grad(time, kick, retain_graph=True)[0]))
    # the first spike is crossed between samples 10 us apart, which adds a few percent of its own
    assert shifts[1:] == pytest.approx([np.mean(shifts)] * (len(shifts) - 1), rel=0.08)


def soft_count(engine: str) -> float:
    drive = steady(10e-6, 10e-3).float()
    wave = self_firing(engine=engine)(drive, dt=10e-6)[0]["v(mem)"]
    return float(torch.sigmoid((wave - LEVEL) / 10e-3).diff().clamp(min=0).sum())


@pytest.mark.slow
def test_single_precision_counts_the_same_with_and_without_a_compiler():
    counts = [soft_count(engine) for engine in (*ENGINES, "loop")]
    # roundings of 1e-7 grow by some hundred over 13 spikes
    assert counts == pytest.approx([counts[0]] * len(counts), abs=1e-3)


def test_the_growth_of_roundings_is_told():
    drive = {"iin": Constant(20e-6)}
    guarded, old = (
        estimate_error(self_firing(stepper=name), drive, stop=10e-3, step=step)
        for name, step in (("guarded", 10e-6), ("rosenbrock2", 1e-6))
    )
    assert 1 <= guarded.growth < 1e3
    assert not guarded.decided_by_rounding
    assert old.step_for(0.01) < guarded.step_for(0.01)


def test_feedback_of_a_threshold_switch():
    equations = nodal_equations(ThresholdSwitching.set_a().circuit(), ("iin",))
    (found,) = feedbacks(equations)
    p = {symbol.name: value for symbol, value in equations.parameters.items()}
    strongest = (p["xm1.v_threshold"] - p["xm1.v_hold"]) / (4 * p["xm1.k"] * p["xm1.tau"])
    assert float(found.strongest.subs(equations.parameters).rewrite(sp.exp)) == pytest.approx(
        strongest, rel=1e-12
    )
    assert float(found.pace.subs(equations.parameters)) == pytest.approx(1 / p["xm1.tau"], rel=1e-12)


def test_devices_that_only_relax_have_no_feedback():
    assert feedbacks(nodal_equations(IntegrateAndFire.published().circuit(), ("iin",))) == []


def kinked_bench() -> Circuit:
    """A current with another slope for each sign, behind a resistor without a capacitor."""
    device = load_device("yakopcic-oblea").with_values(
        a_1=1e-5, a_2=4.5e-6, b=4.4, v_p=0.22, v_n=0.025, a_p=3e5, a_n=1.3e5
    )
    return device_bench(device, series_resistance=47e3)


def kinked(**options) -> CompiledCircuit:
    return CompiledCircuit(kinked_bench(), inputs=("vdrive",), **options)


@pytest.mark.parametrize("step", [1e-6, 100e-9])
@pytest.mark.parametrize("low", [0.0, -0.6])
def test_a_node_without_a_capacitor_at_a_kink(step, low):
    twin, wave = kinked(), PulseTrain(0.6, 2e-4, 5e-4, 1e-5, 1e-5, base=low)
    times = torch.arange(round(1e-3 / step) + 1, dtype=torch.float64) * step
    found, _ = twin(torch.as_tensor(wave(times.numpy())), dt=step)
    exact = reference.simulate(kinked_bench(), stimuli={"vdrive": wave}, stop=1e-3, step=step)
    for name in ("v(top)", "v(xm1.x)"):
        # edges of 10 us in steps of 1 us, corners between samples nowhere
        assert np.abs(found[name].numpy() - exact[name].values).max() < 0.005 * np.ptp(exact[name].values)


@pytest.mark.parametrize("case", ["kinked", pytest.param("threshold", marks=pytest.mark.slow)])
def test_engines_agree_where_steps_are_divided_and_nodes_solved(case):
    """Waveforms and gradients, with lanes that divide differently."""
    generator = torch.Generator().manual_seed(0)
    size, dt, trained = (0.8, 20e-6, "rseries") if case == "kinked" else (60e-6, 50e-6, "cmem")
    level = size * torch.rand(6, generator=generator, dtype=torch.float64)
    ramps = level * torch.linspace(0, 1, 60, dtype=torch.float64)[:, None]

    def result(engine: str) -> list[torch.Tensor]:
        twin = kinked(engine=engine) if case == "kinked" else self_firing(engine=engine)
        drive, value = (
            ramps.clone().requires_grad_(),
            torch.tensor(twin.values[trained], dtype=torch.float64, requires_grad=True),
        )
        waves, last = twin(drive, dt=dt, parameters={trained: value})
        loss = sum(wave.square().sum() for wave in (*waves.values(), *last))
        return [*(w.detach() for w in waves.values()), *torch.autograd.grad(loss, [drive, value])]

    by_autograd = result("loop")
    for engine in ENGINES:
        for found, expected in zip(result(engine), by_autograd, strict=True):
            # roundings, 1e-16, grow by up to e^10 while a switch is under way
            torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-8 * float(expected.abs().max()))


@pytest.mark.parametrize(
    ("card", "volts", "step"),
    [("vteam-technion", 0.4, 2e-9), ("vteam-technion", 0.4, 20e-9), ("yakopcic-srtio3", 1.0, 1e-4)],
)
def test_states_never_leave_their_bounds(card, volts, step):
    bench = device_bench(load_device(card), series_resistance=1.0 if "vteam" in card else 10e3)
    twin = CompiledCircuit(bench, inputs=("vdrive",))
    times = np.arange(400) * step
    waves, _ = twin(torch.as_tensor(Sine(volts, 0.01 / step)(times)), dt=step)
    for name, (low, high) in state_bounds(bench).items():
        assert low <= float(waves[name].min()) <= float(waves[name].max()) <= high
    assert all(bool(wave.isfinite().all()) for wave in waves.values())


@pytest.mark.parametrize("step", [20e-6, 200e-6])
@pytest.mark.parametrize("peak", [5e-6, 40e-6])
def test_the_estimate_of_the_error_is_right_to_a_factor(step, peak):
    circuit, kicks = IntegrateAndFire.published().circuit(), {"iin": AlphaTrain(peak, 1e-3, (0.0, 4e-3))}
    twin = CompiledCircuit(circuit, inputs=("iin",))
    found = estimate_error(twin, kicks, stop=10e-3, step=step)
    times = torch.arange(round(10e-3 / step) + 1, dtype=torch.float64) * step
    waves, _ = twin(torch.as_tensor(kicks["iin"](times.numpy())), dt=step)
    exact = reference.simulate(circuit, stimuli=kicks, stop=10e-3, step=step)
    error = float(np.abs(waves["v(mem)"].numpy() - exact["v(mem)"].values).max())
    assert error / 3 < found.errors["v(mem)"] < 3 * error


def test_a_step_that_cannot_be_divided_finely_enough_is_refused_with_its_time():
    twin = self_firing()
    drive = torch.zeros(5, 2, dtype=torch.float64)
    drive[3:, 1] = 1e12
    with pytest.raises(ConvergenceError, match=r"from t = 0\.002 s on.*sample \(1,\)") as caught:
        twin(drive, dt=1e-3)
    assert "shorten the step" in str(caught.value)
