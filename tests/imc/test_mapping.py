"""The mapped network is exact: with ideal parts and enough bits it gives the integers of the software model."""

from __future__ import annotations

from copy import deepcopy
from itertools import combinations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear

from memsim.errors import InputError
from memsim.imc import (
    HardwareCard,
    MappedLayer,
    calibrate,
    estimate_averages,
    load_hardware,
    map_to_imc,
    mapped_layers,
    observe,
)
from memsim.imc.converters import SenseAmplifier
from memsim.imc.grid import first_scale, shared_out
from memsim.imc.mapping import evaluating
from memsim.imc.tiles import powers
from memsim.learn import build, make_study

NO_WIRES = {"wires.word_line": 0.0, "wires.bit_line": 0.0}
SIGN = SenseAmplifier(offset=0.5)
KINDS = ("ideal", "hp-adc", "hp-adc-differential")


def exact_card(kind: str, rows: int, columns: int, **changes: object) -> HardwareCard:
    """Enough bits for any sum: 2^11 codes of the finest step."""
    wide = {"array.rows": rows, "array.columns": columns, "converter.bits": 12, "accumulation.bits": 32}
    bits = {
        f"{table}.{name}": value for (table, name), value in [(k.split("__"), v) for k, v in changes.items()]
    }
    return load_hardware(kind, {**NO_WIRES, **wide, **bits})


def integer_layer(layer: nn.Linear | nn.Conv2d, card: HardwareCard, seed: int) -> MappedLayer:
    """The layer on arrays, with whole biases and a scale of 1, so that its outputs are the sums themselves."""
    mapped = map_to_imc(layer, card).eval()
    assert isinstance(mapped, MappedLayer)
    source = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        integers = mapped.integers()
        mapped.weight.copy_(integers)
        mapped.log_scale.zero_()
        mapped.bias.copy_(torch.randint(-9, 10, mapped.bias.shape, generator=source))
    assert torch.equal(mapped.integers(), integers)
    return mapped


def spikes(shape: tuple[int, ...], seed: int) -> Tensor:
    return (torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < 0.4).float()


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_convolutions_give_the_integers_of_software(data: st.DataObject) -> None:
    draw = data.draw
    kernel, stride, dilation = (
        (draw(st.integers(1, 4)), draw(st.integers(1, 4))),
        draw(st.integers(1, 3)),
        draw(st.integers(1, 2)),
    )
    padding = draw(st.integers(0, 3))
    channels, neurons, seed = draw(st.integers(1, 5)), draw(st.integers(1, 7)), draw(st.integers(0, 10_000))
    card = exact_card(draw(st.sampled_from(KINDS)), draw(st.integers(1, 40)), draw(st.integers(6, 40)))
    layer = nn.Conv2d(channels, neurons, kernel, stride, padding, dilation)
    mapped = integer_layer(layer, card, seed)
    images = spikes((2, channels, 9, 10), seed)
    weights = mapped.integers().double().view_as(layer.weight)
    expected = conv2d(images.double(), weights, mapped.bias.double(), stride, padding, dilation)
    assert torch.equal(mapped(images).double(), expected)


def test_groups_are_layers_of_their_own_with_cells_for_their_weights_alone() -> None:
    card = exact_card("hp-adc", 40, 40)
    conv = nn.Conv2d(6, 9, 3, padding=1, groups=3)
    mapped = map_to_imc(nn.Sequential(conv), card).eval()
    layers = mapped_layers(mapped)
    assert list(layers) == ["0.groups.0", "0.groups.1", "0.groups.2"]
    assert sum(layer.rows * layer.neurons for layer in layers.values()) == conv.weight.numel()
    source = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for layer in layers.values():
            layer.weight.copy_(layer.integers())
            layer.log_scale.zero_()
            layer.bias.copy_(torch.randint(-9, 10, layer.bias.shape, generator=source))
    images = spikes((2, 6, 9, 10), 3)
    weights, bias = (
        torch.cat([getattr(layer, name) for layer in layers.values()]).detach().double()
        for name in ("weight", "bias")
    )
    expected = conv2d(images.double(), weights.view_as(conv.weight), bias, 1, 1, groups=3)
    assert torch.equal(mapped(images).double(), expected)
    activity = observe(mapped, images, inferences=2)
    assert sum(one.array_reads for one in activity.values()) == 3 * 90


