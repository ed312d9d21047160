"""Device models: ngspice beside the torch twin, every model under every drive.

    python benchmarks/devices.py agreement [CARD ...]
    python benchmarks/devices.py figure

One card of every model is driven by a sine, a triangle and a pair of pulses at three amplitudes. Both engines
run as `verify` runs them (`memsim.verify.compare_device`). Results are saved card by card, and cards that
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
from memsim.devices import load_card
from memsim.errors import MemsimError
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


def run_figure() -> None:
    """Heat map of the saved comparison."""
    cards = json.loads((RESULTS / "device_agreement.json").read_text())["cards"]
    plots.save(draw_matrix(cards), RESULTS / "device_agreement.png")


if __name__ == "__main__":
    if sys.argv[1:2] == ["agreement"]:
        run_agreement(sys.argv[2:])
        run_figure()
    elif sys.argv[1:2] == ["figure"]:
        run_figure()
    else:
        sys.exit(__doc__)
