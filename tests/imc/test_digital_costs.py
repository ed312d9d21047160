"""What a network computes beside its arrays: counted as it runs, and charged."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from memsim.errors import InputError
from memsim.imc import digital_parts, load_hardware, map_to_imc
from memsim.imc.cost import COMPLETE, PUBLISHED, cost, load_technology
from memsim.imc.workloads import DigitalPart, LayerShape, Workload, load_workload, workload_of
from memsim.learn import make_study, train
from memsim.learn.chips import chips_of_run

NO_WIRES = {"wires.word_line": 0.0, "wires.bit_line": 0.0}
CARD = load_hardware("adcless-64", NO_WIRES)
T = load_technology("neurosim-65nm").constants
STEPS, INFERENCES = 2, 3


class Spike(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x > 0).to(x)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.spike = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), Spike()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.spike(self.norm(self.conv(x)) + x)


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.start, self.block, self.pool = nn.ReLU(), Block(), nn.MaxPool2d(2)
        self.last = nn.Linear(4 * 16, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        spikes = (self.start(self.first(x)) > 0).float()
        return self.last(nn.functional.avg_pool2d(self.pool(self.block(spikes)), 1).flatten(1))


def shown() -> tuple[nn.Module, Workload]:
    """With the block on arrays, first and last layer digital."""
    torch.manual_seed(0)
    network = Network().eval()
    network.block = map_to_imc(network.block, CARD, fold=False)
    images = torch.rand(STEPS * INFERENCES, 3, 8, 8)
    return network, workload_of(network, images, steps=STEPS, inferences=INFERENCES, name="mine")


def test_parts_and_how_much_they_compute_in_a_step() -> None:
    network, workload = shown()
    found = {part.name: (part.does, part.macs, part.operations) for part in workload.parts}
    pixels, kernel = 8 * 8, 9
    assert found == {
        "first": ("conv2d", 4 * pixels * 3 * kernel, 0),
        "network": ("gt, avg_pool2d", 0, 4 * pixels + 4 * 16),
        "start": ("ReLU: charged as neurons", 0, 0),
        "block": ("add", 0, 4 * pixels),
        "block.norm": ("batch_norm", 4 * pixels, 0),
        "block.spike": ("Spike: charged as neurons", 0, 0),
        "pool": ("max_pool2d", 0, 4 * pixels),
        "last": ("linear", 10 * 64, 0),
    }
    assert set(found) == {name or "network" for name in digital_parts(network)}
    assert [layer.name for layer in workload.layers] == ["block.conv"]


def test_a_digital_stem_and_normalisation_of_our_own_networks_are_found(tmp_path: Path) -> None:
    stages = (
        {"name": "software", "examples": 32},
        {"name": "bits", "card": "hp-adc-32", "digital": ("stem",), "hardware": NO_WIRES, "examples": 32},
    )
    layers = (
        {"name": "stem", "channels": 4, "kernel": 3, "padding": 1, "norm": "batch"},
        {"neurons": 16, "norm": "batch"},
        {},
    )
    study = make_study(data="digits", neuron="lif", steps=2, coding="direct", layers=layers, stages=stages)
    train(study, tmp_path / "run")
    (chip,) = chips_of_run(tmp_path / "run", [load_hardware("hp-adc-32")], images=20)
    energies = {part.does: part.energy for part in chip.cost.parts if part.energy}
    assert set(energies) == {"conv2d", "batch_norm"}
    # 8 x 8 pixels of 4 channels
    stem = 8 * 8 * 4 * (9 * T.mac_energy + T.neuron_energy)
    assert energies["conv2d"] == pytest.approx(2 * stem, rel=1e-9, abs=0)
    norms = [part.energy for part in chip.cost.parts if part.does == "batch_norm"]
    assert norms == pytest.approx([2 * n * T.mac_energy for n in (8 * 8 * 4, 16)], rel=1e-9, abs=0)


class Mixed(nn.Module):
    """Products and sums of what is no parameter, which stay beside the arrays."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        again = torch.einsum("bi,bj->ij", x, x) @ x[0]
        halves = torch.bmm(x.reshape(2, 2, 8), x.reshape(2, 8, 2))
        return self.layer(x) + again.norm() + halves.sum()


def test_products_beside_the_arrays_are_counted_by_their_terms() -> None:
    network = map_to_imc(nn.Sequential(Mixed()), CARD)
    workload = workload_of(network, torch.ones(4, 8), steps=1, inferences=1, name="mine")
    (part,) = workload.parts
    # 8 x 8 sums of 4 terms, 8 of 8, and two of 2 x 2 sums of 8
    assert part.macs == 8 * 8 * 4 + 8 * 8 + 2 * 2 * 2 * 8
    # sums of 4 x 4 twice, what norm and sum read
    assert part.operations == 2 * 16 + 8 + 8
    assert part.does == "einsum, matmul, bmm, norm, add, sum"