def test_groups_are_different_arrays_of_a_chip_also_when_they_are_mapped_again() -> None:
    card = load_hardware("hp-adc", {"cell.variation": 0.1})
    conv = nn.Conv2d(4, 4, 3, groups=2)
    with torch.no_grad():
        conv.weight[2:] = conv.weight[:2]
    first = map_to_imc(nn.Sequential(conv), card)
    for mapped in (first, map_to_imc(first, card)):
        one, other = mapped_layers(mapped).values()
        assert torch.equal(one.weight, other.weight)
        assert not torch.equal(one.conductances(), other.conductances())


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_dense_layers_give_the_integers_of_software(data: st.DataObject) -> None:
    draw = data.draw
    rows, neurons, seed = draw(st.integers(1, 90)), draw(st.integers(1, 20)), draw(st.integers(0, 10_000))
    coding = draw(st.sampled_from(["binary", "pulse-count", "bit-serial"]))
    cell_bits = draw(st.sampled_from([1, 2, 3]))
    kind = draw(st.sampled_from(KINDS))
    weight_bits = cell_bits * draw(st.integers(1, 2)) + (kind != "hp-adc")
    card = exact_card(
        kind,
        draw(st.integers(1, 40)),
        draw(st.integers(6, 40)),
        inputs__coding=coding,
        inputs__bits=1 if coding == "binary" else 3,
        cell__bits=cell_bits,
        weights__bits=weight_bits,
        converter__bits=16,
    )
    mapped = integer_layer(nn.Linear(rows, neurons), card, seed)
    largest = 1 if coding == "binary" else 7
    number = torch.randint(0, largest + 1, (5, rows), generator=torch.Generator().manual_seed(seed)).float()
    # the reference is there for each of 7 pulses, or for digits of 1, 2 and 4
    bias = mapped.bias.detach().double() * largest
    expected = linear(number.double(), mapped.integers().double(), bias)
    found = mapped(number / largest).detach().double() * largest
    assert torch.equal((2 * found).round(), 2 * expected)  # against a half-on column, sums are halves
    assert float((found - expected).abs().max()) < 1e-3  # one division by 7 and back, in float32


@given(
    tiles=st.integers(1, 9),
    wanted=st.lists(st.integers(-500, 500), min_size=1, max_size=5),
    kind=st.sampled_from(KINDS),
)
def test_shares_of_a_bias_add_up_to_it(tiles: int, wanted: list[int], kind: str) -> None:
    card = load_hardware(kind)
    shares = shared_out(torch.tensor(wanted).float(), tiles, card)
    total = shares.sum(0).unflatten(-1, (len(wanted), -1)) @ torch.tensor(powers(card)).float()
    assert total.tolist() == wanted


@pytest.mark.parametrize("kind", ["adcless", "adcless-differential", "hp-adc"])
def test_cells_that_are_almost_ideal_decide_as_ideal_ones(kind: str) -> None:
    """The path through conductances and the path of digits are two ways to the same sums."""
    layer = nn.Linear(50, 6)
    digits = map_to_imc(layer, load_hardware(kind, {**NO_WIRES, "array.rows": 16})).eval()
    cells = map_to_imc(
        layer, load_hardware(kind, {**NO_WIRES, "array.rows": 16, "cell.variation": 1e-7})
    ).eval()
    x = spikes((30, 50), 0)
    # float32 conductances and 1e-7 of variation, over sums of up to 16 cells
    assert torch.allclose(digits.partial_sums(x), cells.partial_sums(x), atol=1e-4)


def test_wires_take_from_long_columns() -> None:
    layer = nn.Linear(64, 4, bias=False)
    nn.init.constant_(layer.weight, 1.0)
    sums = [
        map_to_imc(
            layer, load_hardware("adcless-differential-64", {"wires.bit_line": r, "wires.word_line": r})
        )
        .eval()
        .partial_sums(torch.ones(1, 64))
        .mean()
        .item()
        for r in (0.0, 0.3, 3.0)
    ]
    assert sums[0] == 64
    assert sums[0] > sums[1] > sums[2] > 0


