"""What a study can ask of training: each option does what it says, and none breaks resuming."""

import csv
import math
import shutil
from pathlib import Path

import pytest
import torch

from memsim.errors import CheckpointError, ConvergenceError, InputError
from memsim.learn import Study, build, compare_steps, devices, load_run, make_study, tensorboard_log, train
from memsim.learn.checkpoint import HISTORY
from memsim.learn.data import Split
from memsim.learn.evaluation import hold_out
from memsim.learn.optimization import make_optimizer, rate_factor
from memsim.learn.shares import check_shares

EVERYTHING = {
    "hidden": ({"channels": 2, "kernel": 3, "stride": 2}, 4),
    "epochs": 2,
    "batch": 400,
    "step": 1e-3,
    "stepper": "strang",
    "drive": {"encoding": "rate", "slots": 4},
    "parameters": {"cmem": {"spread": 0.2}},
    "readout": {"kind": "maximum"},
    "augmentation": {"shift": 1, "rotation": 5.0, "elastic": 0.3},
    "nonidealities": {
        "train": {"variation": 0.1, "stuck_rate": 0.01, "read_noise": 0.02},
        "test": {"variation": 0.1, "levels": 16},
    },
    "training": {
        "optimizer": "adamw",
        "weight_decay": 0.01,
        "gradient_clip": 1.0,
        "warmup": 0.5,
        "label_smoothing": 0.1,
        "dropout": 0.2,
        "validation": 0.2,
        "patience": 5,
        "precision": "bf16-mixed",
    },
}


def small(**training: object) -> Study:
    return make_study(hidden=(4,), epochs=6, batch=700, step=1e-3, stepper="strang", training=training)


def test_everything_at_once_is_resumed_to_the_same_result(tmp_path: Path, assert_equal_runs):
    study = make_study(**EVERYTHING)
    whole = train(study, tmp_path / "whole")

    def interrupt(_done, _total, record):
        if record:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(study, tmp_path / "parts", progress=interrupt)
    resumed = train(study, tmp_path / "parts", resume=True)
    assert_equal_runs(resumed, whole)
    assert_equal_runs(load_run(tmp_path / "parts"), whole)


def test_training_with_neurons_of_their_own_moves_them_within_their_bounds(tmp_path: Path):
    study = make_study(hidden=(4,), epochs=2, batch=300, step=1e-3, stepper="strang", parameters={"cmem": {}})
    before = build(study)[0].chain[0].neuron.parameters_by_name()["cmem"]
    after = train(study, tmp_path / "run").network.chain[0].neuron.parameters_by_name()["cmem"]
    assert bool((after != before).all())
    assert bool(((after > 0.5e-9) & (after < 2e-9)).all())


def test_the_rate_rises_then_falls_as_half_a_cosine():
    study = small(warmup=2.0)
    assert [rate_factor(study.training, study.epochs, epoch) for epoch in (0, 1, 2, 4, 6)] == pytest.approx(
        [0, 0.5, 1, 0.5, 0]
    )
    assert rate_factor(small(schedule="constant").training, 6, 5.9) == 1


def test_weight_decay_spares_the_neurons():
    study = small(weight_decay=0.1).model_copy(
        update={"parameters": make_study(parameters={"cmem": {}}).parameters}
    )
    groups = make_optimizer(build(study)[0], study.training, study.every_stage[0]).param_groups
    assert [(len(group["params"]), group["weight_decay"]) for group in groups] == [(2, 0.1), (2, 0.0)]


def test_a_stage_has_a_weight_decay_of_its_own():
    decays = {"training": {"weight_decay": 0.1}, "steps": 2}
    stages = [{"name": "one"}, {"name": "other", "weight_decay": 0.0}]
    study = make_study(**decays, stages=stages)
    network = build(study)[0]
    found = [make_optimizer(network, study.training, stage).param_groups[0] for stage in study.stages]
    assert [group["weight_decay"] for group in found] == [0.1, 0.0]
    with pytest.raises(InputError, match=r"weight_decay = 0\.1 is that of the study"):
        make_study(**decays, stages=[{"name": "one", "weight_decay": 0.1}])


def test_held_out_examples_are_not_trained_on():
    data = build(make_study())[1]
    kept, out = hold_out(data.train, 0.25)
    assert len(out) == round(0.25 * len(data.train))
    assert len(kept) + len(out) == len(data.train)
    both = torch.cat([kept.stored, out.stored]).sort(dim=0).values
    assert torch.equal(both, data.train.stored.sort(dim=0).values)
    assert torch.equal(hold_out(data.train, 0.25)[1].stored, out.stored)  # the same in every run
    assert hold_out(data.train, 0.0) == (data.train, None)


