"""Layers that stay digital, and layers on arrays of another card."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from memsim.errors import InputError
from memsim.imc import digital_parts, load_hardware, map_to_imc, mapped_layers
from memsim.networks import SpikingNetwork
from memsim.networks.geometry import Convolution

NO_WIRES = {"wires.word_line": 0.0, "wires.bit_line": 0.0}
IDEAL = load_hardware("ideal")
ONE_BIT = load_hardware("adcless-differential-16", NO_WIRES)
FIVE_BITS = load_hardware("hp-adc-differential-16", NO_WIRES)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    stem = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Hardtanh(0, 1))
    return nn.Sequential(stem, nn.Flatten(), nn.Threshold(0.5, 0.0), nn.Linear(48, 7), nn.Linear(7, 2))


def test_what_is_left_out_computes_as_before() -> None:
    model = network().eval()
    images = torch.rand(5, 1, 6, 6)
    mapped = map_to_imc(model, ONE_BIT, skip=["0", "4"]).eval()
    assert list(mapped_layers(mapped)) == ["3"]
    # any numbers go into a digital layer, and its normalisation is its own
    assert torch.equal(mapped[0](images), model[0](images))
    assert isinstance(mapped[0][1], nn.BatchNorm2d)
    assert torch.equal(mapped[4](torch.ones(2, 7)), model[4](torch.ones(2, 7)))
    parts = digital_parts(mapped)
    assert {name: parts[name] for name in ("0.0", "0.1", "4")} == {
        "0.0": ("Conv2d",),
        "0.1": ("BatchNorm2d",),
        "4": ("Linear",),
    }


def test_what_cannot_be_mapped_can_be_left_out() -> None:
    model = nn.Sequential(nn.Conv3d(1, 2, 3), nn.Flatten(), nn.Linear(8, 2))
    with pytest.raises(InputError, match=r"0 is a Conv3d.*skip"):
        map_to_imc(model, IDEAL)
    assert digital_parts(map_to_imc(model, IDEAL, skip=["0"]))["0"] == ("Conv3d",)
    model[2].register_forward_hook(lambda *_: None)
    assert list(mapped_layers(map_to_imc(nn.Sequential(model, nn.Linear(2, 2)), IDEAL, skip=["0"]))) == ["1"]


def test_a_network_of_layers_tells_what_is_digital_of_each() -> None:
    spiking = SpikingNetwork((6, 6), 3, (Convolution(channels=2, kernel=3), 5), steps=2)
    parts = digital_parts(map_to_imc(spiking, IDEAL, skip=["layers.0"]))
    assert parts["layers.0.synapse.module"] == ("Conv2d",)
    assert parts["layers.0.neuron"] == ("DiscreteNeuron",)
    assert not any("synapse" in name for name in parts if not name.startswith("layers.0"))


def test_layers_have_cards_of_their_own() -> None:
    model = network().eval()
    mapped = map_to_imc(model, ONE_BIT, skip=["0"], cards={"3": FIVE_BITS}).eval()
    cards = {name: layer.card for name, layer in mapped_layers(mapped).items()}
    assert cards == {"3": FIVE_BITS, "4": ONE_BIT}
    spikes = (torch.rand(9, 48) < 0.4).float()
    alone = map_to_imc(model[3], FIVE_BITS).eval()
    assert torch.equal(mapped[3](spikes), alone(spikes))
    again = map_to_imc(mapped, ONE_BIT, skip=["0"])
    assert [layer.card for layer in mapped_layers(again).values()] == [ONE_BIT, ONE_BIT]
    inner = map_to_imc(nn.Sequential(model), ONE_BIT, cards={"0": IDEAL, "0.3": FIVE_BITS}, skip=["0.0"])
    assert [layer.card.name for layer in mapped_layers(inner).values()] == [FIVE_BITS.name, IDEAL.name]


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"skip": ["stem"]}, r"'stem', which the network does not have; its layers are 0\.0, 3, 4"),
        ({"cards": {"9": IDEAL}}, "cards names '9', which the network does not have"),
        ({"skip": "34"}, r"skip = '34' is one name; give names in a list: \['34'\]"),
        ({"skip": ["1"]}, "'1', which holds no layer for arrays"),
        ({"skip": ["0", "3", "4"]}, "leaves nothing to map"),
        ({"skip": ["0"], "cards": {"0.0": IDEAL}}, "name it in one of them"),
        (
            {"skip": ["0"], "cards": {"3": load_hardware("adcless", {"converter.noise": 1.0})}},
            "generator = None",
        ),
    ],
)
def test_names_that_change_nothing_are_refused(asked: dict[str, object], named: str) -> None:
    with pytest.raises(InputError, match=named):
        map_to_imc(network(), IDEAL, **asked)


def test_arrays_do_not_become_digital_again() -> None:
    mapped = map_to_imc(nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2)), IDEAL)
    with pytest.raises(InputError, match="0, which is on arrays already"):
        map_to_imc(mapped, IDEAL, skip=["0"])


def test_a_weight_is_not_shared_by_arrays_and_digital_layers() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    with pytest.raises(InputError, match="1 and 0 share their weight"):
        map_to_imc(model, IDEAL, skip=["0"])
    assert list(mapped_layers(map_to_imc(model, IDEAL, skip=["0", "1"]))) == ["2"]
