"""The synapse layer: currents of its conductances, exact wires, tiles, transposed reads, programming when needed."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from memsim import spice
from memsim.crossbar import (
    Crossbar,
    Hardware,
    Levels,
    LognormalVariation,
    PerArray,
    ReadNoise,
    StuckCells,
    Wires,
    crossbar_deck,
)
from memsim.errors import InputError

G_MIN, G_MAX, RATIO = 4e-6, 25e-6, 0.3
RANGE = {"g_min": G_MIN, "g_max": G_MAX, "mirror_ratio": RATIO}
DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=[pytest.mark.cuda, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")],
    ),
]
WIRES = Wires(200.0, 300.0, driver=1e3, sense=500.0)  # as much as a thousand cells: nothing is small
VARIATION = LognormalVariation(0.3)
HARDWARE = {
    "ideal": Hardware(),
    "reference": Hardware(signs="reference"),
    "levels": Hardware(levels=16),
    "slices": Hardware(levels=4, slices=2),
    "reference-slices": Hardware(signs="reference", levels=4, slices=2),
    "wires": Hardware(wires=WIRES),
    "reference-wires": Hardware(signs="reference", wires=WIRES),
    "tiles": Hardware(levels=4, slices=2, wires=WIRES, tile=(3, 8)),
    "reference-tiles": Hardware(signs="reference", wires=WIRES, tile=(3, 3)),
    "variation": Hardware(nonidealities=(VARIATION,), wires=WIRES),
}
each_hardware = pytest.mark.parametrize("hardware", HARDWARE.values(), ids=HARDWARE)

weights = arrays(np.float64, (5, 3), elements=st.floats(-1, 1))


def generator(seed: int = 0, place: str = "cpu") -> torch.Generator:
    return torch.Generator(place).manual_seed(seed)


def rand(*shape, seed=1, scale=1.0):
    return scale * torch.randn(shape, generator=generator(seed), dtype=torch.float64)


def crossbar(hardware=None, rows=5, columns=3, **changes):
    matrix = rand(rows, columns, seed=7).clamp(-1, 1)
    return Crossbar.from_weights(matrix, hardware=hardware, **{"generator": generator(), **RANGE, **changes})


def cells_of(made):
    """Conductances [rows, bit lines] of a crossbar of one array: its lines side by side, then the reference."""
    lines = torch.stack(made.conductances(), -1).flatten(-2)
    if made.mapping.references:
        middle = (made.g_min + made.g_max) / 2
        lines = torch.cat([lines, torch.full_like(lines[:, :1], middle)], -1)
    return lines.detach()


def resistors(wires, rows, columns):
    """Segments and ends one by one, as the sparse tableau wants them."""
    bit, word = np.full((rows, columns), wires.bit_line), np.full((rows, columns), wires.word_line)
    return {
        "word": word,
        "bit": bit,
        "driver": np.full(rows, wires.driver),
        "sense": np.full(columns, wires.sense),
    }


@given(weights, arrays(np.float64, (4, 5), elements=st.floats(-0.2, 0.2)))
def test_current_is_that_of_the_conductances(weight, voltage):
    """Ohm and Kirchhoff on the two bit lines of each pair, times the mirror ratio."""
    made = Crossbar.from_weights(weight, **RANGE)
    plus, minus = (g.detach().numpy() for g in made.conductances())
    # five products summed on each bit line, of up to 0.2 V and g_max; the bit lines cancel
    allowed = 40 * np.finfo(float).eps * 0.2 * G_MAX
    np.testing.assert_allclose(
        made(voltage), RATIO * (voltage @ plus - voltage @ minus), rtol=0, atol=allowed
    )


@given(weights, arrays(np.float64, (4, 5), elements=st.floats(-1, 1)))
def test_all_ways_to_hold_a_weight_give_the_ideal_product(weight, voltage):
    """Relative to the gain; slices to half a step of their 2^12 levels on each of five word lines."""
    for hardware, error in (
        (Hardware(), 1e-14),
        (Hardware(signs="reference"), 1e-13),
        (Hardware(wires=Wires(), tile=(2, 2)), 1e-13),
        (Hardware(levels=4096), 2.5 / 4095 + 1e-13),
        (Hardware(levels=16, slices=3), 2.5 / 4095 + 1e-13),
        (Hardware(signs="reference", levels=8, slices=4), 5 / 4095 + 1e-13),
    ):
        made = Crossbar.from_weights(weight, hardware=hardware, **RANGE)
        np.testing.assert_allclose(made(voltage) / made.gain, voltage @ weight, rtol=0, atol=error)


@each_hardware
def test_superposition(hardware):
    made, one, two = crossbar(hardware), rand(4, 5, seed=2), rand(4, 5, seed=3)
    held = rand(4, 3, seed=4)
    both = made(2 * one - 3 * two, 2 * held)
    torch.testing.assert_close(both, 2 * made(one, held) - 3 * made(two), rtol=1e-9, atol=1e-16)
    torch.testing.assert_close(both, (2 * one - 3 * two) @ made.matrix() + 2 * held @ made.bit_line_matrix())


@pytest.mark.parametrize("signs", ["pairs", "reference"])
@pytest.mark.parametrize("levels", [(None, 1), (4, 2)])
def test_wires_and_membranes_are_those_of_the_resistor_network(signs, levels, by_resistors):
    """Neuron currents against sparse tableau analysis of every resistor, bit lines held at membrane voltages."""
    made = crossbar(Hardware(signs=signs, levels=levels[0], slices=levels[1], wires=WIRES))
    cells = cells_of(made)
    voltage, membrane = rand(5, seed=2), rand(3, seed=3)
    held = np.repeat(membrane.numpy(), made.mapping.lines)
    held = np.append(held, 0.0) if made.mapping.references else held
    cell, *_ = by_resistors(cells.numpy(), voltage.numpy(), resistors(WIRES, *cells.shape), held)
    expected = RATIO * made.mapping.combine(torch.from_numpy(cell.sum(0)))
    torch.testing.assert_close(made(voltage, membrane).detach(), expected, rtol=1e-9, atol=1e-18)
    with torch.no_grad():
        torch.testing.assert_close(made(voltage, membrane), expected, rtol=1e-9, atol=1e-18)


@pytest.mark.spice
def test_membranes_and_wires_are_those_of_ngspice():
    made = crossbar(Hardware(wires=WIRES))
    voltage, membrane = rand(5, seed=2), rand(3, seed=3)
    deck = crossbar_deck(cells_of(made), voltage, WIRES, bit_line_voltage=membrane.repeat_interleave(2))
    waves = spice.simulate(deck)
    lines = torch.tensor([float(waves[f"i(vsense{j})"]) for j in range(6)], dtype=torch.float64)
    expected = RATIO * (lines[::2] - lines[1::2])
    # 1e-8 of the bit line currents, whose differences these are
    torch.testing.assert_close(
        made(voltage, membrane).detach(), expected, rtol=0, atol=float(1e-8 * lines.abs().max())
    )


@pytest.mark.parametrize("signs", ["pairs", "reference"])
def test_a_transposed_read_is_that_of_the_resistor_network(signs, by_resistors):
    """Bit lines driven through their sense ends, word lines sensed through their drivers."""
    made = crossbar(Hardware(signs=signs, levels=4, slices=2, wires=WIRES))
    cells, voltage = cells_of(made), rand(3, seed=2)
    driven = made.mapping.spread(voltage).numpy()
    cell, *_ = by_resistors(cells.numpy(), np.zeros(5), resistors(WIRES, *cells.shape), driven)
    torch.testing.assert_close(
        made.transposed(voltage).detach(), torch.from_numpy(-cell.sum(1)), rtol=1e-9, atol=1e-18
    )


@each_hardware
def test_a_transposed_read_multiplies_with_the_transposed_matrix(hardware):
    made, voltage = crossbar(hardware), rand(4, 3, seed=2)
    torch.testing.assert_close(
        made.transposed(voltage) * RATIO, voltage @ made.matrix().mT, rtol=1e-10, atol=1e-18
    )
    ideal = crossbar(replace(hardware, wires=None, tile=None, nonidealities=(), levels=None, slices=1))
    product = ideal.mapping.gain * voltage @ ideal.weight.mT
    torch.testing.assert_close(ideal.transposed(voltage), product, rtol=1e-9, atol=1e-18)


def test_currents_with_little_wire_approach_the_ideal_ones():
    """First order in the resistance: a tenth of it leaves a tenth of the error."""
    voltage = rand(4, 5, seed=2)
    ideal = crossbar()(voltage.numpy())
    errors = [
        np.linalg.norm(crossbar(Hardware(wires=Wires(r, r)))(voltage.numpy()) - ideal) for r in (1.0, 0.1)
    ]
    assert errors[0] / errors[1] == pytest.approx(10, rel=1e-2)  # the next order is 10 cells x 1 ohm x 25 uS


@pytest.mark.parametrize("signs", ["pairs", "reference"])
def test_tiles_are_crossbars_of_their_own(signs):
    """7 x 5 weights on arrays of at most 3 word lines and 2 neurons: the sum of the crossbars of all parts."""
    lines = 2 if signs == "pairs" else 1
    hardware = Hardware(signs=signs, wires=WIRES)
    made = crossbar(replace(hardware, tile=(3, 2 * lines + (signs == "reference"))), 7, 5)
    voltage, held = rand(4, 7, seed=2), rand(4, 5, seed=3)
    expected = torch.zeros(4, 5, dtype=torch.float64)
    for rows in (slice(0, 3), slice(3, 6), slice(6, 7)):
        for columns in (slice(0, 2), slice(2, 4), slice(4, 5)):
            part = Crossbar.from_weights(made.weight[rows, columns], hardware=hardware, **RANGE)
            expected[:, columns] += part(voltage[:, rows], held[:, columns])
    torch.testing.assert_close(made(voltage, held), expected, rtol=1e-9, atol=1e-17)


@each_hardware
@pytest.mark.parametrize("vectors", [2, 40])
def test_gradients_of_weights_and_voltages(hardware, vectors):
    """Against finite differences, whichever way the solver takes; those of levels pass straight through instead."""
    if hardware.levels is not None:
        hardware = replace(hardware, levels=None, slices=1, tile=hardware.tile and (3, 4))
    made, voltage, held = crossbar(hardware), rand(vectors, 5, seed=2), rand(vectors, 3, seed=3)

    def currents(weight, voltage, held):
        twin = copy.deepcopy(made)  # draws what `made` would draw
        return 1e6 * torch.func.functional_call(twin, {"weight": weight}, (voltage, held))

    # away from 0 and the ends, where pairs and their range have corners
    weight = 0.1 + 0.8 * torch.rand(5, 3, generator=generator(9), dtype=torch.float64)
    weight *= torch.sign(made.weight.detach())
    inputs = tuple(tensor.requires_grad_() for tensor in (weight, voltage, held))
    assert torch.autograd.gradcheck(currents, inputs, fast_mode=True)


def test_gradients_of_wires():
    word, bit = (torch.full((), ohm, dtype=torch.float64, requires_grad=True) for ohm in (200.0, 300.0))
    voltage = rand(4, 5, seed=2)

    def currents(word, bit):
        return 1e6 * crossbar(Hardware(wires=Wires(1e2 * word, 1e2 * bit)))(voltage)

    assert torch.autograd.gradcheck(currents, (word, bit))


def test_the_gradient_of_a_pair_is_the_product_rule_at_zero_too():
    """d i_j / d w_ij = ratio (g_max - g_min) v_i, with ideal cells and through the cells."""
    voltage = torch.tensor([0.1, -0.2, 0.0, 0.3, 0.05], dtype=torch.float64)
    for hardware in (Hardware(), Hardware(levels=16), Hardware(nonidealities=(LognormalVariation(1e-12),))):
        made = Crossbar.from_weights(np.zeros((5, 3)), hardware=hardware, generator=generator(), **RANGE)
        made(voltage)[1].backward()
        expected = torch.zeros(5, 3, dtype=torch.float64)
        expected[:, 1] = RATIO * (G_MAX - G_MIN) * voltage
        torch.testing.assert_close(made.weight.grad, expected, rtol=1e-11, atol=0)


def test_frozen_weights_leave_the_gradient_of_voltages():
    made = crossbar(Hardware(wires=WIRES))
    voltage = rand(4, 5, seed=2).requires_grad_()
    (expected,) = torch.autograd.grad(made(voltage).square().sum(), voltage)
    with torch.inference_mode():
        made(voltage)
    made.weight.requires_grad_(requires_grad=False)
    (found,) = torch.autograd.grad(made(voltage).square().sum(), voltage)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=0)


def test_what_is_kept_follows_every_change():
    """Optimiser steps, loaded weights, other precisions, wires and hardware: always the currents of a new crossbar."""
    resistance = torch.tensor(200.0, dtype=torch.float64)
    hardware = Hardware(wires=Wires(resistance, 300.0))
    made, voltage = crossbar(hardware), rand(4, 5, seed=2)

    @torch.no_grad()
    def check():
        fresh = Crossbar.from_weights(made.weight, hardware=made.hardware, **RANGE)
        given = voltage.to(made.weight.dtype)
        assert torch.equal(made(given), fresh(given))
        return made(given)

    before = check()
    optimizer = torch.optim.SGD(made.parameters(), lr=1e3)
    made(voltage).sum().backward()
    optimizer.step()
    made.keep_in_range()
    assert not torch.equal(check(), before)
    made.load_state_dict(crossbar(hardware).state_dict())
    assert torch.equal(check(), before)
    resistance += 100.0
    assert not torch.equal(check(), before)
    made.weight.data = rand(5, 3, seed=11).clamp(-1, 1)
    check()
    made.weight.data.mul_(0.5)  # not seen by autograd, nor here
    made.reprogram()
    check()
    made.hardware = Hardware(wires=WIRES, levels=4)
    check()
    check_single = made.float()
    assert check_single.matrix().dtype == torch.float32
    check()


def test_what_is_random_is_drawn_when_cells_are_programmed():
    """Reads between two programmings see the same cells, with and without gradients; stuck cells stay the same."""
    stuck = PerArray(StuckCells(0.3, 1e-3), seed=5)
    made, voltage = crossbar(Hardware(nonidealities=(VARIATION, stuck)), 20, 3), rand(4, 20, seed=2)
    first = made(voltage)
    with torch.no_grad():
        assert torch.equal(made(voltage), first)
    before = torch.stack(made.conductances())
    made.reprogram()
    after = torch.stack(made.conductances())
    assert torch.equal(before == 1e-3, after == 1e-3)
    assert not torch.equal(before, after)
    with torch.no_grad():
        made.weight.mul_(1.0)  # an update, as far as the array can know
    assert not torch.equal(torch.stack(made.conductances()), after)
    assert torch.equal(crossbar(made.hardware, 20, 3)(voltage), crossbar(made.hardware, 20, 3)(voltage))


def test_initial_weights_follow_the_generator():
    one, two = (Crossbar(100, 100, generator=generator(3), **RANGE) for _ in range(2))
    assert torch.equal(one.weight, two.weight)
    assert 0.45 < one.weight.abs().max() <= 0.5


@given(arrays(np.float64, (5, 3), elements=st.floats(-1e6, 1e6)))
def test_any_update_ends_within_range(weight):
    made = crossbar()
    made.weight.data = torch.from_numpy(weight)
    made.keep_in_range()
    assert bool((made.weight.abs() <= 1).all())
    inside = np.abs(weight) <= 1
    np.testing.assert_array_equal(made.weight.detach().numpy()[inside], weight[inside])


@each_hardware
def test_arrays_in_arrays_out(hardware):
    """Without a network around: lists and arrays give arrays, in the precision of the weights."""
    made, voltage, held = crossbar(hardware), rand(4, 5, seed=2), rand(4, 3, seed=3)
    found = made(voltage.numpy(), held.numpy())
    assert isinstance(found, np.ndarray)
    np.testing.assert_allclose(found, made(voltage, held).detach().numpy(), rtol=1e-9, atol=1e-18)
    np.testing.assert_array_equal(made.transposed([0.1, 0.2, 0.3]).shape, (5,))
    assert made.float()(voltage.numpy()).dtype == np.float32


@pytest.mark.parametrize("place", DEVICES)
@each_hardware
def test_place_is_that_of_the_weights(hardware, place):
    """Currents are those of the CPU; a generator anywhere will do, as noise is drawn where the weights are."""
    given = rand(4, 5, seed=2), rand(4, 3, seed=3)
    if not hardware.nonidealities:
        elsewhere = crossbar(hardware).to(place)(*(tensor.to(place) for tensor in given))
        torch.testing.assert_close(elsewhere.cpu(), crossbar(hardware)(*given), rtol=1e-9, atol=1e-17)
    hardware = replace(hardware, read_noise=ReadNoise(0.1))
    made = crossbar(hardware).to(place)
    voltage, held = (tensor.to(place) for tensor in given)
    for current in (made(voltage), made(voltage, held), made.transposed(held)):
        assert current.device.type == place
        assert bool(current.isfinite().all())
    made(voltage, held).sum().backward()
    assert made.weight.grad.device.type == place
    Crossbar(5, 3, **RANGE, hardware=hardware, generator=generator(0, place))(voltage.float())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Crossbar(0, 3, **RANGE), "0 word lines and 3 neurons is empty"),
        (lambda: Crossbar(3, -1, **RANGE), "3 word lines and -1 neurons"),
        (
            lambda: Crossbar(3, 3, g_min=2e-6, g_max=1e-6),
            "g_min = 2e-06 S and g_max = 1e-06 S are out of range",
        ),
        (lambda: Crossbar.from_weights([1.0, 0.0], **RANGE), r"weights have shape \[2\]"),
        (lambda: Crossbar.from_weights([[0.0, 1.5]], **RANGE), r"weights\[0, 1\] = 1.5 is out of range"),
        (lambda: Crossbar.from_weights([[np.nan]], **RANGE), r"weights\[0, 0\] = nan"),
        (lambda: crossbar(Hardware(nonidealities=(VARIATION,)), generator=None), "generator = None"),
        (lambda: crossbar(Hardware(read_noise=ReadNoise(0.1)), generator=None), "generator = None"),
        (lambda: Hardware(signs="sign"), "signs = 'sign' is unknown"),
        (lambda: Hardware(tile=(4, 4)), r"tile = \(4, 4\) changes nothing while wires are ideal"),
        (lambda: Hardware(wires=WIRES, tile=(0, 4)), r"tile = \(0, 4\) is out of range"),
        (lambda: crossbar(Hardware(wires=WIRES, tile=(4, 1))), "has 1 bit lines; a neuron needs 2"),
        (lambda: Hardware(levels=4, nonidealities=(Levels(4, G_MIN, G_MAX),)), "round twice"),
        (lambda: crossbar(Hardware(slices=2)), "slices = 2 of cells without levels"),
        (lambda: crossbar()(torch.zeros(5)), "torch.float32 of shape"),
        (lambda: crossbar()(rand(4)), r"needs torch.float64 of shape \[..., 5\]"),
        (lambda: crossbar()(np.zeros(4)), r"voltage is torch.float64 of shape \[4\]"),
        (
            lambda: crossbar()(rand(5), rand(5)),
            r"bit_line_voltage .* needs torch.float64 of shape \[..., 3\]",
        ),
        (lambda: crossbar().transposed(rand(5)), r"shape \[..., 3\]"),
    ],
)
def test_what_cannot_be_or_has_no_effect(make, message):
    with pytest.raises(InputError, match=message):
        make()
