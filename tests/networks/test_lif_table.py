"""Discrete neurons as a study says them are those that Python makes, and what a study cannot say is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from memsim.errors import InputError
from memsim.learn import load_study, make_study
from memsim.networks import DiscreteNeuron, LeakyIntegrateAndFire, build_network
from memsim.networks.discrete import (
    Compartment,
    Complement,
    Hoyer,
    Learned,
    Logistic,
    Reset,
    Scheduled,
    Spike,
    alpha_kernel,
)

POLICIES = (Path(__file__).parents[1] / "own" / "policies.py").read_text(encoding="utf-8")
FILE = "my_policies.py"
SAID = {
    "plain numbers": ({"leak": 0.8, "threshold": 0.5, "gain": 2}, lambda: DiscreteNeuron(0.8, 0.5, gain=2.0)),
    "trained": (
        {
            "leak": {"kind": "logistic", "value": 0.7, "rising": False},
            "threshold": {"kind": "learned", "shared": "column", "low": 0.2},
        },
        lambda: DiscreteNeuron(
            Logistic(0.7, rising=False),
            Learned(1.0, "column", low=0.2),
        ),
    ),
    "a running average": (
        {"gain": "complement", "leak": {"kind": "learned", "value": 0.6}},
        lambda: DiscreteNeuron(leak := Learned(0.6), gain=Complement(leak)),
    ),
    "scheduled": (
        {"threshold": {"kind": "scheduled", "schedule": [0.0, 0.1, 0.3, 0.4, 0.5], "threshold": "learned"}},
        lambda: DiscreteNeuron(threshold=Scheduled(torch.tensor([0.0, 0.1, 0.3, 0.4, 0.5]), Learned(1.0))),
    ),
    "reset and slope": (
        {"reset": {"kind": "set", "amount": 0.1, "when": "next", "detach": False}, "spike": "arctan"},
        lambda: DiscreteNeuron(
            reset=Reset("set", 0.1, "next", detach=False), spike=Spike("arctan")
        ),
    ),
    "compartments": (
        {
            "compartments": ({"decay": 0.9, "feeds": "threshold", "weight": {"kind": "learned", "value": 0.2}},
                             {"kind": "alpha-kernel", "tau": 2.0}),
            "spike": {"slope": "box", "support": 0.5},
        },
        lambda: DiscreteNeuron(
            compartments=(Compartment(0.9, feeds="threshold", weight=Learned(0.2)), *alpha_kernel(2.0)),
            spike=Spike("box", support=0.5),
        ),
    ),
}  # fmt: skip
SHAPE = (3, 4, 4)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / FILE).write_text(POLICIES)
    return tmp_path


def first_neurons(**lif) -> DiscreteNeuron:
    study = make_study(hidden=({"channels": 3, "kernel": 5},), lif=lif)
    return build_network((1, 8, 8), 2, study).neurons[0]


@pytest.mark.parametrize("name", SAID)
def test_a_table_makes_the_neurons_of_python(name: str) -> None:
    table, python = SAID[name]
    said, made = first_neurons(**table), python().shaped(SHAPE)
    current = torch.rand(5, 2, *SHAPE, generator=torch.Generator().manual_seed(0)) * 2
    given = [current.clone().requires_grad_() for _ in range(2)]
    flat, spikes = said(given[0].flatten(2))[0], made(given[1])[0]
    assert 0 < spikes.mean().item() < 1
    assert torch.equal(flat, spikes.flatten(2))
    flat.square().sum().backward()
    spikes.square().sum().backward()
    torch.testing.assert_close(given[0].grad, given[1].grad)
    for mine, theirs in zip(said.parameters(), made.parameters(), strict=True):
        assert torch.equal(mine, theirs)
        assert (mine.grad is None) == (theirs.grad is None)
        torch.testing.assert_close(mine.grad, theirs.grad) if mine.grad is not None else None


def test_a_layer_says_what_differs_and_the_last_one_only_adds_up() -> None:
    study = make_study(
        lif={
            "threshold": "hoyer",
            "reset": "zero",
            "compartments": (
                {"decay": 0.9, "feeds": "threshold"},
                {"decay": 0.5, "driven_by": "input", "feeds": "input"},
            ),
        },
        layers=({"neurons": 5}, {"neurons": 4, "lif": {"threshold": 0.7}}),
    )
    first, second, last = build_network((6,), 3, study).neurons
    assert isinstance(first.threshold, Hoyer)
    assert (second.threshold.number, second.reset.kind, first.reset.kind) == (0.7, "zero", "zero")
    assert [len(one.compartments) for one in (first, second, last)] == [2, 2, 1]
    assert not last.spiking
    assert last.compartments[0].driven_by == "input"


def test_a_table_that_says_nothing_is_the_neuron_of_old() -> None:
    plain = build_network((6,), 3, make_study(neuron="lif"))
    assert (
        plain.state_dict().keys()
        == build_network((6,), 3, make_study(lif={}, neuron="lif")).state_dict().keys()
    )
    assert [type(one.threshold) for one in plain.neurons] == [type(LeakyIntegrateAndFire().threshold)] * 2
    assert "lif" not in make_study(neuron="lif").model_dump()


def test_objects_and_functions_of_a_file_will_do(folder: Path) -> None:
    (folder / "study.toml").write_text(
        f'[lif]\nthreshold = "{FILE}:tired"\n[[layers]]\nneurons = 4\n[[layers]]\nneurons = 4\n'
        f'lif = {{threshold = {{kind = "scheduled", schedule = "{FILE}:ramp"}}}}\n'
    )
    first, second, _ = build_network((6,), 3, load_study(folder / "study.toml", trust=True)).neurons
    assert first.threshold.growth.item() == pytest.approx(0.3)
    assert second.threshold.value(3).item() == pytest.approx(1.3)


@pytest.mark.parametrize(
    ("lif", "message"),
    [
        (
            {"threshold": "hayer"},
            "'hayer' is unknown; known: fixed, learned, logistic, hoyer, scheduled; or name one",
        ),
        ({"leak": "hoyer"}, "leak = 'hoyer' is unknown; known: fixed, learned, logistic; or"),
        (
            {"threshold": {"kind": "learned", "share": "column"}},
            r"threshold\.share: .*known: value, shared, low, high",
        ),
        ({"threshold": {"kind": "learned", "shared": "row"}}, "allowed: layer, column, neuron"),
        ({"threshold": {"kind": "learned", "value": "one"}}, "give a number or a list of numbers"),
        ({"threshold": -1.0}, "threshold = -1 is out of range"),
        ({"leak": True}, "leak = True has no kind"),
        ({"threshold": "logistic"}, "value = 1 is out of range"),
        ({"threshold": {"kind": "scheduled"}}, r"threshold\.schedule is missing"),
        ({"reset": "half"}, "allowed: subtract, zero, set, none"),
        ({"reset": {"when": "later"}}, "allowed: now, next"),
        (
            {"reset": {"kind": "zero", "amount": 0.5}},
            "amount = 0.5 changes nothing in a reset of kind 'zero'",
        ),
        (
            {"reset": {"kind": "none", "amount": 0.0}},
            "amount = 0.0 changes nothing in a reset of kind 'none'",
        ),
        ({"compartments": ({"decay": 0.2, "weight": 0},)}, "compartment 1 feeds nothing with weight = 0"),
        ({"spike": {"hight": 1.0}}, "no such entry; known: slope, height, width"),
        ({"spike": {"height": "high"}}, r"spike\.height = 'high' cannot be used; give a number"),
        ({"compartments": ({"decay": 2.0},)}, "decay = 2 is out of range; allowed: 0 to 1"),
        ({"compartments": ({"decay": 0.2, "driven_by": "x"},)}, "driven_by = 'x' is no state"),
        ({"threshold": "hoyer", "reset": {"when": "next"}}, "takes the threshold of the step before"),
        ({"threshold": Learned(1.0)}, "Learned is an object of Python"),
        ({"treshold": 1.0}, "did you mean threshold?"),
    ],
)
def test_what_cannot_be_made_is_named(lif: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_study(lif=lif)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            f'lif = {{threshold = "{FILE}:Tyring"}}',
            "has no 'Tyring'; it has: Tiring, tired, halved, bell, ramp",
        ),
        (f'lif = {{threshold = "{FILE}:bell"}}', r"threshold\.x is missing"),
        (f'lif = {{threshold = "{FILE}:ramp"}}', r"threshold\.step is missing"),
        (
            f'lif = {{threshold = {{kind = "{FILE}:Tiring", first = "a"}}}}',
            r"threshold\.first = 'a' .*give a number",
        ),
        (
            f'lif = {{threshold = {{kind = "{FILE}:tired", first = 1.0}}}}',
            "is an object, which takes no settings",
        ),
        ('lif = {threshold = "none.py:Tiring"}', r"lif\.threshold file .*none\.py' does not exist"),
    ],
)
def test_what_a_file_does_not_hold_is_named(folder: Path, text: str, message: str) -> None:
    (folder / "study.toml").write_text(text)
    with pytest.raises(InputError, match=message):
        load_study(folder / "study.toml", trust=True)


@pytest.mark.parametrize(
    ("study", "message"),
    [
        ({"lif": {"leak": 0.5}, "neuron": "integrate-and-fire-set1"}, "lif changes nothing for the neuron"),
        ({"lif": {"threshold": 1.0}, "hidden": ()}, r"lif\.threshold changes nothing in the last layer"),
        (
            {"neuron": "lif", "layers": ({"neurons": 3}, {"lif": {"reset": "zero"}})},
            r"lif\.reset changes nothing",
        ),
        ({"layers": ({"neurons": 3, "lif": {"leak": 1.0}},)}, "lif is of discrete neurons"),
    ],
)
def test_a_table_that_changes_nothing_is_refused(study: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_study(**study)
