"""Device models: ngspice beside the torch twin, every model under every drive, and the loops of all models.

    python benchmarks/devices.py agreement [CARD ...]
    python benchmarks/devices.py figures

One card of every model is driven by a sine, a triangle and a pair of pulses at three amplitudes, and both engines are
refined until their currents settle (`memsim.verify.compare_device`). Results are saved card by card, and cards that
are saved already are skipped unless they are named.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from typing import Any

import numpy as np
from common import RESULTS, save_result
from matplotlib.figure import Figure

from memsim import plots
from memsim.circuits import Sine, device_bench, with_device_currents
from memsim.devices import load_card
from memsim.errors import MemsimError
from memsim.plots.style import COLOURS
from memsim.surrogate import simulate
from memsim.units import format_si, si_prefix
from memsim.verify.devices import PROMISE, SHARES, WAVES, compare_device

CARDS = (
    "ag-chalcogenide", "knowm-sdc-schottky", "knowm-sdc-m1", "threshold-a", "vo2-switch", "vteam-memtorch",
    "team-pickett", "yakopcic-oblea", "yakopcic-srtio3", "hp-tio2", "hp-tio2-strukov", "hp-tio2-joglekar",
    "biolek-16nm", "hp-tio2-prodromakis", "stanford-pku", "sky130-reram", "jart-vcm-v1b", "wox", "tiox-pulse",
    "memdiode", "mott-nbo2", "vo2-neuristor", "pcm-gst",
)  # fmt: skip


def agreement(name: str) -> dict[str, Any]:
    """All waves and amplitudes of one card; where a run gives up, its message."""
    began, rows = time.perf_counter(), []
    found: dict[str, Any] = {"rows": rows}
    try:
        for row in compare_device(load_card(name)):
            rows.append(asdict(row))
            print(name, *(f"{v:.3g}" if isinstance(v, float) else v for v in rows[-1].values()), flush=True)
    except MemsimError as error:
        found["gave_up"] = str(error)
        print(name, error, flush=True)
    return {**found, "seconds": time.perf_counter() - began}


def run_agreement(names: list[str]) -> None:
    """Compare the cards that are not saved yet, or those named."""
    path = RESULTS / "device_agreement.json"
    saved = json.loads(path.read_text())["cards"] if path.exists() else {}
    for name in names or [name for name in CARDS if name not in saved]:
        saved[name] = agreement(name)
        cards = {key: saved[key] for key in CARDS if key in saved}
        runs = [row for card in cards.values() for row in card["rows"]]
        every = len(cards) * len(WAVES) * len(SHARES)
        result = {
            "models": len(cards),
            "runs": every,
            "aborted": every - len(runs),
            "worst": {
                key: max(row[key] for row in runs)
                for key in ("error", "error_within_a_step", "edge_shift", "ngspice_change", "twin_change")
            },
            "within_the_promise": sum(row["error_within_a_step"] <= PROMISE for row in runs),
            "within_the_promise_at_equal_times": sum(row["error"] <= PROMISE for row in runs),
            "cards": cards,
        }
        save_result("device_agreement", "python benchmarks/devices.py agreement", result)


def draw_matrix(cards: dict[str, Any]) -> Figure:
    """Error of every card under every drive as a heat map."""
    columns = [(wave, share) for wave in WAVES for share in SHARES]
    errors = np.full((len(cards), len(columns)), np.nan)
    for own, card in zip(errors, cards.values(), strict=True):
        own[: len(card["rows"])] = [row["error_within_a_step"] for row in card["rows"]]
    figure = Figure(figsize=(8.2, 0.3 * len(cards) + 1.6), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(np.log10(np.maximum(errors, 1e-7)), cmap="viridis_r", vmin=-7, vmax=-2, aspect="auto")
    for (row, column), value in np.ndenumerate(errors):
        text = f"{value:.0e}".replace("e-0", "e-") if np.isfinite(value) else "aborted"
        dark = value > 3e-5
        axes.text(column, row, text, ha="center", va="center", fontsize=6, color="white" if dark else "black")
    axes.set_yticks(range(len(cards)), list(cards), fontsize=7)
    axes.set_xticks(range(len(columns)), [f"{wave}\n{share:g}" for wave, share in columns], fontsize=7)
    bar = figure.colorbar(image, ax=axes, label="error of the current / peak", ticks=range(-7, -1))
    bar.ax.set_yticklabels([f"$10^{{{power}}}$" for power in range(-7, -1)])
    axes.set_xlabel("wave, share of the card's amplitude", fontsize=8)
    return figure


def draw_loops(cards: dict[str, Any]) -> Figure:
    """The loop of every card under its own sine, by the twin: first cycle pale, second dark."""
    columns = 5
    figure = Figure(figsize=(13, 2.35 * -(-len(cards) // columns)), layout="constrained")
    panels = list(figure.subplots(-(-len(cards) // columns), columns).flat)
    for name, axes in zip(cards, panels, strict=False):
        card = load_card(name)
        drive = card.drive
        assert drive is not None
        period = 1 / drive.frequency
        bench = device_bench(card.device, series_resistance=drive.series_resistance)
        stimuli = {"vdrive": Sine(drive.amplitude, drive.frequency, drive.offset)}
        waves = simulate(bench, stimuli=stimuli, stop=2 * period, step=period / 1000, tolerance=1e-6)
        loop = with_device_currents(bench, waves)
        v, current, second = loop["v(xm1)"].values, loop["i(xm1)"].values, loop["time"].values >= period
        scale, prefix = si_prefix(float(np.abs(current).max()))
        axes.plot(v[~second], current[~second] / scale, color="0.7", linewidth=1.0)
        axes.plot(v[second], current[second] / scale, color=COLOURS[0], linewidth=1.2)
        axes.axhline(0, color="0.85", linewidth=0.6, zorder=0)
        axes.axvline(0, color="0.85", linewidth=0.6, zorder=0)
        title = (
            f"{name}\n{format_si(drive.frequency, 'Hz')}, {format_si(drive.series_resistance, 'Ω')} in series"
        )
        axes.set_title(title, fontsize=8)
        axes.set_ylabel(f"{prefix}A", fontsize=7)
        axes.tick_params(labelsize=6)
    for axes in panels[len(cards) :]:
        axes.set_visible(False)
    figure.supxlabel("voltage across the device (V)", fontsize=9)
    return figure


def run_figures() -> None:
    """Heat map of the saved comparison, and the gallery of loops."""
    cards = json.loads((RESULTS / "device_agreement.json").read_text())["cards"]
    plots.save(draw_matrix(cards), RESULTS / "device_agreement.png")
    plots.save(draw_loops(cards), RESULTS / "device_loops.png")


if __name__ == "__main__":
    if sys.argv[1:2] == ["agreement"]:
        run_agreement(sys.argv[2:])
        run_figures()
    elif sys.argv[1:2] == ["figures"]:
        run_figures()
    else:
        sys.exit(__doc__)
