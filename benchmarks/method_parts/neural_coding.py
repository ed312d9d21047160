"""What is left of inputs and labels before and after learning, five tasks one after the other, and a picture of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import SubFigure
from torch import Tensor

from memsim.learn import Run, Study, load_study, make_study, train
from memsim.learn.data import Dataset
from memsim.learn.evaluation import first, part, respond
from memsim.learn.rules.coding import Coded, coded
from memsim.learn.run import network_of
from memsim.methods import load_method
from method_parts.drawing import SIZE, saved
from method_parts.in_place import pulses

SAMPLE = 500
"""Training examples that the energy of errors is taken from."""
TASKS = tuple((digit, digit + 1) for digit in range(0, 10, 2))
RATE = 3e-3
"""Of backpropagation: of a fifth of the training digits that is held out, one seed, 77.9 % are right after all five
tasks among the two of their task; 76.2 % at 1e-3, where each is learned less, 61.4 % at 3e-4."""
SHOWN, STEPS_SHOWN = 3, (2, 4, 8, 16, 29)


def measures(run: Run, _: Path) -> dict[str, Any]:
    """Energy of errors before and after training; what writing in place took, or else what five tasks leave."""
    some = first(run.data.train, SAMPLE)
    energies = [
        float(coded(network, some.inputs(), some.labels).energy)
        for network in (network_of(run.study, run.data), run.network)
    ]
    found = {"energy of errors, first": energies[0], "energy of errors, last": energies[1], **pulses(run)}
    if run.study.training.writing is None:
        ways = {"local updates": run.study, "backpropagation": backpropagation(run.study)}
        for way, study in ways.items():
            found |= {
                f"five tasks, {way}, {what}": value for what, value in one_by_one(study, run.data).items()
            }
    return found


def figure(path: Path) -> Path:
    """A digit as it is predicted, step by step, and the energy of errors at each step before and after training."""
    study = load_study(load_method("neural-coding").studies["neural-coding"])
    with TemporaryDirectory() as folder:
        run = train(study, Path(folder))
    some = first(run.data.test, SAMPLE)
    untrained, trained = (
        coded(network, some.inputs(), some.labels) for network in (network_of(study, run.data), run.network)
    )
    drawn = plt.figure(figsize=SIZE, layout="constrained")
    digits, steps = drawn.subfigures(1, 2, width_ratios=(1.5, 1))
    _predicted(digits, some.inputs(), untrained, trained)
    axes = steps.subplots()
    for one, label, colour in ((untrained, "before training", "0.6"), (trained, "after four passes", "C0")):
        squares = one.of_inputs.square().sum(-1) + one.of_labels.square().sum(-1)
        axes.plot(range(1, len(squares) + 1), squares.mean(1) / 2, color=colour, label=label)
    axes.set(xlabel="step", ylabel="energy of errors", ylim=(0, None), xlim=(1, None))
    axes.set_title(f"mean of {len(some)} test images", fontsize=9)
    axes.legend(fontsize=8)
    return saved(drawn, path)


def _predicted(place: SubFigure, inputs: Tensor, untrained: Coded, trained: Coded) -> None:
    """One image, and x - e of it at some steps, in a row each for both networks."""
    x = inputs.flatten(1)[SHOWN]
    grid = place.subplots(2, 1 + len(STEPS_SHOWN))
    for row, one, label in zip(grid, (untrained, trained), ("before", "after"), strict=True):
        pictures = [x, *(x - one.of_inputs[step, SHOWN] for step in STEPS_SHOWN)]
        titles = ["input", *(f"step {step + 1}" for step in STEPS_SHOWN)]
        for axes, picture, title in zip(row, pictures, titles, strict=True):
            axes.imshow(picture.view(8, 8), cmap="gray_r", vmin=0, vmax=1)
            axes.set(xticks=[], yticks=[])
            if label == "before":
                axes.set_title(title, fontsize=9)
        row[0].set_ylabel(label, fontsize=9)
    place.suptitle("what hidden neurons predict of a digit", fontsize=9)


def backpropagation(study: Study) -> Study:
    """The same network without predictions, by backpropagation through time."""
    entries = study.model_dump(exclude_none=True)
    hidden, last = entries["layers"]
    hidden = {name: value for name, value in hidden.items() if name != "prediction_tau"} | {"bias": False}
    training = {**entries["training"], "optimizer": "adam"}
    changed = {"layers": [hidden, last], "rule": "bptt", "learning_rate": RATE, "training": training}
    return make_study(**{**entries, **changed})


def one_by_one(study: Study, data: Dataset) -> dict[str, float]:
    """Digits two by two, one task after the other: what is right of each as it was learned, and at the end.

    Shares of test examples, means of the tasks; told: among the two digits of a task, else among all ten. What is
    forgotten is how much fell of all tasks but the last.
    """
    found: dict[str, list[list[float]]] = {"": [], ", told which two": []}
    with TemporaryDirectory() as folder:
        for number in range(len(TASKS)):
            place, start = Path(folder) / str(number), str(Path(folder) / str(number - 1))
            begun = study.training.model_copy(update={"start": start if number else None})
            run = train(study.model_copy(update={"training": begun}), place, data=of_task(data, number))
            for which, right in zip(
                found, zip(*(_right(run, data, task) for task in TASKS), strict=True), strict=True
            ):
                found[which].append(list(right))
    return {name: value for which, rows in found.items() for name, value in _summary(rows, which).items()}


def of_task(data: Dataset, number: int) -> Dataset:
    """The data with the training examples of one task."""
    chosen = torch.isin(data.train.labels, torch.tensor(TASKS[number]))
    return replace(data, train=part(data.train, chosen))


def _right(run: Run, data: Dataset, task: tuple[int, ...]) -> tuple[float, float]:
    """Share of the test examples of a task whose class is right among all, and among its own."""
    own = part(data.test, torch.isin(data.test.labels, torch.tensor(task)))
    said = respond(run.network, own)
    told = torch.tensor(task)[said[:, list(task)].argmax(1)]
    return tuple(float((named == own.labels).double().mean()) for named in (said.argmax(1), told))


def _summary(rows: list[list[float]], which: str) -> dict[str, float]:
    learned, end = [rows[task][task] for task in range(len(rows))], rows[-1]
    fell = [before - after for before, after in zip(learned[:-1], end[:-1], strict=True)]
    return {
        f"as it was learned{which}": mean(learned),
        f"at the end{which}": mean(end),
        f"forgotten{which}": mean(fell),
    }
