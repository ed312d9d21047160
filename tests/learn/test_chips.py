"""Costs of networks that run: what arrays really see, and the command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from memsim.cli import app
from memsim.errors import InputError
from memsim.imc import load_hardware, map_to_imc
from memsim.imc.cost import cost
from memsim.imc.workloads import workload_of
from memsim.learn import make_study, train
from memsim.learn.chips import stage_for

NO_WIRES = {"wires.word_line": 0.0, "wires.bit_line": 0.0}
STUDY = {
    "hidden": [8],
    "steps": 2,
    "stages": [
        {"name": "software", "examples": 64},
        {"name": "five bits", "card": "hp-adc-32", "hardware": NO_WIRES, "examples": 64},
        {"name": "one bit", "card": "adcless-32", "hardware": NO_WIRES, "examples": 64},
    ],
}
Memsim = Callable[..., tuple[int, str]]


@pytest.fixture
def memsim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Memsim:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, list(arguments))
        return result.exit_code, result.output + str(result.exception or "")

    return run


def test_positions_spikes_and_conductance_are_those_of_the_run() -> None:
    card = load_hardware("adcless-differential-32", NO_WIRES)
    conv = nn.Conv2d(2, 3, 3, padding=1)
    nn.init.ones_(conv.weight)
    network = map_to_imc(nn.Sequential(conv), card)
    steps, inferences = 4, 5
    spikes = torch.zeros(steps * inferences, 2, 6, 6)
    spikes[::2] = 1
    shape = workload_of(network, spikes, steps=steps, inferences=inferences, name="mine").layers[0]
    assert (shape.rows, shape.neurons, shape.positions("padded")) == (18, 3, 36)
    # a 3 x 3 kernel over 6 x 6 pixels covers 16^2 of 18^2 pixels in one direction of each axis, padding is silent
    driven = 0.5 * (16 / 18) ** 2
    assert shape.spike_rate == pytest.approx(driven, rel=1e-6)
    # the largest weight is all cells on, and all of its twins off
    mean = (card.cell.conductance_max + card.cell.conductance_min) / 2
    assert shape.conductance == pytest.approx(18 * driven * mean, rel=1e-6, abs=0)


def test_wires_lower_the_current_that_is_paid_for() -> None:
    network = nn.Sequential(nn.Linear(64, 16))
    spikes = (torch.rand(40, 64, generator=torch.Generator().manual_seed(1)) < 0.3).float()
    energies = []
    for changes in (NO_WIRES, {}):
        card = load_hardware("adcless-64", changes)
        workload = workload_of(map_to_imc(network, card), spikes, steps=4, inferences=10, name="mine")
        energies.append(cost(workload, card).energy["array"])
    assert 0.5 * energies[0] < energies[1] < energies[0]


def test_networks_that_are_not_mapped_are_refused() -> None:
    with pytest.raises(InputError, match="map_to_imc"):
        workload_of(nn.Sequential(nn.Linear(4, 2)), torch.ones(2, 4), steps=1, inferences=2, name="mine")


@pytest.mark.parametrize(
    ("card", "stage", "cold"),
    [
        ("adcless-64", 2, False),
        ("hp-adc-128", 1, False),
        ("sar-32", 1, False),
        ("adcless-differential-64", 1, True),
    ],
)
def test_each_chip_gets_the_network_that_was_trained_for_it(card: str, stage: int, cold: bool) -> None:
    assert stage_for(make_study(**STUDY), load_hardware(card)) == (stage, cold)


def test_command_compares_a_trained_network(tmp_path: Path, memsim: Memsim) -> None:
    folder = tmp_path / "run"
    train(make_study(**STUDY), folder)
    code, text = memsim(
        "imc", str(folder), "--card", "adcless-32", "--compare", "hp-adc", "--images", "20", "--json"
    )
    assert code == 0, text
    own, rival = json.loads(text)
    assert (own["card"], rival["card"]) == ("adcless-32", "hp-adc-32")
    assert (own["trained_in_stage"], rival["trained_in_stage"]) == ("one bit", "five bits")
    assert own["energy_joule"] < rival["energy_joule"]
    assert own["period_second"] < rival["period_second"]
    assert round(20 * own["accuracy"], 6).is_integer()
    written = {path.name for path in (folder / "imc").iterdir()}
    assert written == {"imc.json", "imc.html", "imc-cost.png", "imc-layers.png", "imc-floorplan.png"}


def test_command_costs_a_workload(memsim: Memsim, tmp_path: Path) -> None:
    code, text = memsim("imc", "--workload", "gesture", "--compare", "hp-adc", "--accounting", "published")
    assert code == 0, text
    lines = {line.split("  ")[0]: line.split() for line in text.splitlines()}
    assert float(lines["energy, over the first"][-1]) == pytest.approx(4.48, rel=0.25)
    assert (tmp_path / "imc" / "gesture" / "imc.html").is_file()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "--workload"),
        (["run", "--workload", "gesture"], "not both"),
        (["nowhere"], "study.toml"),
        (["--workload", "gesture", "--card", "adc"], "adc"),
        (["--workload", "gesture", "--spike-rate", "2"], "spike_rate"),
        (["--workload", "gesture", "--accounting", "kind"], "complete"),
        (["nowhere", "--spike-rate", "0.1"], "--spike-rate"),
    ],
)
def test_bad_input_is_named(memsim: Memsim, arguments: list[str], named: str) -> None:
    code, text = memsim("imc", *arguments)
    assert code != 0
    assert named in text
