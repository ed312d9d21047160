"""Networks of neurons that fire by themselves: trained on the digits, read out by their spikes, verified in ngspice.

    python benchmarks/self_firing.py

Each seed is trained in two stages: studies/self-firing.toml, read out by mean potentials, then on from those weights by
each readout of spikes. A silent output has no slope in its count, so that spikes alone would not start. Every row is
saved once it is done, in benchmarks/results/self_firing.json, and skipped the next time; a training that was
interrupted resumes from runs/self-firing.
"""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import RESULTS, save_result
from numpy.typing import NDArray
from self_firing_figure import Membranes, Shown, spikes

from memsim import plots
from memsim.cli.progress import counting_progress, training_progress
from memsim.learn import Run, Study, error_of_steps, load_study, train
from memsim.learn.checkpoint import CHECKPOINT
from memsim.learn.data import Split
from memsim.learn.evaluation import FINE, part
from memsim.networks import MemristiveNetwork
from memsim.networks.tables import ReadoutTable
from memsim.verify import engines, verify

NAME = "self_firing"
SEEDS = (0, 1, 2)
STUDY = Path(__file__).parent / "studies" / "self-firing.toml"
RUNS = Path("runs/self-firing")
READOUTS = (
    ReadoutTable(kind="spike-count", width=0.03, scale=0.5),
    ReadoutTable(kind="first-spike", width=0.02, scale=0.05),
)
RATE, RATIOS = 0.005, (1.0, 2.0)
"""Learning rate and mirror ratios of the second stage: outputs get twice the current, so that more of them fire."""
EVERY = 9
"""Test images that ngspice gets: every ninth."""
SHOWN = slice(0, 9, 4)
"""Of those, the images in the figure: a 2, a 4 and a 6."""


def trained(study: Study, folder: Path) -> Run:
    """A study trained now, trained to its end, or as it was saved."""
    with training_progress() as progress:
        return train(study, folder, resume=(folder / CHECKPOINT).exists(), progress=progress)


def first_stage(seed: int) -> Study:
    """Read out by mean potentials."""
    return load_study(STUDY).model_copy(update={"seed": seed})


def second_stage(seed: int, readout: ReadoutTable) -> Study:
    """Read out by spikes, from the weights of the first stage."""
    study = first_stage(seed)
    changes = {
        "readout": readout,
        "learning_rate": RATE,
        "synapses": study.synapses.model_copy(update={"mirror_ratio": RATIOS}),
        "training": study.training.model_copy(update={"start": str(RUNS / f"mean-{seed}")}),
    }
    return study.model_copy(update=changes)


def run_of(seed: int, readout: ReadoutTable) -> Run:
    """Both stages of one seed."""
    trained(first_stage(seed), RUNS / f"mean-{seed}")
    return trained(second_stage(seed, readout), RUNS / f"{readout.kind}-{seed}")


def counts(waves: NDArray[np.float64], level: float) -> NDArray[np.int64]:
    """Upward crossings of a level by waveforms [image, time, neuron], [image, neuron]."""
    return np.count_nonzero(np.diff((waves > level).astype(np.int8), axis=1) > 0, axis=1)


def potentials(run: Run, split: Split) -> list[NDArray[np.float32]]:
    """Of all neurons at the training step, layer by layer, [image, time, neuron] in V above rest."""
    with torch.no_grad():
        parts = [run.network.waveforms(inputs) for inputs, _ in split.batches(150)]
    return [torch.cat(layer, dim=1).transpose(0, 1).numpy() for layer in zip(*parts, strict=True)]


def strict_accuracy(run: Run) -> float:
    """Share of test images whose class has the most spikes, or the first one; outputs that are equal share an image.

    Readouts have a width, so that a spike that almost came is a part of one. Here it is nothing.
    """
    waves, level = potentials(run, run.data.test)[-1], run.network.readout.level
    if run.network.readout.kind == "spike-count":
        score = counts(waves, level)
    else:
        score = np.count_nonzero(np.maximum.accumulate(waves, axis=1) > level, axis=1)
    best = score == score.max(axis=1, keepdims=True)
    shares = np.where(score > 0, best / best.sum(axis=1, keepdims=True), 0.0)
    return float(shares[np.arange(len(shares)), run.data.test.labels.numpy()].mean())


def spikes_per_neuron(run: Run) -> dict[str, float]:
    """Spikes of each neuron in each test image, mean of each layer and of all neurons."""
    level = run.network.readout.level
    hidden, output = (counts(waves, level) for waves in potentials(run, run.data.test))
    every = np.concatenate([hidden, output], axis=1)
    return {"hidden": float(hidden.mean()), "output": float(output.mean()), "all": float(every.mean())}


