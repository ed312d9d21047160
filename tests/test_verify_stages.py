"""Runs with stages: what is a circuit is verified, and what is not is named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from memsim.cli import app
from memsim.errors import InputError
from memsim.learn import load_run, make_study, train
from memsim.learn.evaluation import respond
from memsim.verify import verify
from memsim.verify.comparison import amplitude
from memsim.verify.tiles import refined

pytestmark = pytest.mark.spice
SERIAL = {"wires.word_line": 0.0, "wires.bit_line": 0.0, "inputs.coding": "bit-serial", "inputs.bits": 3}
STAGES = (
    {"name": "software", "learning_rate": 0.02},
    {
        "name": "sums",
        "card": "hp-adc-differential-32",
        "hardware": SERIAL,
        "learning_rate": 0.005,
        "examples": 256,
    },
    {
        "name": "one bit",
        "card": "adcless-differential-32",
        "hardware": SERIAL,
        "examples": 512,
        "learning_rate": 0.02,
        "gradient": "impulse",
        "width": (4.0, 1.0),
    },
)
ARRAYS = ("layers.0.synapse.crossbar.layer", "layers.1.synapse.crossbar.layer")
IMAGES = 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("stages")
    study = make_study(
        neuron="integrate-and-fire-set1", hidden=(8,), step=400e-6, drive={"slots": 1}, stages=STAGES
    )
    train(study, place)
    return place


@pytest.mark.parametrize(("stages", "error", "finer"), [(2, 0.01, 10), (3, 0.003, 40)])
def test_neurons_behind_tiles_are_those_of_ngspice(
    folder: Path, stages: int, error: float, finer: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decisions make currents with corners: 1.4 % at the twin's own steps of 40 us, 0.2 % at 10 us."""
    monkeypatch.setattr("memsim.verify.run.FINE", finer)
    evidence = verify(load_run(folder, stages=stages), images=1)
    found = evidence.verification
    assert not found.whole
    assert found.not_circuits == ARRAYS
    assert max(layer.worst_error for layer in found.layers) <= error
    assert amplitude(evidence.ngspice).min() > 3e-3
    assert [layer.synapses_ngspice for layer in found.layers] == [0.0, 0.0]
    assert all(layer.neurons_ngspice == pytest.approx(layer.neurons_twin, rel=1e-3) for layer in found.layers)
    assert found.energy_ngspice > 0


def test_the_network_that_is_verified_is_the_one_that_was_trained(folder: Path) -> None:
    """ngspice says what the network says at its own steps: currents that tiles give are not those of finer steps."""
    run = load_run(folder)
    evidence = verify(run, images=IMAGES)
    scores = run.network.readout(torch.from_numpy(evidence.ngspice[:, ::10]).transpose(0, 1))
    said = respond(run.network, run.data.test)[:IMAGES]
    # steps of 0.4 ms, against those that ngspice chooses
    np.testing.assert_allclose(scores, said, atol=0.05 * float(said.abs().max()))


def test_software_is_one_circuit(folder: Path) -> None:
    found = verify(load_run(folder, stages=1), images=1).verification
    assert (found.whole, found.not_circuits) == (True, ())
    assert found.worst_error <= 0.01
    with pytest.raises(
        InputError, match=rf"cannot be simulated whole: {ARRAYS[0]} is read through converters"
    ):
        verify(load_run(folder), images=1, whole=True)


@pytest.mark.slow  # three pages with their pictures
def test_the_command_says_what_was_not_verified(folder: Path) -> None:
    arguments = ["verify", str(folder), "--images", "1"]
    last = CliRunner().invoke(app, arguments)
    assert last.exit_code == 0, last.output
    assert f"no circuit, and not verified: the converters of {', '.join(ARRAYS)}" in last.output
    page = (folder / "report.html").read_text()
    assert "Not verified, because they are no circuit" in page
    software = CliRunner().invoke(app, [*arguments, "--stage", "software", "--json"])
    assert software.exit_code == 0, software.output
    assert json.loads(software.stdout)["not_circuits"] == []
    page = (folder / "1-software" / "report.html").read_text()
    assert f"memsim verify {folder} --stage" in page
    refused = CliRunner().invoke(app, [*arguments, "--stage", "hardware"])
    assert "there is no stage 'hardware'; known: software, sums, one bit" in str(refused.exception)
    device = CliRunner().invoke(app, ["verify", "stanford-pku", "--stage", "software"])
    assert "--stage is for runs" in str(device.exception)


def test_discrete_neurons_are_named(tmp_path: Path) -> None:
    study = make_study(hidden=(4,), steps=2, stages=({"name": "software", "examples": 64},))
    with pytest.raises(InputError, match="neurons of this run are 'lif', which are discrete and no circuit"):
        verify(train(study, tmp_path), images=1)


def test_straight_lines_go_through_the_samples() -> None:
    samples = torch.rand(4, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    fine = refined(samples, 5)
    assert torch.equal(fine[::5], samples)
    wanted = np.interp(np.arange(16) / 5, np.arange(4), samples[:, 1, 2])
    np.testing.assert_allclose(fine[:, 1, 2], wanted, rtol=1e-12)