def test_what_is_drawn_once_belongs_to_the_chip() -> None:
    card = load_hardware("adcless", {**NO_WIRES, "converter.offset": 2.0, "cell.variation": 0.2})
    x = spikes((40, 70), 1)
    torch.manual_seed(0)
    layer = nn.Linear(70, 9)
    first, again, other = (map_to_imc(layer, card, chip=chip).eval()(x) for chip in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    "changes", [{"cell.variation": 0.2}, {"converter.offset": 2.0}, {"cell.stuck_rate": 0.1}], ids=str
)
def test_layers_of_a_chip_are_drawn_apart(changes: dict[str, float]) -> None:
    """Equal weights in two layers are other cells and amplifiers; on the way back, and on another chip, too."""
    torch.manual_seed(0)
    twins = nn.ModuleList([nn.Linear(40, 9), nn.Linear(40, 9)])
    twins[1].load_state_dict(twins[0].state_dict())
    card = load_hardware("adcless-differential", {**NO_WIRES, **changes})
    x, errors = spikes((300, 40), 1), torch.randn(300, 9)
    for back in (False, True):
        found = []
        for chip in (0, 1):
            layers = mapped_layers(map_to_imc(twins, card, chip=chip).eval()).values()
            found += [layer.transposed(errors, converter=SIGN) if back else layer(x) for layer in layers]
        assert all(not torch.equal(one, other) for one, other in combinations(found, 2))


def test_numbers_of_layers_and_of_chips_share_no_draws() -> None:
    """Random numbers of 40 layers on 40 chips: no two have the same first cell."""
    layer = map_to_imc(nn.Linear(1, 1), load_hardware("hp-adc", {**NO_WIRES, "cell.variation": 0.2})).eval()
    cells = set()
    for layer.chip in range(40):
        for number in range(40):
            layer.name = f"layers.{number}"
            cells.add(layer.conductances()[0, 0].item())
    # equal by chance: 1600^2 / 2 pairs of 2^24 numbers of float32
    assert len(cells) > 1600 - 5


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("changed", ["weight", "log_scale", "bias"])
def test_what_is_not_finite_is_refused_where_amplifiers_would_hide_it(changed: str, training: bool) -> None:
    layer = map_to_imc(nn.Linear(8, 3), load_hardware("adcless", NO_WIRES)).train(training)
    with torch.no_grad():
        getattr(layer, changed).view(-1)[0] = float("nan")
    with pytest.raises(InputError, match=f"the layer has a {changed} that is not finite"):
        layer(torch.ones(1, 8))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_biases_of_steps_are_finite(value: float) -> None:
    layer = map_to_imc(nn.Linear(8, 3), load_hardware("adcless", NO_WIRES))
    with pytest.raises(InputError, match="biases of steps of the layer are not all finite"):
        layer.with_step_bias(torch.full((2, 3), value))
    assert layer.step_bias is None


@pytest.mark.parametrize("card", ["ideal", "hp-adc", "adcless-differential"])
@pytest.mark.parametrize("exponent", [-120, -76, -10, 66, 120])
def test_first_scales_follow_weights_of_any_size(card: str, exponent: int) -> None:
    """Of weights from 1e-36 to 1e36, whose squares float32 does not hold."""
    torch.manual_seed(0)
    weight, bias, hardware = torch.randn(40, 64), torch.zeros(40), load_hardware(card)
    scale = first_scale(weight * 2.0**exponent, bias, hardware)
    assert torch.equal(scale, first_scale(weight, bias, hardware) * 2.0**exponent)


def test_neurons_of_the_smallest_numbers_have_a_scale() -> None:
    scale = first_scale(torch.full((1, 4), 1e-42), torch.zeros(1), load_hardware("adcless-differential"))
    assert scale.item() >= torch.finfo().tiny


@pytest.mark.parametrize("seen", [True, False], ids=["in place", "behind autograd's back"])
@pytest.mark.parametrize("changed", ["weight", "log_scale"])
def test_a_chip_is_kept_until_weights_change(changed: str, seen: bool) -> None:
    """Fused optimisers write as `data` does, of which torch's versions say nothing."""
    layer = map_to_imc(nn.Linear(8, 3), load_hardware("hp-adc", NO_WIRES)).eval()
    x = torch.ones(1, 8)
    before, made = layer(x), layer._hardware()
    assert layer._hardware() is made
    with torch.no_grad():
        parameter = getattr(layer, changed)
        (parameter if seen else parameter.data).mul_(-1)
    assert not torch.equal(layer(x), before)


