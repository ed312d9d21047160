"""A trained network is a circuit: ngspice gives the waveforms, classes and energies of the twin."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from memsim.circuits import IntegrateAndFire, pulsed_population, sampled_population, waveform_names
from memsim.circuits.stimuli import AlphaTrain
from memsim.crossbar import Crossbar, Hardware, Wires, operating_point
from memsim.errors import InputError
from memsim.learn import Run, build, make_study, train
from memsim.networks.memristive import MemristiveNetwork
from memsim.spice import Job, deck, simulate_many
from memsim.verify import Evidence, engines, save_verification, verify
from memsim.verify import run as verification_run
from memsim.verify.comparison import Batch, amplitude, summary
from memsim.verify.energy import neuron_energy, read_energy
from memsim.verify.store import FOLDER, Store

pytestmark = pytest.mark.spice
IMAGES = 6


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Eight hidden neurons and two epochs: over half of the images right, so the classes mean something."""
    study = make_study(hidden=(8,), epochs=2, step=400e-6)
    return train(study, tmp_path_factory.mktemp("verify"))


@pytest.fixture(scope="module")
def evidence(run: Run) -> Evidence:
    """The whole network in one deck for each image, which is what so small a one gets."""
    return verify(run, images=IMAGES)


@pytest.fixture(scope="module")
def by_layer(run: Run) -> Evidence:
    return verify(run, images=IMAGES, whole=False)


def lines_of(run: Run, images: int):
    network = MemristiveNetwork(run.data.shape, run.data.classes, run.study).double()
    network.load_state_dict(run.network.state_dict())
    return network, network.drive(run.data.test.inputs(slice(images)).double())


def test_every_image_has_the_class_of_the_twin(evidence: Evidence):
    verification = evidence.verification
    assert verification.images == IMAGES
    assert verification.whole
    assert verification.same_class == 1.0
    assert verification.same_class_at_training_step == 1.0
    assert verification.ngspice_accuracy == verification.twin_accuracy
    assert verification.ngspice_accuracy > 0.5


def test_waveforms_agree_within_one_percent_of_the_spikes(evidence: Evidence):
    # the promise is 1 %; 0.17 % was measured, most of it the twin's own step of 40 us
    assert evidence.verification.worst_error <= 0.01
    assert evidence.verification.mean_error <= 0.001
    assert evidence.verification.worst_error_at_training_step > evidence.verification.worst_error
    # spikes of tens of millivolts, so a percent of them is a statement
    assert amplitude(evidence.ngspice).min() > 5e-3
    error = np.abs(evidence.ngspice - evidence.twin) / amplitude(evidence.ngspice)
    assert error.max() == pytest.approx(evidence.verification.worst_error)


def test_layer_by_layer_is_the_whole_network(evidence: Evidence, by_layer: Evidence):
    assert not by_layer.verification.whole
    difference = np.abs(by_layer.ngspice - evidence.ngspice) / amplitude(evidence.ngspice)
    # straight lines between samples 40 us apart, against steps that ngspice chooses itself: 0.3 % was measured
    assert difference.max() <= 0.005
    assert by_layer.verification.worst_error <= 0.01
    assert by_layer.verification.same_class == 1.0
    for one, other in zip(by_layer.verification.layers, evidence.verification.layers, strict=True):
        assert one.neurons_ngspice == pytest.approx(other.neurons_ngspice, rel=1e-3)
        assert one.synapses_ngspice == pytest.approx(other.synapses_ngspice, rel=1e-3)


def test_layer_by_layer_passes_on_what_ngspice_made_of_the_layer_before(
    run: Run, monkeypatch: pytest.MonkeyPatch
):
    """With hidden membranes held at rest in ngspice alone, the output layer hears nothing."""
    network, lines = lines_of(run, 1)
    times = np.arange(51) * 200e-6
    pulsed = engines._pulsed

    def silent(*arguments):
        waves = pulsed(*arguments)
        rest = np.full_like(waves["v(mem)"], network.cells[0].rest)
        return {**waves, "v(mem)": rest}

    monkeypatch.setattr(engines, "_pulsed", silent)
    output = engines.relative(network, -1, engines.layer_by_layer(network, lines, times, lambda _: None)[-1])
    assert np.abs(output).max() < 1e-6
    assert np.abs(engines.relative(network, -1, engines.twin(network, lines, times)[-1])).max() > 1e-3


