"""The main job end to end: netlists, ngspice, training, the trained network as a circuit, pictures and a report."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from memsim import plots, spice, surrogate
from memsim.circuits import with_device_currents
from memsim.circuits.catalogue import CATALOGUE, Bench, load_bench
from memsim.cli.progress import counting_progress, training_progress
from memsim.errors import SimulationError
from memsim.files import ensure_folder, write_text, write_waves
from memsim.learn import Run, make_study, train
from memsim.learn.checkpoint import CHECKPOINT
from memsim.netlists import write_netlists
from memsim.report import Section, write_report
from memsim.report.run import run_sections
from memsim.verify import Evidence, save_verification, verify

SUMMARY = "demo.json"
IMAGES = 50
EPOCHS = 20
LOOPS = ("hysteresis-ag-chalcogenide", "hysteresis-yakopcic-oblea", "hysteresis-vteam-memtorch")
SPIKE = "integrate-and-fire-set1"
SELF_FIRING = "threshold-switching-a"
SPIKE_LEVEL = 0.065
"""Potential [V] half way between the hold and the threshold voltage of the self-firing neuron."""


@dataclass
class Stopwatch:
    """Wall time of each stage."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage under its name."""
        began = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - began


def run_demo(folder: Path) -> None:
    """Run every stage into `folder`; a training run that is there already is continued or used as it is."""
    console, watch = Console(), Stopwatch()
    spice.ngspice_version()
    ensure_folder(folder)
    with watch.stage("write netlists"):
        decks = list(write_netlists(folder / "netlists"))
    with watch.stage("simulate them in ngspice"):
        waves = simulate_shipped(folder / "waves")
    with watch.stage("the same circuits in torch"):
        twins = {name: _twin(load_bench(name)) for name in (SPIKE, SELF_FIRING)}
    with watch.stage("train on digits"):
        run = _train(folder / "digits")
    with watch.stage(f"verify {IMAGES} test images in ngspice"), counting_progress("ngspice") as progress:
        evidence = verify(run, images=IMAGES, progress=progress)
        save_verification(evidence.verification, folder / "digits")
    with watch.stage("pictures and report"):
        page = _report(folder, waves, twins, run, evidence)
    write_text(folder / SUMMARY, json.dumps({"stages": watch.seconds}, indent=2) + "\n")
    console.print(_table(watch, len(decks), run, evidence))
    console.print(f"report: {page}\npictures: {folder}/*.png\ndecks: {folder}/netlists", soft_wrap=True)


def simulate_shipped(folder: Path) -> dict[str, xr.Dataset]:
    """Run every shipped circuit in ngspice, keep the waveforms as netCDF, and return them with device currents."""
    benches = {name: load_bench(name) for name in CATALOGUE}
    with counting_progress("ngspice") as progress:
        results = spice.simulate_many([_job(bench) for bench in benches.values()], progress=progress)
    waves = {}
    for (name, bench), result in zip(benches.items(), results, strict=True):
        if isinstance(result, SimulationError):
            raise result
        write_waves(folder / f"{name}.nc", result)
        waves[name] = with_device_currents(bench.circuit, result)
    return waves


def _job(bench: Bench) -> spice.Job:
    return spice.Job(bench.circuit, stimuli=bench.stimuli, stop=bench.stop, step=bench.step)


def _twin(bench: Bench) -> xr.Dataset:
    return surrogate.simulate(bench.circuit, stimuli=bench.stimuli, stop=bench.stop, step=bench.step)


def _train(folder: Path) -> Run:
    resume = (folder / CHECKPOINT).exists()
    with training_progress() as progress:
        return train(make_study(epochs=EPOCHS), folder, resume=resume, progress=progress)


def _report(
    folder: Path, waves: dict[str, xr.Dataset], twins: dict[str, xr.Dataset], run: Run, evidence: Evidence
) -> Path:
    figures = circuit_figures(waves, twins)
    captions = {
        "hysteresis-ag-chalcogenide.png": "Ag-chalcogenide device, metastable switch, 0.25 V at 100 Hz",
        "hysteresis-yakopcic-oblea.png": "Yakopcic model, 0.45 V at 100 Hz",
        "hysteresis-vteam-memtorch.png": "VTEAM model, 0.25 V at 5 MHz",
        "neuron.png": "one spike of the memristive integrate-and-fire neuron in ngspice",
        "neuron-engines.png": "the same spike in ngspice and in the torch twin",
        "self-firing-engines.png": "the self-firing neuron at 5 µA in ngspice and in the torch twin",
        "spikes.png": "spike times of the self-firing neuron in both engines",
    }
    for name, figure in figures.items():
        plots.save(figure, folder / name)
    circuits = Section(
        heading="Devices and neurons",
        text="Every circuit is written once. ngspice runs it as a deck, torch as its differentiable twin.",
        figures=[(captions[name], figure) for name, figure in figures.items()],
        command=f"memsim run {SPIKE} --plot spike.png",
    )
    page = folder / "report.html"
    write_report(page, "memsim demo", [circuits, *run_sections(run, folder / "digits", evidence)])
    return page


def circuit_figures(waves: dict[str, xr.Dataset], twins: dict[str, xr.Dataset]) -> dict[str, Figure]:
    """Pictures of the shipped circuits by file name."""
    figures = {f"{name}.png": plots.hysteresis(waves[name], "v(xm1)", "i(xm1)") for name in LOOPS}
    figures["neuron.png"] = plots.neuron(
        waves[SPIKE],
        states=("v(xm1.x)", "v(xm2.x)"),
        conductances=("g(xm1)", "g(xm2)"),
        currents=("i(xm1)", "i(xm2)"),
    )
    figures["neuron-engines.png"] = plots.overlay(waves[SPIKE], twins[SPIKE], "v(mem)")
    figures["self-firing-engines.png"] = plots.overlay(waves[SELF_FIRING], twins[SELF_FIRING], "v(mem)")
    spikes = {data.attrs["engine"]: spike_times(data) for data in (waves[SELF_FIRING], twins[SELF_FIRING])}
    figures["spikes.png"] = plots.raster(spikes, duration=float(waves[SELF_FIRING]["time"][-1]))
    return figures


def spike_times(data: xr.Dataset) -> np.ndarray:
    """Times [s] at which the membrane falls through the spike level."""
    above = data["v(mem)"].values > SPIKE_LEVEL
    return data["time"].values[1:][above[:-1] & ~above[1:]]


def _table(watch: Stopwatch, decks: int, run: Run, evidence: Evidence) -> Table:
    v = evidence.verification
    table = Table(title="memsim demo", show_header=False)
    for stage, seconds in watch.seconds.items():
        table.add_row(stage, f"{seconds:.1f} s")
    table.add_section()
    table.add_row("files written to netlists/", str(decks))
    table.add_row("test accuracy on digits", f"{run.history[-1].test_accuracy:.2%}")
    table.add_row("ngspice and torch name the same class", f"{v.same_class:.1%} of {v.images} images")
    table.add_row("worst waveform error", f"{v.worst_error:.2%} of spike amplitude")
    return table
