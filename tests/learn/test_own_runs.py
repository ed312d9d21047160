"""Runs on data of one's own: they resume, are found again, and do not silently take other data."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from memsim.cli import app
from memsim.errors import ConvergenceError, InputError
from memsim.learn import (
    Run,
    confusion,
    load_run,
    load_study,
    make_dataset,
    make_study,
    respond,
    train,
)
from memsim.learn.checkpoint import HISTORY
from memsim.learn.evaluation import activity, first
from memsim.learn.run import best_epoch
from memsim.learn.run_data import DATA
from memsim.report.run import run_figures
from memsim.sweep.networks import TrainedNetwork
from memsim.verify import verify

SMALL = {"hidden": (4,), "epochs": 2, "batch": 20, "step": 1e-3, "seed": 3}
"""Ten steps of a few neurons."""
COUNT = 60


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a signed series of three classes, `my.npz`, and a study of it, `study.toml`."""
    write(tmp_path / "my.npz", seed=0)
    (tmp_path / "study.toml").write_text(
        'data = "my.npz"\nhidden = [4]\nepochs = 2\nbatch = 20\nstep = 1e-3\n'
    )
    return tmp_path


def write(path: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    y = np.arange(COUNT) % 3
    x = random.standard_normal((COUNT, 12, 2)) + np.sin(np.arange(12) * (1 + y[:, None]))[..., None]
    np.savez(path, x=x, y=np.array(["fist", "rest", "wave"])[y])


def test_the_confusion_of_a_run_names_its_classes(folder: Path):
    run = train(load_study(folder / "study.toml").model_copy(update={"epochs": 1}), folder / "run")
    axes = run_figures(run)["confusion.png"].axes[0]
    for ticks in (axes.get_xticklabels(), axes.get_yticklabels()):
        assert [tick.get_text() for tick in ticks] == ["fist", "rest", "wave"]


def test_a_study_says_nothing_but_its_data_and_gets_the_drive_that_suits_them(folder: Path):
    told: list[str] = []
    run = train(load_study(folder / "study.toml"), folder / "run", tell=told.append)
    assert (run.study.drive.slots, run.data.slots) == (12, 12)
    assert run.study.drive.tau == pytest.approx(run.study.window / 12)
    assert run.study.training.gradient_clip == 1.0
    assert told == list(run.data.notes)
    assert "signed" in " ".join(told)
    assert run.data.names == ("fist", "rest", "wave")
    kept = load_study(folder / "run" / "study.toml")
    assert kept == run.study
    counts = confusion(respond(run.network, run.data.test), run.data.test.labels)
    assert counts.diagonal().sum() / counts.sum() == pytest.approx(run.history[-1].test_accuracy)


def test_what_a_study_says_of_its_drive_counts(folder: Path):
    study = make_study(
        data=str(folder / "my.npz"), drive={"slots": 5, "tau": 2e-3}, training={"gradient_clip": 7.0}, **SMALL
    )
    run = train(study, folder / "run")
    assert run.study.step == SMALL["step"]
    assert (run.data.slots, run.study.drive.tau, run.study.drive.voltage) == (5, 2e-3, 0.2)
    assert run.study.training.gradient_clip == 7.0
    data = make_dataset((np.random.default_rng(0).random((20, 9, 1)), np.arange(20) % 2), slots=6)
    with pytest.raises(InputError, match=r"drive\.slots = 5, and the data have 6 time bins"):
        train(study, folder / "other", data=data)


def test_steps_resolve_the_slots(folder: Path):
    x = np.random.default_rng(0).standard_normal((30, 80, 1))
    run = train(make_study(hidden=(2,), epochs=1), folder / "run", data=make_dataset((x, np.arange(30) % 2)))
    assert run.data.slots == 32
    assert run.study.step == pytest.approx(run.study.window / 64)
    assert load_study(folder / "run" / "study.toml") == run.study


def test_series_get_recurrent_neurons_where_nothing_is_said_of_layers(tmp_path: Path):
    series = np.random.default_rng(0).standard_normal((30, 8, 1)), np.arange(30) % 2
    still = np.random.default_rng(0).standard_normal((30, 8)), np.arange(30) % 2
    expected = [(series, {}, True), (series, {"hidden": (2,)}, False), (still, {}, False)]
    for number, (examples, layers, recurrent) in enumerate(expected):
        study = make_study(epochs=1, batch=30, **layers)
        run = train(study, tmp_path / str(number), data=make_dataset(examples))
        assert run.study.recurrent == recurrent
        assert (run.network.layers[0].recurrent is not None) == recurrent
        assert load_study(tmp_path / str(number) / "study.toml") == run.study


def stop_after(updates: int) -> Callable[..., None]:
    calls = 0

    def progress(*_: object) -> None:
        nonlocal calls
        calls += 1
        if calls > updates:
            raise KeyboardInterrupt

    return progress


def test_an_interrupted_run_resumes_to_the_same_weights(
    folder: Path, assert_equal_runs: Callable[[Run, Run], None]
):
    study = load_study(folder / "study.toml")
    study = study.model_copy(
        update={"training": study.training.model_copy(update={"validation": 0.25, "keep": "best"})}
    )
    whole = train(study, folder / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(study, folder / "parts", progress=stop_after(4))
    resumed = train(study, folder / "parts", resume=True)
    assert_equal_runs(whole, resumed)
    assert_equal_runs(whole, load_run(folder / "parts"))


def test_changed_data_are_refused_by_name(folder: Path):
    study = load_study(folder / "study.toml")
    train(study, folder / "run")
    assert "sha256" in (folder / "run" / DATA).read_text()
    write(folder / "my.npz", seed=1)
    for again in (lambda: load_run(folder / "run"), lambda: train(study, folder / "run", resume=True)):
        with pytest.raises(InputError, match=r"my\.npz' have changed since the run in .*SHA-256"):
            again()


def test_the_data_of_old_are_found_beside_changed_ones(folder: Path):
    train(load_study(folder / "study.toml"), folder / "run")
    elsewhere = folder / "data"
    elsewhere.mkdir()
    (folder / "my.npz").rename(elsewhere / "my.npz")
    write(folder / "my.npz", seed=1)
    with pytest.raises(InputError, match="have changed"):
        load_run(folder / "run")
    assert load_run(folder / "run", elsewhere).data.origin == str(elsewhere / "my.npz")


def test_a_sweep_evaluates_a_run_on_own_data(folder: Path):
    run = train(load_study(folder / "study.toml"), folder / "run")
    found = TrainedNetwork(folder / "run", None).run({})
    assert float(found["accuracy"]) == pytest.approx(run.history[-1].test_accuracy)


def test_moved_data_are_found_again(folder: Path):
    train(load_study(folder / "study.toml"), folder / "run")
    elsewhere = folder / "data"
    elsewhere.mkdir()
    (folder / "my.npz").rename(elsewhere / "my.npz")
    with pytest.raises(InputError, match=r"my\.npz' were not found in .*--data-dir"):
        load_run(folder / "run")
    assert len(load_run(folder / "run", elsewhere).history) == 2


def test_a_path_is_relative_to_its_study_and_else_to_the_working_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir("/")
    assert load_study(folder / "study.toml").data == str(folder / "my.npz")
    monkeypatch.chdir(folder)
    run = train(make_study(data="my.npz", **SMALL), folder / "run")
    monkeypatch.chdir("/")
    assert load_run(folder / "run").history == run.history


def test_data_of_python_train_and_are_asked_for_again(tmp_path: Path):
    x, y = torch.randn(40, 3, generator=torch.Generator().manual_seed(0)), torch.arange(40) % 2
    data = make_dataset(torch.utils.data.TensorDataset(x, y))
    run = train(make_study(**SMALL), tmp_path, data=data)
    with pytest.raises(InputError, match="given in Python; give them again"):
        load_run(tmp_path)
    assert load_run(tmp_path, data=data).history == run.history
    with pytest.raises(InputError, match="have changed"):
        load_run(tmp_path, data=make_dataset((x + 1, y)))


def lines(slope: float, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).random(shape)
    return x, slope * x.sum(axis=-1, keepdims=x.ndim == 3) + 40.0


def test_numbers_are_learned_and_said_in_their_units(tmp_path: Path):
    data = make_dataset(lines(300.0, (400, 2)))
    study = make_study(hidden=(8,), epochs=10, step=5e-4, training={"metrics": ("root-mean-square-error",)})
    run = train(study, tmp_path, data=data)
    last = run.history[-1]
    # a plane in two inputs: nothing keeps the network from the whole variance
    assert last.test_accuracy > 0.95
    wanted, found = (data.in_units(v) for v in (data.test.labels, respond(run.network, data.test)))
    error = float((wanted - found).square().mean().sqrt())
    assert error / float(data.unit) == pytest.approx(last.scores["root-mean-square-error"], rel=1e-5)


@pytest.mark.slow
@pytest.mark.spice
def test_numbers_are_the_same_in_ngspice(tmp_path: Path):
    data = make_dataset(lines(300.0, (100, 2)))
    run = train(make_study(hidden=(4,), epochs=4, step=5e-4), tmp_path, data=data)
    v = verify(run, images=3).verification
    assert v.same_class is None
    # R^2 of three examples in both engines, whose potentials differ by less than 0.1 % of a spike
    assert v.ngspice_accuracy == pytest.approx(v.twin_accuracy, abs=0.02)


def test_a_number_at_each_time_is_learned(tmp_path: Path):
    data = make_dataset(lines(2.0, (200, 8, 1)), slots=4)
    run = train(make_study(hidden=(8,), epochs=8, step=5e-4), tmp_path, data=data)
    assert respond(run.network, first(data.test, 7)).shape == (7, 4, 1)
    # far better than the mean of all; slots see each other's pulses, so that it is not perfect
    assert run.history[-1].test_accuracy > 0.5
    assert run.history[-1].test_accuracy == pytest.approx(
        load_run(tmp_path, data=data).history[-1].test_accuracy
    )


def test_the_best_epoch_is_kept_and_chosen_on_held_out_data(folder: Path):
    study = make_study(
        data=str(folder / "my.npz"), **{**SMALL, "epochs": 4}, training={"validation": 0.3, "keep": "best"}
    )
    run = train(study, folder / "run")
    scores = [record.validation_accuracy for record in run.history]
    assert run.kept.validation_accuracy == max(scores)
    assert run.kept.epoch == best_epoch(run.history) + 1
    loaded = load_run(folder / "run")
    assert torch.equal(loaded.network.crossbars[0].weight, run.network.crossbars[0].weight)
    outputs = respond(loaded.network, loaded.data.test).argmax(1)
    assert float((outputs == loaded.data.test.labels).double().mean()) == pytest.approx(
        run.kept.test_accuracy
    )


def test_own_loss_and_metrics_are_called_and_recorded(folder: Path):
    seen = []

    def loss(outputs: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        seen.append(wanted)
        return torch.nn.functional.multi_margin_loss(outputs, wanted)

    study = make_study(data=str(folder / "my.npz"), **SMALL, training={"metrics": ("balanced-accuracy",)})
    run = train(study, folder / "run", loss=loss, metrics={"answers": lambda outputs, _: len(outputs)})
    assert len(seen) == 2 * 3
    last = run.history[-1]
    assert last.scores == {"balanced-accuracy": pytest.approx(last.test_accuracy), "answers": 12.0}
    assert (
        (folder / "run" / HISTORY)
        .read_text()
        .splitlines()[0]
        .endswith(",balanced-accuracy,answers,spikes_1,spikes_2")
    )
    assert load_run(folder / "run").history == run.history


def test_activity_counts_spikes_as_one_would_by_hand(small_run: tuple[Run, Path]):
    run, _ = small_run
    split = first(run.data.train, 5)
    level = run.network.readout.level
    waves = [wave.detach().numpy() for wave in run.network.waveforms(split.inputs())]
    by_hand = [
        sum(
            int(np.sum((w[1:, b, k] >= level) & (w[:-1, b, k] < level)))
            for b in range(5)
            for k in range(w.shape[2])
        )
        / (5 * w.shape[2])
        for w in waves
    ]
    assert activity(run.network, split) == pytest.approx(tuple(by_hand), rel=1e-12)
    assert len(run.history[-1].activity) == 2


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"loss": "mine"}, "loss 'mine' is unknown; known: cross-entropy"),
        ({"metrics": ("r-squared",)}, "metric 'r-squared' does not fit these labels"),
        ({"metrics": ("f1",)}, "metric 'f1' is unknown"),
        (
            {"class_weights": (1.0, 2.0)},
            "class_weights = 2 numbers; allowed: 'balanced', or a number for each of 3",
        ),
        ({"class_weights": "even"}, "class_weights = 'even'"),
        ({"class_weights": "balanced", "loss": "huber"}, "takes no class_weights"),
        ({"label_smoothing": 0.1, "loss": "margin"}, "takes no label_smoothing"),
        ({"keep": "best"}, "set validation"),
    ],
)
def test_options_that_do_not_fit_are_named(folder: Path, training: dict, message: str):
    with pytest.raises(InputError, match=message):
        train(make_study(data=str(folder / "my.npz"), **SMALL, training=training), folder / "run")