def test_energies_are_positive_and_equal_in_both_engines(evidence: Evidence):
    verification = evidence.verification
    for layer in verification.layers:
        for part in ("neurons", "synapses"):
            spice, twin = getattr(layer, f"{part}_ngspice"), getattr(layer, f"{part}_twin")
            assert spice > 0
            assert twin == pytest.approx(spice, rel=0.01)
    assert verification.energy_difference <= 0.01
    parts = [layer.neurons_ngspice + layer.synapses_ngspice for layer in verification.layers]
    assert verification.energy_ngspice == pytest.approx(sum(parts))


def test_energy_of_a_read_is_what_its_cells_turn_into_heat():
    """One pixel at 1 V for 1 s on ideal wires: the sum of its row's conductances, in joule."""
    study = make_study(hidden=())
    network = MemristiveNetwork((64,), 10, study).double()
    voltage = torch.zeros(1, 2, 64, dtype=torch.float64)
    voltage[:, :, 3] = 1.0
    plus, minus = (g.detach() for g in network.crossbars[0].conductances())
    expected = float((plus[3] + minus[3]).sum())
    found = read_energy(network.synapses[0], voltage, np.array([0.0, 1.0]))
    assert found == pytest.approx([expected], rel=1e-12)


def test_power_into_a_crossbar_with_wires_is_the_heat_of_cells_and_wires():
    wires = Wires(20.0, 10.0)
    crossbar = Crossbar(
        5, 3, g_min=1e-5, g_max=1e-3, hardware=Hardware(wires=wires), generator=torch.Generator()
    ).double()
    voltage = torch.linspace(-0.5, 1.0, 5, dtype=torch.float64)
    with torch.no_grad():
        cells = torch.stack(crossbar.conductances(), dim=-1).reshape(5, 6)
        point = operating_point(cells, voltage, wires)
        lost_in_word_lines = 20.0 * point.cell_current.flip(-1).cumsum(-1).square().sum()
        lost_in_bit_lines = 10.0 * point.cell_current.cumsum(-2).square().sum()
        heat = point.cell_power.sum() + lost_in_word_lines + lost_in_bit_lines
        assert float(crossbar.power(voltage)) == pytest.approx(float(heat), rel=1e-9, abs=0)
        assert float(lost_in_word_lines + lost_in_bit_lines) > 0.01 * float(heat)


def untrained(**study) -> Run:
    chosen = make_study(hidden=study.pop("hidden", (4,)), step=400e-6, seed=1, **study)
    network, data = build(chosen)
    return Run(chosen, network, data, [])


def test_neurons_of_their_own_values_are_the_same_in_both_ways():
    run = untrained(parameters={"cmem": {"spread": 0.4}, "xm2.v_on": {"spread": 0.1}})
    ways = [verify(run, images=1, whole=whole) for whole in (True, False)]
    for evidence in ways:
        assert evidence.verification.worst_error <= 0.01  # the promise; the twin has these values
    difference = np.abs(ways[1].ngspice - ways[0].ngspice) / amplitude(ways[0].ngspice)
    assert difference.max() <= 0.01  # as for equal neurons; 0.54 % was measured, steps being 40 us
    nominal = dataclasses.replace(run, study=run.study.model_copy(update={"parameters": {}}))
    nominal = dataclasses.replace(nominal, network=build(nominal.study)[0])
    for mine, theirs in zip(nominal.network.synapses, run.network.synapses, strict=True):
        mine.load_state_dict(theirs.state_dict())
    equal = verify(nominal, images=1)
    assert (np.abs(equal.ngspice - ways[0].ngspice) / amplitude(equal.ngspice)).max() > 0.02


def test_wires_levels_and_readouts_of_a_study_reach_ngspice():
    """By layer: the matrix with wires drives the neurons; the study's levels are in it."""
    run = untrained(
        synapses={"wire_resistance": 100.0},
        nonidealities={"test": {"levels": 4}},
        readout={"kind": "maximum"},
    )
    evidence = verify(run, images=2)
    assert not evidence.verification.whole
    assert evidence.verification.worst_error <= 0.01
    assert evidence.verification.same_class == 1.0
    ideal = untrained(readout={"kind": "maximum"})
    other = verify(ideal, images=2, whole=False)
    assert (np.abs(other.ngspice - evidence.ngspice) / amplitude(other.ngspice)).max() > 0.05
    with pytest.raises(InputError, match="cannot be simulated whole: its crossbars are more than pairs"):
        verify(run, images=1, whole=True)