def test_the_digital_unit_is_charged_for_them() -> None:
    _, workload = shown()
    made = cost(workload, CARD)
    macs = sum(part.macs for part in workload.parts)
    operations = sum(part.operations for part in workload.parts)
    neurons = 4 * 8 * 8 + 10
    expected = STEPS * (macs * T.mac_energy + operations * T.operation_energy + neurons * T.neuron_energy)
    assert made.energy["digital"] == pytest.approx(expected, rel=1e-12, abs=0)
    assert [part.name for part in made.parts] == [part.name for part in workload.parts]
    clock = CARD.cell.read_time + T.sense_time_least
    times = sum(part.latency for part in made.parts)
    assert times == pytest.approx(STEPS * (macs + operations) / CARD.digital.lanes * clock, rel=1e-12, abs=0)
    assert cost(workload, CARD, accounting=PUBLISHED).energy["digital"] == 0


@pytest.mark.parametrize("skip", [[], ["0"], ["5"], ["0", "5"], ["0", "2"]])
def test_inputs_and_outputs_cross_the_edge_whichever_layers_are_digital(skip: list[str]) -> None:
    memory = {"memory": {"energy": 1.0, "bandwidth": 1e9}}
    convolutions = (nn.Conv2d(2, 4, 3, padding=1), Spike(), nn.Conv2d(4, 3, 3), Spike())
    layers = (*convolutions, nn.Flatten(), nn.Linear(3 * 16, 10))
    card = load_hardware("adcless-64", {**NO_WIRES, **memory})
    torch.manual_seed(0)
    network = map_to_imc(nn.Sequential(*layers), card, skip=skip)
    images = (torch.rand(STEPS * INFERENCES, 2, 6, 6) > 0.5).float()
    workload = workload_of(network, images, steps=STEPS, inferences=INFERENCES, name="mine")
    bits = STEPS * 2 * 36 * card.inputs.bits + 10 * card.accumulation.width
    assert cost(workload, card).energy["memory"] == pytest.approx(bits, rel=1e-12, abs=0)


def test_networks_all_on_arrays_have_no_digital_unit() -> None:
    network = map_to_imc(nn.Sequential(nn.Linear(8, 4), Spike(), nn.Linear(4, 2)), CARD)
    workload = workload_of(network, torch.ones(4, 8), steps=2, inferences=2, name="mine")
    made = cost(workload, CARD)
    assert [part.does for part in workload.parts] == ["Spike: charged as neurons"]
    assert made.area["digital"] == made.energy["digital"] == 0


def test_a_digital_layer_leaves_the_arrays() -> None:
    gesture = load_workload("gesture")
    first = gesture.layers[0].model_copy(update={"digital": True})
    moved = gesture.model_copy(update={"layers": (first, *gesture.layers[1:])})
    before, after = cost(gesture, CARD), cost(moved, CARD)
    macs = 64 * 64 * 32 * 2 * 9
    risen = after.energy["digital"] - before.energy["digital"]
    neurons = 64 * 64 * 32
    assert risen == pytest.approx(20 * (macs * T.mac_energy + neurons * T.neuron_energy), rel=1e-9, abs=0)
    assert before.energy["neurons"] - after.energy["neurons"] == pytest.approx(
        20 * neurons * T.neuron_energy, rel=1e-9
    )
    assert after.energy["array"] < before.energy["array"]
    assert [layer.name for layer in after.layers] == [layer.name for layer in before.layers[1:]]
    assert (before.slowest, after.slowest) == ("conv2", "digital unit")
    assert any("raise digital.lanes" in remark for remark in after.remarks)
    # the same network, wherever it is computed
    assert after.operations == before.operations
    assert after.array_operations == before.operations - 2 * 20 * macs


def test_a_network_without_arrays_is_refused() -> None:
    layer = LayerShape(name="fc", input=(4, 1, 1), neurons=2, digital=True)
    with pytest.raises(ValueError, match="every layer is digital"):
        Workload(name="mine", steps=1, spike_rate=0.5, layers=(layer,))
    with pytest.raises(InputError, match="map_to_imc"):
        workload_of(nn.Linear(4, 2), torch.ones(2, 4), steps=1, inferences=2, name="mine")


def test_shipped_networks_have_their_pooling_and_shortcuts() -> None:
    resnet = load_workload("resnet20")
    does = [part.does for part in resnet.digital_parts()]
    assert (does.count("pooling"), does.count("sum")) == (2, 8)
    assert cost(resnet, CARD, accounting=COMPLETE).energy["digital"] > 0
    assert all(isinstance(part, DigitalPart) for part in resnet.parts)
