"""Networks of others: each is right on arrays, to the grids of its weights and inputs, or refused by name.

The reference is the network on torch's own layers, which hold the weights and biases of the arrays, behind inputs that
are rounded to what word lines show.
"""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations

from memsim.errors import InputError
from memsim.imc import MappedLayer, calibrate_inputs, digital_parts, load_hardware, map_to_imc, mapped_layers
from memsim.imc.groups import GroupedLayers

CARD = load_hardware(
    "ideal", {"inputs.coding": "bit-serial", "inputs.bits": 8, "accumulation.kind": "analog"}
)


class BasicBlock(nn.Module):
    """Of ResNet-18, as torchvision writes it."""

    def __init__(self, channels: int = 4, stride: int = 2) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = nn.Sequential(
            nn.Conv2d(channels, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        identity = x
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        return self.relu(out)


class Bottleneck(nn.Module):
    """Of ResNeXt: 1 x 1, 3 x 3 in groups, 1 x 1."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(4, 6, 1, bias=False), nn.BatchNorm2d(6)
        self.conv2, self.bn2 = nn.Conv2d(6, 6, 3, padding=1, groups=2, bias=False), nn.BatchNorm2d(6)
        self.conv3, self.bn3 = nn.Conv2d(6, 4, 1, bias=False), nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        out = functional.relu(self.bn1(self.conv1(x)))
        out = functional.relu(self.bn2(self.conv2(out)))
        return functional.relu(self.bn3(self.conv3(out)) + x)


class SqueezeExcite(nn.Module):
    """Channels weighed by what all of them hold (MobileNetV3)."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc1, self.fc2 = nn.Conv2d(4, 2, 1), nn.Conv2d(2, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * functional.hardsigmoid(self.fc2(functional.relu(self.fc1(self.pool(x)))))


class UNet(nn.Module):
    """Down, up again by a transposed convolution, and joined with what it was."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(4, 6, 3, 2, 1), nn.ConvTranspose2d(6, 4, 2, 2)
        self.out = nn.Conv2d(8, 3, 3, padding="same", padding_mode="reflect")

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.cat([self.up(functional.leaky_relu(self.down(x))), x], 1))


class Dense(nn.Module):
    """Of DenseNet: each layer hears all before it."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(4 + 2 * n, 2, 3, padding=1) for n in range(3))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.cat([x, functional.elu(layer(x))], 1)
        return x


class Shared(nn.Module):
    """One layer, over and over."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(3):
            x = x + torch.tanh(self.fc(x))
        return x


class Attention(nn.Module):
    """Written out: what multiplies with weights is on arrays, what multiplies activations is digital."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(6, 18), nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.qkv(x).chunk(3, -1)
        return self.out(functional.scaled_dot_product_attention(query, key, value))


class Recurrent(nn.Module):
    """Steps of time, with a state that the code keeps."""

    def __init__(self) -> None:
        super().__init__()
        self.into, self.again = nn.Linear(6, 5), nn.Linear(5, 5)

    def forward(self, steps: Tensor) -> Tensor:
        state = steps.new_zeros(steps.shape[1], 5)
        for step in steps:
            state = torch.tanh(self.into(step) + self.again(state))
        return state


class Standardised(nn.Module):
    """Buffers scale the input."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 3)
        self.register_buffer("mean", torch.full((6,), 0.3))
        self.register_buffer("scale", torch.linspace(1, 2, 6))

    def forward(self, x: Tensor) -> Tensor:
        return self.fc((x - self.mean) / self.scale)


class Own(nn.Linear):
    """A subclass with more to tell, and nothing more to compute."""

    def __init__(self) -> None:
        super().__init__(6, 3)
        self.note = "mine"


def spiking() -> nn.Module:
    snntorch = pytest.importorskip("snntorch", reason="snnTorch is not installed")

    class Spiking(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc1, self.lif1 = nn.Linear(6, 5), snntorch.Leaky(beta=0.9, threshold=0.2)
            self.fc2, self.lif2 = nn.Linear(5, 3), snntorch.Leaky(beta=0.9)

        def forward(self, steps: Tensor) -> Tensor:
            first, second = self.lif1.init_leaky(), self.lif2.init_leaky()
            for step in steps:
                fired, first = self.lif1(self.fc1(step), first)
                _, second = self.lif2(self.fc2(fired), second)
            return second

    return Spiking()


def spiking_jelly() -> nn.Module:
    neuron = pytest.importorskip(
        "spikingjelly.activation_based.neuron", reason="SpikingJelly is not installed"
    )
    return nn.Sequential(nn.Linear(6, 5), neuron.LIFNode(v_threshold=0.2), nn.Linear(5, 3))


def depthwise_separable() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(4, 4, 3, padding=1, groups=4),
        nn.BatchNorm2d(4),
        nn.ReLU6(),
        nn.Conv2d(4, 7, 1),
        nn.Hardswish(),
    )


def audio() -> nn.Module:
    return nn.Sequential(
        nn.Conv1d(2, 4, 5, stride=2, dilation=2, padding=3, padding_mode="circular"),
        nn.BatchNorm1d(4),
        nn.GELU(),
        nn.ConvTranspose1d(4, 2, 4, stride=2, output_padding=1),
        nn.Conv1d(2, 2, 4, padding="same"),
        nn.AdaptiveMaxPool1d(3),
        nn.Flatten(),
        nn.Linear(6, 3),
    )


def normed() -> nn.Module:
    model = nn.Sequential(
        parametrizations.weight_norm(nn.Conv2d(4, 5, 3)),
        nn.BatchNorm2d(5),
        nn.SiLU(),
        parametrizations.spectral_norm(nn.Conv2d(5, 4, 3)),
        nn.Flatten(),
        parametrizations.orthogonal(nn.Linear(4 * 4 * 4, 3)),
    )
    return nn.Sequential(model, nn.Identity())


def mixer() -> nn.Module:
    return nn.Sequential(nn.LayerNorm(6), nn.Linear(6, 9), nn.GELU(), nn.Dropout(0.5), nn.Linear(9, 6))


IMAGES, VECTORS, SOUND = (5, 4, 8, 8), (7, 6), (5, 2, 20)
RIGHT = {
    "BasicBlock": (BasicBlock, IMAGES),
    "Bottleneck": (Bottleneck, IMAGES),
    "depthwise separable": (depthwise_separable, IMAGES),
    "squeeze and excite": (lambda: nn.Sequential(SqueezeExcite(), nn.Conv2d(4, 2, 1)), IMAGES),
    "U-Net": (UNet, IMAGES),
    "DenseNet": (Dense, IMAGES),
    "audio": (audio, SOUND),
    "shared layer": (Shared, VECTORS),
    "attention written out": (Attention, (5, 4, 6)),
    "recurrent loop": (Recurrent, (4, 5, 6)),
    "mixer": (mixer, (5, 4, 6)),
    "buffers": (Standardised, VECTORS),
    "own subclass": (Own, VECTORS),
    "normed weights": (normed, IMAGES),
    "one in another": (lambda: nn.Sequential(BasicBlock(), nn.ModuleDict({"a": Bottleneck()})["a"]), IMAGES),
    "DataParallel": (lambda: nn.DataParallel(BasicBlock()), IMAGES),
    "snnTorch": (spiking, (6, 5, 6)),
    "SpikingJelly": (spiking_jelly, VECTORS),
}


class Coded(nn.Module):
    """A layer of torch behind inputs on the grid of word lines."""

    def __init__(self, layer: nn.Module, mapped: MappedLayer) -> None:
        super().__init__()
        self.layer, self.step = layer, mapped.coding.unit / mapped.coding.largest

    def forward(self, x: Tensor) -> Tensor:
        return self.layer((x / self.step).round() * self.step)


class Groups(nn.Module):
    """Of channels, which have ranges of their own."""

    def __init__(self, groups: GroupedLayers, conv: nn.Module, as_held) -> None:
        super().__init__()
        self.parts = nn.ModuleList()
        for group in groups.groups:
            part = deepcopy(conv)
            part.groups, part.in_channels = 1, conv.in_channels // conv.groups
            part.weight = nn.Parameter(conv.weight.detach().chunk(conv.groups)[0].clone())
            self.parts.append(Coded(as_held(part, group), group))

    def forward(self, x: Tensor) -> Tensor:
        shares = x.chunk(len(self.parts), 1)
        return torch.cat([part(share) for part, share in zip(self.parts, shares, strict=True)], 1)


def reference(model: nn.Module, mapped: nn.Module, as_held) -> nn.Module:
    if isinstance(mapped, MappedLayer):
        return Coded(as_held(model, mapped), mapped)
    found, done = deepcopy(mapped), set[str]()
    for name, module in mapped.named_modules():
        if any(name.startswith(f"{other}.") for other in done):
            continue
        if isinstance(module, MappedLayer | GroupedLayers):
            layer = model.get_submodule(name)
            held = (
                Groups(module, layer, as_held)
                if isinstance(module, GroupedLayers)
                else Coded(as_held(layer, module), module)
            )
            parent, _, last = name.rpartition(".")
            setattr(found.get_submodule(parent), last, held)
            done.add(name)
    return found


def made(
    kind, shape: tuple[int, ...], *, signed: bool, dtype: torch.dtype = torch.float64
) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    model = kind().to(dtype)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.bias, 0.5, 2)
    x = torch.randn(shape, dtype=dtype)
    return model.eval(), x if signed else x.abs()


def forget(model: nn.Module) -> None:
    """States of neurons of SpikingJelly, which other inputs left."""
    for module in model.modules():
        if callable(getattr(module, "reset", None)):
            module.reset()


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("name", RIGHT)
def test_networks_of_others_are_right(as_held, name: str, signed: bool) -> None:
    # spikes of snnTorch are float32
    dtype, error = (torch.float32, 1e-5) if name == "snnTorch" else (torch.float64, 1e-9)
    model, x = made(*RIGHT[name], signed=signed, dtype=dtype)
    mapped = map_to_imc(model, CARD).eval()
    with torch.no_grad():
        calibrate_inputs(mapped, x)
        expected = reference(model, mapped, as_held)
        for one in (mapped, expected):
            forget(one)
        found = mapped(x)
        # sums of some hundred products through a few layers; a rounding that fell the other way would be 1e-3
        torch.testing.assert_close(found, expected(x), rtol=error, atol=error)
        assert float(found.std()) > 1e-3


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("name", [name for name in RIGHT if "snn" not in name and "Spiking" not in name])
def test_networks_of_others_come_close_to_themselves_with_many_bits(name: str) -> None:
    """Normalisation that was folded, weights that were settled and all else mean the same as before."""
    model, x = made(*RIGHT[name], signed=True)
    fine = CARD.changed({"weights.bits": 12, "inputs.bits": 12, "array.columns": 512})
    mapped = map_to_imc(model, fine).eval()
    with torch.no_grad():
        calibrate_inputs(mapped, x)
        found, expected = mapped(x), model(x)
    # 11 bits of weights and 12 of inputs, through up to six layers
    assert float((found - expected).square().mean().sqrt() / expected.std()) < 0.01


def test_batch_normalisation_of_others_is_folded() -> None:
    for kind in (BasicBlock, Bottleneck):
        mapped = map_to_imc(kind().eval(), CARD)
        assert not any("BatchNorm2d" in parts for parts in digital_parts(mapped).values())


def test_memory_formats_change_nothing() -> None:
    model, x = made(BasicBlock, IMAGES, signed=True)
    mapped = map_to_imc(model.to(memory_format=torch.channels_last), CARD).eval()
    calibrate_inputs(mapped, x)
    with torch.no_grad():
        # the same sums, perhaps in another order
        torch.testing.assert_close(
            mapped(x.contiguous(memory_format=torch.channels_last)), mapped(x), rtol=1e-12, atol=1e-12
        )


def lazily() -> nn.Module:
    return nn.Sequential(nn.LazyLinear(3), nn.LazyConv2d(2, 3))


def tied() -> nn.Module:
    model = nn.Sequential(nn.Embedding(6, 5), nn.Linear(5, 6))
    model[1].weight = model[0].weight
    return model


class Functional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 6)
        self.weight = nn.Parameter(torch.rand(6, 6))

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(self.fc(x), self.weight)


def complex_numbers() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 3, dtype=torch.complex64))


def old_norm() -> nn.Module:
    return nn.Sequential(nn.utils.spectral_norm(nn.Linear(6, 3)))


def scripted() -> nn.Module:
    return torch.jit.script(nn.Sequential(nn.Linear(6, 3)))


def quantised() -> nn.Module:
    return nn.Sequential(torch.ao.nn.quantized.dynamic.Linear(6, 3))


REFUSED = {
    "LSTM": (lambda: nn.Sequential(nn.LSTM(6, 3)), "0 is a LSTM, which cannot be mapped"),
    "GRU cell": (lambda: nn.Sequential(nn.GRUCell(6, 3), nn.Linear(6, 3)), "0 is a GRUCell"),
    "attention of torch": (lambda: nn.TransformerEncoderLayer(6, 2), "self_attn is a MultiheadAttention"),
    "volumes": (lambda: nn.Sequential(nn.Conv3d(1, 2, 3)), "0 is a Conv3d"),
    "bilinear": (lambda: nn.Sequential(nn.Bilinear(2, 2, 2)), "0 is a Bilinear"),
    "functional": (Functional, "the network calls linear with its parameter weight"),
    "lazy": (lazily, "0 has forward hooks.*lazy layers"),
    "tied embedding": (tied, "1 and 0 share their weight"),
    "complex": (complex_numbers, "0 has weights of torch.complex64"),
    "half": (lambda: nn.Sequential(nn.Linear(6, 3)).half(), r"0 has weights of torch\.float16.*float\(\)"),
    "bfloat16": (lambda: nn.Sequential(nn.Linear(6, 3)).bfloat16(), r"0 has weights of torch\.bfloat16"),
    "spectral norm by hooks": (old_norm, "0 has forward hooks"),
    "scripted": (scripted, "the network is a RecursiveScriptModule.*compiled"),
    "quantised": (quantised, "0 is a Linear, whose weights cannot be mapped.*quantised"),
    "nothing": (nn.Identity, "nothing to map"),
}


@pytest.mark.filterwarnings("ignore")  # of torch, which gives some of these up
@pytest.mark.parametrize("name", REFUSED)
def test_networks_of_others_are_refused_by_name(name: str) -> None:
    kind, message = REFUSED[name]
    with pytest.raises(InputError, match=message):
        map_to_imc(kind(), CARD)


def test_parametrised_networks_stay_as_they_were() -> None:
    model, x = made(normed, IMAGES, signed=True)
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    map_to_imc(model, CARD)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert nn.utils.parametrize.is_parametrized(model[0][0])
    model(x).sum().backward()


def test_inputs_of_another_type_are_refused() -> None:
    mapped = map_to_imc(nn.Linear(6, 3), CARD)
    for dtype in (torch.float64, torch.int64, torch.complex64):
        with pytest.raises(InputError, match=r"complex inputs|allowed: torch\.float32"):
            mapped(torch.ones(2, 6, dtype=dtype))
    assert mapped_layers(mapped)
    assert mapped(torch.ones(0, 6)).shape == (0, 3)
