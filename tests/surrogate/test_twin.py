"""The compiled circuit as a torch module: batches, chunks, precision, gradients, bad input."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PySpice.Spice.Netlist import Circuit

from memsim.circuits import AlphaTrain, Constant, DeviceSubCircuit, IntegrateAndFire
from memsim.devices import load_device
from memsim.errors import ConvergenceError, InputError
from memsim.surrogate import STEPPERS, CompiledCircuit, reference, simulate

DT = 10e-6


def neuron(**options) -> CompiledCircuit:
    return CompiledCircuit(IntegrateAndFire.published().circuit(), inputs=("iin",), **options)


def cell_with_series_resistance(**options) -> CompiledCircuit:
    circuit = Circuit("cell with an algebraic node")
    circuit.subcircuit(DeviceSubCircuit(load_device("mif-set1"), "gate"))
    circuit.I("in", circuit.gnd, "soma", 0)
    circuit.C("soma", "soma", circuit.gnd, 1e-9)
    circuit.R("series", "soma", "axon", 2e3)
    circuit.X("m1", "gate", "axon", "e")
    circuit.V("e", "e", circuit.gnd, -0.025)
    return CompiledCircuit(circuit, inputs=("iin",), **options)


def pulses(*peaks: float, samples: int = 301, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """One pulse a column, [samples, peaks]."""
    t = np.arange(samples) * DT
    return torch.as_tensor(np.stack([AlphaTrain(peak, 1e-3)(t) for peak in peaks], axis=1), dtype=dtype)


def test_batch_equals_loop():
    """Elementwise code: the same to the last bit, but for vector instructions that round differently."""
    drive = pulses(1e-6, 5e-6, 20e-6)
    together, _ = neuron()(drive, dt=DT)
    for column in range(3):
        alone, _ = neuron()(drive[:, column], dt=DT)
        for name, signal in alone.items():
            assert torch.allclose(together[name][:, column], signal, rtol=1e-13, atol=1e-17)


def test_batch_of_any_shape():
    drive = pulses(1e-6, 2e-6, 3e-6, 4e-6, 5e-6, 6e-6, samples=20)
    flat, _ = neuron()(drive, dt=DT)
    shaped, state = neuron()(drive.reshape(20, 2, 3), dt=DT)
    assert torch.equal(shaped["v(mem)"].reshape(20, 6), flat["v(mem)"])
    assert [tuple(part.shape) for part in state] == [(2, 3)] * 3


@pytest.mark.parametrize("make", [neuron, cell_with_series_resistance])
def test_chunks_equal_one_run(make):
    """A chunk begins with the sample the last one ended with."""
    twin, drive = make(), pulses(5e-6)
    whole, end = twin(drive, dt=DT)
    first, state = twin(drive[:101], dt=DT)
    second, last = twin(drive[100:], state, dt=DT)
    # one rounding apart: the first step of a chunk looks at its start anew
    close = {"rtol": 1e-12, "atol": 1e-15}
    for name, signal in whole.items():
        torch.testing.assert_close(torch.cat([first[name], second[name][1:]]), signal, **close)
    for a, b in zip(end, last, strict=True):
        torch.testing.assert_close(a, b, **close)


def test_the_module_keeps_nothing_between_calls():
    twin, drive = neuron(), pulses(5e-6)
    one, two = (twin(drive, dt=DT)[0]["v(mem)"] for _ in range(2))
    assert torch.equal(one, two)
    assert not list(twin.buffers())


def test_single_precision():
    """float32 carries 7 digits, and 300 steps add up their rounding to less than 1e-4 of the spike."""
    double, _ = neuron()(pulses(5e-6), dt=DT)
    single, state = neuron()(pulses(5e-6, dtype=torch.float32), dt=DT)
    assert single["v(mem)"].dtype == torch.float32
    assert all(part.dtype == torch.float32 for part in state)
    assert torch.max(torch.abs(single["v(mem)"] - double["v(mem)"])) < 1e-4 * 0.045


def test_recorded_waveforms():
    waveforms, _ = neuron(record=("v(xm1.x)",))(pulses(5e-6), dt=DT)
    assert list(waveforms) == ["v(xm1.x)"]
    everything, _ = neuron()(pulses(5e-6), dt=DT)
    assert set(everything) == {"v(mem)", "v(e1)", "v(e2)", "v(xm1.x)", "v(xm2.x)"}
    assert torch.equal(everything["v(xm1.x)"], waveforms["v(xm1.x)"])
    assert torch.all(everything["v(e1)"] == -0.025)


def test_sample_zero_is_the_initial_state():
    waveforms, _ = neuron()(pulses(5e-6, 7e-6), dt=DT)
    assert torch.all(waveforms["v(xm1.x)"][0] == 0.0238)
    assert torch.all(waveforms["v(mem)"][0] == 0.0)


def test_parameters_per_neuron():
    """A tensor in the shape of the batch gives every neuron its own devices."""
    drive = pulses(5e-6, 5e-6)
    r_on = torch.tensor([1e3, 2e3], dtype=torch.float64)
    varied, _ = neuron()(drive, dt=DT, parameters={"xm1.r_on": r_on})
    for column in range(2):
        alone, _ = neuron()(drive[:, column], dt=DT, parameters={"xm1.r_on": float(r_on[column])})
        assert torch.allclose(varied["v(mem)"][:, column], alone["v(mem)"], rtol=1e-12, atol=1e-16)


# explicit steps take no node without a capacitor
GRADCHECKED = [(make, name) for make in (neuron, cell_with_series_resistance) for name in STEPPERS
               if make is neuron or STEPPERS[name].implicit]  # fmt: skip


@pytest.mark.parametrize(("make", "stepper"), GRADCHECKED)
def test_gradcheck(make, stepper):
    """Gradients with respect to inputs, initial state and parameters, in double precision.

    Parameters and inputs are scaled to order one, which central differences of step 1e-6 need; they then leave 1e-9
    of the value, and rounding another 1e-9.
    """
    twin = make(stepper=stepper)
    names = ("xm1.v_on", "xm1.tau", "xm1.r_on", next(n for n in twin.values if n.startswith("c")))
    drive = pulses(8e-6, 3e-6, samples=8)
    start = tuple(part + 0.05 for part in twin(drive[:1], dt=DT)[1])

    def membrane(scaled_drive, scale, *state):
        parameters = {name: twin.values[name] * factor for name, factor in zip(names, scale, strict=True)}
        waveforms, end = twin(scaled_drive * 1e-6, state, dt=DT, parameters=parameters)
        return tuple(1e3 * waveforms[n] for n in ("v(mem)", "v(soma)", "v(axon)") if n in waveforms) + end

    inputs = [drive * 1e6, torch.ones(len(names), dtype=torch.float64), *start]
    inputs = [value.detach().clone().requires_grad_() for value in inputs]
    assert torch.autograd.gradcheck(membrane, inputs, eps=1e-6, atol=1e-6, rtol=1e-5)


def test_gradient_of_a_batch_of_eight_equals_central_differences():
    """Acceptance test: 1e-5 in float64."""
    torch.manual_seed(0)
    twin, drive = neuron(), pulses(*np.linspace(1e-6, 8e-6, 8), samples=101)
    scale = torch.ones(8, dtype=torch.float64, requires_grad=True)

    def loss(factor):
        return (twin(drive * factor, dt=DT)[0]["v(mem)"] * 1e3).square().mean()

    (gradient,) = torch.autograd.grad(loss(scale), scale)
    direction = torch.linspace(-1, 1, 8, dtype=torch.float64)
    step = 1e-5
    with torch.no_grad():
        difference = (loss(scale + step * direction) - loss(scale - step * direction)) / (2 * step)
    assert float(gradient @ direction) == pytest.approx(float(difference), rel=1e-5)


def test_gradient_through_the_settling_of_an_algebraic_node():
    """At t = 0 the axon follows from Newton's method; its derivative is that of the implicit function."""
    twin = cell_with_series_resistance()
    series = torch.tensor(2e3, dtype=torch.float64, requires_grad=True)

    def axon(resistance):
        return twin(torch.zeros(1, dtype=torch.float64), dt=DT, parameters={"rseries": resistance})[0][
            "v(axon)"
        ][0]

    (gradient,) = torch.autograd.grad(axon(series), series)
    with torch.no_grad():
        difference = (
            axon(series + 1.0) - axon(series - 1.0)
        ) / 2  # 1 ohm in 2000: second order, 1e-7 relative
    assert float(gradient) == pytest.approx(float(difference), rel=1e-5)
    assert float(gradient) != 0


