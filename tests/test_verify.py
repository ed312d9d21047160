"""A trained network is a circuit: ngspice gives the waveforms and classes of the twin."""

import json
from pathlib import Path

import numpy as np
import pytest

from memsim.errors import InputError
from memsim.learn import Run, make_study, train
from memsim.verify import Evidence, ngspice_waveforms, save_verification, twin_waveforms, verify

pytestmark = pytest.mark.spice
IMAGES = 6


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Eight hidden neurons and two epochs: over half of the images right, so the classes mean something."""
    study = make_study(hidden=(8,), epochs=2, step=400e-6)
    return train(study, tmp_path_factory.mktemp("verify"))


@pytest.fixture(scope="module")
def evidence(run: Run) -> Evidence:
    return verify(run, images=IMAGES)


def amplitude(waves: np.ndarray) -> np.ndarray:
    """Largest peak-to-peak over the window of each image, [image, 1, 1] in V."""
    return np.ptp(waves, axis=1).max(axis=1)[:, None, None]


def test_every_image_has_the_class_of_the_twin(evidence: Evidence):
    verification = evidence.verification
    assert verification.images == IMAGES
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


def test_halving_the_step_of_ngspice_moves_nothing_that_counts(run: Run, evidence: Evidence):
    fine = np.arange(2 * len(evidence.times) - 1) * (evidence.times[1] / 2)
    moved = ngspice_waveforms(run.network, run.data.test_images[:2], fine)[:, ::2] - evidence.ngspice[:2]
    # a tenth of the 1 % that is asked of twin and ngspice; 0.05 % was measured
    assert np.abs(moved / amplitude(evidence.ngspice[:2])).max() <= 1e-3


def test_the_twin_approaches_ngspice_when_its_step_shrinks(run: Run, evidence: Evidence):
    """What remains between the two engines is the integrators, not the physics."""
    spice = evidence.ngspice[:2]
    errors = []
    for parts in (1, 4):
        times, twin = twin_waveforms(run.network, run.data.test_images[:2], evidence.times[1] / parts)
        assert times[-1] == pytest.approx(evidence.times[-1])
        errors.append(np.abs((twin[:, ::parts] - spice) / amplitude(spice)).max())
    assert errors[1] < errors[0]
    assert errors[1] <= 1e-3  # what ngspice itself moves by when its step is halved


@pytest.mark.usefixtures("evidence")
def test_verifying_leaves_the_network_as_it_was(run: Run):
    assert {parameter.dtype for parameter in run.network.parameters()} == {run.data.test_images.dtype}


def test_the_result_is_saved_as_json(evidence: Evidence, tmp_path: Path):
    path = save_verification(evidence.verification, tmp_path)
    saved = json.loads(path.read_text())
    assert saved["worst_error"] == evidence.verification.worst_error
    assert saved["images"] == IMAGES
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("images", [0, -1, 451])
def test_a_number_of_images_that_there_are_not_is_refused(run: Run, images: int):
    with pytest.raises(InputError, match=rf"images = {images} is out of range; allowed: 1 to 450"):
        verify(run, images=images)