class Loop(nn.Module):
    """A network in the style of snnTorch: a step at a time, with spikes between layers."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(20, 15), nn.Linear(15, 4)

    def forward(self, steps: Tensor) -> Tensor:
        return torch.stack([self.fc2((self.fc1(step) > 0).float()) for step in steps]).sum(0)


def test_any_network_of_known_layers_is_mapped_and_the_given_one_stays() -> None:
    model = Loop()
    mapped = map_to_imc(model, load_hardware("adcless-16", NO_WIRES))
    assert list(mapped_layers(mapped)) == ["fc1", "fc2"]
    assert isinstance(model.fc1, nn.Linear)
    layer = mapped_layers(mapped)["fc1"]
    # 4 lines a weight: 60 columns of 16 need 4 arrays, 20 rows two; 20 * 60 cells of 8 * 256 are in use
    assert (layer.rows, layer.columns, layer.row_tiles, layer.column_tiles, layer.tiles) == (20, 60, 2, 4, 8)
    assert layer.utilisation == pytest.approx(1200 / 2048)


def test_what_is_read_is_counted() -> None:
    model = map_to_imc(Loop(), load_hardware("adcless-16", NO_WIRES)).eval()
    seen = observe(model, torch.ones(5, 3, 20), inferences=3)
    assert seen["fc1"].vectors == 5
    assert seen["fc1"].array_reads == 5 * 8
    assert seen["fc1"].active == 1.0
    assert 0 <= seen["fc2"].active <= 1


def test_normalisation_is_folded() -> None:
    conv, norm = nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3)
    with torch.no_grad():
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
        norm.weight.uniform_(0.5, 2)
        norm.bias.normal_()
    model = nn.Sequential(conv, norm).eval()
    wide = {"weights.bits": 12, "array.columns": 512, "accumulation.kind": "analog"}
    mapped = map_to_imc(model, load_hardware("ideal", wide)).eval()
    images = spikes((4, 2, 8, 8), 3)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in mapped.modules())
    # 11 bits of magnitude: steps of 1/2047 of the largest weight, over 18 inputs
    assert torch.allclose(mapped(images), model(images), atol=18 / 2047 * conv.weight.abs().max().item() * 3)


def normalised() -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    varied = load_hardware("hp-adc", {**NO_WIRES, "cell.variation": 0.2})
    model = nn.Sequential(nn.Linear(40, 6), nn.BatchNorm1d(6))
    return map_to_imc(model, varied, fold=False).train(), spikes((300, 40), 1)


def test_normalisation_stays_digital_where_asked_and_learns_the_averages_of_a_chip() -> None:
    mapped, x = normalised()
    layer, norm = mapped[0], mapped[1]
    assert isinstance(norm, nn.BatchNorm1d)
    means = []
    for layer.chip in (0, 1):
        estimate_averages(mapped, x)
        with torch.no_grad(), evaluating(mapped):
            sums = layer(x)
        assert torch.allclose(norm.running_mean, sums.mean(0), atol=1e-5)
        assert torch.allclose(norm.running_var, sums.var(0), rtol=1e-4)
        means.append(norm.running_mean.clone())
    assert not torch.allclose(*means, atol=1e-3)
    assert (norm.momentum, norm.training) == (0.1, True)


def test_averages_stay_where_inputs_are_refused() -> None:
    mapped, x = normalised()
    with pytest.raises(InputError, match="0 to 1"):
        estimate_averages(mapped, x - 1)
    assert mapped[1].running_var.tolist() == [1.0] * 6
    assert mapped[1].momentum == 0.1


@pytest.mark.parametrize("none", [[], torch.zeros(0, 40), [torch.zeros(0, 40)]], ids=str)
def test_averages_stay_where_there_are_no_inputs(none: Tensor | list[Tensor]) -> None:
    mapped, x = normalised()
    estimate_averages(mapped, x)
    before = deepcopy(mapped[1].state_dict())
    with pytest.raises(InputError, match="give at least one"):
        estimate_averages(mapped, none)
    assert all(torch.equal(value, before[name]) for name, value in mapped[1].state_dict().items())


def test_decisions_count_as_before_where_there_is_nothing_to_calibrate_by() -> None:
    torch.manual_seed(1)
    mapped = map_to_imc(nn.Linear(8, 3), load_hardware("adcless-differential", NO_WIRES)).eval()
    calibrate(mapped, spikes((50, 8), 2))
    before = deepcopy(mapped.state_dict())
    for count, message in ((0, "give at least one"), (5, "gets no input but zero")):
        with pytest.raises(InputError, match=message):
            calibrate(mapped, torch.zeros(count, 8))
        assert all(torch.equal(mapped.state_dict()[name], value) for name, value in before.items())


def test_layers_without_inputs_keep_what_their_decisions_count() -> None:
    """The second layer stands behind neurons that never fire."""
    torch.manual_seed(1)
    network = nn.Sequential(nn.Linear(8, 6), nn.Threshold(1e9, 0.0), nn.Linear(6, 3))
    mapped = map_to_imc(network, load_hardware("adcless-differential", NO_WIRES)).eval()
    calibrate(mapped, spikes((50, 8), 2))
    assert not torch.equal(mapped[0].gain, torch.ones_like(mapped[0].gain))
    assert torch.equal(mapped[2].gain, torch.ones_like(mapped[2].gain))


def test_calibrated_decisions_come_closer_to_the_sums() -> None:
    torch.manual_seed(1)
    layer, x = nn.Linear(128, 10), spikes((400, 128), 2)
    mapped = map_to_imc(layer, load_hardware("adcless-differential", NO_WIRES)).eval()
    with torch.no_grad():
        wanted, raw = layer(x), mapped(x)
        calibrate(mapped, x)
        assert (mapped(x) - wanted).square().mean() < (raw - wanted).square().mean()


def test_gradients_reach_everything_that_is_trained() -> None:
    card = load_hardware(
        "adcless-differential", {**NO_WIRES, "converter.offset": 0.5, "cell.read_noise": 0.05}
    )
    layer = map_to_imc(nn.Conv2d(2, 3, 3), card, generator=torch.Generator().manual_seed(0)).train()
    assert isinstance(layer, MappedLayer)
    layer.trains_with("exact", 1.0)
    layer(spikes((4, 2, 8, 8), 0)).square().sum().backward()
    for name, parameter in layer.named_parameters():
        assert parameter.grad is not None and bool((parameter.grad != 0).any()), name  # noqa: PT018


def test_ideal_hardware_has_the_gradient_of_a_quantised_layer() -> None:
    torch.manual_seed(0)
    linear_layer = nn.Linear(30, 4)
    x = spikes((50, 30), 0)
    mapped = map_to_imc(linear_layer, load_hardware("ideal")).train()
    mapped(x).sum().backward()
    inside = mapped.weight.abs() < 7 * mapped.scale[:, None]
    expected = x.sum(0).expand(4, -1)
    # sums of 50 numbers in float32
    assert torch.allclose(mapped.weight.grad[inside], expected[inside], rtol=1e-4)
    assert bool((mapped.weight.grad[mapped.weight.abs() > 7.01 * mapped.scale[:, None]] == 0).all())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: map_to_imc(nn.ReLU(), load_hardware("ideal")), "nothing to map"),
        (
            lambda: estimate_averages(nn.Linear(2, 2), torch.ones(1, 2)),
            "no batch normalisation.*fold = False",
        ),
        (lambda: map_to_imc(nn.Sequential(nn.Linear(2, 2), nn.LSTM(2, 2)), load_hardware("ideal")), "LSTM"),
        (lambda: map_to_imc(nn.Conv1d(4, 2, 1), load_hardware("ideal"))(torch.ones(2)), "channels, length"),
        (
            lambda: map_to_imc(nn.Linear(4, 2), load_hardware("adcless", {"converter.noise": 1.0})),
            "generator",
        ),
        (lambda: map_to_imc(nn.Linear(4, 2), load_hardware("ideal"))(torch.full((1, 4), 0.5)), "binary"),
        (lambda: map_to_imc(nn.Linear(4, 2), load_hardware("ideal"))(torch.full((1, 4), -1.0)), "0 to 1"),
        (lambda: map_to_imc(nn.Linear(4, 2), load_hardware("ideal"))(torch.ones(1, 5)), "word lines"),
        (
            lambda: map_to_imc(nn.Linear(4096, 2), load_hardware("ideal", {"accumulation.bits": 8})),
            "accumulation.bits",
        ),
    ],
)
def test_bad_input_is_named(call, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


def test_a_network_of_snntorch_is_mapped() -> None:
    snntorch = pytest.importorskip("snntorch", reason="snnTorch is not installed")

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc1, self.lif1 = nn.Linear(12, 10), snntorch.Leaky(beta=0.9)
            self.fc2, self.lif2 = nn.Linear(10, 3), snntorch.Leaky(beta=0.9)

        def forward(self, steps: Tensor) -> Tensor:
            first, second = self.lif1.init_leaky(), self.lif2.init_leaky()
            for step in steps:
                spikes, first = self.lif1(self.fc1(step), first)
                _, second = self.lif2(self.fc2(spikes), second)
            return second

    torch.manual_seed(0)
    model, steps = Net(), spikes((6, 4, 12), 0)
    fine = map_to_imc(model, load_hardware("ideal", {"weights.bits": 12, "accumulation.bits": 32})).eval()
    coarse = map_to_imc(model, load_hardware("adcless", NO_WIRES)).eval()
    assert list(mapped_layers(fine)) == ["fc1", "fc2"]
    # weights of 12 bits move membranes by 1e-3 at most, unless a spike falls the other way: none does here
    assert torch.allclose(fine(steps), model(steps), atol=5e-3)
    assert not torch.allclose(coarse(steps), model(steps), atol=5e-3)


def test_a_memristive_network_is_mapped() -> None:
    network, data = build(make_study(hidden=(12,), window=4e-3))
    inputs = data.test.inputs(slice(20))
    # what 8 bits of inputs and 9 of weights leave is amplified by neurons near their threshold
    fine = {"inputs.coding": "bit-serial", "inputs.bits": 8, "weights.bits": 9, "accumulation.bits": 32}
    mapped = map_to_imc(network, load_hardware("ideal", fine), sample=inputs).eval()
    assert list(mapped_layers(mapped)) == [
        "layers.0.synapse.crossbar.layer",
        "layers.1.synapse.crossbar.layer",
    ]
    with torch.no_grad():
        before, after = network(inputs), mapped(inputs)
        coarse = map_to_imc(
            network, load_hardware("ideal", {**fine, "weights.bits": 2}), sample=inputs
        ).eval()
        assert (after - before).abs().mean() < 0.05 * before.std()
        assert (coarse(inputs) - before).abs().mean() > 4 * (after - before).abs().mean()
    with pytest.raises(InputError, match="sample"):
        map_to_imc(network, load_hardware("ideal", fine))


@pytest.mark.parametrize("kind", ["ideal", "hp-adc-differential", "sar", "adcless-differential"])
@pytest.mark.parametrize("rows", [12, 150])
def test_neurons_without_weights_say_their_bias(kind: str, rows: int) -> None:
    torch.manual_seed(0)
    layer = nn.Linear(rows, 6)
    with torch.no_grad():
        layer.weight[:3] = 0
        layer.weight[3] = 1e-38
        layer.bias[2] = 0
    quiet = {"converter.offset": 0.0, "converter.noise": 0.0, "cell.variation": 0.0}
    mapped = map_to_imc(layer, load_hardware(kind, {**NO_WIRES, **quiet})).eval()
    card, scale = mapped.card, mapped.scale
    # grids without 0 have half an LSB in each row, ADCs half a step of each digit; shares are rounded in float32
    rounding = 1e-6 * layer.bias.abs()
    by_rows = 0.0 if card.differential else rows / 2
    by_adcs = mapped.row_tiles * sum(powers(card)) * card.step / 2 if card.converter.adc else 0.0
    with torch.no_grad():
        outputs = mapped(spikes((4, rows), 0))
        lost = (outputs - layer.bias).abs()
        assert bool((lost <= scale * (by_rows + by_adcs) + rounding)[:, [0, 1, 3]].all())
    # neither weights nor a bias, so that whatever is read counts nothing
    assert float(outputs[:, 2].abs().max()) < 1e-3 * float(layer.bias.detach().abs().max())


def test_a_single_vector_is_a_product_as_of_torch() -> None:
    layer = nn.Linear(12, 6)
    mapped, x = map_to_imc(layer, load_hardware("ideal", NO_WIRES)).eval(), spikes((12,), 0)
    assert torch.equal(mapped(x), mapped(x[None])[0])
