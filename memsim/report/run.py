"""Pictures and report page of a training run, with its verification in ngspice where there is one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from memsim import plots
from memsim.circuits import dataset
from memsim.learn import Run
from memsim.learn.evaluation import classify
from memsim.report.page import Section, write_report
from memsim.units import format_si
from memsim.verify import Evidence

REPORT = "report.html"


def run_figures(run: Run, evidence: Evidence | None = None) -> dict[str, Figure]:
    """Pictures of a run by file name."""
    figures = {
        "training.png": plots.training_curves(run.history),
        "conductances.png": plots.conductance_map(
            *(g.detach().numpy() for g in run.network.crossbars[0].conductances())
        ),
        "confusion.png": plots.confusion(confusion_matrix(run)),
    }
    if evidence:
        figures["ngspice-and-torch.png"] = plots.overlay(
            output_waves(evidence, evidence.ngspice, "ngspice"),
            output_waves(evidence, evidence.twin, "torch"),
            "v(mem)",
        )
    return figures


def confusion_matrix(run: Run) -> np.ndarray:
    """[class, guess] counts over the test images."""
    guesses = classify(run.network, run.data.test)
    matrix = np.zeros((run.data.classes, run.data.classes), dtype=int)
    np.add.at(matrix, (run.data.test.labels.numpy(), guesses.numpy()), 1)
    return matrix


def output_waves(evidence: Evidence, waves: np.ndarray, engine: str) -> xr.Dataset:
    """Potential of the winning output neuron for the first image, as the waveform `v(mem)`."""
    winner = int(evidence.ngspice[0].mean(axis=0).argmax())
    data = dataset(evidence.times, {"v(mem)": waves[0, :, winner]})
    return data.assign_attrs(engine=engine)


def write_run_report(
    run: Run, folder: Path, evidence: Evidence | None = None, *, page: Path | None = None
) -> Path:
    """Write the pictures of a run into its folder, and the page, `report.html` there if left out; returns its path."""
    path = page or folder / REPORT
    write_report(path, f"Memristive network on {run.study.data}", run_sections(run, folder, evidence))
    return path


def run_sections(run: Run, folder: Path, evidence: Evidence | None = None) -> list[Section]:
    """Sections of a report on a run; the pictures are also written into `folder`."""
    figures = run_figures(run, evidence)
    for name, figure in figures.items():
        plots.save(figure, folder / name)
    sections = [_training_section(run, figures)]
    if evidence:
        sections.append(_verification_section(evidence, figures, folder))
    return sections


def _training_section(run: Run, figures: dict[str, Figure]) -> Section:
    last = run.history[-1]
    rows = [
        ("test accuracy", f"{last.test_accuracy:.2%}"),
        ("training accuracy", f"{last.train_accuracy:.2%}"),
        ("epochs", last.epoch),
        ("seconds of training", f"{sum(record.seconds for record in run.history):.0f}"),
        ("hidden neurons", ", ".join(map(str, run.study.hidden))),
        ("synapse", run.study.synapses.device),
        ("seed", run.study.seed),
    ]
    return Section(
        heading="Training",
        text="Backpropagation through time on the differentiable twin of the circuit; no surrogate gradients. "
        "Weights are differences of two bounded conductances.",
        tables=[(("quantity", "value"), rows)],
        figures=[
            ("loss and accuracy over the epochs", figures["training.png"]),
            ("conductances of the first crossbar", figures["conductances.png"]),
            ("classes of the test images against what the network says", figures["confusion.png"]),
        ],
        command="memsim train",
    )


def _verification_section(evidence: Evidence, figures: dict[str, Figure], folder: Path) -> Section:
    v = evidence.verification
    way = (
        "in one deck for each image"
        if v.whole
        else "layer by layer, each driven by the one before in ngspice"
    )
    rows = [
        ("test images in ngspice", v.images),
        ("same class as the torch twin", f"{v.same_class:.1%}"),
        ("same class, twin at its training step", f"{v.same_class_at_training_step:.1%}"),
        ("accuracy in ngspice", f"{v.ngspice_accuracy:.1%}"),
        ("accuracy of the twin", f"{v.twin_accuracy:.1%}"),
        ("worst waveform error, of spike amplitude", f"{v.worst_error:.2%}"),
        ("mean waveform error", f"{v.mean_error:.3%}"),
        ("worst waveform error at the training step", f"{v.worst_error_at_training_step:.2%}"),
        ("energy of one inference in ngspice", format_si(v.energy_ngspice, "J")),
        ("energy of one inference in the twin", format_si(v.energy_twin, "J")),
        ("largest difference of an image's energy", f"{v.energy_difference:.4%}"),
        ("seconds in ngspice for one image", f"{v.seconds_ngspice / v.images:.2f}"),
    ]
    layers = [
        (
            f"{number}, {layer.neurons} neurons",
            f"{layer.mean_error:.3%}",
            f"{layer.worst_error:.2%}",
            format_si(layer.neurons_ngspice, "J"),
            format_si(layer.synapses_ngspice, "J"),
        )
        for number, layer in enumerate(v.layers, start=1)
    ]
    header = ("layer", "mean waveform error", "worst", "energy of its neurons", "energy of its synapses")
    return Section(
        heading="The trained network as a circuit",
        text=f"Crossbars, mirrors and neurons in ngspice, {way}.\n\n"
        "Energies are the heat of all memristors during one inference: those of the neurons, and the crossbars with "
        "their wires while bit lines are held at virtual ground. Mirrors, buffers and encoders are ideal, not counted.",
        tables=[(("quantity", "value"), rows), (header, layers)],
        figures=[
            ("membrane potential of the winning output neuron, first image", figures["ngspice-and-torch.png"])
        ],
        command=f"memsim verify {folder} --images {v.images} {'--whole' if v.whole else '--by-layer'}",
    )
