"""Derivatives that exist: at corners, and of every card in its own drive by every engine that can run it."""

import itertools
import math
from collections.abc import Iterable
from copy import deepcopy

import numpy as np
import pytest
import sympy as sp
import torch
from hypothesis import assume, example, given
from hypothesis import strategies as st
from PySpice.Spice.Netlist import Netlist

from memsim.circuits import device_bench
from memsim.devices import card_names, load_card
from memsim.devices.functions import (
    clip,
    expm1,
    logistic,
    power,
    ramp,
    saturating_exp,
    softplus,
    wall,
    within_unit,
)  # fmt: skip
from memsim.devices.numeric import generate
from memsim.surrogate import CompiledCircuit
from memsim.surrogate.fused import find_compiler
from memsim.surrogate.fused.adjoint import pull_back
from memsim.surrogate.fused.operations import OPERATIONS
from memsim.surrogate.fused.slopes import SLOPES
from memsim.surrogate.fused.tape import Tape, apply, evaluate
from memsim.surrogate.run import Engine, Runner

CARDS = [name for name in card_names() if load_card(name).drive]
QUICK = set({load_card(name).device.model: name for name in reversed(CARDS)}.values()) - {"jart-vcm-v1b"}
"""The first card of each model, but one that takes half a minute."""
STEPS = 60
SHARES = {
    "jart-vcm-v1b": 1e-9,
    "memdiode": 1e-4,
    "mott-nbo2": 1e-3,
    "mott-vo2": 1e-3,
    "mott-vo2-36nm": 1e-3,
    "pcm-gst": 0.1,
    "sky130-reram": 1e-5,
    "stanford-pku": 0.01,
    "team-pickett": 1e-5,
    "vo2-neuristor": 0.01,
    "vo2-switch": 0.01,
    "vteam-technion": 0.01,
}
"""Share of a period that 60 steps cover, of the cards that leave their range when 60 steps cover all of it."""
NATIVE = ["native"] if find_compiler() else []


