"""All engines run the same steps: generated C, generated torch code and the plain loop that autograd records."""

import math
from functools import cache

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PySpice.Spice.Netlist import Circuit

from memsim.circuits import DeviceSubCircuit, IntegrateAndFire, ThresholdSwitching
from memsim.devices import card_names, load_device
from memsim.errors import InputError
from memsim.surrogate import STEPPERS, CompiledCircuit
from memsim.surrogate.fused import compiler, find_compiler
from memsim.surrogate.fused.adjoint import pull_back
from memsim.surrogate.fused.operations import OPERATIONS
from memsim.surrogate.fused.slopes import SLOPES
from memsim.surrogate.fused.tape import Tape, apply, evaluate

ENGINES = [
    pytest.param(
        "native",
        marks=pytest.mark.skipif(find_compiler() is None, reason="needs a C compiler (gcc or clang)"),
    ),
    "fused",
]
NEURONS = {
    "integrate-and-fire": IntegrateAndFire.published(1),
    "threshold-switching": ThresholdSwitching.set_b(),
}
STEPS = dict.fromkeys(STEPPERS, 0.2e-6) | {"guarded": 4e-6}
"""Seconds. The old steppers leave the range of a threshold switch at steps of a tenth of its time constant."""


def compiled(neuron: str, engine: str, stepper: str = "rosenbrock2", **options) -> CompiledCircuit:
    return CompiledCircuit(
        NEURONS[neuron].circuit(), inputs=("iin",), stepper=stepper, engine=engine, **options
    )


def currents(dtype: torch.dtype, samples: int = 30, peak: float = 20e-6) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return (peak * torch.rand(samples, 5, 7, generator=generator, dtype=torch.float64)).to(dtype)


def gradients(
    cell: CompiledCircuit, stepper: str, dtype: torch.dtype, peak: float = 20e-6
) -> list[torch.Tensor]:
    """Of a weighted sum of all waveforms and the last state, by input, a parameter a neuron and a shared one."""
    drive = currents(dtype, peak=peak).requires_grad_()
    capacitance = torch.linspace(0.8, 1.2, 7, dtype=dtype) * cell.values["cmem"]
    resistance = torch.tensor(cell.values["xm1.r_on"], dtype=dtype)
    parameters = {"cmem": capacitance.requires_grad_(), "xm1.r_on": resistance.requires_grad_()}
    waveforms, last = cell(drive, dt=STEPS[stepper], parameters=parameters)
    generator = torch.Generator().manual_seed(1)
    parts = [*waveforms.values(), *last]
    loss = sum(
        (p * torch.randn(p.shape, generator=generator, dtype=torch.float64).to(dtype)).sum() for p in parts
    )
    return [*(p.detach() for p in parts), *torch.autograd.grad(loss, [drive, *parameters.values()])]


def worst(values: list[torch.Tensor], expected: list[torch.Tensor]) -> float:
    """Largest difference over the largest entry of the same tensor, which counts as 1e-3 where it is less."""
    pairs = zip(values, expected, strict=True)
    return max(float((a - b).abs().max() / b.abs().max().clamp(min=1e-3)) for a, b in pairs)


@cache
def by_autograd(neuron: str, stepper: str, peak: float) -> list[torch.Tensor]:
    return gradients(compiled(neuron, "loop", stepper), stepper, torch.float64, peak)


# Roundings of one step, 1e-16 or 6e-8, grow over 30 steps of operations in another order.
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-4)])
@pytest.mark.parametrize("stepper", STEPPERS)
@pytest.mark.parametrize("neuron", NEURONS)
@pytest.mark.parametrize("engine", ENGINES)
def test_waveforms_and_gradients_equal_those_of_autograd(engine, neuron, stepper, dtype, tolerance):
    # a switch that turns on multiplies roundings a millionfold, in any engine: in float32 it stays just below
    peak = 5e-6 if dtype == torch.float32 else 20e-6
    values = gradients(compiled(neuron, engine, stepper), stepper, dtype, peak)
    assert worst([v.double() for v in values], by_autograd(neuron, stepper, peak)) < tolerance


