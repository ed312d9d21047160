"""Entries of a study that change nothing, or cannot be: each is refused by name, with what it needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from memsim.errors import ConvergenceError, InputError
from memsim.learn import build, error_of_steps, load_study, make_study, save_study, train
from memsim.networks.gains import calibrate_gains

DENSE = {"neurons": 4}
LIF = {"neuron": "lif"}
STAGE = {"name": "a", "epochs": 2}
IDLE = {
    "tau of held pulses": ({"drive": {"pulse": "held", "tau": 5e-3}}, r"drive\.tau .*nothing for held"),
    "level of a mean": ({"hidden": (4,), "readout": {"level": 0.5}}, r"readout\.level .*'mean'"),
    "width of a maximum": (
        {"readout": {"kind": "maximum", "width": 1e-3}},
        r"readout\.width .*\"spike-count\" or \"first",
    ),
    "conductance of no stuck cells": (
        {"nonidealities": {"test": {"stuck_conductance": 1e-5}}},
        r"stuck_conductance changes nothing .*give stuck_rate",
    ),
    "neither trained nor spread": (
        {"parameters": {"cmem": {"trainable": False, "low": 1e-10}}},
        r"parameters\.cmem is neither",
    ),
    "lines of discrete neurons": (
        {**LIF, "layers": ({**DENSE, "recurrent": True, "recurrent_tau": 1e-3},)},
        r"'layer1': recurrent_tau .* for 'lif'",
    ),
    "seconds for discrete neurons": (
        {**LIF, "layers": (DENSE, {"delay": 2e-3})},
        r"'layer2': delay = 0\.002 is in steps .*whole number of at least 1, below the 4",
    ),
    "more steps than there are": ({**LIF, "layers": (DENSE, {"delay": 4.0})}, "delay = 4 is in steps"),
    "a longer warm-up": ({"epochs": 3, "training": {"warmup": 4.0}}, r"training\.warmup = 4 .*at most 3"),
    "a longer warm-up than a stage": (
        {"stages": (STAGE, {**STAGE, "name": "b", "epochs": 1}), "training": {"warmup": 1.5}},
        r"training\.warmup = 1\.5",
    ),
    "no one to silence": ({"hidden": (), "training": {"dropout": 0.5}}, r"training\.dropout .*hidden"),
    "weights that are not drawn": (
        {"training": {"start": "run"}, "synapses": {"initial_weight": 0.2}},
        r"synapses\.initial_weight .*training\.start",
    ),
    "gradient of no decisions": ({"stages": ({**STAGE, "gradient": "tanh"},)}, r"gradient is of decisions"),
    "width of no decisions": ({"stages": ({**STAGE, "width": (2.0, 1.0)},)}, r"width is of decisions"),
    "one source twice": (
        {"layers": (DENSE, {"from": ["input", "input"]})},
        r"'layer2': from names 'input' twice",
    ),
    "what the first layer gets": ({"layers": ({**DENSE, "from": "input"},)}, r"'layer1': from = 'input'"),
    "the layer before": ({"layers": (DENSE, {"from": "layer1"})}, r"'layer2': from = 'layer1'"),
    "a rim beyond the kernel": (
        {"hidden": ({"channels": 2, "kernel": 3, "padding": 3},)},
        r"padding = 3 .*kernel of 3.*at most 2",
    ),
    "a rim beyond the kernel of a layer": (
        {"layers": ({"channels": 2, "kernel": 3, "padding": 9},)},
        r"padding = 9 .*kernel of 3.*at most 2",
    ),
}
UNFIT = {
    "delay beyond the window": (
        {"layers": ({**DENSE, "delay": 1.0},)},
        r"'layer1': delay = 1 s .*below 0\.01 s",
    ),
    "slow lines": (
        {"layers": ({**DENSE, "recurrent": True, "recurrent_tau": 100.0},)},
        r"recurrent_tau = 100 s .*at most 0\.1 s",
    ),
    "slow pulses": ({"drive": {"tau": 100.0}}, r"drive\.tau = 100 s .*allowed: 2e-05 to 0\.1 s"),
    "fast pulses": ({"drive": {"tau": 1e-6}}, r"drive\.tau = 1e-06 s .*allowed: 2e-05 to 0\.1 s"),
    "spread": ({"parameters": {"cmem": {"spread": 50.0}}}, r"cmem\.spread = 50\.0: allowed: at most 2"),
    "variation": (
        {"nonidealities": {"test": {"variation": 100.0}}},
        r"variation = 100\.0: allowed: at most 2",
    ),
    "voltage": ({"drive": {"voltage": 1e3}}, r"drive\.voltage = 1000\.0: allowed: at most 10"),
    "dropout": ({"training": {"dropout": 0.999}}, r"training\.dropout = 0\.999: allowed: at most 0\.9"),
}


@pytest.mark.parametrize(("entries", "message"), [*IDLE.values(), *UNFIT.values()], ids=[*IDLE, *UNFIT])
def test_what_changes_nothing_or_does_not_fit_is_named(entries: dict, message: str):
    with pytest.raises(InputError, match=message):
        make_study(**entries)


MEANT = {
    "a table for a name": (
        {"synapse": {"bias": True}},
        r'synapse: give text in "quotes"; did you mean synapses\?',
    ),
    "a number for a name": ({"layers": ({"neuron": 5},)}, "how many there are is `neurons`"),
    "a number for the name of all": ({"neuron": 5}, "how many there are is in `hidden`"),
    "discrete neurons in one layer": (
        {"layers": ({**DENSE, "neuron": "lif"},)},
        r"discrete neurons are those of a whole network; give neuron = \"lif\" before",
    ),
    "one of two": ({"synapses": {"mirror_ratio": 0}}, r"mirror_ratio = 0: allowed: above 0 or 'auto'$"),
    "no place": ({"step": 1.0}, r"the study cannot be used:\n  step = 1 s is too long"),
}


@pytest.mark.parametrize(("entries", "message"), MEANT.values(), ids=MEANT)
def test_what_was_meant_is_offered(entries: dict, message: str):
    with pytest.raises(InputError, match=message):
        make_study(**entries)


FITS = {
    "from the layer before, later": {"layers": (DENSE, {"from": "layer1", "delay": 1e-3})},
    "from the layer before, added": {"layers": (DENSE, {**DENSE, "from": "layer1", "join": "spike"})},
    "level for mirrors": {"hidden": (4, 4), "readout": {"level": 20e-3}},
    "level of spikes": {"readout": {"kind": "spike-count", "level": 20e-3, "width": 1e-3}},
    "steps": {**LIF, "layers": (DENSE, {"delay": 3.0})},
    "held": {"neuron": "threshold-switching-a", "drive": {"slots": 3}},
}


@pytest.mark.parametrize("entries", FITS.values(), ids=FITS)
def test_what_has_an_effect_comes_back_from_a_file(entries: dict, tmp_path: Path):
    study = make_study(**entries)
    save_study(study, tmp_path / "study.toml")
    assert load_study(tmp_path / "study.toml") == study


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (
            {"nonidealities": {"test": {"stuck_rate": 0.1, "stuck_conductance": 10.0}}},
            r"stuck_conductance = 10 S is out of range.* at most 0\.0025 S",
        ),
        ({"drive": {"slots": 9999}}, r"drive\.slots = 9999 is out of range.*at most 50"),
        ({"drive": {"slots": 5, "pulse": "held"}}, r"drive\.slots = 5 changes nothing for static inputs"),
        ({"synapses": {"mirror_ratio": 1e9}}, r"mirror_ratio = 1e\+09 is out of range.*3e-07 to 300000"),
        ({"synapses": {"device": "threshold-a"}}, r"device = 'threshold-a' forgets within 20 µs"),
        ({"synapses": {"device": "mif-set1"}, **LIF, "synapse": "crossbar"}, r"device = 'mif-set1' forgets"),
    ],
)
def test_parts_out_of_range_are_named_when_the_network_is_built(entries: dict, message: str):
    with pytest.raises(InputError, match=message):
        build(make_study(**entries))


def test_a_layer_that_hears_nothing_is_named_before_it_is_trained(tmp_path: Path):
    study = make_study(hidden=(4, 4), epochs=1, step=1e-3, synapses={"mirror_ratio": (0.3, 1e-6, 0.3)})
    with pytest.raises(ConvergenceError, match=r"layer 'layer2' hears nothing"):
        train(study, tmp_path / "run")
    assert not list(tmp_path.glob("run/*.safetensors"))


def test_a_training_without_gradients_is_refused(tmp_path: Path):
    study = make_study(hidden=(4,), epochs=1, step=1e-3)
    with pytest.raises(ConvergenceError, match=r"all gradients of the first batch are zero"):
        train(study, tmp_path / "run", loss=lambda outputs, _: 0.0 * outputs.sum())


def test_no_step_is_advised_where_potentials_stay_at_rest():
    network, data = build(make_study(hidden=(4, 4), step=1e-3, synapses={"mirror_ratio": (0.3, 1e-6, 0.3)}))
    found = error_of_steps(network, data.train, 4)
    assert found.silent == ("layer2", "layer3")
    assert "stay at rest" in (found.warning or "")
    assert "--step" not in (found.warning or "")


def test_mirrors_keep_their_ratio_where_what_skips_in_is_too_high_alone():
    spikes = {"neurons": 4, "join": "spike"}
    layers = (DENSE, {**spikes, "from": "layer1"}, {**spikes, "from": ["layer1", "layer2"]})
    network, data = build(make_study(layers=layers, step=1e-3))
    with pytest.warns(UserWarning, match=r"skips into layer 'layer3' .* suits its neurons, 0\.3"):
        ratios = calibrate_gains(network, data.train.inputs(slice(32)))
    assert ratios[2] == 0.3
    assert all(ratio > 1e-3 for ratio in ratios)
