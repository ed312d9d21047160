from __future__ import annotations

import numpy as np
import pytest
import torch
from PySpice.Spice.Netlist import Circuit
from scipy.linalg import expm

from memsim.circuits import IntegrateAndFire, ThresholdSwitching
from memsim.errors import InputError
from memsim.surrogate import CompiledCircuit, Coupling

R, C = 1e3, 1e-9


def leaky(title="membrane"):
    circuit = Circuit(title)
    circuit.R("leak", "mem", circuit.gnd, R)
    circuit.C("mem", "mem", circuit.gnd, C)
    circuit.I("in", circuit.gnd, "mem", 0)
    return circuit


def test_linear_copies_follow_the_matrix_exponential():
    """C dv/dt = -v / R + M^T x + i and tau dx/dt = v - x, from rest, with a constant current."""
    matrix = 1e-3 * torch.tensor([[0.0, 0.4, -0.2], [-0.6, 0.1, 0.3], [0.5, 0.0, -0.4]]).double()
    current, tau, stop = torch.tensor([1e-6, -2e-6, 3e-6]).double(), 2e-6, 4e-6
    a = np.block([[-np.eye(3) / (R * C), matrix.numpy().T / C], [np.eye(3) / tau, -np.eye(3) / tau]])
    drive = np.concatenate([current.numpy() / C, np.zeros(3)])
    exact = np.linalg.solve(a, (expm(a * stop) - np.eye(6)) @ drive)[:3]
    errors = []
    for steps in (100, 200):
        cell = CompiledCircuit(leaky(), inputs=("iin",))
        coupling = Coupling(matrix, "v(mem)", tau)
        _, state = cell(current.expand(steps + 1, 3), dt=stop / steps, coupling=coupling)
        errors.append(np.abs(state[0].numpy() - exact).max() / np.abs(exact).max())
    assert errors[1] < 2e-4  # (h / RC)^2 = 4e-4 for the finer steps, with a factor of less than one
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.1)  # second order


def test_membranes_far_quicker_than_the_step_stay_in_order():
    """RC = 1 us, steps of 200 us, and a loop gain of -2: at rest x = v, so that v = R i / (1 + 2)."""
    matrix = torch.full((1, 1), -2 / R).double()
    cell = CompiledCircuit(leaky(), inputs=("iin",))
    current = torch.full((101, 1), 1e-6).double()
    waves, _ = cell(current, dt=200e-6, coupling=Coupling(matrix, "v(mem)", 1e-3))
    v = waves["v(mem)"][:, 0].numpy()
    assert v[-1] == pytest.approx(R * 1e-6 / 3, rel=1e-6)
    # v jumps to R i within the first step, where lines expect it to go straight; then it falls to a third of that with
    # tau / 3, of which a step is most: (h / tau)^2 = 4 % of R i
    time = np.arange(101) * 200e-6
    expected = R * 1e-6 * (1 / 3 + 2 / 3 * np.exp(-3 * time / 1e-3))
    assert np.abs(v[3:] - expected[3:]).max() < 0.04 * R * 1e-6


CELLS = {
    "integrate-and-fire": (IntegrateAndFire.published(1).circuit(), "cmem", 5e-6, 1e-4, 2e-4),
    "self-firing": (ThresholdSwitching.set_a().circuit(), "cmem", 8e-6, 2e-5, 2e-5),
}


def run(name, engine, dtype=torch.float64):
    circuit, parameter, current, dt, gain = CELLS[name]
    cell = CompiledCircuit(circuit, inputs=("iin",), engine=engine)
    generator = torch.Generator().manual_seed(0)
    drive = current * torch.rand(40, 3, 5, generator=generator, dtype=torch.float64)
    matrix = gain * (torch.rand(5, 5, generator=generator, dtype=torch.float64) - 0.5)
    own = cell.values[parameter] * (0.8 + 0.4 * torch.rand(5, generator=generator, dtype=torch.float64))
    leaves = [leaf.to(dtype).requires_grad_() for leaf in (drive, matrix, own)]
    waves, state = cell(
        leaves[0],
        dt=dt,
        parameters={parameter: leaves[2]},
        coupling=Coupling(leaves[1], "v(mem)", 3 * dt, 1e-3),
    )
    loss = sum((wave * torch.linspace(0, 1, 40)[:, None, None]).sum() for wave in waves.values())
    loss = loss + sum(part.square().sum() for part in state)
    return waves, torch.autograd.grad(loss, leaves)


@pytest.mark.parametrize("engine", ["native", "fused"])
@pytest.mark.parametrize("name", CELLS)
def test_engines_agree_with_the_plain_loop(name, engine):
    """To rounding: 1e-10 of the largest entry is what is promised of gradients."""
    waves, gradients = run(name, engine)
    expected, slopes = run(name, "loop")
    for wave in waves:
        assert torch.allclose(waves[wave], expected[wave], rtol=1e-10, atol=1e-13)
    for mine, theirs in zip(gradients, slopes, strict=True):
        assert (mine - theirs).abs().max() <= 1e-10 * theirs.abs().max()
        assert theirs.abs().max() > 0


def test_no_coupling_is_what_a_matrix_of_zeros_is():
    circuit, _, current, dt, _ = CELLS["integrate-and-fire"]
    cell = CompiledCircuit(circuit, inputs=("iin",))
    drive = torch.full((30, 2, 4), current, dtype=torch.float64)
    plain, _ = cell(drive, dt=dt)
    coupled, _ = cell(drive, dt=dt, coupling=Coupling(torch.zeros(4, 4), "v(mem)", 1e-3))
    for name, wave in plain.items():
        assert torch.allclose(coupled[name], wave, rtol=1e-12, atol=1e-15)  # steps carry their slopes over


@pytest.mark.parametrize(
    ("matrix", "waveform", "message"),
    [
        (torch.zeros(3, 4), "v(mem)", r"shape \[3, 4\]"),
        (torch.zeros(4, 4), "v(nothing)", "no unknown"),
    ],
)
def test_what_does_not_fit_is_named(matrix, waveform, message):
    cell = CompiledCircuit(leaky(), inputs=("iin",))
    with pytest.raises(InputError, match=message):
        cell(torch.zeros(5, 2, 4), dt=1e-7, coupling=Coupling(matrix, waveform, 1e-6))


def test_a_line_has_a_time_constant():
    cell = CompiledCircuit(leaky(), inputs=("iin",))
    with pytest.raises(InputError, match="tau of the coupling"):
        cell(torch.zeros(5, 2, 4), dt=1e-7, coupling=Coupling(torch.zeros(4, 4), "v(mem)", 0.0))


def test_segments_are_refused():
    cell = CompiledCircuit(leaky(), inputs=("iin",), segment=5)
    with pytest.raises(InputError, match="segment = 5"):
        cell(torch.zeros(20, 2, 4), dt=1e-7, coupling=Coupling(torch.zeros(4, 4), "v(mem)", 1e-3))