def gradients(card: str, twin: CompiledCircuit, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Of all waveforms, by the drive and by every parameter, times these; a lane for each sign of the drive."""
    device, drive = load_card(card).device, load_card(card).drive
    dt = SHARES.get(card, 1.0) / drive.frequency / STEPS
    wave = drive.amplitude * torch.cos(
        2 * math.pi * drive.frequency * dt * torch.arange(STEPS + 1.0).double()
    )
    signal = (drive.offset + torch.stack([wave, -wave], dim=1)).to(dtype).requires_grad_()
    parameters = {
        name: torch.full((2,), value, dtype=dtype, requires_grad=True)
        for name, value in twin.values.items()
        if name.startswith("xm1.")
    }
    waveforms, last = twin({"vdrive": signal}, dt=dt, parameters=parameters)
    scales = {f"v(xm1.{name})": state.high - state.low for name, state in device.states.items()}
    parts = [values / scales.get(name, drive.amplitude) for name, values in waveforms.items()]
    arguments = {"the drive": signal, **parameters}
    found = torch.autograd.grad(
        sum(part.sum() for part in (*parts, *last)), list(arguments.values()), materialize_grads=True
    )
    return {
        name: (gradient * value.detach()).double()
        for (name, value), gradient in zip(arguments.items(), found, strict=True)
    }


def compiled(bench: Netlist, engines: Iterable[Engine]) -> dict[str, CompiledCircuit]:
    """The same equations, on each engine."""
    twin = CompiledCircuit(bench, inputs=("vdrive",))
    twins = {engine: deepcopy(twin) for engine in engines}
    for engine, other in twins.items():
        other.runner = Runner(twin.system, twin.stepper, engine, None)
    return twins


def check(
    card: str, engines: list[str], dtypes: tuple[torch.dtype, ...] = (torch.float64, torch.float32)
) -> None:
    bench = device_bench(load_card(card).device, series_resistance=load_card(card).drive.series_resistance)
    twins = compiled(bench, ("loop", *engines))
    for dtype in dtypes:
        expected = gradients(card, twins["loop"], dtype)
        largest = max(values.abs().max() for values in expected.values())
        for engine in engines:
            for name, values in gradients(card, twins[engine], dtype).items():
                assert torch.isfinite(values).all(), (engine, dtype, name)
                error = (values - expected[name]).abs()
                if dtype == torch.float64:
                    # of itself; what cancels to a millionth of the largest gradient keeps that many digits fewer
                    assert (error <= 1e-6 * (expected[name].abs() + 1e-6 * largest)).all(), (engine, name)
                else:
                    # of the largest one: roundings of 6e-8 grow ten-thousandfold where a device runs away
                    assert (error <= 2e-3 * largest).all(), (engine, name)


@pytest.mark.parametrize(
    "card", [pytest.param(card, marks=[] if card in QUICK else [pytest.mark.slow]) for card in CARDS]
)
def test_every_card_has_the_gradients_of_autograd(card):
    check(card, [*NATIVE, "fused"])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # torch's own, on its first compilation
@pytest.mark.parametrize("card", ["vteam-technion", "hp-tio2", "threshold-a"])
def test_torch_compile_has_the_gradients_of_autograd(card):
    check(card, ["compile"], (torch.float64,))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_vteam_has_gradients_in_its_own_drive(dtype):
    """alpha_off = 1, and the rounded ramp to that power vanishes: exp(-1050) at -0.4 V with a threshold of 20 mV."""
    card, steps = load_card("vteam-technion"), 250
    bench = device_bench(card.device, series_resistance=card.drive.series_resistance)
    time = torch.arange(steps + 1, dtype=torch.float64) / steps / card.drive.frequency
    wave = card.drive.amplitude * torch.sin(-2 * math.pi * card.drive.frequency * time)
    names = ("xm1.alpha_off", "xm1.k_on", "xm1.v_on")
    found = {}
    for engine, twin in compiled(bench, ("loop", *NATIVE, "fused")).items():
        drive = wave.to(dtype).requires_grad_()
        values = [torch.tensor(twin.values[name], dtype=dtype, requires_grad=True) for name in names]
        waveforms, _ = twin(drive, dt=float(time[1]), parameters=dict(zip(names, values, strict=True)))
        found[engine] = torch.autograd.grad(waveforms["v(xm1.x)"].sum(), [drive, *values])
    expected = found.pop("loop")
    # roundings of one step grow with the gradients themselves, to 1e7 here: 6e-12 and 5e-4 were measured
    tolerance = {torch.float64: 1e-9, torch.float32: 1e-2}[dtype]
    for gradients_of_engine in found.values():
        for value, by_loop in zip(gradients_of_engine, expected, strict=True):
            assert torch.isfinite(value).all()
            assert by_loop.abs().max() > 0
            assert (value - by_loop).abs().max() <= tolerance * by_loop.abs().max()


BESIDE = [0.0, 5e-324, 1e-310, 1e-200, 1e-154, 1e-100, 1e-45, 1e-38, 1e-30, 1e-19, 1e-12, 1e-7, 1e-3]
"""Distances from a corner: subnormal numbers and the roots of the smallest normal ones among them."""
EXPONENTS = [0.5, 1.0, 1.0000001, 1.2, 1.5, 2.0, 2.5, 3.0, 10.0]
CORNERS = {
    "power": [(0.0, exponent) for exponent in EXPONENTS],
    "bounded_log": [(0.0,)],
    "log": [(0.0,)],
    "sqrt": [(0.0,)],
    "asin": [(1.0,), (-1.0,)],
    "abs": [(0.0,)],
    "sign": [(0.0,)],
    "softplus": [(-1050.0,), (-104.0,), (0.0,), (40.0,), (800.0,)],
    "logistic": [(-800.0,), (0.0,), (800.0,)],
    "tanh": [(0.0,), (400.0,)],
    "max": [(0.0, 0.0), (2.0, 2.0)],
    "min": [(0.0, 0.0), (2.0, 2.0)],
}
ONE_SIDED = {"power": 1, "bounded_log": 1, "log": 1, "sqrt": 1, "asin": -1}
"""Side of a corner on which the operation is defined."""


def derivatives(name: str, values: tuple[float, ...], dtype: torch.dtype) -> tuple[list[float], list[float]]:
    """First and second derivatives of an operation by all its arguments, as an adjoint takes them."""
    tape = Tape()
    leaves = [tape.leaf(letter) for letter in "ab"[: len(values)]]
    seed = tape.leaf("seed")
    first = pull_back([apply(name, *leaves)], [seed], leaves)
    second = [slope for row in first for slope in pull_back([row], [seed], leaves)]
    inputs = {leaf: torch.tensor(value, dtype=dtype) for leaf, value in zip("ab", values, strict=False)} | {
        "seed": torch.tensor(1.0, dtype=dtype)
    }
    return tuple([float(v) for v in evaluate(part, inputs)] for part in (first, second))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", CORNERS)
def test_operations_have_two_finite_derivatives_at_and_beside_their_corners(name, dtype):
    for corner, distance, side in itertools.product(CORNERS[name], BESIDE, (1, -1)):
        if name in ONE_SIDED and side != ONE_SIDED[name] * (math.copysign(1, corner[0])):
            continue
        values = (corner[0] + side * distance, *corner[1:])
        first, second = derivatives(name, values, dtype)
        assert np.isfinite([*first, *second]).all(), (values, first, second)


@pytest.mark.parametrize("name", CORNERS)
def test_the_second_derivative_at_a_corner_is_zero(name):
    for corner in CORNERS[name]:
        curved = name in ("softplus", "logistic") or (name == "power" and corner[1] >= 2)
        by_first_argument = derivatives(name, corner, torch.float64)[1][0]
        assert curved or by_first_argument == 0, corner


@given(
    name=st.sampled_from(sorted(set(OPERATIONS) - {"lt", "le", "and", "or", "not", "where"})),
    a=st.floats(0.05, 3.0),
    b=st.floats(0.06, 2.9),
)
@example(name="power", a=1e-3, b=1.2)
@example(name="asin", a=0.999, b=1.0)
def test_second_derivatives_are_the_slopes_of_the_first(name, a, b):
    eps = 1e-6
    assume(name != "asin" or a < 1 - 2 * eps)
    values = (a, b)[: len(SLOPES[name])]
    assume(name not in ("max", "min") or abs(a - b) > 2 * eps)
    _, second = derivatives(name, values, torch.float64)
    for index in range(len(values)):
        ends = [
            derivatives(name, tuple(v + s * eps * (i == index) for i, v in enumerate(values)), torch.float64)[
                0
            ]
            for s in (1, -1)
        ]
        for row, (above, below) in enumerate(zip(*ends, strict=True)):
            difference, scale = (above - below) / (2 * eps), max(1.0, abs(above))
            # second-order differences: 1e-12 times a fourth derivative of at most (1e-3)**-3; roundings of 1e-16 / 1e-6
            assert math.isclose(
                second[row * len(values) + index], difference, rel_tol=1e-4, abs_tol=1e-9 * scale
            )


z = sp.Symbol("z", real=True)
FUNCTIONS = {
    "logistic": logistic(z),
    "softplus": softplus(z),
    "expm1": expm1(z),
    "clip": clip(z, 1),
    "ramp": ramp(z),
    "wall": wall(z, sp.Rational(1, 100)),
    "within_unit": within_unit(z),
    "saturating_exp": saturating_exp(z, sp.Float(1000)),
    **{f"power {a} of a softplus": power(softplus(50 * z) / 50, sp.Float(a)) for a in EXPONENTS if a >= 1},
    **{f"power {a} of a ramp": power(ramp(z), sp.Float(a)) for a in EXPONENTS if a >= 1},
    **{f"power {a} of a square": power((2 * z - 1) ** 2, sp.Float(a)) for a in EXPONENTS},
    "power with an exponent of the state": power(ramp(z), 1 + z**2),
}
POINTS = [side * x for side in (1, -1) for x in (*BESIDE, 0.3, 0.5, 0.7, 1.0, 1.3, 3.0)]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_models_have_two_finite_derivatives_everywhere(name):
    orders = [sp.diff(FUNCTIONS[name], z, order) if order else FUNCTIONS[name] for order in range(3)]
    by_numpy = [
        np.broadcast_to(values, len(POINTS)) for values in generate([z], orders, "numpy")(np.array(POINTS))
    ]
    assert np.isfinite(by_numpy).all()
    for dtype in (torch.float64, torch.float32):
        points = torch.tensor(POINTS, dtype=dtype, requires_grad=True)
        by_sympy = [torch.as_tensor(v).expand(len(POINTS)) for v in generate([z], orders, "torch")(points)]
        by_autograd = [by_sympy[0]]
        for _ in range(2):
            total = (by_autograd[-1] + 0 * points).sum()
            by_autograd += torch.autograd.grad(total, points, create_graph=True)
        for found in (by_sympy, by_autograd):
            values = torch.stack([values.detach().double() for values in found]).numpy()
            assert np.isfinite(values).all()
            # of values up to 49**10; at corners themselves, too, all take the same; in float32 some of them move
            if dtype == torch.float64:
                np.testing.assert_allclose(values, by_numpy, rtol=1e-9, atol=1e-9)
