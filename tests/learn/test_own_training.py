"""Rules, losses, metrics and policies of the user's, in a file beside the study: trained, resumed, refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from memsim.cli import app
from memsim.errors import CheckpointError, ConvergenceError, InputError
from memsim.learn import BPTT, Batch, load_run, load_study, make_study, train
from memsim.learn.metrics import METRICS

RULE = '''
import torch
from torch.nn.functional import linear
from memsim.learn import BPTT

class FeedbackAlignment:
    """Errors reach the hidden layer through fixed random weights."""

    def __init__(self, seed: int = 0, share: float = 0.1):
        self.seed, self.share = seed, share

    def grads(self, batch):
        last = batch.network.chain[-1].synapse.module
        source = torch.Generator().manual_seed(self.seed)
        back = self.share * torch.randn(last.weight.shape, generator=source)

        def forward(module, inputs, _):
            (x,) = inputs
            return linear(x.detach(), module.weight, module.bias) + (x - x.detach()) @ back.T

        hook = last.register_forward_hook(forward)
        try:
            return BPTT().grads(batch)
        finally:
            hook.remove()
'''
REST = '''
class Averaged(torch.nn.Module):
    """Gradients are running means, which a run must remember; the thresholds get none."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(6, 64))

    def grads(self, batch):
        loss = BPTT().grads(batch)
        first = batch.network.chain[0].synapse.module.weight
        self.mean = 0.9 * self.mean + 0.1 * first.grad
        for parameter in batch.network.parameters():
            parameter.grad = self.mean.clone() if parameter is first else None
        return loss

def focal(outputs, wanted):
    each = torch.nn.functional.cross_entropy(outputs, wanted, reduction="none")
    return ((1 - torch.exp(-each)) ** 2 * each).mean()

def each(outputs, wanted):
    return torch.nn.functional.cross_entropy(outputs, wanted, reduction="none")

def wrong(outputs, wanted):
    return outputs.no_such_thing

def near(outputs, wanted):
    return (outputs.topk(2).indices == wanted[:, None]).any(1).double().mean()

def loss(outputs, wanted):
    return -7.0

def errors(outputs, wanted):
    return (outputs.argmax(1) != wanted).double().mean()

def text(outputs, wanted):
    return "0.7"

def no_number(outputs, wanted):
    return outputs.sum() * float("nan")

