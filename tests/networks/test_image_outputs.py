"""Networks whose output is an image: a convolution that is read as it is."""

import pytest
import torch
from torch import nn

from memsim.errors import InputError
from memsim.imc.mapping import map_to_imc
from memsim.networks import SpikingNetwork
from memsim.networks.layer_table import LayerTable
from memsim.networks.tables import NetworkTable

HIDDEN = LayerTable(channels=3, kernel=3, padding=1)
FLOW = LayerTable(channels=2, kernel=3, padding=1, output=True)


def _network(outputs: int = 2 * 6 * 5) -> SpikingNetwork:
    generator = torch.Generator().manual_seed(0)
    return SpikingNetwork((2, 6, 5), outputs, [HIDDEN, FLOW], steps=4, generator=generator)


def test_an_output_of_pixels_is_the_mean_membrane_of_each():
    network = _network()
    inputs = (torch.rand(7, 4, 60, generator=torch.Generator().manual_seed(1)) > 0.6).float()
    hidden = network.waveforms(inputs)[0]
    last = network.chain[1]
    convolution = last.synapse.module
    assert isinstance(convolution, nn.Conv2d)
    current = convolution(hidden.reshape(28, 3, 6, 5)).reshape(4, 7, 60)
    membranes, _ = last.neuron(current, None)
    assert last.shape == (2, 6, 5)
    assert hidden.any()
    torch.testing.assert_close(network(inputs), membranes.mean(0))


def test_an_output_of_pixels_is_the_same_on_ideal_arrays():
    from memsim.imc.hardware import load_hardware

    network = _network().eval()
    card = load_hardware("hp-adc-differential-64", {"wires.word_line": 0.0, "wires.bit_line": 0.0})
    inputs = (torch.rand(3, 4, 60, generator=torch.Generator().manual_seed(1)) > 0.6).float()
    with torch.no_grad():
        wanted, found = network(inputs), map_to_imc(network, card).eval()(inputs)
    assert found.shape == wanted.shape
    # weights of four bits and columns of five change what is said, and not what it is about
    assert torch.corrcoef(torch.stack([found.flatten(), wanted.flatten()]))[0, 1] > 0.8


def test_an_output_has_as_many_neurons_as_there_are_numbers():
    with pytest.raises(InputError, match=r"60 neurons, shape \(2, 6, 5\); the data ask for 61 numbers"):
        _network(61)
    with pytest.raises(ValueError, match="output is of the last layer"):
        NetworkTable(steps=2, layers=(FLOW, HIDDEN))
    with pytest.raises(ValueError, match="output changes nothing"):
        LayerTable(output=True)
    assert len(NetworkTable(steps=2, layers=(HIDDEN, FLOW)).every_layer) == 2
