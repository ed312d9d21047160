"""Trained parameters stay within bounds, whatever an optimiser does, and a twin goes where other modules go."""

import copy
import io
import math
import pickle

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from memsim.circuits import IntegrateAndFire, device_bench
from memsim.devices import load_device
from memsim.errors import InputError
from memsim.surrogate import CompiledCircuit
from memsim.surrogate.bounded import Bounded

NAMES = ("cmem", "v1", "xm1.v_on", "xm1.tau")


def neuron(trainable=NAMES) -> CompiledCircuit:
    return CompiledCircuit(IntegrateAndFire.published().circuit(), inputs=("iin",), trainable=trainable)


TWIN = neuron()
CURRENT = torch.full((20, 3), 5e-6)


def test_a_twin_starts_as_its_circuit():
    for name, value in TWIN.trained_values().items():
        assert value.item() == pytest.approx(
            TWIN.values[name], rel=1e-14
        )  # a sigmoid and its inverse, to rounding
    drive = CURRENT.double()
    membrane, expected = (cell(drive, dt=1e-5)[0]["v(mem)"] for cell in (TWIN, neuron(())))
    assert torch.allclose(membrane, expected, rtol=1e-10, atol=0)


@given(
    optimizer=st.sampled_from([torch.optim.SGD, torch.optim.Adam, torch.optim.RMSprop]),
    rate=st.floats(1e-6, 1e9),
    gradients=st.lists(st.floats(-1e30, 1e30), min_size=1, max_size=5),
)
def test_no_step_of_an_optimizer_leaves_the_bounds(optimizer, rate, gradients):
    twin = copy.deepcopy(TWIN)
    steps = optimizer(twin.parameters(), lr=rate)
    for gradient in gradients:
        for position in twin.parameters():
            position.grad = torch.full_like(position, gradient)
        steps.step()
        for name, value in twin.trained_values().items():
            bounded = twin.trained[name.replace(".", "__")]
            assert bounded.low <= value.item() <= bounded.high
        assert twin.trained_values()["cmem"] > 0


@pytest.mark.parametrize("rate", [1e-3, 1e-2, 1e-1])
@pytest.mark.parametrize("name", NAMES)
def test_a_learning_rate_is_about_the_share_by_which_a_value_moves(name, rate):
    twin = neuron((name,))
    optimizer = torch.optim.Adam(twin.parameters(), lr=rate)
    twin(CURRENT.double(), dt=1e-5)[0]["v(mem)"].sum().backward()
    optimizer.step()  # Adam's first step is the learning rate itself
    moved = abs(twin.trained_values()[name].item() / twin.values[name] - 1)
    # z / 4 of a range: ln 100 where bounds have one sign, 4 sizes where they differ
    assert moved == pytest.approx(rate * (1.0 if name in ("v1", "xm1.v_on") else math.log(100) / 4), rel=0.1)


def test_bounds_may_be_chosen():
    twin = neuron({"cmem": (0.5e-9, 3e-9)})
    (position,) = twin.parameters()
    for end, value in ((-1e6, 0.5e-9), (1e6, 3e-9)):
        with torch.no_grad():
            position.fill_(end)
        assert twin.trained_values()["cmem"].item() == value


def test_bounds_stay_in_what_a_device_may_take():
    bench = device_bench(load_device("vteam-technion"), series_resistance=1.0)
    twin = CompiledCircuit(bench, inputs=("vdrive",), trainable=("xm1.alpha_on", "xm1.k_on"))
    ends = {name: (bounded.low, bounded.high) for name, bounded in twin.trained.items()}
    assert ends["xm1__alpha_on"][0] == 1.0  # of 1 to 20
    assert ends["xm1__k_on"][1] < 0  # negative by definition


@pytest.mark.parametrize(
    ("trainable", "message"),
    [
        ({"cmem": (2e-9, 3e-9)}, "bounds of cmem, 2e-09 to 3e-09, do not enclose its value of 1e-09"),
        ({"cmem": (0.0, 3e-9)}, "bound of cmem = 0.0 F is out of range; allowed: above 0"),
        ({"cmem": (0.1e-9, math.inf)}, "bound of cmem = inf F is out of range"),
        (("iin",), "no parameter 'iin'"),
    ],
)
def test_bounds_that_do_not_fit_are_refused(trainable, message):
    with pytest.raises(InputError, match=message):
        neuron(trainable)


def test_a_start_at_the_end_of_a_range_is_refused():
    bench = device_bench(load_device("vteam-technion"), series_resistance=1.0)
    with pytest.raises(InputError, match=r"xm1.alpha_off = 1 lies at the end of what it may be \(1 to 20\)"):
        CompiledCircuit(bench, inputs=("vdrive",), trainable=("xm1.alpha_off",))


def test_a_source_of_zero_needs_bounds():
    circuit = IntegrateAndFire.published().circuit()
    circuit.I("extra", "mem", circuit.gnd, 0)
    with pytest.raises(InputError, match="iextra = 0 has no size"):
        CompiledCircuit(circuit, inputs=("iin",), trainable=("iextra",))
    twin = CompiledCircuit(circuit, inputs=("iin",), trainable={"iextra": (-1e-6, 1e-6)})
    assert twin.trained_values()["iextra"].item() == 0


@given(
    value=st.floats(-1e3, 1e3),
    below=st.floats(1e-3, 1e3),
    above=st.floats(1e-3, 1e3),
    position=st.floats(-1e38, 1e38),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_every_position_is_a_value_between_the_bounds(value, below, above, position, dtype):
    bounded = Bounded(torch.tensor(value, dtype=dtype), (value - below, value + above))
    # a share of the range is rounded, and with it the value
    eps = torch.finfo(dtype).eps * (below + above + abs(value))
    assert bounded().item() == pytest.approx(value, rel=0, abs=100 * eps)
    with torch.no_grad():
        bounded.position.fill_(position)
    assert value - below - eps <= bounded().item() <= value + above + eps


def restored(twin: CompiledCircuit) -> CompiledCircuit:
    file = io.BytesIO()
    torch.save(twin, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


def unpickled(twin: CompiledCircuit) -> CompiledCircuit:
    return pickle.loads(pickle.dumps(twin))  # noqa: S301 - our own


@pytest.mark.parametrize("duplicate", [copy.deepcopy, unpickled, restored])
@pytest.mark.parametrize("engine", ["auto", "fused", "loop"])
def test_a_twin_is_copied_and_saved_like_any_module(duplicate, engine):
    twin = CompiledCircuit(
        IntegrateAndFire.published().circuit(),
        inputs=("iin",),
        trainable=("cmem",),
        engine=engine,
        record=("v(mem)",),
    )
    with torch.no_grad():
        next(twin.parameters()).add_(0.3)
    expected = twin(CURRENT, dt=1e-5)[0]
    twin.on_numbers()  # generates functions of its own
    other = duplicate(twin)
    result = other(CURRENT, dt=1e-5)[0]
    assert list(result) == list(expected)
    assert torch.equal(result["v(mem)"], expected["v(mem)"])
    with torch.no_grad():
        next(other.parameters()).add_(1.0)
    assert torch.equal(twin(CURRENT, dt=1e-5)[0]["v(mem)"], expected["v(mem)"])
    assert not torch.equal(other(CURRENT, dt=1e-5)[0]["v(mem)"], expected["v(mem)"])
