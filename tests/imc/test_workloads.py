"""Layer shapes of the published networks: their counts are those of the networks they describe."""

from __future__ import annotations

from pathlib import Path

import pytest

from memsim.errors import InputError
from memsim.imc.workloads import LayerShape, load_workload, workload_names

# weights and neurons counted in the published networks; 11.44 and 40.29 million, 5.73 and 14.68 million were rounded
COUNTS = {
    "gesture": (94_144, 480_267, 20),
    "resnet20": (11_437_760, None, 10),
    "vgg16": (40_285_888, None, 10),
    "fireflownet": (56_480, 14_680_065, 5),
    "spike-flownet": (13_117_728, 5_734_401, 5),
}


def test_the_five_networks_are_there() -> None:
    assert set(workload_names()) == set(COUNTS)


@pytest.mark.parametrize("name", COUNTS)
def test_counts_are_those_of_the_networks(name: str) -> None:
    workload = load_workload(name)
    weights, neurons, steps = COUNTS[name]
    assert sum(layer.weights for layer in workload.layers) == weights
    assert neurons in {None, sum(layer.outputs() for layer in workload.layers)}
    assert workload.steps == steps
    assert "mapolinario94" in workload.source


def test_unpadded_positions_are_those_of_the_published_accounting() -> None:
    vgg = load_workload("vgg16")
    on_four, on_two = vgg.layers[7], vgg.layers[10]
    assert (on_four.input[1:], on_four.positions("unpadded"), on_four.positions("padded")) == ((4, 4), 4, 16)
    assert (on_two.input[1:], on_two.positions("unpadded"), on_two.positions("padded")) == ((2, 2), 0, 4)


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "expected"), [(3, 1, 2, 64), (3, 2, 2, 16), (1, 2, 0, 16)]
)
def test_padded_positions_are_pixels_of_the_output(
    kernel: int, stride: int, padding: int, expected: int
) -> None:
    layer = LayerShape(name="a", input=(2, 8, 8), neurons=4, kernel=kernel, stride=stride, padding=padding)
    assert layer.positions("padded") == expected


def test_silent_steps_lower_the_mean_rate() -> None:
    gesture = load_workload("gesture")
    assert gesture.rate(gesture.layers[0]) == pytest.approx(0.5 * 19 / 20)
    quiet = gesture.with_spike_rate(0.1)
    assert quiet.rate(quiet.layers[3]) == pytest.approx(0.1 * 19 / 20)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("steps = 1\nspike_rate = 0.5\nlayers = []", "layers"),
        ("steps = 1\nspike_rate = 2.0\n[[layers]]\nname='a'\ninput=[1,1,1]\nneurons=1", "spike_rate"),
        ("steps = 1\nspike_rate = 0.5\n[[layers]]\nname='a'\ninput=[1,1,1]\nneuron=1", "neuron"),
        ("steps = ", "TOML"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=named):
        load_workload(path)


@pytest.mark.parametrize("name", ["resnet", "nowhere.toml"])
def test_unknown_workloads_are_named(name: str) -> None:
    with pytest.raises(InputError, match=name):
        load_workload(name)
