"""What is wrong with a study whatever its data are is said before they are read."""

from pathlib import Path

import pytest
import torch

from memsim.errors import CheckpointError, InputError
from memsim.learn import build, make_study, train
from memsim.learn.checks import check_study
from memsim.networks import check_network

DENSE = {"neurons": 4}
WRONG = {
    "device": ({"synapses": {"device": "nope"}}, "unknown device 'nope'; known: "),
    "conductances": ({"synapses": {"conductance_min": 1e-3}}, r"conductance_min = 0\.001 S is out of range"),
    "crossbars of spikes": (
        {"neuron": "lif", "synapse": "crossbar", "synapses": {"device": "nope"}},
        "unknown device 'nope'",
    ),
    "parameter": ({"parameters": {"foo": {}}}, "the neuron has no parameter 'foo'; it has: cmem"),
    "bounds": ({"parameters": {"cmem": {"low": 1.0, "high": 2.0}}}, "bounds of cmem, 1 to 2, do not enclose"),
    "names": ({"layers": [{"name": "a", **DENSE}, {"name": "a", **DENSE}]}, "two layers have the name 'a'"),
    "name by number": ({"layers": [{"name": "layer2", **DENSE}, DENSE]}, "two layers have the name 'layer2'"),
    "from": ({"layers": [{**DENSE, "from": "nope"}]}, "from = 'nope' is none of what comes before it: input"),
    "from what comes later": ({"layers": [{**DENSE, "from": "layer2"}, DENSE]}, "from = 'layer2' is none of"),
    "outputs that are added": (
        {"layers": [DENSE, DENSE, {"neurons": 5, "from": "layer1", "join": "spike"}]},
        "'layer3' has 5 neurons and 'layer1' 4 lines",
    ),
    "image of dense neurons": (
        {"layers": [DENSE, {"channels": 2, "kernel": 3}]},
        r"a convolution needs an image, .* before it comes shape \(4,\)",
    ),
    "pools of dense neurons": (
        {"layers": [DENSE, {"neurons": 3, "pool": 2}]},
        r"before it comes shape \(4,\)",
    ),
    "from what is no input": (
        {
            "inputs": {"a": 1, "b": 2},
            "layers": [{**DENSE, "from": "a"}, {**DENSE, "from": ["b", "c"]}, {"from": "layer1"}],
        },
        "from = 'c' is none of what comes before it: input, a, b, layer1",
    ),
    "loss": ({"training": {"loss": "nope"}}, "loss 'nope' is unknown; known: cross-entropy"),
    "weights of classes": ({"training": {"class_weights": "balance"}}, "class_weights = 'balance'; allowed"),
    "loss without weights": (
        {"training": {"loss": "huber", "class_weights": "balanced"}},
        "loss 'huber' takes no class_weights",
    ),
    "metric": ({"training": {"metrics": ("accuracy", "nope")}}, "metric 'nope' is unknown; known: accuracy"),
}


@pytest.mark.parametrize(("entries", "message"), WRONG.values(), ids=WRONG)
def test_a_study_is_looked_at_before_its_data(tmp_path: Path, entries: dict, message: str):
    study = make_study(data="there/is/none.npz", **entries)
    with pytest.raises(InputError, match=message):
        train(study, tmp_path / "run")
    with pytest.raises(InputError, match=message):
        build(study)
    assert not (tmp_path / "run").exists()


def test_places_of_a_run_are_looked_at_before_its_data(tmp_path: Path):
    study = make_study(data="there/is/none.npz", training={"start": str(tmp_path / "no-run")})
    with pytest.raises(CheckpointError, match=r"training\.start: .*no-run.* does not exist; train first"):
        train(study, tmp_path / "run")
    with pytest.raises(CheckpointError, match="holds no run to resume"):
        train(study, tmp_path / "run", resume=True)
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "checkpoint.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match="already holds a trained run"):
        train(study, tmp_path / "old")


@pytest.mark.parametrize(
    "entries",
    [
        {"hidden": ()},
        {"hidden": ({"channels": 3, "kernel": 5, "padding": 2}, 7), "recurrent": True},
        {"layers": [{"channels": 3, "kernel": 3}, {**DENSE, "from": ["input", "layer1"], "delay": 1e-3}]},
        {"layers": [DENSE, {"neurons": 64, "from": "input", "join": "spike"}]},
        {"layers": [{"channels": 1, "kernel": 3, "padding": 1, "from": "input", "join": "spike"}]},
        {
            "layers": [
                {"channels": 4, "kernel": 3, "padding": 1},
                {"channels": 4, "kernel": 3, "groups": 2, "pool": 2},
            ]
        },
        {
            "inputs": {"a": 30, "b": 34},
            "layers": [{**DENSE, "from": "a"}, {"neurons": 34, "from": ["layer1", "b"]}],
        },
        {"synapses": {"mirror_ratio": (1.0, 2.0)}},
        {"neuron": "lif", "synapse": "crossbar", "layers": [{**DENSE, "recurrent": True}]},
    ],
)
def test_what_depends_on_the_data_is_left_to_them(entries: dict):
    study = make_study(**entries)
    check_study(study)
    network, _ = build(study)
    assert len(network.chain) == len(study.every_layer)


@pytest.mark.parametrize("entries", [{"parameters": {"cmem": {"spread": 0.1}}}, {"neuron": "lif"}])
def test_looking_changes_nothing(entries: dict):
    study = make_study(hidden=(4,), **entries)
    before, state = build(study)[0].state_dict(), torch.get_rng_state()
    check_network(study)
    assert torch.equal(torch.get_rng_state(), state)
    after = build(study)[0].state_dict()
    assert all((before[name] == after[name]).all() for name in before)
