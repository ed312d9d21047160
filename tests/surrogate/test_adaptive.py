"""Steps of unequal size: every engine takes them, and the grid that adapts keeps what it promises."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PySpice.Spice.Netlist import Circuit

from memsim.circuits import IntegrateAndFire, PulseTrain, Samples, Sine, device_bench
from memsim.devices import load_device
from memsim.errors import ConvergenceError, InputError
from memsim.surrogate import STEPPERS, CompiledCircuit, reference, simulate, time_grid
from memsim.surrogate.fused import find_compiler

ENGINES = ["native", "fused"] if find_compiler() else ["fused"]
IMPLICIT = [name for name, stepper in STEPPERS.items() if stepper.implicit]


def rc_circuit() -> Circuit:
    """1 kohm and 1 uF: a time constant of 1 ms."""
    circuit = Circuit("rc")
    circuit.V("in", "drive", circuit.gnd, 0)
    circuit.R("1", "drive", "out", 1e3)
    circuit.C("1", "out", circuit.gnd, 1e-6)
    return circuit


def cell(engine: str = "auto", stepper: str = "rosenbrock2") -> CompiledCircuit:
    circuit = IntegrateAndFire.published(1).circuit()
    return CompiledCircuit(circuit, inputs=("iin",), stepper=stepper, engine=engine)


def driven(twin: CompiledCircuit, sizes: torch.Tensor) -> list[torch.Tensor]:
    """Waveforms under a current for three neurons, and gradients by it and by a parameter."""
    generator = torch.Generator().manual_seed(0)
    current = 20e-6 * torch.rand(len(sizes) + 1, 3, generator=generator, dtype=torch.float64)
    capacitance = torch.tensor(twin.values["cmem"], dtype=torch.float64)
    leaves = [current.requires_grad_(), capacitance.requires_grad_()]
    waves, last = twin(leaves[0], dt=sizes, parameters={"cmem": leaves[1]})
    loss = sum(wave.square().sum() for wave in (*waves.values(), *last))
    return [*(wave.detach() for wave in waves.values()), *torch.autograd.grad(loss, leaves)]


@pytest.mark.parametrize("stepper", STEPPERS)
@pytest.mark.parametrize("engine", ENGINES)
def test_gradients_equal_those_of_autograd(engine, stepper):
    sizes = torch.linspace(0.2, 1.0, 25, dtype=torch.float64) * 1e-6
    for value, expected in zip(
        driven(cell(engine, stepper), sizes), driven(cell("loop", stepper), sizes), strict=True
    ):
        # roundings of one step, 1e-16, grow over 25 steps in another order
        torch.testing.assert_close(value, expected, rtol=1e-10, atol=1e-10 * float(expected.abs().max()))


@pytest.mark.parametrize("engine", [*ENGINES, "loop"])
def test_equal_steps_may_be_given_one_by_one(engine):
    current = torch.full((40,), 10e-6, dtype=torch.float64)
    twin = cell(engine)
    together, _ = twin(current, dt=1e-6)
    one_by_one, _ = twin(current, dt=torch.full((39,), 1e-6, dtype=torch.float64))
    torch.testing.assert_close(one_by_one["v(mem)"], together["v(mem)"], rtol=1e-12, atol=0)


def test_a_run_in_segments_gives_the_same_gradients():
    sizes = torch.linspace(0.2, 1.0, 25, dtype=torch.float64) * 1e-6
    parts = CompiledCircuit(
        IntegrateAndFire.published(1).circuit(), inputs=("iin",), stepper="rosenbrock2", segment=7
    )
    for value, expected in zip(driven(parts, sizes), driven(cell(), sizes), strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-12, atol=1e-12 * float(expected.abs().max()))


@pytest.mark.parametrize("stepper", IMPLICIT)
@pytest.mark.parametrize("tolerance", [1e-4, 1e-6])
def test_error_follows_the_tolerance(stepper, tolerance):
    """One edge, then exponential decay: errors of single steps add up at worst."""
    edge = Samples((0.0, 1e-5, 1.0), (0.0, 1.0, 1.0))
    data = simulate(rc_circuit(), stimuli={"vin": edge}, stop=20e-3, tolerance=tolerance, stepper=stepper)
    t = data["time"].values
    # a ramp of RC/100, then its end state decays
    ramp = lambda t: t - 1e-3 * (1 - np.exp(-t / 1e-3))  # noqa: E731
    exact = np.where(t <= 1e-5, ramp(t), ramp(t) - ramp(np.maximum(t - 1e-5, 0))) / 1e-5
    error = np.abs(data["v(out)"].values - exact).max()
    assert error < 0.5 * tolerance * len(t)
    assert error <= data["v(out)"].attrs["error"] <= 3 * error
    assert np.diff(t).max() > 20 * np.diff(t).min()


def test_no_step_crosses_a_corner():
    pulses = PulseTrain(level=1.0, width=1e-4, period=1e-3, rise=1e-6, fall=1e-6)
    twin = CompiledCircuit(rc_circuit(), inputs=("vin",))
    times = time_grid(twin, {"vin": pulses}, stop=5e-3, step=1e-3, tolerance=1e-4)
    assert set(pulses.corners(5e-3)) <= set(times)
    assert (times[0], times[-1]) == (0.0, 5e-3)
    assert (np.diff(times) > 0).all()
    assert np.diff(times).max() <= 1e-3


@pytest.mark.parametrize("card", ["sky130-reram", "vteam-memtorch"])
def test_a_device_that_switches_in_a_fraction_of_a_step(card):
    """States after a period as SciPy finds them, in a fiftieth of the equal steps that would be needed."""
    bench = device_bench(load_device(card), series_resistance=1e3)
    stimuli, stop = {"vdrive": Sine(1.5, 1e6)}, 1e-6
    twin = simulate(bench, stimuli=stimuli, stop=stop, tolerance=1e-6)
    exact = reference.simulate(bench, stimuli=stimuli, stop=stop, step=stop / 1000)
    assert twin.sizes["time"] < 20_000
    for t in (0.25, 0.5, 0.75, 1.0):
        near = np.interp(t * stop, twin["time"], twin["v(xm1.x)"])
        # lines between samples
        assert near == pytest.approx(np.interp(t * stop, exact["time"], exact["v(xm1.x)"]), abs=2e-4)


def test_gradients_on_the_grid_are_those_of_many_equal_steps():
    wave, stop = Sine(10e-6, 500.0, offset=10e-6), 2e-3
    twin = cell()
    times = time_grid(twin, {"iin": wave}, stop=stop, step=stop / 50, tolerance=1e-6)

    def slope(grid: np.ndarray) -> float:
        """Of the mean square of the membrane potential at the end, by the capacitance."""
        capacitance = torch.tensor(twin.values["cmem"], dtype=torch.float64, requires_grad=True)
        _, last = twin(
            torch.as_tensor(wave(grid)), dt=torch.as_tensor(np.diff(grid)), parameters={"cmem": capacitance}
        )
        return float(torch.autograd.grad(last[0].square() + last[-1].square(), capacitance)[0])

    # second order on both grids; 1e-6 V a step of 50 mV
    assert slope(times) == pytest.approx(slope(np.linspace(0, stop, 40_001)), rel=2e-3, abs=0)


def test_the_grid_is_that_of_the_trained_circuit():
    circuit, wave = rc_circuit(), Samples((0.0, 1e-5, 1.0), (0.0, 1.0, 1.0))
    twin = CompiledCircuit(circuit, inputs=("vin",), trainable=["c1"])
    before_training = twin.trained_values()["c1"].item()
    settings = {"stop": 20e-3, "step": 5e-3, "tolerance": 1e-6}
    before = time_grid(twin, {"vin": wave}, **settings)
    with torch.no_grad():
        next(twin.parameters()).fill_(-50.0)
    assert twin.trained_values()["c1"].item() == pytest.approx(0.1 * before_training)
    after = time_grid(twin, {"vin": wave}, **settings)
    # ten times faster: what took until 10 ms is over by 1 ms
    assert np.sum(after > 1e-3) < 0.5 * np.sum(before > 1e-3)


@pytest.mark.parametrize("tolerance", [0.0, -1e-6, 1e-16, 0.5, float("nan")])
def test_tolerances_out_of_range_are_named(tolerance):
    with pytest.raises(InputError, match=r"tolerance = .* 1e-12, .* to 0\.1"):
        simulate(rc_circuit(), stimuli={"vin": Sine(1.0, 1e3)}, stop=1e-3, step=1e-5, tolerance=tolerance)


def test_steps_of_the_wrong_number_or_sign_are_named():
    twin, current = cell(), torch.zeros(5, dtype=torch.float64)
    with pytest.raises(InputError, match="5 samples are 4 steps apart"):
        twin(current, dt=torch.ones(5))
    with pytest.raises(InputError, match=r"dt holds -1\.0 s"):
        twin(current, dt=torch.tensor([1.0, 1.0, -1.0, 1.0]))


def test_steps_have_no_gradient_and_say_so():
    with pytest.raises(InputError, match="dt takes no gradient"):
        cell()(torch.zeros(5, dtype=torch.float64), dt=torch.ones(4, requires_grad=True))


def test_where_no_step_is_short_enough_the_time_is_named():
    class Ending(Sine):
        def __call__(self, t):
            return np.where(np.asarray(t) < 0.5e-3, 0.0, np.nan)

    with pytest.raises(ConvergenceError, match=r"no step is short enough at t = 0\.0005 s"):
        simulate(rc_circuit(), stimuli={"vin": Ending(1.0, 1.0)}, stop=1e-3, step=1e-4, tolerance=1e-6)