STRIDED = torch.linspace(0.5, 2.0, 10, dtype=torch.float64)
LAYOUTS = {
    "every second entry": {"cmem": 1e-9 * STRIDED[::2], "xm1.tau": 1e-3 * STRIDED[::2]},
    "one entry for all neurons": {"v1": torch.tensor([-0.03], dtype=torch.float64)},
    "a column of a table": {"xm1.tau": 1e-3 * STRIDED.reshape(5, 2)[:, 0]},
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("engine", ENGINES)
def test_parameters_may_lie_anywhere_in_memory(engine, layout):
    drive = torch.full((30, 5), 5e-6, dtype=torch.float64)
    expected, result = (
        compiled("integrate-and-fire", e)(drive, dt=4e-6, parameters=LAYOUTS[layout])[0]["v(mem)"]
        for e in ("loop", engine)
    )
    assert worst([result], [expected]) < 1e-10  # roundings of 30 steps, as above


@pytest.mark.parametrize("engine", ENGINES)
def test_inputs_may_lie_anywhere_in_memory(engine):
    drive = currents(torch.float64).transpose(1, 2)[..., ::2]
    expected, result = (
        compiled("integrate-and-fire", e)(drive, dt=4e-6)[0]["v(mem)"] for e in ("loop", engine)
    )
    assert worst([result], [expected]) < 1e-10


@pytest.mark.parametrize("segment", [1, 7, 29, 100])
@pytest.mark.parametrize("engine", ENGINES)
def test_stored_states_do_not_change_the_result(engine, segment):
    whole = gradients(compiled("integrate-and-fire", engine), "rosenbrock2", torch.float64)
    parts = gradients(compiled("integrate-and-fire", engine, segment=segment), "rosenbrock2", torch.float64)
    # the same operations in the same order, but for sums over constants, which are split at the segments
    assert worst(parts, whole) < 1e-14


@pytest.mark.parametrize("engine", [*ENGINES, "loop"])
def test_gradcheck(engine):
    cell = compiled("integrate-and-fire", engine, record=("v(mem)",))
    drive = currents(torch.float64, samples=6)[:, :1, :2].clone().requires_grad_()
    scale = torch.ones(2, dtype=torch.float64, requires_grad=True)

    def membrane(current: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
        # in microamperes and millivolts, so that the finite differences of gradcheck suit
        waveforms, _ = cell(current * 1e-6, dt=100e-6, parameters={"cmem": factor * 1e-9})
        return waveforms["v(mem)"] * 1e3

    assert torch.autograd.gradcheck(membrane, (drive * 1e6, scale))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # torch's own, on its first compilation
def test_torch_compile_gives_the_same():
    expected = gradients(compiled("integrate-and-fire", "loop"), "rosenbrock2", torch.float64)
    values = gradients(compiled("integrate-and-fire", "compile"), "rosenbrock2", torch.float64)
    assert worst(values, expected) < 1e-10  # as above


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.skipif(find_compiler() is None, reason="needs a C compiler (gcc or clang)")
def test_threads_and_blocks_do_not_change_lanes(threads):
    cell = compiled("integrate-and-fire", "native", record=("v(mem)",))
    # enough lanes for two threads; the last block is short
    drive = currents(torch.float32).reshape(30, -1).repeat(1, 601)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        membrane = cell(drive, dt=100e-6)[0]["v(mem)"]
    finally:
        torch.set_num_threads(before)
    # vector code and the scalar code for the rest of a block may round differently
    assert torch.allclose(membrane[:, :35], membrane[:, -35:], rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("card", card_names())
def test_every_device_runs_on_the_generated_engines(card):
    """The tape knows every function that a model is written in, with its slope."""
    circuit = Circuit(card)
    circuit.subcircuit(DeviceSubCircuit(load_device(card), "cell"))
    circuit.V("drive", "top", circuit.gnd, 0)
    circuit.X("m1", "cell", "top", circuit.gnd)
    results = []
    for engine in ("loop", "fused"):
        cell = CompiledCircuit(circuit, inputs=("vdrive",), engine=engine)
        drive = torch.linspace(0, 0.1, 5, dtype=torch.float64)[:, None].requires_grad_()
        waveforms, last = cell(drive, dt=1e-9)
        (slope,) = torch.autograd.grad(
            sum((w * w).sum() for w in waveforms.values()) + sum(last).sum(), drive
        )
        results.append([*(part.detach() for part in last), slope])
    # five steps round a hundred times; stiff models lose some digits when they are solved
    assert worst(results[1], results[0]) < 1e-9


def test_wrong_options_are_named():
    with pytest.raises(InputError, match="engine = 'fast' is unknown"):
        compiled("integrate-and-fire", "fast")
    with pytest.raises(InputError, match="segment = 0 steps"):
        compiled("integrate-and-fire", "fused", segment=0)
    with pytest.raises(InputError, match="segment has no effect"):
        compiled("integrate-and-fire", "loop", segment=5)


def test_without_a_compiler_torch_runs_the_steps(monkeypatch):
    monkeypatch.setattr("memsim.surrogate.run.find_compiler", lambda: None)
    cell = compiled("integrate-and-fire", "auto")
    cell(currents(torch.float64), dt=100e-6)
    assert list(cell.runner.kernels) == ["fused"]


def test_asking_for_native_code_without_a_compiler_says_what_to_install(monkeypatch):
    monkeypatch.setattr(compiler, "find_compiler", lambda: None)
    with pytest.raises(InputError, match="install gcc or clang"):
        compiled("integrate-and-fire", "native")(currents(torch.float64), dt=101e-6)


@settings(deadline=None, max_examples=100)
@given(
    name=st.sampled_from(sorted(set(OPERATIONS) - {"lt", "le", "and", "or", "not", "where", "sign"})),
    a=st.floats(0.05, 3.0),
    b=st.floats(0.06, 2.9),
)
def test_slopes_of_operations(name, a, b):
    assume(name != "detach")  # has none, whatever its value does
    assume(name != "asin" or a < 0.95)  # its slope is infinite at 1
    count = len(SLOPES[name])
    values = dict(zip("ab"[:count], (a, b), strict=False))
    tape = Tape()
    leaves, seed = [tape.leaf(letter) for letter in values], tape.leaf("seed")
    result = apply(name, *leaves)
    slopes = evaluate(pull_back([result], [seed], leaves), {**values, "seed": 1.0})
    eps = 1e-6
    if count == 2 and abs(a - b) < 10 * eps:
        return  # maximum and minimum have a corner there
    for letter, slope in zip(values, slopes, strict=True):
        ends = [evaluate([result], {**values, letter: values[letter] + s * eps})[0] for s in (1, -1)]
        difference = float(ends[0] - ends[1]) / (2 * eps)
        # second-order differences of values up to 3**3 / 0.05**2, rounded at 1e-16 / 1e-6
        assert math.isclose(float(slope), difference, rel_tol=1e-6, abs_tol=1e-7)