def in_ngspice(run: Run, folder: Path, *, whole: bool) -> dict[str, Any]:
    """Every ninth test image in ngspice: classes, waveforms, and spikes of the output neurons."""
    test = part(run.data.test, slice(None, None, EVERY))
    few = replace(run, data=replace(run.data, test=test))
    with counting_progress(f"ngspice, {folder}") as progress:
        evidence = verify(few, images=len(test), whole=whole, folder=folder, progress=progress)
    level = run.network.readout.level
    found = counts(evidence.ngspice, level)
    coarse = counts(potentials(run, test)[-1], level)
    return asdict(evidence.verification) | {
        "spikes": float(found.mean()),
        "same_spikes": float(np.mean(found == counts(evidence.twin, level))),
        "same_spikes_at_training_step": float(np.mean(found == coarse)),
    }


def measured(seed: int, readout: ReadoutTable) -> dict[str, Any]:
    """One network: trained, its steps looked at, and run in ngspice in both ways."""
    run, folder = run_of(seed, readout), RUNS / f"{readout.kind}-{seed}"
    return {
        "test_accuracy": run.history[-1].test_accuracy,
        "strict_accuracy": strict_accuracy(run),
        "spikes": spikes_per_neuron(run),
        "error_of_steps": asdict(error_of_steps(run.network, run.data.train)),
        "layer_by_layer": in_ngspice(run, folder / "by-layer", whole=False),
        "whole": in_ngspice(run, folder / "whole", whole=True),
    }


def draw(run: Run) -> None:
    """Some of those images in both engines, the twin at its training step."""
    images = part(part(run.data.test, slice(None, None, EVERY)), SHOWN)
    twin = [waves.astype(float) for waves in potentials(run, images)]
    spice = ngspice_potentials(run, images)
    named = run.network.readout(torch.from_numpy(spice[-1]).transpose(0, 1)).argmax(dim=1).tolist()
    shown = []
    for number in range(len(images)):
        both = [
            Membranes(np.linspace(0, run.study.window, len(hidden[number])), hidden[number], output[number])
            for hidden, output in (spice, twin)
        ]
        picture = images.inputs(number).reshape(run.data.shape).numpy()
        shown.append(Shown(picture, named[number], (both[0], both[1])))
    plots.save(spikes(shown, run.network.readout.level), RESULTS / f"{NAME}.png")


def ngspice_potentials(run: Run, split: Split) -> list[NDArray[np.float64]]:
    """Of all neurons of the whole network, as `potentials`, at a tenth of the training step."""
    network = MemristiveNetwork(run.data.shape, run.data.classes, run.study).double()
    network.load_state_dict(run.network.state_dict())
    steps = FINE * round(run.study.window / run.study.step)
    times = np.linspace(0, run.study.window, steps + 1)
    layers = engines.whole(network, network.drive(split.inputs().double()), times, lambda _: None)
    return [engines.relative(network, waves) for waves in layers]


def main() -> None:
    """Measure the rows that are missing, saving after each, and draw."""
    torch.set_num_threads(1)
    path = RESULTS / f"{NAME}.json"
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else {}
    for readout in READOUTS:
        for seed in SEEDS:
            name = f"{readout.kind}, seed {seed}"
            if name not in rows:
                rows[name] = measured(seed, readout)
                save(rows)
            print(name, _headline(rows[name]))
        accuracies = [row["test_accuracy"] for name, row in rows.items() if name.startswith(readout.kind)]
        print(
            f"{readout.kind}: test accuracy {statistics.mean(accuracies):.2%}, mean of {len(accuracies)} seeds"
        )
    if not (RESULTS / f"{NAME}.png").exists():
        draw(run_of(SEEDS[0], READOUTS[0]))


def save(rows: dict[str, Any]) -> None:
    """Write the rows, with the studies of both stages."""
    studies = [first_stage(SEEDS[0]), *(second_stage(SEEDS[0], readout) for readout in READOUTS)]
    written = [study.model_dump(exclude_none=True) for study in studies]
    save_result(NAME, "python benchmarks/self_firing.py", {"studies": written, "rows": rows})


def _headline(row: dict[str, Any]) -> str:
    spice = row["whole"]
    return (
        f"test accuracy {row['test_accuracy']:.2%}, {row['spikes']['all']:.2f} spikes a neuron; ngspice: "
        f"same class {spice['same_class']:.0%}, same count {spice['same_spikes_at_training_step']:.1%}"
    )


if __name__ == "__main__":
    main()
