"""Layers that read piece by piece are those that read tile by tile, gradients included."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import unfold

from memsim.imc import MappedLayer, inference, load_hardware, map_to_imc, reading
from memsim.imc.estimators import SLOPES
from memsim.imc.patches import Patches
from memsim.imc.tiles import powers

NO_WIRES = {"wires.word_line": 0.0, "wires.bit_line": 0.0}
REAL = {"converter.offset": 0.5, "converter.noise": 0.3, "cell.variation": 0.1}
CARDS = {
    "ideal": ("ideal-16", {}),
    "decisions": ("adcless-16", {}),
    "real decisions": ("adcless-differential-16", REAL),
    "by chance": ("adcless-16", {"converter.metastable": 0.6}),
    "in sequence": ("adcless-differential-16", {"converter.hysteresis": 0.7}),
    "read noise": ("adcless-differential-16", {"cell.read_noise": 0.05}),
    "ternary": ("adcless-ternary-16", REAL),
    "ADC": ("hp-adc-16", REAL),
    "uneven ADC": ("hp-adc-differential-16", {"converter.inl": 0.4, "converter.dnl": 0.3}),
}


def layer(kind: str, module: nn.Linear | nn.Conv2d) -> MappedLayer:
    name, changes = CARDS[kind]
    card = load_hardware(name, {**NO_WIRES, **changes})
    mapped = map_to_imc(module, card, generator=torch.Generator().manual_seed(1)).double().train()
    assert isinstance(mapped, MappedLayer)
    mapped.trains_with("impulse", 2.0)
    return mapped


def modules() -> list[tuple[nn.Linear | nn.Conv2d, Tensor]]:
    """Both with several tiles of rows, the last one partly filled."""
    torch.manual_seed(0)
    x = (torch.rand(3, 4, 7, 8) < 0.4).double()
    return [(nn.Conv2d(4, 5, 3, stride=2, padding=1), x), (nn.Linear(50, 6), x.flatten()[:650].view(13, 50))]


def composed(mapped: MappedLayer, x: Tensor) -> Tensor:
    """Of single operations that autograd knows: all vectors at once, one tile after the other."""
    made = mapped._hardware()
    arrays, vectors = mapped._arrays(made), mapped.vectors(x)
    if mapped.patches is not None:
        patches = mapped.patches
        columns = unfold(x, patches.kernel, patches.dilation, patches.padding, patches.stride)
        vectors = columns.transpose(1, 2).flatten(0, 1)
    noise, total = arrays.cell_noise(x.device), torch.zeros(())
    for tile in arrays.tiles(made.lines.sums, mapped.reference()):
        sums = tile.sums(vectors.mT, noise)
        total = total + arrays.converter(sums, tile.converters, mapped.generator)[0]
    counts = mapped.gain * mapped.gain.new_tensor(powers(mapped.card))
    y = (total.unflatten(-1, (mapped.neurons, -1)) @ counts) * mapped.scale
    if mapped.patches is None:
        return y
    sides = mapped.patches.sides(*x.shape[-2:])
    return y.unflatten(0, (len(x), -1)).transpose(1, 2).unflatten(-1, sides)


def results(mapped: MappedLayer, x: Tensor, forward) -> list[Tensor]:
    """Outputs and all gradients; draws begin anew, and so does an inference of one sample."""
    mapped.generator.manual_seed(2)
    inputs = x.clone().requires_grad_()
    with inference(mapped, samples=1):
        y = forward(inputs)
    wanted = [inputs, *(p for p in mapped.parameters() if p.requires_grad)]
    weights = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view(y.shape)
    return [y.detach(), *torch.autograd.grad((y * weights).sum(), wanted)]


@pytest.mark.parametrize("kind", sorted(CARDS))
@pytest.mark.parametrize("which", [0, 1])
def test_a_layer_and_its_gradients_are_those_of_single_operations(kind: str, which: int) -> None:
    module, x = modules()[which]
    mapped = layer(kind, module)
    found = results(mapped, x, mapped)
    expected = results(mapped, x, lambda inputs: composed(mapped, inputs))
    for one, other in zip(found, expected, strict=True):
        assert bool((other != 0).any())
        # float64 sums of a few hundred numbers in another order
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("estimator", sorted(SLOPES))
def test_every_estimator_passes_through_a_layer(estimator) -> None:
    module, x = modules()[1]
    mapped = layer("decisions", module)
    mapped.trains_with(estimator, 1.3)
    pairs = zip(
        results(mapped, x, mapped), results(mapped, x, lambda inputs: composed(mapped, inputs)), strict=True
    )
    for one, other in pairs:
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("kind", ["decisions", "in sequence", "ternary", "ADC"])
@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("numbers", [1, 2_000])
def test_pieces_change_nothing(monkeypatch, kind: str, which: int, numbers: int) -> None:
    """Nor do they the order of reads with hysteresis, which needs all of them at once."""
    module, x = modules()[which]
    mapped = layer(kind, module)
    quiet = {"noise": 0.0} if kind == "ADC" else {"noise": 0.0, "gradient": "impulse", "width": 2.0}
    mapped.training_converter = replace(mapped.training_converter, **quiet)
    whole = results(mapped, x, mapped)
    monkeypatch.setattr(reading, "PIECE_ON_CPU", numbers)
    for one, other in zip(results(mapped, x, mapped), whole, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-11)


def test_draws_of_pieces_are_those_of_the_seed(monkeypatch) -> None:
    module, x = modules()[0]
    mapped = layer("real decisions", module)
    monkeypatch.setattr(reading, "PIECE_ON_CPU", 2_000)
    first, again = (results(mapped, x, mapped) for _ in range(2))
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))


def test_read_noise_of_cells_has_the_gradient_of_the_sums_that_were_read(monkeypatch) -> None:
    """Which pieces draw again backwards: the same sums have the same slope, for any number of pieces."""
    module, x = modules()[1]
    mapped = layer("read noise", module)
    mapped.trains_with("clipped", 0.5)
    monkeypatch.setattr(reading, "PIECE_ON_CPU", 500)
    _, of_x, *_ = results(mapped, x, mapped)
    mapped.training_converter = replace(mapped.training_converter, width=1e3)
    _, everywhere, *_ = results(mapped, x, mapped)
    assert bool((of_x == 0).any())
    assert bool((everywhere != 0).all())


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_patches_are_those_of_torch(data: st.DataObject) -> None:
    pair = lambda low, high: (data.draw(st.integers(low, high)), data.draw(st.integers(low, high)))  # noqa: E731
    patches = Patches(pair(1, 3), pair(1, 3), pair(0, 2), pair(1, 2))
    images = torch.rand(data.draw(st.integers(1, 3)), 2, *pair(5, 9), dtype=torch.float64)
    expected = unfold(images, patches.kernel, patches.dilation, patches.padding, patches.stride)
    assert torch.equal(patches(images), expected.transpose(1, 2).flatten(0, 1))
    vectors, most = patches.vectors(images), data.draw(st.integers(1, 40))
    back, weight = vectors.zeros(), torch.rand(expected.transpose(0, 1).flatten(1).shape, dtype=torch.float64)
    for piece in vectors.pieces(most):
        assert torch.equal(vectors.taken(piece).mT, patches(images)[piece.vectors])
        back.add(piece, weight[:, piece.vectors].contiguous())
    # the transpose of cutting out: <cut(x), w> = <x, back(w)>, to the rounding of sums
    whole = (patches(images).mT * weight).sum()
    torch.testing.assert_close((back.inputs * images).sum(), whole, rtol=1e-12, atol=1e-12)


def test_memory_of_training_does_not_grow_with_the_kernel() -> None:
    """What is kept for gradients: inputs, and one byte for each line of an output."""
    kept = []
    for side in (1, 5):
        conv = nn.Conv2d(2, 4, side, padding=side // 2)
        mapped = map_to_imc(conv, load_hardware("adcless-16", NO_WIRES)).train()
        assert isinstance(mapped, MappedLayer)
        mapped.trains_with("impulse", 2.0)
        sizes: dict[int, int] = {}

        def pack(part: Tensor, sizes: dict[int, int] = sizes) -> Tensor:
            sizes[part.untyped_storage().data_ptr()] = part.untyped_storage().nbytes()
            return part

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda part: part):
            mapped((torch.rand(2, 2, 20, 20) < 0.5).float())
        kept.append(sum(sizes.values()))
    # 16 lines of 800 vectors, 1 600 inputs, and what there is of weights: at most 20 tensors of 50 x 16 numbers
    assert kept[1] - kept[0] < 20 * 50 * 16 * 4 < 800 * 50 * 4
