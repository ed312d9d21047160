"""Programs of torch.export go to arrays as the networks that they were exported from."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from memsim.errors import InputError
from memsim.imc import calibrate_inputs, digital_parts, load_hardware, map_to_imc, mapped_layers, network_of

CARD = load_hardware(
    "ideal", {"inputs.coding": "bit-serial", "inputs.bits": 8, "accumulation.kind": "analog"}
)
BATCH = {"x": {0: torch.export.Dim("batch", min=2)}}


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(2, 4, 3, padding="same", groups=2, bias=False), nn.BatchNorm2d(4)
        self.up = nn.ConvTranspose2d(4, 6, 2, (2, 1), output_padding=(1, 0), groups=2)
        self.along, self.fc = nn.Conv1d(6, 3, 3, padding=1), nn.Sequential(nn.Linear(4, 4), nn.Tanh())
        nn.init.uniform_(self.norm.running_var, 0.5, 2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.up(torch.relu(self.norm(self.conv(x))))
        y = self.along(y.mean(-1))[..., :4]
        return self.fc(self.fc(y)) + y


class Functional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(3, 6))
        self.fc = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.relu(nn.functional.linear(x, self.weight)))


class Product(Functional):
    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x @ self.weight.T)


def exported(kind: type[nn.Module], x: Tensor) -> tuple[nn.Module, torch.export.ExportedProgram]:
    torch.manual_seed(0)
    model = kind().to(x.dtype).eval()
    return model, torch.export.export(model, (x,), dynamic_shapes=BATCH)


def test_a_program_is_the_network_it_was_exported_from() -> None:
    x = torch.rand(3, 2, 5, 5, dtype=torch.float64)
    model, program = exported(Net, x)
    state = torch.random.get_rng_state()
    network = network_of(program)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(network(x), model(x))
    mapped, expected = map_to_imc(network, CARD).eval(), map_to_imc(model, CARD).eval()
    names = ["conv.groups.0", "conv.groups.1", "up.groups.0", "up.groups.1", "along", "fc.0"]
    assert sorted(mapped_layers(mapped)) == sorted(mapped_layers(expected)) == sorted(names)
    assert not any("BatchNorm2d" in parts for parts in digital_parts(mapped).values())
    with torch.no_grad():
        assert calibrate_inputs(mapped, x) == calibrate_inputs(expected, x)
        assert torch.equal(mapped(x), expected(x))


def test_functions_with_parameters_are_layers_of_a_program() -> None:
    x = torch.rand(4, 6, dtype=torch.float64)
    model, program = exported(Functional, x)
    mapped = map_to_imc(network_of(program), CARD).eval()
    assert len(mapped_layers(mapped)) == 2
    calibrate_inputs(mapped, x)
    # weights of 4 bits: steps of 1/7, over 6 and 3 inputs
    torch.testing.assert_close(mapped(x), model(x), rtol=0, atol=0.3)


def test_other_products_of_a_program_are_refused() -> None:
    _, program = exported(Product, torch.rand(4, 6))
    with pytest.raises(InputError, match="calls matmul with its parameter weight"):
        map_to_imc(network_of(program), CARD)
    _, program = exported(Functional, torch.rand(4, 6))
    with pytest.raises(InputError, match="calls linear with its parameter weight"):
        map_to_imc(nn.Sequential(program.module(), nn.Linear(2, 2)), CARD)


def test_other_things_are_no_programs() -> None:
    with pytest.raises(InputError, match=r"program is a Linear; give what torch\.export"):
        network_of(nn.Linear(2, 2))
