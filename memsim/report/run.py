"""Pictures and report page of a training run, with its verification in ngspice where there is one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from memsim import plots
from memsim.circuits import dataset
from memsim.learn import Run
from memsim.learn.checkpoint import STUDY
from memsim.learn.evaluation import first, respond
from memsim.learn.metrics import confusion
from memsim.learn.rules import BACKPROPAGATION
from memsim.report.page import Section, Table, write_report
from memsim.units import format_si
from memsim.verify import Evidence, Verification

REPORT = "report.html"
WAYS = {
    False: "on the differentiable twin of the circuit; no surrogate gradients. "
    "Weights are differences of two bounded conductances.",
    True: "of discrete neurons, whose spikes have the slope of a surrogate.",
}
"""How networks of circuits and of discrete neurons are trained by backpropagation."""


def run_figures(run: Run, evidence: Evidence | None = None) -> dict[str, Figure]:
    """Pictures of a run by file name."""
    figures = {"training.png": plots.training_curves(run.history, score=_score(run))}
    if run.network.crossbars:
        crossbar = run.network.crossbars[0]
        figures["conductances.png"] = plots.conductance_map(
            *(g.detach().numpy() for g in crossbar.conductances())
        )
    if not run.data.regression:
        figures["confusion.png"] = plots.confusion(confusion_matrix(run), run.data.names or None)
    if run.data.velocities:
        figures["motion.png"] = plots.motion(motions(run))
    if evidence:
        figures["ngspice-and-torch.png"] = plots.overlay(
            output_waves(evidence, evidence.ngspice, "ngspice"),
            output_waves(evidence, evidence.twin, "torch"),
            "v(mem)",
        )
    return figures


def _score(run: Run) -> str:
    return "R²" if run.data.regression else "accuracy"


def confusion_matrix(run: Run) -> np.ndarray:
    """[class, guess] counts over the test images."""
    return confusion(respond(run.network, run.data.test), run.data.test.labels).long().numpy()


def motions(run: Run, count: int = 3) -> list[plots.Motion]:
    """What moves in the first test recordings, and what the network says of it."""
    some = first(run.data.test, count)
    shape = run.data.shape[1:]
    known, found = (
        run.data.in_units(one).view(len(some), 2, *(shape if run.data.classes > 2 else ())).numpy()
        for one in (some.labels, respond(run.network, some))
    )
    # the past is shown behind the first two channels
    events = some.stored.unflatten(2, run.data.shape)[:, :, :2].sum(dim=1).numpy()
    return [plots.Motion(*each) for each in zip(events, known, found, strict=True)]


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
    write_report(path, f"Memristive network on {run.data.name}", run_sections(run, folder, evidence))
    return path


def run_sections(run: Run, folder: Path, evidence: Evidence | None = None) -> list[Section]:
    """Sections of a report on a run; the pictures are also written into `folder`."""
    figures = run_figures(run, evidence)
    for name, figure in figures.items():
        plots.save(figure, folder / name)
    sections = [_training_section(run, figures)]
    if evidence:
        sections.append(_verification_section(evidence, figures, _source(run, folder)))
    return sections


def _training_section(run: Run, figures: dict[str, Figure]) -> Section:
    last, what = run.kept, _score(run)
    rows = [
        (f"test {what}", f"{last.test_accuracy:.2%}"),
        (f"training {what}", f"{last.train_accuracy:.2%}"),
        *((f"test {name}", f"{value:.4g}") for name, value in last.scores.items()),
        ("epochs", last.epoch),
        ("seconds of training", f"{sum(record.seconds for record in run.history):.0f}"),
        ("hidden neurons", ", ".join(str(layer.neurons) for layer in run.network.chain[:-1])),
        ("neuron", run.study.neuron),
        *([] if run.study.discrete else [("synapse", run.study.synapses.device)]),
        ("seed", run.study.seed),
    ]
    if last.activity:
        rows.append(
            ("spikes of a neuron, layer by layer", ", ".join(f"{mean:.2f}" for mean in last.activity))
        )
    if run.data.digest:
        rows.append(("SHA-256 of the data", run.data.digest))
    told = "".join(f"\n\nData: {note}." for note in run.data.notes)
    pictures = [
        (f"loss and {what} over the epochs", figures["training.png"]),
    ]
    if "conductances.png" in figures:
        pictures.append(("conductances of the first crossbar", figures["conductances.png"]))
    if "confusion.png" in figures:
        told_of = "classes of the test images against what the network says"
        pictures.append((told_of, figures["confusion.png"]))
    if "motion.png" in figures:
        pictures.append(("velocities of the first test recordings", figures["motion.png"]))
    return Section(
        heading="Training",
        text=f"{_rule(run)}{told}",
        tables=[(("quantity", "value"), rows), *_stages(run)],
        figures=pictures,
        command="memsim train",
    )


def _rule(run: Run) -> str:
    """How the network learned."""
    kinds = dict.fromkeys(_kind(stage.rule or run.study.rule) for stage in run.study.every_stage)
    if list(kinds) == [BACKPROPAGATION]:
        return f"Backpropagation through time {WAYS[run.study.discrete]}"
    several = ", then by the rule ".join(kinds)
    return f"Learned by the rule {several}."


def _kind(rule: Any) -> str:
    kind: str = rule["kind"] if isinstance(rule, dict) else rule
    return kind.rpartition(":")[2].partition("@")[0]


def _stages(run: Run) -> list[Table]:
    """What each stage gave."""
    if not run.records:
        return []
    rows = [
        (one.stage.name, one.stage.card or "software", len(one.history), f"{one.accuracy:.2%}")
        for one in run.records
    ]
    return [(("stage", "hardware", "epochs", f"test {_score(run)}"), rows)]


def _verification_section(evidence: Evidence, figures: dict[str, Figure], source: str) -> Section:
    v = evidence.verification
    way = (
        "in one deck for each image"
        if v.whole
        else "layer by layer, each driven by the one before in ngspice"
    )
    rows = [
        ("test images in ngspice", v.images),
        *_agreement(v),
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
            "not verified" if v.not_circuits else format_si(layer.synapses_ngspice, "J"),
        )
        for number, layer in enumerate(v.layers, start=1)
    ]
    header = ("layer", "mean waveform error", "worst", "energy of its neurons", "energy of its synapses")
    return Section(
        heading="The trained network as a circuit",
        text=f"Crossbars, mirrors and neurons in ngspice, {way}.\n\n"
        "Energies are the heat of all memristors during one inference: those of the neurons, and the crossbars with "
        "their wires while bit lines are held at virtual ground. Mirrors, buffers and encoders are ideal, not counted."
        + _left_out(v),
        tables=[(("quantity", "value"), rows), (header, layers)],
        figures=[
            ("membrane potential of the winning output neuron, first image", figures["ngspice-and-torch.png"])
        ],
        command=f"memsim verify {source} --images {v.images} {'--whole' if v.whole else '--by-layer'}",
    )


def _left_out(v: Verification) -> str:
    """What was not verified, because it is no circuit."""
    if not v.not_circuits:
        return ""
    return (
        f"\n\nNot verified, because they are no circuit: the converters of {', '.join(v.not_circuits)}. "
        "The neurons behind them were driven with the currents that they give, in both engines; energies are those of "
        "the neurons, and `memsim imc` tells those of the arrays."
    )


def _source(run: Run, folder: Path) -> str:
    """What `memsim verify` is called with."""
    is_stage = bool(run.records) and not (folder / STUDY).exists()
    return f'{folder.parent} --stage "{run.records[-1].stage.name}"' if is_stage else str(folder)


def _agreement(v: Verification) -> list[tuple[str, str]]:
    """What networks say in both engines."""
    if v.same_class is None or v.same_class_at_training_step is None:
        return [("R² in ngspice", f"{v.ngspice_accuracy:.4f}"), ("R² of the twin", f"{v.twin_accuracy:.4f}")]
    return [
        ("same class as the torch twin", f"{v.same_class:.1%}"),
        ("same class, twin at its training step", f"{v.same_class_at_training_step:.1%}"),
        ("accuracy in ngspice", f"{v.ngspice_accuracy:.1%}"),
        ("accuracy of the twin", f"{v.twin_accuracy:.1%}"),
    ]