def test_trainable_parameters_are_parameters():
    twin = neuron(trainable=("cmem", "xm1.v_on"))
    assert len(list(twin.parameters())) == 2
    waveforms, _ = twin(pulses(5e-6), dt=DT)
    waveforms["v(mem)"].max().backward()
    assert all(parameter.grad is not None and parameter.grad != 0 for parameter in twin.parameters())
    twin.load_state_dict(neuron(trainable=("cmem", "xm1.v_on")).state_dict())


def test_a_twin_without_inputs_is_refused():
    with pytest.raises(InputError, match="names no source"):
        CompiledCircuit(IntegrateAndFire.published().circuit(), inputs=())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda twin: twin(torch.zeros(5), dt=0.0), "dt = 0.0 s is out of range"),
        (lambda twin: twin(torch.zeros(5), dt=float("nan")), "dt = nan"),
        (lambda twin: twin(torch.zeros(()), dt=DT), "time first"),
        (lambda twin: twin(torch.zeros(0, 3), dt=DT), "time first"),
        (lambda twin: twin(torch.tensor([0.0, float("nan")]), dt=DT), r"'iin' is not finite at index \(1,\)"),
        (lambda twin: twin({"vin": torch.zeros(5)}, dt=DT), "do not match the circuit's inputs"),
        (
            lambda twin: twin(torch.zeros(5), dt=DT, parameters={"cmen": 1e-9}),
            "no parameter 'cmen'; it has: .*cmem",
        ),
        (lambda twin: twin(torch.zeros(5, 3), twin(torch.zeros(5, 2), dt=DT)[1], dt=DT), "state"),
        (lambda twin: twin(torch.zeros(5), twin(torch.zeros(5), dt=DT)[1][:2], dt=DT), "state"),
    ],
)
def test_bad_calls(call, message):
    with pytest.raises(InputError, match=message):
        call(neuron())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"record": ("v(nowhere)",)}, r"no waveform 'v\(nowhere\)'; it has: .*v\(mem\)"),
        ({"trainable": ("xm9.r_on",)}, "no parameter 'xm9.r_on'"),
    ],
)
def test_unknown_names(options, message):
    with pytest.raises(InputError, match=message):
        neuron(**options)