@pytest.mark.parametrize(
    ("share", "message"),
    [
        (0.9999, "validation = 0.9999 leaves none of 1347 examples to train on; allowed: a share"),
        (0.0001, "validation = 0.0001 of 1347 examples holds none out; allowed: a share"),
    ],
)
def test_a_share_that_leaves_one_side_empty_is_refused_before_there_is_a_run(
    tmp_path: Path, share: float, message: str
):
    with pytest.raises(InputError, match=message):
        train(small(validation=share), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_class_that_nothing_would_be_left_of_is_named():
    data = build(make_study())[1]
    few = Split(data.train.stored[:11], torch.tensor([0] * 10 + [1]))
    with pytest.raises(InputError, match=r"leaves none of 1 examples of a class to train on"):
        hold_out(few, 0.6, stratified=True)
    kept, out = hold_out(few, 0.4, stratified=True)
    assert (len(kept), len(out)) == (7, 4)


def test_processes_that_would_get_nothing_of_the_last_batch_are_refused():
    study, data = small(validation=0.2), build(make_study())[1]
    left = len(hold_out(data.train, 0.2)[0])  # 1078 in batches of 359 leaves 1
    check_shares(study, data, 2)
    with pytest.raises(
        InputError, match=rf"batch = 359 of {left} examples leaves 1 for the last .* for 2 processes"
    ):
        check_shares(study.model_copy(update={"batch": 359}), data, 2)


def test_patience_ends_a_training_that_does_not_help(tmp_path: Path):
    study = small(validation=0.2, patience=2).model_copy(update={"learning_rate": 1e-12, "epochs": 50})
    run = train(study, tmp_path / "run")
    scores = [record.validation_accuracy for record in run.history]
    assert len(scores) == scores.index(max(scores)) + 1 + 2
    assert len(scores) < study.epochs
    assert train(study, tmp_path / "run", resume=True).history == run.history


def test_patience_without_data_to_judge_by_is_refused():
    with pytest.raises(InputError, match="patience needs data that is held out; set validation"):
        make_study(training={"patience": 3})


def test_mixed_precision_rounds_products_alone(tmp_path: Path):
    full, mixed = (
        train(small(precision=precision), tmp_path / precision) for precision in ("32-true", "bf16-mixed")
    )
    assert all(p.dtype == torch.float32 for p in mixed.network.parameters())
    for one, other in zip(full.history, mixed.history, strict=True):
        assert other.loss != one.loss
        # currents are off by 2^-9; a loss of 2 moves by a few of these
        assert other.loss == pytest.approx(one.loss, rel=0.02)


def test_a_loss_that_is_no_number_ends_training_with_what_to_do(tmp_path: Path):
    study = small(gradient_clip=1.0).model_copy(
        update={"readout": make_study(readout={"scale": 1e-45}).readout}
    )
    with pytest.raises(
        ConvergenceError, match=r"the loss is (nan|inf) after 1 updates of epoch 1(.|\n)*shorten step"
    ):
        train(study, tmp_path / "run")


def test_the_same_network_at_finer_steps(small_run):
    run = small_run[0]
    found = compare_steps(run.network, run.data.test)
    assert (found.images, found.step) == (450, run.study.step)
    assert found.accuracy == run.history[-1].test_accuracy
    assert found.difference == pytest.approx(found.fine_accuracy - found.accuracy)
    # where all classes agree, so do the accuracies, and the other way round they differ by what disagrees at most
    assert abs(found.difference) <= 1 - found.same_class + 1e-12


def test_the_history_is_a_table_of_all_epochs(small_run):
    run, folder = small_run
    rows = list(csv.DictReader((folder / HISTORY).read_text().splitlines()))
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3]
    assert [float(row["test_accuracy"]) for row in rows] == [record.test_accuracy for record in run.history]
    assert all(row["validation_accuracy"] == "" for row in rows)
    assert all(math.isfinite(float(row["seconds"])) for row in rows)


def test_tensorboard_gets_every_epoch(tmp_path: Path):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    with tensorboard_log(tmp_path) as log:
        run = train(small(), tmp_path / "run", progress=log)
    events = reader.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    found = [(event.step, event.value) for event in events.Scalars("accuracy/test")]
    assert [step for step, _ in found] == list(range(1, 7))
    # stored as float32
    assert [v for _, v in found] == pytest.approx([r.test_accuracy for r in run.history], rel=1e-6)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has what the test asks for in vain")
def test_devices_that_are_not_here_are_named():
    with pytest.raises(InputError, match=r"cannot train on 1 device.* of 'cuda'"):
        devices("cuda")


def test_training_goes_on_from_a_trained_network(tmp_path: Path, small_run, small_study: Study):
    run, folder = small_run
    # at a rate of a ten-thousandth of the weights' range, one epoch leaves the network what it was
    further = {"epochs": 1, "learning_rate": 1e-6}
    going_on = small_study.training.model_copy(update={"start": str(folder)})
    after = train(small_study.model_copy(update={**further, "training": going_on}), tmp_path / "on")
    for one, other in zip(run.network.crossbars, after.network.crossbars, strict=True):
        assert torch.allclose(one.weight, other.weight, atol=1e-5)
    assert after.history[-1].test_accuracy == pytest.approx(run.history[-1].test_accuracy, abs=0.01)


def test_a_run_goes_on_without_the_one_it_started_from(tmp_path: Path, small_run, small_study: Study):
    start = shutil.copytree(small_run[1], tmp_path / "start")
    training = small_study.training.model_copy(update={"start": str(start)})
    study = small_study.model_copy(update={"epochs": 2, "training": training})

    def stop(_done: int, _total: int, record: object) -> None:
        if record is not None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(study, tmp_path / "on", progress=stop)
    shutil.rmtree(start)
    assert len(train(study, tmp_path / "on", resume=True).history) == 2


def test_a_start_must_be_a_run_of_the_same_network(tmp_path: Path, small_run):
    _, folder = small_run
    with pytest.raises(CheckpointError, match="does not exist"):
        train(small(start=str(tmp_path / "nothing")), tmp_path / "one")
    wider = make_study(hidden=(5,), step=1e-3, training={"start": str(folder)})
    with pytest.raises(CheckpointError, match="does not belong to this network"):
        train(wider, tmp_path / "two")