def test_a_convolution_is_verified_layer_by_layer():
    run = untrained(hidden=({"channels": 2, "kernel": 3, "stride": 3},))
    evidence = verify(run, images=1)
    assert [layer.neurons for layer in evidence.verification.layers] == [8, 10]
    assert evidence.verification.worst_error <= 0.01
    assert all(layer.synapses_ngspice > 0 for layer in evidence.verification.layers)
    with pytest.raises(InputError, match="it has convolutional layers"):
        verify(run, images=1, whole=True)


@pytest.mark.parametrize("whole", [True, False])
def test_events_drive_each_word_line_alike_in_both_engines(whole: bool):
    run = untrained(drive={"encoding": "rate", "slots": 5})
    assert verify(run, images=1, whole=whole).verification.worst_error <= 0.01


def test_neurons_of_a_population_have_their_own_values():
    """Two capacitances and two thresholds in one deck, each as if the neuron were alone."""
    neuron = IntegrateAndFire.published(1)
    values = {"cmem": np.array([1e-9, 2e-9]), "xm1.v_on": np.array([0.11, 0.08])}
    times, pulse = np.linspace(0, 5e-3, 251), AlphaTrain(1.0, 1e-3)
    gains = np.array([[5e-6], [5e-6]])
    together = {
        "pulses": deck(
            pulsed_population(neuron, gains, values), stimuli={"vpulse0": pulse}, stop=5e-3, step=20e-6
        ),
        "samples": deck(
            sampled_population(neuron, times, gains * pulse(times), values), stop=5e-3, step=20e-6
        ),
    }
    devices = [
        (neuron.devices[0].with_values(v_on=0.11), neuron.devices[1]),
        (neuron.devices[0].with_values(v_on=0.08), neuron.devices[1]),
    ]
    alone = [
        Job(
            dataclasses.replace(neuron, devices=devices[i], membrane_capacitance=values["cmem"][i]).circuit(),
            {"iin": AlphaTrain(5e-6, 1e-3)},
            5e-3,
            20e-6,
        )
        for i in range(2)
    ]
    packed, sampled, *single = simulate_many([*map(Job, together.values()), *alone])
    for i, one in enumerate(single):
        expected = np.interp(times, one["time"], one["v(mem)"])
        name = waveform_names(neuron, f"mem_{i}", f"xn_{i}")["v(mem)"]
        for waves in (packed, sampled):
            found = np.interp(times, waves["time"], waves[name])
            # steps of 20 us fall differently when neurons share them: 0.2 % was measured
            assert np.abs(found - expected).max() <= 0.005 * np.ptp(expected)
    assert np.abs(single[0]["v(mem)"].max() - single[1]["v(mem)"].max()) > 1e-3


def test_energy_of_a_neuron_is_that_of_its_own_values():
    """At rest potential: v^2 / r of two devices that do not switch."""
    neuron = IntegrateAndFire.published(1)
    ones = np.ones((1, 2, 2))
    waves = {"v(mem)": 0.1 * ones, "v(e1)": 0 * ones, "v(e2)": 0 * ones}
    waves |= {f"v(xm{i}.x)": ones for i in (1, 2)}
    found = neuron_energy(neuron, waves, np.array([0.0, 2.0]), {"xm1.r_on": np.array([1e3, 2e3])})
    r_on = neuron.devices[1].values["r_on"]
    assert found == pytest.approx([2.0 * 0.01 * (1 / 1e3 + 1 / 2e3 + 2 / r_on)], rel=1e-12)


def test_halving_the_step_of_ngspice_moves_nothing_that_counts(run: Run, evidence: Evidence):
    network, lines = lines_of(run, 2)
    fine = np.arange(2 * len(evidence.times) - 1) * (evidence.times[1] / 2)
    waves = engines.whole(network, lines, fine, lambda _: None)[-1]
    moved = engines.relative(network, -1, waves)[:, ::2] - evidence.ngspice[:2]
    # a tenth of the 1 % that is asked of twin and ngspice; 0.05 % was measured
    assert np.abs(moved / amplitude(evidence.ngspice[:2])).max() <= 1e-3


