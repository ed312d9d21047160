"""What layers remember is of one column and one inference, and references follow its steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from memsim.errors import InputError
from memsim.imc import MappedLayer, calibrate, inference, load_hardware, map_to_imc, mapped_layers
from memsim.learn import make_study
from memsim.learn.run import network_of
from memsim.learn.run_data import data_of

NO_WIRES = {"wires.word_line": 0.0, "wires.bit_line": 0.0}
STRONG = {**NO_WIRES, "converter.hysteresis": 3.0}
STEPS, SAMPLES = 6, 5


def mapped(module: nn.Module, changes: dict[str, object], name: str = "adcless-differential-16") -> Any:
    torch.manual_seed(0)
    return map_to_imc(module, load_hardware(name, changes), generator=torch.Generator().manual_seed(1)).eval()


def spikes(*shape: int, seed: int = 0) -> Tensor:
    return (torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) < 0.4).float()


def dense() -> nn.Module:
    torch.manual_seed(3)
    return nn.Linear(40, 5)


def convolution() -> nn.Module:
    torch.manual_seed(3)
    return nn.Conv2d(3, 4, 3, padding=1)


CASES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], dict[str, object]]] = {
    "dense": (dense, (40,), {}),
    "convolution": (convolution, (3, 5, 4), {}),
    "serial digits": (dense, (40,), {"inputs.coding": "bit-serial", "inputs.bits": 3}),
    "shared amplifiers": (dense, (40,), {"converter.columns": 3}),
    "an amplifier with less to do": (dense, (40,), {"converter.columns": 4}),
    "offsets": (dense, (40,), {"converter.offset": 1.0}),
}


@torch.no_grad()
def run(layer: MappedLayer, x: Tensor) -> Tensor:
    """One inference of x [steps, samples, ...] in one call."""
    with inference(layer, samples=x.shape[1]):
        return layer(x.flatten(0, 1)).unflatten(0, x.shape[:2])


@pytest.mark.parametrize("case", sorted(CASES))
def test_neighbours_in_the_batch_are_no_past(case: str) -> None:
    module, shape, changes = CASES[case]
    layer, x = mapped(module(), {**STRONG, **changes}), spikes(STEPS, SAMPLES, *shape)
    whole = run(layer, x)
    for number in range(SAMPLES):
        assert torch.equal(run(layer, x[:, number : number + 1])[:, 0], whole[:, number])
    order = torch.randperm(SAMPLES, generator=torch.Generator().manual_seed(4))
    assert torch.equal(run(layer, x[:, order]), whole[:, order])
    forgetful = run(mapped(module(), {**STRONG, **changes, "converter.hysteresis": 0.0}), x)
    assert not torch.equal(whole, forgetful)


@pytest.mark.parametrize("case", sorted(CASES))
@torch.no_grad()
def test_steps_one_by_one_are_all_steps_at_once(case: str) -> None:
    module, shape, changes = CASES[case]
    layer, x = mapped(module(), {**STRONG, **changes}), spikes(STEPS, SAMPLES, *shape)
    whole = run(layer, x)
    with inference(layer, samples=SAMPLES):
        single = torch.stack([layer(now) for now in x])
    assert torch.equal(single, whole)
    apart = torch.stack([run(layer, now[None])[0] for now in x])
    assert not torch.equal(apart, whole)


@torch.no_grad()
def test_a_column_follows_its_own_decisions() -> None:
    """Decision by decision: steps, then positions line by line, then digits, each from the one before."""
    changes = {**STRONG, "inputs.coding": "bit-serial", "inputs.bits": 2}
    layer = mapped(convolution(), changes)
    x = torch.randint(0, 4, (STEPS, 3, 5, 4), generator=torch.Generator().manual_seed(0)) / 3
    vectors = layer.vectors(layer.coding.coded(x, "layer")).unflatten(0, (STEPS, -1))
    last, total = -torch.ones(layer.row_tiles, 1, layer.neurons * layer.card.slices), []
    for now in vectors:
        for position in now:
            digits = []
            for digit, _ in layer.coding.shown(position[None]):
                last = torch.where(layer.partial_sums(digit) + 3.0 * last > 0, 1.0, -1.0)
                digits.append(layer.added(last)[0])
            total.append(digits[0] + 2 * digits[1])
    powers = torch.tensor([2.0**k for k in range(layer.card.slices)])
    expected = (torch.stack(total) @ powers) * layer.scale / 3
    with inference(layer, samples=1):
        found = layer(x)
    images = expected.unflatten(0, (STEPS, 20)).mT.unflatten(-1, (5, 4))
    torch.testing.assert_close(found, images, rtol=1e-5, atol=1e-6)


@torch.no_grad()
def test_biases_of_steps_are_biases() -> None:
    """At each step the layer is one with that bias, to the last bit."""
    layer, x = mapped(dense(), NO_WIRES), spikes(STEPS, SAMPLES, 40)
    steps = torch.linspace(-1, 1, STEPS * 5).view(STEPS, 5)
    plain = []
    for now, bias in zip(x, steps, strict=True):
        module = dense()
        module.bias += bias
        plain.append(mapped(module, NO_WIRES)(now))
    layer.with_step_bias(steps)
    assert torch.equal(run(layer, x), torch.stack(plain))
    loaded = mapped(dense(), NO_WIRES)
    loaded.load_state_dict(layer.state_dict())
    assert torch.equal(run(loaded, x), torch.stack(plain))
    known = loaded.step_bias
    loaded.load_state_dict(layer.state_dict())
    assert loaded.step_bias is known
    loaded.load_state_dict(mapped(dense(), NO_WIRES).state_dict())
    assert loaded.step_bias is None


def test_biases_of_steps_are_trained() -> None:
    layer = mapped(dense(), NO_WIRES).train()
    layer.trains_with("impulse", 4.0)
    layer.with_step_bias(torch.zeros(STEPS, 5))
    with inference(layer, samples=SAMPLES):
        layer(spikes(4, SAMPLES, 40)).square().sum().backward()
    moved = layer.step_bias.grad.abs().sum(1) > 0
    assert moved.tolist() == [True] * 4 + [False] * 2


def test_memory_begins_anew_with_each_inference() -> None:
    layer, x = mapped(dense(), STRONG), spikes(STEPS, SAMPLES, 40)
    assert torch.equal(run(layer, x), run(layer, x))
    with inference(layer, samples=SAMPLES):
        layer(x[0])
        inner = run(layer, x)
    assert torch.equal(inner, run(layer, x))
    assert layer.memory is None


def test_both_signs_and_memory_do_not_go_together() -> None:
    layer = mapped(dense(), {**STRONG, "inputs.coding": "bit-serial", "inputs.bits": 3})
    layer.fit_inputs(-1.0, 1.0)
    with pytest.raises(InputError, match=r"both signs .* or converter\.hysteresis = 0"):
        run(layer, spikes(2, SAMPLES, 40) - 0.5)


def test_a_failed_read_is_not_remembered() -> None:
    layer, x = mapped(dense(), STRONG), spikes(2, SAMPLES, 40)
    with inference(layer, samples=SAMPLES):
        first = layer(x[0])
        with pytest.raises(InputError, match="inputs"):
            layer(x[1] * 3)
        second = layer(x[1])
    assert torch.equal(torch.stack([first, second]), run(layer, x))


@pytest.mark.parametrize(
    ("samples", "shape", "message"),
    [
        (4, (6, 40), r"inputs of \[6\] vectors in an inference of 4 samples; give \[steps \* 4, rows\]"),
        (3, (6, 3, 40), "could be the first or the second"),
        (0, (6, 40), "samples = 0 is out of range; allowed: integers from 1"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(
    samples: int, shape: tuple[int, ...], message: str
) -> None:
    layer = mapped(dense(), STRONG)
    with pytest.raises(InputError, match=message), inference(layer, samples=samples):
        layer(spikes(*shape))


def test_reads_outside_an_inference_are_refused() -> None:
    layer = mapped(dense(), STRONG)
    with pytest.raises(InputError, match="outside an inference, and its amplifiers remember"):
        layer(spikes(3, 40))
    plain = mapped(dense(), NO_WIRES).with_step_bias(torch.zeros(2, 5))
    with pytest.raises(InputError, match="outside an inference, and its biases are of steps"):
        plain(spikes(3, 40))
    with pytest.raises(InputError, match="read at step 2, and has biases of 2 steps"):
        run(plain, spikes(3, 1, 40))
    with pytest.raises(InputError, match=r"takes \[steps, 5\]"):
        plain.with_step_bias(torch.zeros(2, 4))


@pytest.mark.parametrize("recurrent", [False, True])
@torch.no_grad()
def test_a_network_reads_each_image_alone(recurrent: bool) -> None:
    study = make_study(data="digits", hidden=[12], recurrent=recurrent, steps=4)
    study, data = data_of(study, None)
    network = map_to_imc(
        network_of(study, data),
        load_hardware("adcless-differential-16", {**NO_WIRES, "converter.hysteresis": 1.0}),
    ).eval()
    calibrate(network, data.train.inputs()[:50])
    images = data.test.inputs()[:6]
    together = network(images)
    alone = torch.cat([network(image[None]) for image in images])
    # sums of 64 numbers by other routines of the processor
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)
    for layer in mapped_layers(network).values():
        assert layer.converter.sequential
        assert layer.memory is None


@torch.no_grad()
def test_circuits_on_arrays_read_each_image_alone() -> None:
    """As many images as samples of time, too."""
    changes = {**NO_WIRES, "converter.hysteresis": 1.0, "inputs.coding": "bit-serial", "inputs.bits": 2}
    study = make_study(data="digits", hidden=[4], neuron="integrate-and-fire-set1", window=2e-3, step=500e-6)
    study, data = data_of(study, None)
    card = load_hardware("adcless-differential-16", changes)
    network = map_to_imc(network_of(study, data), card, sample=data.train.inputs()[:20]).eval()
    images = data.test.inputs()[: network.samples()]
    with network.unlimited():
        calibrate(network, data.train.inputs()[:20])
        together, alone = network(images), torch.cat([network(image[None]) for image in images])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)


def test_in_training_an_inference_is_of_one_chip_and_the_next_of_another() -> None:
    layer, x = mapped(dense(), {**NO_WIRES, "converter.offset": 5.0}).train(), spikes(3, 40)
    layer.trains_with("impulse", 1.0)  # whose reads have no noise of their own

    def reads() -> Tensor:
        return torch.stack([layer(x) for _ in range(4)]).detach().flatten(1)

    assert len(reads().unique(dim=0)) > 1
    for _ in range(2):
        with inference(layer, samples=3):
            first = reads()
        assert len(first.unique(dim=0)) == 1
        with inference(layer, samples=3):
            assert not torch.equal(reads(), first)


def test_a_layer_that_hears_itself_is_trained_on_one_chip_for_all_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study, data = data_of(make_study(data="digits", hidden=[12], recurrent=True, steps=4), None)
    card = load_hardware("adcless-differential-16", {**NO_WIRES, "converter.offset": 0.5})
    network = map_to_imc(network_of(study, data), card, generator=torch.Generator().manual_seed(1)).train()
    seeds: list[int] = []
    make = MappedLayer._made
    monkeypatch.setattr(MappedLayer, "_made", lambda layer, seed: (seeds.append(seed), make(layer, seed))[1])
    for batches in (1, 2):
        network(data.train.inputs(slice(3))).square().sum().backward()
        assert len(set(seeds)) == len(seeds) == 3 * batches
    gradients = [layer.weight.grad for layer in mapped_layers(network).values()]
    assert all(bool(one.isfinite().all()) and bool(one.any()) for one in gradients)
