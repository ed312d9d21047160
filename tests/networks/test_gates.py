"""Gates of one's own: named in a study, trained, saved and resumed; what folds is a mirror, what does not is named."""

from __future__ import annotations

import json

import pytest
import torch
from typer.testing import CliRunner

from memsim.cli import app
from memsim.errors import InputError
from memsim.imc import load_hardware, map_to_imc
from memsim.learn import load_run, make_study, train
from memsim.learn.run import on_card
from memsim.learn.study import load_study
from memsim.networks import Gate, Layer, build_network
from memsim.networks.gates import Identity, constant_gain
from memsim.own_code import load_object
from memsim.verify import verify
from memsim.verify.gates import digests_of

FILE = """
from pathlib import Path

import torch
from memsim.networks import Gate

class Sharpened(Gate):
    "Each current loses a share of what the others have."
    causal = binary_safe = True

    def __init__(self, share=0.5):
        super().__init__()
        self.share = torch.nn.Parameter(torch.tensor(share))

    def forward(self, current):
        return current - self.share * current.mean(-1, keepdim=True)

class Scaled(Gate):
    def __init__(self, shape):
        super().__init__()
        self.gain = torch.nn.Parameter(torch.linspace(0.5, 1.5, shape[0]))

    def forward(self, current):
        return self.gain * current

    def fold(self, step):
        return self.gain, 0.0

class Filed(Gate):
    def __init__(self, file):
        super().__init__()
        self.gain = float(Path(file).read_text())

    def forward(self, current):
        return self.gain * current

    def fold(self, step):
        return self.gain, 0.0

class Mixed(Gate):
    def forward(self, current):
        return 0.5 * current + current.roll(1, -1)

    def fold(self, step):
        return 0.5, 0.0

class Flat(Gate):
    def forward(self, current):
        return current.sum(-1)

def none(): return 3
"""


@pytest.fixture
def gate(tmp_path):
    path = tmp_path / "my_gates.py"
    path.write_text(FILE)
    load_object(f"{path}:none", trust=True)
    return lambda name: f"{path}:{name}"


def study(gate, **changes):
    layers = [{"neurons": 5, "gate": gate}, {}]
    return make_study(
        **{"layers": layers, "epochs": 1, "step": 500e-6, "synapses": {"mirror_ratio": 0.5}} | changes
    )


