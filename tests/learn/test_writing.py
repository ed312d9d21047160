"""Weights that are written in place: any rule, what it takes, resuming, and refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from memsim.errors import InputError
from memsim.learn import build, make_study, train
from memsim.learn.writing import FIGURES, Arrays, writer_of

PULSES = {"set_voltage": 1.0, "set_width": 1e-5, "reset_voltage": -1.2, "reset_width": 1e-5}
COUNTS = {"kind": "counts", "variation": 0.1, **PULSES}
VERIFY = {"kind": "verify", **PULSES}


def entries(writing: dict[str, Any] | None = COUNTS, **changes: Any) -> dict[str, Any]:
    training = {"optimizer": "sgd", "writing": writing, **changes.pop("training", {})}
    return {
        "data": {"name": "digits", "first_train": 100, "first_test": 50},
        "steps": 4,
        "hidden": [8],
        "synapse": "crossbar",
        "synapses": {"initial_weight": 0.25},
        "lif": {"leak": 0.75, "threshold": 1.0},
        "batch": 20,
        "epochs": 2,
        "learning_rate": 0.3,
        "training": training,
        **changes,
    }


@pytest.mark.parametrize("writing", [COUNTS, VERIFY])
def test_backpropagation_is_written_and_counted(writing: dict[str, Any], tmp_path: Path) -> None:
    run = train(make_study(**entries(writing)), tmp_path)
    first, last = run.history
    assert last.loss < first.loss
    assert all(0 < first.scores[name] <= last.scores[name] for name in FIGURES)


def test_weights_are_those_of_the_cells() -> None:
    study = make_study(**entries())
    network, _ = build(study)
    arrays = Arrays(network, writer_of(COUNTS), "pd-wo3-w")
    step, source = arrays.writer.step(arrays.pairs), torch.Generator().manual_seed(0)
    for crossbar in network.crossbars:
        crossbar.weight.data += 2.6 * step
    arrays.write(source)
    for crossbar, state in zip(network.crossbars, arrays.states().values(), strict=True):
        assert torch.equal(crossbar.weight, arrays.pairs.weights(state))
    cells = sum(one.weight.numel() for one in network.crossbars)
    assert arrays.figures["pulses"] == 2 * 2 * cells
    assert arrays.figures["most_pulses"] == 2


def test_a_run_that_is_resumed_ends_as_one_that_is_not(tmp_path: Path) -> None:
    class StopError(Exception):
        pass

    def stop(done: int, _: int, record: object) -> None:
        if record is not None and done == 5:
            raise StopError

    study = make_study(**entries())
    whole = train(study, tmp_path / "whole")
    with pytest.raises(StopError):
        train(study, tmp_path / "halves", progress=stop)
    halves = train(study, tmp_path / "halves", resume=True)
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, halves.network.state_dict()[name])
    assert whole.history[-1].scores == halves.history[-1].scores


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training": {"keep": "best", "validation": 0.2}}, "no way back"),
        ({"synapses": {"conductance_max": 2e-5}}, "leave conductance_min and conductance_max out"),
        ({"synapses": {"wire_resistance": 1.0}}, "leave wire_resistance out"),
        ({"writing": {**COUNTS, "kind": "laser"}}, "'laser' is unknown; known: counts, verify"),
        ({"writing": {"kind": "counts"}}, "set_voltage is missing"),
    ],
)
def test_what_cannot_be_written_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_study(**entries(**changes))


def test_plain_weights_are_no_cells() -> None:
    others = {name: one for name, one in entries().items() if name not in {"synapse", "synapses"}}
    with pytest.raises(InputError, match='weights are plain; give synapse = "crossbar"'):
        make_study(**others)


def test_weights_beside_the_cells_are_refused(tmp_path: Path) -> None:
    mixed = [{"neurons": 16, "synapse": "ideal"}]
    with pytest.raises(InputError, match=r"writes cells, and 'layers\.0\.synapse\.module\.weight' is none"):
        train(
            make_study(**{name: one for name, one in entries(layers=mixed).items() if name != "hidden"}),
            tmp_path,
        )