def test_a_loss_that_is_not_finite_stops_the_run(folder: Path):
    study = make_study(data=str(folder / "my.npz"), **SMALL)
    with pytest.raises(ConvergenceError, match="the loss is nan"):
        train(study, folder / "run", loss=lambda outputs, _: outputs.sum() * float("nan"))


def test_a_staged_run_takes_own_data_and_knows_them_again(folder: Path):
    study = make_study(
        data=str(folder / "my.npz"), hidden=(4,), steps=3, stages=[{"name": "software", "epochs": 1}]
    )
    run = train(study, folder / "run")
    assert load_run(folder / "run").records == run.records
    write(folder / "my.npz", seed=1)
    with pytest.raises(InputError, match="have changed"):
        load_run(folder / "run")


@pytest.mark.slow
def test_the_command_trains_on_a_path_and_says_what_it_made_of_it(folder: Path):
    out = folder / "run"
    called = ["train", str(folder / "study.toml"), "--out", str(out), "--epochs", "1", "--step-images", "5"]
    result = CliRunner().invoke(app, called, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "two word lines, one for each sign" in result.stderr
    assert "test accuracy" in result.stdout
    assert "SHA-256 of the data" in (out / "report.html").read_text()
    result = CliRunner().invoke(app, ["report", str(out)], catch_exceptions=False)
    assert result.exit_code == 0, result.output


@pytest.mark.slow
def test_the_command_says_r_squared_of_numbers(folder: Path):
    x, y = lines(3.0, (50, 2))
    np.savez(folder / "numbers.npz", x=x, y=y)
    called = ["train", "--data", str(folder / "numbers.npz"), "--out", str(folder / "run"), "--epochs", "1"]
    result = CliRunner().invoke(app, [*called, "--step", "1m"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "test R² " in result.stdout
    assert "accuracy" not in result.stdout
    again = CliRunner().invoke(app, ["train", "--data", "x.npz", "--resume", "--out", str(folder / "run")])
    assert again.exit_code != 0


def test_old_checkpoints_without_scores_are_read(small_run: tuple[Run, Path], tmp_path: Path):
    from safetensors.torch import load, save

    from memsim.learn.checkpoint import CHECKPOINT, _digest, load_checkpoint

    run, folder = small_run
    tensors = load((folder / CHECKPOINT).read_bytes())
    del tensors["further"], tensors["digest"]
    tensors["digest"] = _digest(tensors)
    (tmp_path / CHECKPOINT).write_bytes(save(tensors))
    old = load_checkpoint(tmp_path, run.network)
    assert old == [replace(record, scores={}, activity=()) for record in run.history]