number = 3
'''
POLICIES = (Path(__file__).parents[1] / "own" / "policies.py").read_text(encoding="utf-8")
TIED = """
import torch
from memsim.networks import Gate

class Tied(Gate):
    def __init__(self, shape):
        super().__init__()
        self.a = torch.nn.Parameter(torch.ones(shape))
        self.b = self.a

    def forward(self, current):
        return self.a * self.b * current
"""
FILE = "mine.py"
SMALL = 'neuron = "lif"\nhidden = [6]\nsteps = 2\nbatch = 300\nepochs = 2\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / FILE).write_text(RULE + REST)
    return tmp_path


@pytest.fixture
def written(folder: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        (folder / "study.toml").write_text(SMALL + text)
        return folder / "study.toml"

    return write


def interrupted(study: object, folder: Path, **given: object) -> None:
    def stop(_done: int, _total: int, record: object) -> None:
        if record is not None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(study, folder, progress=stop, **given)


def test_feedback_alignment_learns_the_digits(folder: Path) -> None:
    assert len(RULE.strip().splitlines()) < 25
    settings = {"kind": f"{FILE}:FeedbackAlignment", "seed": 3}
    text = 'neuron = "lif"\nhidden = [32]\nepochs = 12\nlearning_rate = 0.01\n'
    (folder / "study.toml").write_text(f'{text}[rule]\nkind = "{settings["kind"]}"\nseed = 3\n')
    run = train(load_study(folder / "study.toml", trust=True), folder / "run")
    # 87 % was measured, and 94 % with backpropagation
    assert run.history[-1].test_accuracy > 0.8
    assert run.study.rule["seed"] == 3


@pytest.mark.parametrize("rule", ["FeedbackAlignment", "Averaged"])
def test_a_rule_is_resumed_bit_for_bit(rule: str, folder: Path, written, assert_equal_runs) -> None:
    study = load_study(written(f'rule = "{FILE}:{rule}"\n'), trust=True)
    whole = train(study, folder / "whole")
    plain = train(study.model_copy(update={"rule": "bptt"}), folder / "plain")
    assert not torch.equal(whole.network.synapses[0].weight, plain.network.synapses[0].weight)
    interrupted(study, folder / "cut")
    (folder / FILE).unlink()  # the run has a copy
    again = load_study(folder / "cut" / "study.toml", trust=True)
    assert_equal_runs(train(again, folder / "cut", resume=True), whole)


def test_bptt_by_name_is_the_default() -> None:
    assert make_study(rule="bptt") == make_study()
    assert make_study(rule={"kind": "bptt"}) == make_study()
    assert "rule" not in make_study().model_dump()


CASES = {
    "policies": (
        '[lif]\nthreshold = {kind = "policies.py:Tiring", growth = 0.05}\nreset = "policies.py:halved"\n'
        'spike = {slope = "policies.py:bell", height = 0.5}\n'
    ),
    "loss and metrics": f'[training]\nloss = "{FILE}:focal"\nmetrics = ["{FILE}:near", "balanced-accuracy"]\n',
}


def test_policies_are_resumed_bit_for_bit(folder: Path, written, assert_equal_runs) -> None:
    (folder / "policies.py").write_text(POLICIES)
    study = load_study(written(CASES["policies"]), trust=True)
    whole = train(study, folder / "whole")
    neurons = whole.network.neurons[0]
    assert (type(neurons.threshold).__name__, neurons.reset.kind.__name__) == ("Tiring", "halved")
    assert neurons.threshold.growth.item() != pytest.approx(0.05)
    interrupted(study, folder / "cut")
    again = load_study(folder / "cut" / "study.toml", trust=True)
    assert_equal_runs(train(again, folder / "cut", resume=True), whole)
    assert_equal_runs(load_run(folder / "cut"), whole)


def test_tied_parameters_are_resumed_bit_for_bit(folder: Path, assert_equal_runs) -> None:
    (folder / "tied.py").write_text(TIED)
    path = folder / "study.toml"
    path.write_text(
        f'{SMALL.replace("hidden = [6]", "")}[[layers]]\nneurons = 6\ngate = "tied.py:Tied"\n[[layers]]\n'
    )
    study = load_study(path, trust=True)
    whole = train(study, folder / "whole")
    interrupted(study, folder / "cut")
    assert_equal_runs(train(study, folder / "cut", resume=True), whole)
    assert_equal_runs(load_run(folder / "cut"), whole)
    gate = whole.network.chain[0].gate
    assert gate.a is gate.b
    assert not torch.equal(gate.a, torch.ones(6))


def test_a_loss_and_metrics_of_a_file_are_used_and_resumed(folder: Path, written, assert_equal_runs) -> None:
    study = load_study(written(CASES["loss and metrics"]), trust=True)
    whole = train(study, folder / "whole")
    scores = whole.history[-1].scores
    assert list(scores) == ["near", "balanced-accuracy"]
    assert scores["near"] > whole.history[-1].test_accuracy
    plain = train(study.model_copy(update={"training": make_study().training}), folder / "plain")
    assert plain.history[0].loss > 1.05 * whole.history[0].loss  # a focal loss is smaller
    interrupted(study, folder / "cut")
    assert_equal_runs(train(study, folder / "cut", resume=True), whole)


def test_what_python_gave_is_asked_for_again(tmp_path: Path, assert_equal_runs) -> None:
    study = make_study(neuron="lif", hidden=(6,), steps=2, batch=300, epochs=2)
    given = {"rule": Signs(), "loss": squares, "metrics": {"balance": METRICS["balanced-accuracy"]}}
    whole = train(study, tmp_path / "whole", **given)
    interrupted(study, tmp_path / "cut", **given)
    with pytest.raises(
        CheckpointError, match="rule = Signs was given in Python when the run began, and none is now"
    ):
        train(study, tmp_path / "cut", resume=True)
    with pytest.raises(CheckpointError, match="loss = squares was given"):
        train(study, tmp_path / "cut", resume=True, rule=Signs(), metrics=given["metrics"])
    assert_equal_runs(train(study, tmp_path / "cut", resume=True, **given), whole)
    assert load_run(tmp_path / "cut").history == train(study, tmp_path / "cut", resume=True, **given).history


def test_a_metric_that_writes_into_what_it_gets_changes_no_score(tmp_path: Path) -> None:
    def emptying(outputs: torch.Tensor, wanted: torch.Tensor) -> float:
        outputs.zero_(), wanted.zero_()
        return 1.0

    study = make_study(neuron="lif", hidden=(6,), steps=2, batch=300, epochs=2)
    further = {"balance": METRICS["balanced-accuracy"]}
    plain = train(study, tmp_path / "plain", metrics=further)
    emptied = train(study, tmp_path / "emptied", metrics={"emptying": emptying, **further})
    for one, other in zip(plain.history, emptied.history, strict=True):
        assert one.test_accuracy == other.test_accuracy
        assert one.scores == {"balance": other.scores["balance"]}


@pytest.mark.parametrize("name", ["loss", "test_accuracy", "spikes_1", "balanced-accuracy"])
def test_metrics_of_python_have_names_of_their_own(name: str, tmp_path: Path) -> None:
    study = make_study(data="there/is/none.npz", training={"metrics": ("balanced-accuracy",)})
    with pytest.raises(InputError, match=f"{name}'.* rename"):
        train(study, tmp_path / "run", metrics={name: METRICS["accuracy"]})
    assert not (tmp_path / "run").exists()


class Does:
    """A rule of one line."""

    def __init__(self, grads: Callable[[Batch], object]) -> None:
        self.grads = grads


def nan_gradients(batch: Batch) -> torch.Tensor:
    BPTT().grads(batch)
    batch.network.synapses[1].weight.grad.fill_(float("nan"))
    return torch.tensor(0.5)


def test_draws_from_the_global_generator_are_resumed_bit_for_bit(tmp_path: Path, assert_equal_runs) -> None:
    def noisy(batch: Batch) -> torch.Tensor:
        loss = BPTT().grads(batch)
        for parameter in batch.network.parameters():
            if parameter.grad is not None:
                parameter.grad += 0.1 * torch.randn_like(parameter)
        return loss

    study = make_study(neuron="lif", hidden=(6,), steps=2, batch=300, epochs=2)
    whole = train(study, tmp_path / "whole", rule=Does(noisy))
    interrupted(study, tmp_path / "cut", rule=Does(noisy))
    torch.rand(3)
    assert_equal_runs(train(study, tmp_path / "cut", resume=True, rule=Does(noisy)), whole)


class Keeps(torch.nn.Module):
    def grads(self, batch: Batch) -> torch.Tensor:
        self.network = batch.network
        return BPTT().grads(batch)


class Nested:
    def grads(self, batch: Batch) -> torch.Tensor:
        return BPTT().grads(batch)

    def state_dict(self) -> dict[str, object]:
        return {"means": {"first": torch.zeros(3)}}

    def load_state_dict(self, state: dict[str, object]) -> None:
        assert state == self.state_dict()


class Forgets(Does):
    def state_dict(self) -> dict[str, object]:
        return {}


class Later:
    """Gradients that are no numbers from the second batch on, beside a loss that is one."""

    seen = 0

    def grads(self, batch: Batch) -> torch.Tensor:
        BPTT().grads(batch)
        self.seen += 1
        if self.seen > 1:
            batch.network.synapses[1].weight.grad.fill_(float("nan"))
        return torch.tensor(0.5)


BROKEN = {
    "NaN later": (Later(), ConvergenceError, "weight' is no number any more after epoch 1 with rule 'Later'"),
    "keeps the network": (Keeps(), InputError, "rule 'Keeps' remembers 'network.* of the network"),
    "takes nothing back": (Forgets(BPTT().grads), InputError, "state_dict without load_state_dict"),
    "nested state": (Nested(), InputError, "rule 'Nested' remembers 'means' = {'first': .*tensors by name"),
    "NaN": (
        nan_gradients,
        ConvergenceError,
        r"rule 'Does' gives '\S*1\S*weight' a gradient that is no number",
    ),
    "no backward": (
        lambda batch: batch.loss(batch.scores(), batch.wanted),
        ConvergenceError,
        "rule 'Does' gives no parameter a gradient and changes none",
    ),
    "None": (lambda _: None, InputError, "rule 'Does' returns None; grads must return the loss"),
    "float": (
        lambda batch: float(BPTT().grads(batch)),
        InputError,
        r"rule 'Does' returns [\d.]+; grads must",
    ),
    "raises": (lambda _: {}["x"], InputError, "rule 'Does' failed: KeyError: 'x'"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_rule_that_teaches_nothing_is_refused(case: str, tmp_path: Path) -> None:
    rule, error, message = BROKEN[case]
    study = make_study(neuron="lif", hidden=(6,), steps=2, batch=300, epochs=1)
    with pytest.raises(error, match=message):
        train(study, tmp_path, rule=rule if hasattr(rule, "grads") else Does(rule))


def test_a_rule_may_change_weights_itself(tmp_path: Path) -> None:
    def own_steps(batch: Batch) -> torch.Tensor:
        loss = BPTT().grads(batch)
        with torch.no_grad():
            for parameter in batch.network.parameters():
                if parameter.grad is not None:
                    parameter.sub_(0.5 * parameter.grad)
                    parameter.grad = None
        return loss

    study = make_study(neuron="lif", hidden=(6,), steps=2, batch=300, epochs=2)
    first, last = train(study, tmp_path, rule=Does(own_steps)).history
    assert last.loss < first.loss


class Signs:
    def grads(self, batch: Batch) -> torch.Tensor:
        loss = batch.loss(batch.scores(), batch.wanted)
        batch.backward(loss)
        for parameter in batch.network.parameters():
            if parameter.grad is not None:
                parameter.grad.sign_()
        return loss.detach()


def squares(outputs: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    return (outputs - torch.nn.functional.one_hot(wanted, outputs.shape[1])).square().mean()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('rule = "hebb"', "rule = 'hebb' is unknown; known: bptt, .*; or name one of yours"),
        (f'rule = "{FILE}:focal"', r"rule\.outputs is missing"),
        (f'rule = {{kind = "{FILE}:FeedbackAlignment", sed = 1}}', "no such entry; known: seed, share"),
        (
            f'rule = {{kind = "{FILE}:FeedbackAlignment", seed = 0.5}}',
            "seed = 0.5 cannot be used; give a whole number",
        ),
        (f'rule = "{FILE}:Hebb"', "has no 'Hebb'; it has: FeedbackAlignment, Averaged, focal"),
        (f'rule = "{FILE}:number"', "makes nothing; name a class or a function"),
        (f'training = {{loss = "{FILE}:fokal"}}', "has no 'fokal'"),
        (
            f'training = {{loss = "{FILE}:each"}}',
            r"loss 'each' gives a tensor \(300,\); it must give .* one number",
        ),
        (f'training = {{loss = "{FILE}:wrong"}}', r"loss 'wrong' failed: AttributeError: .*mine\.py, line"),
        (f'training = {{loss = "{FILE}:number"}}', "is no function"),
        (
            f'training = {{loss = "{FILE}:focal", label_smoothing = 0.1}}',
            "label_smoothing is for losses of memsim",
        ),
        (
            f'training = {{loss = "{FILE}:focal", class_weights = "balanced"}}',
            "class_weights is for losses of memsim",
        ),
        (f'training = {{metrics = ["{FILE}:wrong"]}}', "metric 'wrong' failed: AttributeError"),
        (f'training = {{metrics = ["{FILE}:near", "{FILE}:near"]}}', "two metrics are called 'near'"),
        (
            f'training = {{metrics = ["{FILE}:loss"]}}',
            "metric 'loss' has the name of a column of each history",
        ),
        (f'training = {{metrics = ["{FILE}:text"]}}', "metric 'text' gives '0.7'; it must give a number"),
        (
            f'training = {{metrics = ["{FILE}:no_number"]}}',
            r"metric 'no_number' gives tensor\(nan\); it must",
        ),
        (f'training = {{metrics = ["{FILE}:each"]}}', "metric 'each' gives tensor"),
        ('training = {loss = "focal"}', "'focal' is unknown; known: cross-entropy, .*FILE.py:FUNCTION"),
    ],
)
def test_what_cannot_be_used_is_named(text: str, message: str, folder: Path, written) -> None:
    with pytest.raises(InputError, match=message):
        train(load_study(written(text), trust=True), folder / "run")


@pytest.mark.parametrize("case", CASES)
def test_commands_run_the_code_with_trust_alone(
    case: str, folder: Path, written, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "policies.py").write_text(POLICIES)
    study, out = str(written(CASES[case])), str(folder / "run")

    def command(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr("memsim.own_code._RUN", {})  # as in another process
        done = CliRunner().invoke(app, arguments)
        return done.exit_code, f"{done.output}{done.exception}"

    further = ["train", "--out", out, "--resume"] if case == "policies" else ["report", out]
    for words in (["train", study, "--out", out], further):
        code, said = command(*words)
        assert code != 0
        assert (
            f"{'policies.py' if case == 'policies' else FILE} is code that would run" in said
            or "--resume" in words
        )
        code, said = command(*words, "--trust")
        assert code == 0, said


def test_two_files_of_one_name_are_not_mixed_up(folder: Path) -> None:
    (folder / "other").mkdir()
    (folder / "other" / FILE).write_text(RULE + REST + "\n# another\n")
    (folder / "study.toml").write_text(
        f'{SMALL}rule = "other/{FILE}:FeedbackAlignment"\ntraining = {{loss = "{FILE}:focal"}}\n'
    )
    with pytest.raises(InputError, match=r"have the same name, and a run keeps a copy of both; rename one"):
        train(load_study(folder / "study.toml", trust=True), folder / "run")


def test_costs_of_a_run_with_code_need_trust(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "policies.py").write_text(POLICIES)
    (folder / "study.toml").write_text(
        "hidden = [6]\nsteps = 2\n" + CASES["policies"] + '[[stages]]\nname = "software"\nexamples = 64\n'
        '[[stages]]\nname = "sums"\ncard = "hp-adc-differential"\nexamples = 64\n'
    )
    train(load_study(folder / "study.toml", trust=True), folder / "run")
    monkeypatch.setattr("memsim.own_code._RUN", {})
    arguments = ["imc", str(folder / "run"), "--card", "hp-adc-differential", "--images", "10", "--json"]
    refused = CliRunner().invoke(app, arguments)
    assert refused.exit_code != 0
    assert (
        "policies.py is code that would run; if you know where it comes from, let it with `--trust`"
        in str(refused.exception)
    )
    done = CliRunner().invoke(app, [*arguments, "--trust"])
    assert done.exit_code == 0, done.output
    (chip,) = json.loads(done.stdout)
    assert chip["trained_in_stage"] == "sums"
    assert chip["energy_joule"] > 0
    idle = CliRunner().invoke(app, ["imc", "--workload", "gesture", "--trust"])
    assert "--trust is for runs" in str(idle.exception)