@pytest.mark.parametrize("kind", ["circuits", "lif"])
def test_a_gate_stands_between_synapse_and_neuron(gate, kind):
    entries = {"kind": gate("Sharpened"), "share": 0.25}
    layers = [{"neurons": 5, "gate": entries, "recurrent": True}, {}]
    table = make_study(
        layers=layers, **({"neuron": "lif", "steps": 20} if kind == "lif" else {"step": 500e-6, "seed": 1})
    )
    net = build_network((6,), 3, table).double()
    x = torch.rand(4, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    first = net.chain[0]
    with torch.no_grad():
        found = net.waveforms(x)[0]
        times = torch.empty(0) if net.clock is None else net.clock.times()
        current = net.drive(x, None).over(times).through(first.synapse)
        plain = Layer(first.synapse, first.neuron, recurrent=first.recurrent, tau=first.tau)
        timing = {} if net.clock is None else {"dt": net.clock.step}
        expected, _ = plain(current - 0.25 * current.mean(-1, keepdim=True), **timing)
        assert torch.equal(found, expected)
        assert not torch.equal(found, plain(current, **timing)[0])


def test_a_gate_is_trained_saved_resumed_and_kept(gate, tmp_path):
    pace = {"training": {"schedule": "constant"}}
    run = train(study(gate("Sharpened"), epochs=2, **pace), tmp_path / "whole")
    share = run.network.chain[0].gate.share.detach()
    assert float(share) != 0.5
    assert (tmp_path / "whole" / "my_gates.py").read_text() == FILE
    train(study(gate("Sharpened"), **pace), tmp_path / "parts")
    text = (tmp_path / "parts" / "study.toml").read_text()
    (tmp_path / "parts" / "study.toml").write_text(text.replace("epochs = 1", "epochs = 2"))
    again = train(load_study(tmp_path / "parts" / "study.toml"), tmp_path / "parts", resume=True)
    assert torch.equal(again.network.chain[0].gate.share, share)
    assert torch.equal(load_run(tmp_path / "parts").network.chain[0].gate.share, share)


@pytest.mark.spice
def test_verify_names_a_gate_that_is_no_circuit_and_checks_the_rest(gate, tmp_path):
    run = train(study(gate("Sharpened")), tmp_path / "run")
    said = CliRunner().invoke(app, ["verify", str(tmp_path / "run"), "--images", "1"]).output
    assert "the gate Sharpened of layer 'layer1' is no circuit: ngspice got the currents" in said
    found = json.loads((tmp_path / "run" / "verification.json").read_text())
    assert found["gates"] == ["the gate Sharpened of layer 'layer1'"]
    assert not found["whole"]
    assert found["worst_error"] <= 0.01
    with pytest.raises(InputError, match="whole: the gate Sharpened of layer 'layer1' is no circuit"):
        verify(run, images=1, whole=True)


@pytest.mark.spice
def test_a_constant_gain_is_a_mirror_ratio_of_each_neuron(gate, tmp_path):
    run = train(study(gate("Scaled")), tmp_path / "run")
    found = verify(run, images=1, whole=True).verification
    assert found.gates == ()
    assert found.worst_error <= 0.01
    assert float(constant_gain(run.network.chain[0].gate, 9).std()) > 0.3


@pytest.mark.spice
def test_stored_images_of_a_gate_that_reads_another_file_do_not_count(gate, tmp_path):
    file = tmp_path / "gain.txt"
    file.write_text("0.5")
    train(study({"kind": gate("Filed"), "file": str(file)}), tmp_path / "run")
    found = []
    for gain in ("0.5", "0.5", "1.5"):
        file.write_text(gain)
        found.append(verify(load_run(tmp_path / "run"), images=1, folder=tmp_path / "run").ngspice)
    assert (found[0] == found[1]).all()
    assert not (found[1] == found[2]).all()


def test_what_gates_do_is_known_by_what_they_make_of_a_current(gate, tmp_path):
    def digests(name, **settings):
        net = build_network((6,), 3, study({"kind": gate(name), **settings}))
        return list(digests_of(net.double()))

    file = tmp_path / "gain.txt"
    found = []
    for gain in ("0.5", "0.5", "1.5"):
        file.write_text(gain)
        found += digests("Filed", file=str(file))
    assert found[0] == found[1] != found[2]
    assert len(digests("Sharpened")) == len(digests("Scaled")) == 1
    card = load_hardware("hp-adc-differential", {"inputs.coding": "bit-serial", "inputs.bits": 3})
    on_tiles = map_to_imc(build_network((6,), 3, study(gate("Sharpened"))), card, sample=torch.rand(4, 6))
    assert not on_tiles.crossbars
    assert len(list(digests_of(on_tiles))) == 1
    assert not list(digests_of(build_network((6,), 3, make_study(hidden=(5,)))))


def test_a_fold_that_is_not_what_a_gate_does_is_named(gate):
    net = build_network((6,), 3, study(gate("Mixed")))
    with pytest.raises(InputError, match="the gate Mixed of layer 'layer1' does not do what its fold says"):
        list(digests_of(net))


def test_gains_that_change_and_references_are_no_constant_gain():
    class Late(Identity):
        def fold(self, step):
            return float(step > 2), 0.0

    class Raised(Identity):
        def fold(self, step):
            return 1.0, torch.tensor([0.0, 1e-9])

    assert constant_gain(Late(), 2) == 0.0
    assert constant_gain(Late(), 4) is None
    assert constant_gain(Raised(), 1) is None
    assert constant_gain(Identity(), 4) == 1.0


def test_cards_take_gates_that_say_they_may_stand_there(gate, tmp_path):
    entries = {"neuron": "lif", "steps": 3}
    card = load_hardware("ideal")
    table = make_study(layers=[{"neurons": 5, "gate": gate("Sharpened")}, {}], epochs=1, **entries)
    run = train(table, tmp_path / "run")
    assert on_card(run.network, card, run.data, 0)(torch.rand(2, 64)).shape == (2, 10)
    stages = [{"name": "software"}, {"name": "chip", "card": "ideal"}]
    staged = make_study(layers=table.layers, stages=stages, **entries)
    made = type(run.network.chain[0].gate)
    for claim, message in (
        ("binary_safe", "is not binary_safe, and word lines of ideal are binary"),
        ("causal", "is not causal, and ideal reads step by step"),
    ):
        setattr(made, claim, False)
        with pytest.raises(InputError, match=f"the gate Sharpened of layer 'layer1' {message}"):
            on_card(run.network, card, run.data, 0)
        with pytest.raises(InputError, match=f"the gate Sharpened of layer 'layer1' {message}"):
            train(staged, tmp_path / "staged")
        assert not (tmp_path / "staged").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none", "is no Gate, but int; known: dimensional, joint, mirrors; or name one of yours"),
        ("Missing", "has no 'Missing'; it has: Sharpened, Scaled, Filed, Mixed, Flat, none"),
        ("Flat", r"the gate Flat of layer 'layer1' makes \(21, 2\) of currents \(21, 2, 5\)"),
    ],
)
def test_what_is_no_gate_is_named(gate, name, message):
    with pytest.raises(InputError, match=message):
        build_network((6,), 3, study(gate(name)))(torch.rand(2, 6))
    with pytest.raises(InputError, match=r"layers\.gate = 'sharp' is unknown; known: dimensional, joint"):
        build_network((6,), 3, study("sharp"))
    with pytest.raises(InputError, match=r"layers\.gate\.power: there is no such entry; known: share"):
        build_network((6,), 3, study({"kind": gate("Sharpened"), "power": 2}))


def test_code_of_a_gate_runs_only_with_trust(tmp_path):
    (tmp_path / "other.py").write_text(FILE)
    (tmp_path / "study.toml").write_text('[[layers]]\nneurons = 4\ngate = "other.py:Scaled"\n')
    with pytest.raises(InputError, match=r"other.py is code that would run.*--trust"):
        load_study(tmp_path / "study.toml")
    assert (
        load_study(tmp_path / "study.toml", trust=True).layers[0].gate.startswith(str(tmp_path / "other.py"))
    )
    assert issubclass(Identity, Gate)
