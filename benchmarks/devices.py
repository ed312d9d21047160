"""Device models: ngspice beside the torch twin, every model under every drive, and the loops of all models.

    python benchmarks/devices.py agreement [CARD ...]
    python benchmarks/devices.py figures

One card of every model is driven by a sine, a triangle and a pair of pulses at three amplitudes. The steps of the twin
are halved until its current is within 0.1 % of the peak from that of ngspice at two step sizes in a row; where that
does not happen, the longest step of ngspice, which chooses its own, is quartered, at most twice. Results are saved card
by card, and cards that are saved already are skipped unless they are named.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from common import RESULTS, save_result
from matplotlib.figure import Figure
from numpy.typing import NDArray

from memsim import plots, spice
from memsim.circuits import Samples, Sine, Stimulus, device_bench, triangle
from memsim.devices import Card, load_card, numeric
from memsim.errors import MemsimError
from memsim.plots.style import COLOURS
from memsim.surrogate import CompiledCircuit
from memsim.units import format_si, si_prefix

Array = NDArray[np.float64]
CARDS = (
    "ag-chalcogenide", "knowm-sdc-schottky", "knowm-sdc-m1", "threshold-a", "vo2-switch", "vteam-memtorch",
    "team-pickett", "yakopcic-oblea", "yakopcic-srtio3", "hp-tio2", "hp-tio2-strukov", "hp-tio2-joglekar",
    "biolek-16nm", "hp-tio2-prodromakis", "stanford-pku", "sky130-reram", "jart-vcm-v1b", "wox", "tiox-pulse",
    "memdiode", "mott-nbo2", "vo2-neuristor", "pcm-gst",
)  # fmt: skip
WAVES = ("sine", "triangle", "pulses")
SHARES = (0.5, 0.75, 1.0)
FEWEST_STEPS, MOST_STEPS = 2000, 2_048_000
NGSPICE_STEPS = (8000, 32000, 128_000)
CONVERGED = 1e-3
PROMISE = 5e-3


def drives(amplitude: float, frequency: float) -> dict[str, Stimulus]:
    """One period of each wave."""
    corners = np.array([0, 0.02, 0.4, 0.42, 0.5, 0.52, 0.9, 0.92, 1.0]) / frequency
    levels = amplitude * np.array([0, 1, 1, 0, 0, -1, -1, 0, 0])
    waves = (
        Sine(amplitude, frequency),
        triangle(amplitude, frequency),
        Samples(tuple(corners), tuple(levels)),
    )
    return dict(zip(WAVES, waves, strict=True))


@dataclass(frozen=True)
class Agreement:
    """How far the twin's current is from that of ngspice, over the peak current.

    `error` compares at equal times. `error_within_a_step` grants one step of ngspice's of time, for edges that are
    shorter than that: an edge is then compared by when it comes, and by where it leads.
    """

    wave: str
    amplitude: float
    steps: int
    ngspice_steps: int
    error: float
    error_within_a_step: float


def twin_currents(
    card: Card, twin: CompiledCircuit, waves: list[Stimulus], steps: int
) -> tuple[Array, Array]:
    """Times [T] and device currents [T, waves] of the twin over one period."""
    assert card.drive is not None
    times = np.arange(steps + 1) / steps / card.drive.frequency
    inputs = torch.as_tensor(np.stack([wave(times) for wave in waves], axis=1))
    with torch.no_grad():
        found, _ = twin({"vdrive": inputs}, dt=float(times[1]))
    states = [found[f"v(xm1.{state})"].numpy() for state in card.device.states]
    current = numeric(card.device).current(found["v(top)"].numpy(), states, list(card.device.values.values()))
    return times, current


def distance(
    times: Array, current: Array, other_times: Array, other: Array, reach: float
) -> tuple[float, float]:
    """Largest distance of two currents [A], at equal times and granted a shift of up to `reach` seconds."""
    near = np.array([np.interp(times + shift, other_times, other) for shift in np.linspace(-1, 1, 9) * reach])
    plain = np.abs(near[4] - current).max()
    outside = np.maximum(near.min(axis=0) - current, current - near.max(axis=0)).max()
    return float(plain), float(max(outside, 0.0))


def by_ngspice(card: Card, wave: Stimulus, steps: int) -> tuple[Array, Array]:
    """Times [s] and currents [A] of one period in at least so many steps."""
    assert card.drive is not None
    bench, stop = (
        device_bench(card.device, series_resistance=card.drive.series_resistance),
        1 / card.drive.frequency,
    )
    data = spice.simulate(bench, stimuli={"vdrive": wave}, stop=stop, step=stop / steps, timeout=300)
    return data["time"].values, -data["i(vdrive)"].values


def errors(
    times: Array, current: Array, exact: tuple[Array, Array], ngspice_steps: int
) -> tuple[float, float]:
    """Distance from ngspice over the peak current, at equal times and granted one of its steps."""
    if not np.isfinite(current).all():
        return np.inf, np.inf
    plain, granted = distance(times, current, *exact, times[-1] / ngspice_steps)
    peak = float(np.abs(exact[1]).max())
    return plain / peak, granted / peak


def compared(
    card: Card, twin: CompiledCircuit, waves: list[Stimulus], fine: int
) -> tuple[int, list[tuple[float, float]]]:
    """Steps at which the twin has settled on what ngspice finds in `fine` steps, and the errors there."""
    exact = [by_ngspice(card, wave, fine) for wave in waves]
    steps, settled = FEWEST_STEPS, 0
    while True:
        times, currents = twin_currents(card, twin, waves, steps)
        found = [errors(times, own, one, fine) for own, one in zip(currents.T, exact, strict=True)]
        settled = settled + 1 if max(granted for _, granted in found) <= CONVERGED else 0
        if settled == 2 or steps >= MOST_STEPS:
            return steps, found
        steps *= 2


def agreement(card: Card) -> list[dict[str, Any]]:
    """All waves and amplitudes of one card; a run that aborts is a row with its message."""
    drive = card.drive
    assert drive is not None
    bench = device_bench(card.device, series_resistance=drive.series_resistance)
    twin = CompiledCircuit(bench, inputs=("vdrive",))
    amplitudes = [share * drive.amplitude for share in SHARES]
    rows: list[dict[str, Any]] = []
    for name in WAVES:
        waves = [drives(amplitude, drive.frequency)[name] for amplitude in amplitudes]
        try:
            for fine in NGSPICE_STEPS:
                steps, found = compared(card, twin, waves, fine)
                if max(granted for _, granted in found) <= CONVERGED:
                    break
            rows += [
                asdict(Agreement(name, amplitude, steps, fine, *one))
                for amplitude, one in zip(amplitudes, found, strict=True)
            ]
        except MemsimError as error:
            rows += [{"wave": name, "amplitude": a, "error_message": str(error)} for a in amplitudes]
        for row in rows[-len(SHARES) :]:
            print(card.name, *row.values(), flush=True)
    return rows


def run_agreement(names: list[str]) -> None:
    """Compare the cards that are not saved yet, or those named."""
    path = RESULTS / "device_agreement.json"
    saved = json.loads(path.read_text())["cards"] if path.exists() else {}
    for name in names or [name for name in CARDS if name not in saved]:
        saved[name] = agreement(load_card(name))
        cards = {key: saved[key] for key in CARDS if key in saved}
        runs = [row for rows in cards.values() for row in rows]
        ended = [row for row in runs if "error" in row]
        result = {
            "models": len(cards),
            "runs": len(runs),
            "aborted": len(runs) - len(ended),
            "worst": {
                key: max(row[key] for row in ended) for key in ("error", "error_within_a_step") if ended
            },
            "within_the_promise": sum(bool(row["error_within_a_step"] <= PROMISE) for row in ended),
            "within_the_promise_at_equal_times": sum(bool(row["error"] <= PROMISE) for row in ended),
            "cards": cards,
        }
        save_result("device_agreement", "python benchmarks/devices.py agreement", result)


def draw_matrix(cards: dict[str, Any]) -> Figure:
    """Error of every card under every drive as a heat map."""
    columns = [(wave, share) for wave in WAVES for share in SHARES]
    errors = np.array([[row.get("error_within_a_step", np.nan) for row in cards[name]] for name in cards])
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
    """The loop of every card under its own sine, by the twin at its converged step: first cycle pale, second dark."""
    columns = 5
    figure = Figure(figsize=(13, 2.35 * -(-len(cards) // columns)), layout="constrained")
    panels = list(figure.subplots(-(-len(cards) // columns), columns).flat)
    for name, axes in zip(cards, panels, strict=False):
        card = load_card(name)
        drive = card.drive
        assert drive is not None
        bench = device_bench(card.device, series_resistance=drive.series_resistance)
        twin = CompiledCircuit(bench, inputs=("vdrive",))
        steps = max(row.get("steps", FEWEST_STEPS) for row in cards[name])
        times = np.arange(2 * steps + 1) / steps / drive.frequency
        with torch.no_grad():
            found, _ = twin(
                torch.as_tensor(Sine(drive.amplitude, drive.frequency)(times)), dt=float(times[1])
            )
        v = found["v(top)"].numpy()
        states = [found[f"v(xm1.{state})"].numpy() for state in card.device.states]
        current = numeric(card.device).current(v, states, list(card.device.values.values()))
        scale, prefix = si_prefix(float(np.abs(current).max()))
        thin = slice(None, None, max(steps // 8000, 1))
        axes.plot(v[: steps + 1][thin], current[: steps + 1][thin] / scale, color="0.7", linewidth=1.0)
        axes.plot(v[steps:][thin], current[steps:][thin] / scale, color=COLOURS[0], linewidth=1.2)
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