def test_the_twin_approaches_ngspice_when_its_step_shrinks(run: Run, evidence: Evidence):
    """What remains between the two engines is the integrators, not the physics."""
    network, lines = lines_of(run, 2)
    spice = evidence.ngspice[:2]
    errors = []
    for parts in (1, 4):
        times = np.arange(parts * (len(evidence.times) - 1) + 1) * (evidence.times[1] / parts)
        waves = engines.relative(network, -1, engines.twin(network, lines, times)[-1])
        errors.append(np.abs((waves[:, ::parts] - spice) / amplitude(spice)).max())
    assert errors[1] < errors[0]
    assert errors[1] <= 1e-3  # what ngspice itself moves by when its step is halved


@pytest.mark.usefixtures("evidence")
def test_verifying_leaves_the_network_as_it_was(run: Run):
    assert {parameter.dtype for parameter in run.network.parameters()} == {torch.float32}


def test_an_interrupted_verification_goes_on_where_it_stopped(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(verification_run, "IMAGES_AT_ONCE", 1)
    simulate, calls = engines.layer_by_layer, []

    def counted(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return simulate(*arguments)

    monkeypatch.setattr(engines, "layer_by_layer", counted)
    with pytest.raises(KeyboardInterrupt):
        verify(run, images=2, whole=False, folder=tmp_path)
    assert [path.name for path in (tmp_path / FOLDER).iterdir()] == ["images-0-to-0.npz"]
    seen: list[tuple[int, int]] = []
    evidence = verify(
        run, images=2, whole=False, folder=tmp_path, progress=lambda done, total: seen.append((done, total))
    )
    assert len(calls) == 3  # the first image was not simulated again
    assert seen[-1] == (36, 36)
    assert evidence.verification.images == 2
    verify(run, images=1, whole=False, folder=tmp_path)
    assert len(calls) == 3


def test_kept_batches_of_another_network_do_not_count(run: Run, tmp_path: Path):
    first = verify(run, images=1, whole=False, folder=tmp_path)
    study = run.study.model_copy(update={"seed": 5})
    other = dataclasses.replace(
        run, study=study, network=MemristiveNetwork(run.data.shape, run.data.classes, study)
    )
    second = verify(other, images=1, whole=False, folder=tmp_path)
    assert not np.array_equal(first.ngspice, second.ngspice)


def test_kept_batches_give_the_same_numbers_to_the_last_digit(tmp_path: Path):
    """Files keep rows; energies are computed in columns, in which sums of one in four round differently."""
    store, rng = Store(tmp_path, "key"), np.random.default_rng(0)
    for number in range(40):
        values = {field.name: rng.random((3, 2)) for field in dataclasses.fields(Batch)}
        values |= {"seconds": np.ones(3), "neurons": np.array([8, 10])}
        values |= {
            name: rng.random((2, 3, 2)).transpose(1, 2, 0) for name in ("energy_ngspice", "energy_twin")
        }
        batch = Batch(**values)
        store.save(str(number), batch)
        kept = store.load(str(number))
        assert kept is not None
        assert summary([kept], whole=True) == summary([batch], whole=True)


def test_a_damaged_batch_is_named(run: Run, tmp_path: Path):
    path = tmp_path / FOLDER / "images-0-to-0.npz"
    path.parent.mkdir()
    path.write_bytes(b"PK\x03\x04 not a batch")
    with pytest.raises(InputError, match=r"images-0-to-0\.npz is damaged .*; delete it and verify again"):
        verify(run, images=1, whole=False, folder=tmp_path)


def test_the_result_is_saved_as_json(evidence: Evidence, tmp_path: Path):
    path = save_verification(evidence.verification, tmp_path)
    saved = json.loads(path.read_text())
    assert saved["worst_error"] == evidence.verification.worst_error
    assert saved["images"] == IMAGES
    assert saved["layers"][0]["neurons"] == 8
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("images", [0, -1, 451])
def test_a_number_of_images_that_there_are_not_is_refused(run: Run, images: int):
    with pytest.raises(InputError, match=rf"images = {images} is out of range; allowed: 1 to 450"):
        verify(run, images=images)
