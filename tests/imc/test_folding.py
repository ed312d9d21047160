"""Normalisation is folded wherever it is plain what it normalises, and stays digital elsewhere."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from memsim.errors import InputError
from memsim.imc import digital_parts, load_hardware, map_to_imc

FINE = load_hardware("ideal", {"weights.bits": 12, "accumulation.kind": "analog", "array.columns": 512})


class Normalised(nn.Module):
    """A layer and its normalisation, as attributes."""

    def __init__(self, layer: nn.Module | None = None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = layer or nn.Conv2d(2, 4, 3, bias=False)
        axes = getattr(self.layer, "kernel_size", ())
        self.norm = (nn.BatchNorm2d if len(axes) == 2 else nn.BatchNorm1d)(4)
        nn.init.uniform_(self.norm.running_var, 0.5, 2)
        nn.init.normal_(self.norm.running_mean)
        nn.init.uniform_(self.norm.weight, 0.5, 2)
        nn.init.normal_(self.norm.bias)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.norm(self.layer(x)))


class UsedTwice(Normalised):
    def forward(self, x: Tensor) -> Tensor:
        y = self.layer(x)
        return self.norm(y) + y


class Chosen(Normalised):
    """Which of two ways a call takes is not seen in a trace."""

    def forward(self, x: Tensor, plain: bool = False) -> Tensor:
        return self.layer(x) if plain else self.norm(self.layer(x))


class WeightTaken(Normalised):
    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.layer(x)) + self.layer.weight.mean()


class Steps(Normalised):
    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([self.norm(self.layer(step)) for step in x.split(1)])


class Looped(nn.Module):
    """Code that cannot be traced, around code that can."""

    def __init__(self) -> None:
        super().__init__()
        self.block = Normalised()

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([self.block(step) for step in x.split(1)])


def spikes(*shape: int) -> Tensor:
    return (torch.rand(shape, generator=torch.Generator().manual_seed(0)) < 0.4).double()


def norms(model: nn.Module) -> int:
    return sum(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules())


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (Normalised(), (3, 2, 8, 8)),
        (Normalised(nn.Linear(5, 4)), (3, 5)),
        (Normalised(nn.Conv1d(2, 4, 3)), (3, 2, 8)),
        (Normalised(nn.Conv2d(2, 4, 3, groups=2)), (3, 2, 8, 8)),
        (Normalised(nn.ConvTranspose2d(2, 4, 3, stride=2)), (3, 2, 5, 5)),
        (nn.Sequential(Normalised()), (3, 2, 8, 8)),
        (Looped(), (3, 2, 8, 8)),
    ],
)
def test_normalisation_in_code_that_can_be_traced_is_folded(model: nn.Module, shape: tuple[int, ...]) -> None:
    model, x = model.double().eval(), spikes(*shape)
    mapped = map_to_imc(model, FINE).eval()
    assert norms(mapped) == 0
    # weights in steps of 1/2047 of the largest one, biases of one step: 19 roundings of half a step of at most 2/2047
    torch.testing.assert_close(mapped(x), model(x), rtol=0, atol=19 / 2047)
    kept = map_to_imc(model, FINE, fold=False)
    assert norms(kept) == 1


@pytest.mark.parametrize("kind", [UsedTwice, Chosen, WeightTaken, Steps])
def test_normalisation_stays_digital_where_more_than_the_layer_meets_it(kind: type[Normalised]) -> None:
    mapped = map_to_imc(kind(), FINE)
    assert norms(mapped) == 1
    assert digital_parts(mapped)["norm"] == ("BatchNorm2d",)


def test_groups_of_a_transposed_convolution_keep_their_normalisation() -> None:
    model = Normalised(nn.ConvTranspose2d(2, 4, 3, groups=2)).double().eval()
    mapped, x = map_to_imc(model, FINE).eval(), spikes(2, 2, 5, 5)
    assert norms(mapped) == 1
    torch.testing.assert_close(mapped(x), model(x), rtol=0, atol=19 / 2047)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Linear(5, 4), (3, 4, 5)),
        (nn.Conv1d(2, 4, 3), (2, 6)),
        (nn.ConvTranspose1d(2, 4, 2), (2, 3)),
    ],
)
@pytest.mark.parametrize("sequential", [True, False])
def test_what_is_folded_refuses_outputs_whose_positions_would_be_normalised(
    layer: nn.Module, shape: tuple[int, ...], sequential: bool
) -> None:
    traced = Normalised(layer)
    model = (nn.Sequential(traced.layer, traced.norm, nn.ReLU()) if sequential else traced).double().eval()
    x = spikes(*shape)
    with pytest.raises(InputError, match=r"BatchNorm1d is folded .* map with fold=False"):
        map_to_imc(model, FINE).eval()(x)
    kept = map_to_imc(model, FINE, fold=False).eval()
    torch.testing.assert_close(kept(x), model(x), rtol=0, atol=19 / 2047)
    assert norms(kept) == 1