def test_two_inputs_need_one_shape():
    twin = CompiledCircuit(IntegrateAndFire.published().circuit(), inputs=("iin", "v2"))
    with pytest.raises(InputError, match="give tensors of one shape"):
        twin({"iin": torch.zeros(5), "v2": torch.zeros(6)}, dt=DT)


def test_a_voltage_source_as_input():
    """A source that moves: at a constant value the same as its DC value."""
    circuit = IntegrateAndFire.published().circuit()
    twin = CompiledCircuit(circuit, inputs=("iin", "v2"))
    drive = pulses(5e-6)
    moved, _ = twin({"iin": drive, "v2": torch.full_like(drive, 0.025)}, dt=DT)
    fixed, _ = neuron()(drive, dt=DT)
    assert torch.allclose(moved["v(mem)"], fixed["v(mem)"], rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize(
    ("stop", "step"), [(1e-3, 0.0), (1e-3, -1e-6), (1e-3, 2e-3), (float("inf"), 1e-6), (float("nan"), 1e-6)]
)
@pytest.mark.parametrize("run", [simulate, reference.simulate])
def test_times_out_of_range(run, stop, step):
    with pytest.raises(InputError, match="out of range"):
        run(IntegrateAndFire.published().circuit(), stimuli={"iin": Constant(0.0)}, stop=stop, step=step)


def test_divergence_carries_what_there_was():
    with pytest.raises(ConvergenceError, match="leave out equal_steps") as caught:
        simulate(
            IntegrateAndFire.published().circuit(), stimuli={"iin": AlphaTrain(20e-6, 1e-3)}, stop=10e-3, step=DT,
            equal_steps=True, stepper="explicit-euler",
        )  # fmt: skip
    assert 0 < len(caught.value.partial["time"]) < 1001


def test_an_oscillator_has_no_equilibrium():
    from memsim.circuits import ThresholdSwitching

    circuit = ThresholdSwitching.set_a().circuit()
    circuit["Iin"].dc_value = 5e-6
    with pytest.raises(ConvergenceError, match="does not come to rest"):
        reference.equilibrium(circuit)
