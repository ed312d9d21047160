"""Mirror ratios from a calibration pass."""

from __future__ import annotations

import pytest
import torch

from memsim.circuits import impedance_scale
from memsim.errors import ConvergenceError
from memsim.learn import build, load_run, load_study, make_study, save_study, train
from memsim.networks.gains import HIDDEN, LAST, QUANTILE, WITHIN, calibrate_gains


def built(**entries):
    network, data = build(make_study(**entries))
    return network, data.train.inputs(slice(64))


def test_every_layer_of_a_deep_network_gets_its_swing():
    network, inputs = built(hidden=(24, 24, 24, 24))
    ratios = calibrate_gains(network, inputs)
    with torch.no_grad():
        waves = network.waveforms(inputs)
    level = network.readout.level
    for wave, share in zip(waves, (HIDDEN,) * 4 + (LAST,), strict=True):
        peak = float(wave.abs().amax(0).flatten().quantile(QUANTILE))
        assert peak == pytest.approx(share * level, rel=WITHIN)
    assert [crossbar.mirror_ratio for crossbar in network.crossbars] == list(ratios)


def test_recurrent_and_joined_crossbars_share_the_ratio_of_their_layer():
    network, inputs = built(layers=({"neurons": 12, "recurrent": True}, {"neurons": 8, "from": "input"}))
    first, second, last = calibrate_gains(network, inputs)
    found = [crossbar.mirror_ratio for crossbar in network.crossbars]
    assert found == [first, first, second, second, last]


def test_ratios_follow_the_impedance_of_the_neurons():
    """Set 2 is set 1 at a thousandth of all currents: so are its ratios, to what calibration leaves."""
    ratios = [
        calibrate_gains(*built(hidden=(16,), neuron=f"integrate-and-fire-set{number}")) for number in (1, 2)
    ]
    for one, two in zip(*ratios, strict=True):
        assert two == pytest.approx(one * impedance_scale(2), rel=2 * WITHIN)


def test_nothing_to_calibrate_with_is_named():
    network, inputs = built(hidden=(8,))
    with pytest.raises(ConvergenceError, match="potentials of layer 'layer1' stay at"):
        calibrate_gains(network, torch.zeros_like(inputs))


def test_a_deep_network_is_calibrated_before_it_is_trained(tmp_path):
    study = make_study(hidden=(12, 10), epochs=2)
    assert study.synapses.mirror_ratio == "auto"
    assert make_study(hidden=(12,)).synapses.mirror_ratio == 0.3
    run = train(study, tmp_path / "whole")
    ratios = run.study.synapses.mirror_ratio
    assert len(ratios) == 3
    assert load_run(tmp_path / "whole").study == run.study
    train(study.model_copy(update={"epochs": 2}), tmp_path / "whole", resume=True)
    # what goes on from a run keeps its mirrors, for which its weights were found
    further = make_study(hidden=(12, 10), epochs=1, seed=5, training={"start": str(tmp_path / "whole")})
    assert train(further, tmp_path / "further").study.synapses.mirror_ratio == ratios


def test_a_study_with_layers_is_saved_and_read_back(tmp_path):
    study = make_study(layers=({"neurons": 6, "recurrent": True}, {"neurons": 5, "from": "input"}))
    save_study(study, tmp_path / "study.toml")
    assert load_study(tmp_path / "study.toml") == study
    assert "hidden" not in (tmp_path / "study.toml").read_text()
