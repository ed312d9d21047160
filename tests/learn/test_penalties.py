"""Penalties: parts of the loss for what hidden neurons do, of memsim and of the user's own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from memsim.errors import InputError
from memsim.learn import build, load_run, make_study, train
from memsim.learn.penalties import penalties_of, watching
from memsim.own_code import load_object

SMALL = {"hidden": (8, 6), "epochs": 1, "batch": 256, "neuron": "lif", "steps": 3}
ONE_STEP = {**SMALL, "steps": 1, "coding": "direct", "lif": {"gain": 0.5}}


@torch.no_grad()
def test_spikes_and_membranes_are_those_of_hidden_layers() -> None:
    network, data = build(make_study(**ONE_STEP))
    inputs = data.train.inputs(slice(40))
    with watching(network) as watch:
        network(inputs)
    waves = network.waveforms(inputs)
    (spikes,) = penalties_of([{"kind": "spikes", "weight": 0.1}])
    counted = sum(float(wave.sum()) for wave in waves[:-1]) / 40
    assert float(watch.penalty([spikes])) == pytest.approx(0.1 * counted, rel=1e-6)
    (hoyer,) = penalties_of([{"kind": "hoyer", "weight": 2.0}])
    u = [0.5 * layer.synapse(x) for layer, x in zip(network.chain[:-1], [inputs, *waves], strict=False)]
    cut = [one.clamp(0, 1).double().flatten() for one in u]
    # (sum |c|)^2 / sum c^2, of each layer
    wanted = 2 * sum(float(c.sum() ** 2 / c.square().sum()) for c in cut)
    assert float(watch.penalty([hoyer])) == pytest.approx(wanted, rel=1e-5)


def test_a_penalty_of_spikes_makes_them_fewer(tmp_path: Path) -> None:
    def spikes(rule: object, name: str) -> float:
        run = train(make_study(**{**SMALL, "epochs": 3, "rule": rule}), tmp_path / name)
        return sum(run.history[-1].activity[:-1])

    heavy = {"kind": "bptt", "penalties": [{"kind": "spikes", "weight": 0.1}]}
    assert spikes(heavy, "heavy") < 0.7 * spikes("bptt", "plain")


@torch.no_grad()
def test_penalties_of_recurrent_layers_see_all_steps() -> None:
    network, data = build(make_study(**SMALL, recurrent=True))
    inputs = data.train.inputs(slice(10))
    with watching(network) as watch:
        network(inputs)
    (spikes,) = penalties_of([{"kind": "spikes", "weight": 1.0}])
    counted = sum(float(wave.sum()) for wave in network.waveforms(inputs)[:-1]) / 10
    assert float(watch.penalty([spikes])) == pytest.approx(counted, rel=1e-6)
    (hoyer,) = penalties_of(["hoyer"])
    with pytest.raises(InputError, match="membranes after one step, and this network takes 3"):
        watch.penalty([hoyer])


def test_a_penalty_of_ones_own_is_kept_with_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(
        "class Loud:\n"
        "    def __init__(self, limit=0.1):\n        self.limit = limit\n"
        "    def __call__(self, activity):\n"
        "        return (activity.outputs.mean((0, 1)) - self.limit).clamp(min=0).sum()\n"
        "class Wrong:\n    def __call__(self, activity):\n        return 3\n"
    )
    for name in ("Loud", "Wrong"):
        load_object(f"mine.py:{name}", "penalty", trust=True)
    rule = {"kind": "bptt", "penalties": [{"kind": "mine.py:Loud", "limit": 0.05}]}
    train(make_study(**{**SMALL, "rule": rule}), Path("run"))
    assert load_run(Path("run"), trust=True).study.rule["penalties"][0]["limit"] == 0.05
    with pytest.raises(InputError, match="penalty 'Wrong' returns 3; it must return a tensor"):
        train(make_study(**{**SMALL, "rule": {"kind": "bptt", "penalties": ["mine.py:Wrong"]}}), Path("no"))


@pytest.mark.parametrize(
    ("penalties", "message"),
    [
        (["quiet"], "penalties = 'quiet' is unknown; known: spikes, hoyer"),
        ([{"kind": "spikes", "weight": 0.0}], "weight = 0.0 of a penalty is out of range"),
        ([{"kind": "spikes", "wait": 1.0}], "there is no such entry; known: weight"),
        ([], r"rule.penalties = \[\] changes nothing"),
        ("spikes", r"rule.penalties = 'spikes' is no list; give penalties in brackets, \['spikes'\]"),
    ],
)
def test_what_is_no_penalty_is_told(penalties: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_study(**SMALL, rule={"kind": "bptt", "penalties": penalties})


@pytest.mark.parametrize(
    ("entries", "penalty", "message"),
    [
        (SMALL, "hoyer", "membranes after one step, and this network takes 3"),
        ({**ONE_STEP, "hidden": ()}, "hoyer", "hidden discrete neurons, and this network has none"),
        ({"hidden": (4,), "epochs": 1}, "spikes", "hidden discrete neurons, and this network has other ones"),
    ],
)
def test_networks_without_what_a_penalty_is_of_are_refused_before_training(
    entries: dict[str, object], penalty: str, message: str, tmp_path: Path
) -> None:
    study = make_study(**entries, rule={"kind": "bptt", "penalties": [penalty]})
    with pytest.raises(InputError, match=message):
        train(study, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert torch.is_grad_enabled()
