"""Pictures, numbers and report page of a network on several chips."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
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
TERA = 1e12
DEFINITIONS = (
    "Energies are those of one inference. The period is the time between two inferences of the pipeline, an inference "
    "alone passes through all layers. An operation is a multiplication or a sum: two for each weight, position and "
    "time step, whether its input spikes or not. The macro is arrays, converters and drivers."
)


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
    # a floorplan is of one chip
    floor = plots.floorplan(chips[0].parts[0] if chips[0].parts else chips[0].cost)
    pictures = [
        plots.save(side_by_side, folder / "imc-cost.png"),
        plots.save(layers, folder / "imc-layers.png"),
        plots.save(floor, folder / "imc-floorplan.png"),
    ]
    card = chips[0].card.name
    sections = [
        Section(
            heading="Side by side",
            text="\n\n".join([DEFINITIONS, *remarks(chips)]),
            tables=[comparison(chips), _components([chip.cost for chip in chips])],
            figures=[("energy, latency and area of each chip, part by part", side_by_side)],
            command=command,
        ),
        Section(
            heading=f"Layers on {card}",
            tables=[
                _layers(chips[0].cost),
                *([own] if (own := cards_of_layers(chips[0])) else []),
                *([digital] if (digital := beside_arrays(chips[0].cost)) else []),
            ],
            figures=[
                (f"energy of each layer on {card}, part by part, and its latency", layers),
                (f"floorplan of {card}, to scale, and one of its tiles", floor),
            ],
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
    rows: list[list[object]] = [[name, *(of(chip.cost) for chip in chips)] for name, of in ROWS.items()]
    if len(chips) > 1:
        rows += [
            ["energy, over the first", *(f"{c.cost.total_energy / base.total_energy:.2f}" for c in chips)],
            ["period, over the first", *(f"{c.cost.period / base.period:.2f}" for c in chips)],
            ["area, over the first", *(f"{c.cost.total_area / base.total_area:.2f}" for c in chips)],
        ]
    if any(chip.accuracy is not None for chip in chips):
        rows.insert(0, [chips[0].score, *(f"{chip.accuracy:.2%}" for chip in chips)])
        rows[1:1] = mean_rows(chips)
        if any(chip.software is not None for chip in chips):
            rows.insert(0, [f"{chips[0].score} in software", *(f"{chip.software:.2%}" for chip in chips)])
        rows.append(["network of stage", *(f"{c.trained}{', cold' if c.cold else ''}" for c in chips)])
    if any(chip.digital for chip in chips):
        rows.append(["digital layers", *(", ".join(chip.digital) or "none" for chip in chips)])
    return header, rows


ROWS: Mapping[str, Callable[[Cost], str]] = {
    "energy": lambda cost: format_si(cost.total_energy, "J", 3),
    "one inference": lambda cost: format_si(cost.inference_time, "s", 3),
    "period": lambda cost: format_si(cost.period, "s", 3),
    "slowest stage": lambda cost: cost.slowest,
    "area": lambda cost: f"{cost.total_area / SQUARE_MILLIMETRE:.1f} mm²",
    "TOPS/W": lambda cost: f"{cost.efficiency / TERA:.3g}",
    "TOPS/W of the macro": lambda cost: f"{cost.macro_efficiency / TERA:.3g}",
    "TOPS/mm²": lambda cost: f"{cost.density * SQUARE_MILLIMETRE / TERA:.3g}",
    "cells in use": lambda cost: f"{cost.utilisation:.0%}",
    "column, array carry": lambda cost: "; ".join(
        format_si(current, "A", 2) for current in (cost.currents.column, cost.currents.array)
    ),
    "leakage": lambda cost: format_si(cost.leakage_power, "W", 3),
    "programming, once": lambda cost: (
        "not said" if cost.programming is None else format_si(cost.programming.energy, "J", 3)
    ),
}
"""Of the table side by side."""


def remarks(chips: Sequence[Chip]) -> list[str]:
    """What should be known of the chips, each by its name."""
    return [f"{chip.card.name}: {text}." for chip in chips for text in chip.cost.remarks]


def beside_arrays(cost: Cost) -> Table | None:
    """What is computed beside the arrays; None where there is nothing."""
    if not cost.parts:
        return None
    rows = [
        (part.name, part.does, format_si(part.energy, "J", 3), format_si(part.latency, "s", 3))
        for part in cost.parts
    ]
    return ("beside the arrays", "does", "energy", "time"), rows


def cards_of_layers(chip: Chip) -> Table | None:
    """What the layers of each card cost; None where all have one."""
    if not chip.parts:
        return None
    rows = [
        (
            part.card,
            ", ".join(layer.name for layer in part.layers),
            format_si(part.total_energy, "J", 3),
            format_si(part.inference_time, "s", 3),
            f"{part.total_area / SQUARE_MILLIMETRE:.1f} mm²",
        )
        for part in chip.parts
    ]
    return ("layers on", "which", "energy", "time", "area"), rows


def _components(costs: Sequence[Cost]) -> Table:
    header = ["energy of", *(cost.card for cost in costs)]
    energies = [cost.energy for cost in costs]
    rows = [[part, *(format_si(one[part], "J", 3) for one in energies)] for part in COMPONENTS]
    return header, [row for row, part in zip(rows, COMPONENTS, strict=True) if any(e[part] for e in energies)]


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
