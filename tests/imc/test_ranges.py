"""Ranges of inputs and steps of ADCs that are fitted to data."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import linear

from memsim.errors import InputError
from memsim.imc import (
    MappedLayer,
    calibrate,
    calibrate_inputs,
    calibrate_steps,
    load_hardware,
    map_to_imc,
    mapped_layers,
    observe,
)
from memsim.imc.converters import Adc
from memsim.imc.cost import cost
from memsim.imc.workloads import workload_of

NO_WIRES = {"wires.word_line": 0.0, "wires.bit_line": 0.0}
SERIAL = {"inputs.coding": "bit-serial", "inputs.bits": 6, "accumulation.bits": 32}
CODED = load_hardware("ideal-16", SERIAL)


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def layer(card=CODED) -> MappedLayer:
    torch.manual_seed(0)
    mapped = map_to_imc(nn.Linear(40, 6).double(), card).eval()
    assert isinstance(mapped, MappedLayer)
    return mapped


def of_torch(mapped: MappedLayer, x: Tensor) -> Tensor:
    """The product of torch with numbers on the grids of inputs, weights and biases."""
    unit, largest = mapped.coding.unit, mapped.coding.largest
    coded = (x.clamp(mapped.coding.low, mapped.coding.high) / unit * largest).round() * unit / largest
    weight, bias = mapped.integers() * mapped.scale[:, None], mapped.scale * unit
    return linear(coded, weight, (mapped.bias / bias).round() * bias)


@settings(deadline=None, max_examples=30)
@given(
    coding=st.sampled_from(["bit-serial", "pulse-count"]),
    bits=st.integers(1, 8),
    shift=st.sampled_from([-9.0, -1.0, 0.0, 0.5, 9.0]),
    percentile=st.sampled_from([90.0, 99.5, 100.0]),
)
@pytest.mark.filterwarnings("ignore:layer clips")
def test_layers_are_products_of_coded_inputs(coding: str, bits: int, shift: float, percentile: float) -> None:
    mapped = layer(CODED.changed({"inputs.coding": coding, "inputs.bits": bits}))
    mapped.name = "layer"
    x = normal(30, 40) + shift
    ((low, high),) = calibrate_inputs(mapped, x, percentile=percentile).values()
    assert (low, high) == (mapped.coding.low, mapped.coding.high)
    if percentile == 100:
        assert (low, high) == (min(0.0, float(x.min())), max(0.0, float(x.max())))
    # float64 sums of 40 products
    torch.testing.assert_close(mapped(x), of_torch(mapped, x), rtol=1e-11, atol=1e-11)
    assert mapped.reads_per_vector == (2 if low < 0 else 1) * (bits if coding == "bit-serial" else 1)


def test_signed_spikes_are_shown_by_binary_word_lines() -> None:
    mapped, x = layer(load_hardware("ideal-16", {"accumulation.bits": 32})), normal(30, 40).sign() * 2.5
    x[0] = 0
    calibrate_inputs(mapped, x)
    torch.testing.assert_close(mapped(x), of_torch(mapped, x), rtol=1e-11, atol=1e-11)
    with pytest.raises(InputError, match=r"between 0 and 2\.5, and its word lines are binary"):
        mapped(x / 2)


def test_gradients_are_those_of_torch_inside_the_range() -> None:
    mapped, x = layer(), normal(30, 40)
    x[:, 0] = 0
    calibrate_inputs(mapped, x)
    weights = normal(30, 6)
    found, expected = (x.clone().requires_grad_() for _ in range(2))
    (mapped(found) * weights).sum().backward()
    (linear(expected, mapped.integers() * mapped.scale[:, None]) * weights).sum().backward()
    torch.testing.assert_close(found.grad, expected.grad, rtol=1e-11, atol=1e-11)


def test_what_is_clipped_is_told() -> None:
    mapped, x = nn.Sequential(layer()), normal(30, 40)
    with pytest.raises(InputError, match=r"gets inputs from -.* calibrate_inputs"):
        mapped(x)
    calibrate_inputs(mapped, x)
    assert observe(mapped, x, inferences=30)["0"].clipped == 0
    beyond = 3 * x
    half = float(x.abs().max()) / 63 / 2  # of a step, which rounding takes anyway
    share = float(((beyond > x.max() + half) | (beyond < x.min() - half)).double().mean())
    with pytest.warns(RuntimeWarning, match="clips more than 1% of its inputs"):
        assert observe(mapped, beyond, inferences=30)["0"].clipped == pytest.approx(share)
    with pytest.raises(InputError, match="from nan"):
        mapped(x * float("nan"))


def test_ranges_are_of_each_layer_and_of_all_of_its_uses() -> None:
    class Uses(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.second(self.first(x) + self.first(3 * x))

    torch.manual_seed(0)
    mapped = map_to_imc(Uses().double(), CODED)
    x = normal(20, 4).abs()
    found = calibrate_inputs(mapped, x)
    assert found["first"] == (0.0, 3 * float(x.max()))
    assert found["second"][0] < 0
    assert not mapped_layers(mapped)["first"].coding.signed


def test_ranges_stay_where_they_cannot_be_found() -> None:
    mapped = nn.Sequential(layer(), nn.Linear(6, 2).double())
    with pytest.raises(InputError, match="the layer gets no input but zero"):
        calibrate_inputs(mapped, torch.zeros(3, 40, dtype=torch.float64))
    with pytest.raises(InputError, match="percentile = 0 is out of range"):
        calibrate_inputs(mapped, normal(3, 40), percentile=0)
    assert not mapped[0].coding.fitted
    narrow = layer(CODED.changed({"accumulation.bits": 17}))
    with pytest.raises(InputError, match=r"accumulation\.bits = 17 is too narrow"):
        calibrate_inputs(narrow, normal(3, 40))
    assert not narrow.coding.fitted


def test_what_was_fitted_is_kept_with_the_weights_and_on_another_card() -> None:
    card = load_hardware("hp-adc-16", {**NO_WIRES, **SERIAL})
    mapped, x = layer(card), normal(30, 40)
    calibrate_inputs(mapped, x)
    calibrate_steps(mapped, x)
    loaded = layer(card)
    loaded.load_state_dict(mapped.state_dict())
    assert torch.equal(loaded(x), mapped(x))
    moved = map_to_imc(mapped, CODED)
    assert (moved.coding.low, moved.coding.high) == (mapped.coding.low, mapped.coding.high)
    # checkpoints of before held nothing of this
    before = {name: value for name, value in layer(card).state_dict().items() if "extra" not in name}
    loaded = layer(card)
    loaded.load_state_dict(before)
    assert not loaded.coding.fitted


def test_steps_of_converters_are_those_of_the_least_error() -> None:
    pulses = {**SERIAL, "inputs.coding": "pulse-count"}
    card = load_hardware("hp-adc-16", {**NO_WIRES, **pulses, "converter.bits": 5})
    mapped, x = layer(card), normal(200, 40)
    calibrate_inputs(mapped, x)
    before = (mapped(x) - of_torch(mapped, x)).square().mean()
    ((name, step),) = calibrate_steps(mapped, x).items()
    assert (mapped(x) - of_torch(mapped, x)).square().mean() < before / 2
    assert mapped.converter == Adc(bits=5, step=step, columns=8)
    sums = torch.cat([mapped.partial_sums(part, counts=sign) for part, sign in mapped.shown(x)]).detach()

    def error(step: float) -> float:
        return float((Adc(bits=5, step=step).reads(sums, sums.new_zeros(()), None) - sums).square().mean())

    # steps that are tried are 9 % apart: near the least, the error is flat
    best = min(error(0.5 * 1.02**n) for n in range(300))
    assert error(step) <= best * 1.05
    assert name == ""
    with pytest.raises(InputError, match="no layer is read by ADCs"):
        calibrate_steps(layer(), x)


def test_uneven_converters_keep_their_steps_in_the_new_range() -> None:
    card = load_hardware("hp-adc-16", {**NO_WIRES, **SERIAL, "converter.inl": 0.1, "converter.bits": 4})
    mapped, x = layer(card), normal(100, 40)
    calibrate_inputs(mapped, x)
    mapped(x)
    (step,) = calibrate_steps(mapped, x).values()
    ratio = mapped._hardware().converters / layer(card)._hardware().converters
    torch.testing.assert_close(ratio, torch.full_like(ratio, step / 0.5))


def test_decisions_of_signed_inputs_are_calibrated() -> None:
    serial = load_hardware("adcless-differential", {**NO_WIRES, **SERIAL})
    mapped, x = layer(serial), normal(300, 40)
    calibrate_inputs(mapped, x)
    wanted, raw = of_torch(mapped, x), mapped(x)
    calibrate(mapped, x)
    assert (mapped(x) - wanted).square().mean() < (raw - wanted).square().mean()


def test_both_signs_are_charged() -> None:
    x = normal(20, 40)
    costs = []
    for inputs in (x.abs(), x):
        mapped = nn.Sequential(layer())
        calibrate_inputs(mapped, inputs)
        workload = workload_of(mapped, inputs, steps=1, inferences=20, name="signs")
        costs.append(cost(workload, CODED))
    one, two = (found.layers[0].energy["converters"] for found in costs)
    assert two == pytest.approx(2 * one)


def test_groups_without_input_share_the_range_of_the_others() -> None:
    torch.manual_seed(0)
    model = nn.Conv2d(3, 6, 3, groups=3).double()
    mapped, x = map_to_imc(model, CODED).eval(), 2 * normal(2, 3, 5, 5).abs()
    x[:, 1] = 0
    found = calibrate_inputs(mapped, x)
    assert found["groups.1"] == (0.0, max(found["groups.0"][1], found["groups.2"][1]))
    with pytest.raises(InputError, match="no input but zero"):
        calibrate_inputs(mapped, 0 * x)
    assert {name: (one.coding.low, one.coding.high) for name, one in mapped_layers(mapped).items()} == found


@pytest.mark.parametrize("step", [None, 3.0])
def test_a_state_without_a_fit_undoes_one(step: float | None) -> None:
    """Ranges of inputs and steps of ADCs of a layer that was fitted do not outlive the load of one that was not."""
    card = load_hardware("hp-adc", {**NO_WIRES, **SERIAL, "converter.step": step})
    plain, fitted = layer(card), layer(card)
    x = normal(30, 40)
    calibrate_inputs(fitted, x)
    calibrate_steps(fitted, x)
    own, state = fitted(x), deepcopy(fitted.state_dict())
    assert fitted.card != card
    fitted.load_state_dict(plain.state_dict())
    assert (fitted.coding, fitted.card) == (plain.coding, card)
    assert torch.equal(fitted(x.sigmoid()), plain(x.sigmoid()))
    plain.load_state_dict(state)
    assert torch.equal(plain(x), own)


IDEAL = {"converter.kind": "ideal", "wires.word_line": 0.0, "wires.bit_line": 0.0, "accumulation.bits": 24}


def test_sums_of_spikes_are_counted_pulses_and_what_is_above_is_refused_or_saturates():
    """With high = 2^bits - 1 a sum of n spikes is n pulses, exactly: products are those of whole numbers."""
    layer = nn.Linear(12, 5, bias=False).double()
    counts = torch.randint(0, 8, (9, 12), generator=torch.Generator().manual_seed(0)).double()
    pulses = {**IDEAL, "inputs.coding": "pulse-count", "inputs.bits": 3, "inputs.high": 7.0}
    mapped = map_to_imc(layer, load_hardware("adcless-differential-64", pulses))
    binary = map_to_imc(layer, load_hardware("adcless-differential-64", IDEAL))
    one_each = binary(torch.eye(12).double())
    torch.testing.assert_close(mapped(counts), counts @ one_each, rtol=1e-12, atol=1e-12)
    with pytest.raises(InputError, match="from 0 to 8; allowed: 0 to 7"):
        mapped(8 * torch.eye(12).double())
    few = {**pulses, "inputs.bits": 2, "inputs.high": 3.0, "inputs.saturates": True}
    saturating = map_to_imc(layer, load_hardware("adcless-differential-64", few))
    torch.testing.assert_close(saturating(counts), counts.clamp(max=3) @ one_each, rtol=1e-12, atol=1e-12)


def test_lines_that_saturate_are_on_where_any_spike_is():
    layer = nn.Linear(12, 5, bias=False).double()
    counts = torch.randint(0, 4, (9, 12), generator=torch.Generator().manual_seed(0)).double()
    lines = map_to_imc(layer, load_hardware("adcless-differential-64", {**IDEAL, "inputs.saturates": True}))
    assert torch.equal(lines(counts), lines((counts > 0).double()))
    with pytest.raises(InputError, match="binary"):
        lines(0.5 * counts)
    with pytest.raises(InputError, match=r"inputs.high = 2 with binary inputs"):
        load_hardware("adcless-differential-64", {"inputs.high": 2.0})
