"""Pictures, numbers and report page of a network on several chips."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from memsim import plots
from memsim.files import ensure_folder, write_text
from memsim.imc.cost import COMPONENTS, Cost
from memsim.learn.chips import Chip
from memsim.report.page import Section, Table, write_report
from memsim.report.unseen import mean_rows, unseen_section
from memsim.units import format_si

NUMBERS, REPORT = "imc.json", "imc.html"
SQUARE_MILLIMETRE = 1e-6


def write_imc_report(chips: Sequence[Chip], folder: Path, command: str) -> list[Path]:
    """Write JSON, pictures and a page about chips, the first of which the others are compared with.

    Args:
        chips: the network on each.
        folder: where to; made when missing.
        command: what to type to make this again.

    Returns:
        The files.
    """
    ensure_folder(folder)
    write_text(folder / NUMBERS, json.dumps([chip.as_dict() for chip in chips], indent=2) + "\n")
    side_by_side, layers = imc_figures(chips)
    pictures = [
        plots.save(side_by_side, folder / "imc-cost.png"),
        plots.save(layers, folder / "imc-layers.png"),
    ]
    card = chips[0].card.name
    sections = [
        Section(
            heading="Side by side",
            text="For one inference. Latency is the time between two inferences of the layer pipeline.",
            tables=[comparison(chips), _components([chip.cost for chip in chips])],
            figures=[("energy, latency and area of each chip, part by part", side_by_side)],
            command=command,
        ),
        Section(
            heading=f"Layers on {card}",
            tables=[_layers(chips[0].cost)],
            figures=[(f"energy of each layer on {card}, part by part, and its latency", layers)],
        ),
    ]
    if chips[0].unseen:
        sections.insert(1, unseen_section(chips))
    title = f"In-memory computing: {chips[0].cost.workload}"
    return [folder / NUMBERS, *pictures, write_report(folder / REPORT, title, sections)]


def imc_figures(chips: Sequence[Chip]) -> tuple[Figure, Figure]:
    """The chips side by side, and the layers of the first."""
    costs = [chip.cost for chip in chips]
    known = [chip.accuracy for chip in chips if chip.accuracy is not None]
    return plots.cost_bars(costs, known or None), plots.layer_bars(costs[0])


def comparison(chips: Sequence[Chip]) -> Table:
    """Accuracy and cost of chips side by side, costs also over those of the first."""
    base = chips[0].cost
    header = ["", *(chip.card.name for chip in chips)]
    rows: list[list[object]] = [
        ["energy", *(format_si(chip.cost.total_energy, "J", 3) for chip in chips)],
        ["latency", *(format_si(chip.cost.latency, "s", 3) for chip in chips)],
        ["area", *(f"{chip.cost.total_area / SQUARE_MILLIMETRE:.3g} mm²" for chip in chips)],
        ["energy, over the first", *(f"{c.cost.total_energy / base.total_energy:.2f}" for c in chips)],
        ["latency, over the first", *(f"{c.cost.latency / base.latency:.2f}" for c in chips)],
        ["area, over the first", *(f"{c.cost.total_area / base.total_area:.2f}" for c in chips)],
    ]
    if any(chip.accuracy is not None for chip in chips):
        rows.insert(0, ["accuracy", *(f"{chip.accuracy:.2%}" for chip in chips)])
        rows[1:1] = mean_rows(chips)
        rows.append(["network of stage", *(f"{c.trained}{', cold' if c.cold else ''}" for c in chips)])
    if any(chip.digital for chip in chips):
        rows.append(["digital, in no cost", *(", ".join(chip.digital) or "none" for chip in chips)])
    return header, rows


def _components(costs: Sequence[Cost]) -> Table:
    header = ["energy of", *(cost.card for cost in costs)]
    return header, [[part, *(format_si(cost.energy[part], "J", 3) for cost in costs)] for part in COMPONENTS]


def _layers(cost: Cost) -> Table:
    header = ("layer", "arrays", "copies", "cells in use", "energy", "latency")
    rows = [
        (
            layer.name,
            layer.arrays,
            layer.copies,
            f"{layer.utilisation:.0%}",
            format_si(layer.total_energy, "J", 3),
            format_si(layer.latency, "s", 3),
        )
        for layer in cost.layers
    ]
    return header, rows
