"""Spikes beside those of other packages, f-I curves beside those of abstract twins, and a decision of two neurons."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from scipy.stats import norm

from memsim.methods.conformance import (
    Decision,
    SelfFiring,
    lowest_peak,
    pulses_answered,
    rate_of_circuit,
    winners,
)
from memsim.networks import load_cell
from memsim.networks.cells import SHIPPED
from method_parts import conformance_peers as peers
from method_parts.drawing import saved

CONTRASTS = (0.0, 0.025, 0.05, 0.1, 0.2, 0.4)
CONTRAST = 0.2
TRIALS, IN_NGSPICE = 400, 50
CURRENTS = 25
"""Of an f-I curve."""
BEFORE_LATCHING = 0.98
"""Of the current at which a neuron latches; beyond, errors are told apart."""


def alone(seed: int) -> Iterator[dict[str, Any]]:
    """All that is measured, part by part."""
    yield packages()
    yield curves()
    yield decisions(seed)
    yield decisions_in_ngspice(seed)


def packages() -> dict[str, Any]:
    """With every package that is installed."""
    found = peers.measured()
    return {
        "peers": found,
        "entries that differ from other packages": sum(one["differing"] for one in found.values()),
        "torch": torch.__version__,
    }


def curves() -> dict[str, Any]:
    """f-I curves of all circuits that ship."""
    found: dict[str, Any] = {}
    for name in SHIPPED:
        cell = load_cell(name)
        found[name] = _self_firing(name) if cell.regime.pulse == "held" else _graded(name)
    firing = [one["largest error"] for one in found.values() if "currents [A]" in one]
    pulsed = [one["error of the lowest peak"] for one in found.values() if "peaks [A]" in one]
    return {
        "curves": found,
        "f-I curve, largest error of those that fire by themselves": max(firing),
        "lowest pulse answered, largest error of those of graded spikes": float(max(pulsed)),
    }


def _self_firing(name: str) -> dict[str, Any]:
    cell = load_cell(name)
    twin, plain = (SelfFiring.of(cell.circuit.values, folds=folds) for folds in (True, False))
    lowest, highest = twin.firing
    inside = np.geomspace(1.005 * lowest, BEFORE_LATCHING * highest, CURRENTS)
    outside = [0.98 * lowest, 0.995 * lowest], [0.995 * highest, 1.02 * highest]
    currents = np.concatenate([outside[0], inside, outside[1]])
    rates, abstract = rate_of_circuit(cell, currents), twin.rate(currents)
    silent = rates == 0
    assert (silent == (abstract == 0)).all(), "one fires where the other is silent"
    compared = (currents >= inside[0]) & (currents <= inside[-1])
    error, at_once = (
        np.abs(one.rate(currents) / np.where(silent, 1, rates) - 1) * ~silent for one in (twin, plain)
    )
    return {
        "currents [A]": currents.tolist(),
        "rates [1/s]": rates.tolist(),
        "twin [1/s]": abstract.tolist(),
        "switch that turns at once [1/s]": plain.rate(currents).tolist(),
        "largest error": float(error[compared].max()),
        "largest error, half a percent before it latches": float(error[-2]),
        "largest error of a switch that turns at once": float(at_once[compared].max()),
    }


def _graded(name: str) -> dict[str, Any]:
    cell = load_cell(name)
    peaks = cell.regime.unit_current * np.linspace(0.1, 0.6, 101)
    share, twin = pulses_answered(cell, peaks), lowest_peak(cell)
    first, all_of_them = float(peaks[share > 0][0]), float(peaks[share == 1][0])
    return {
        "peaks [A]": peaks.tolist(),
        "answered": share.tolist(),
        "first pulse answered from [A]": first,
        "all pulses answered from [A]": all_of_them,
        "twin answers from [A]": twin,
        "error of the lowest peak": float(abs(twin / first - 1)),
    }


def _generator(seed: int, contrast: float) -> torch.Generator:
    return torch.Generator().manual_seed(1000 * (seed + 1) + round(1000 * contrast))


def decisions(seed: int) -> dict[str, Any]:
    """Share of right decisions at each contrast."""
    circuit, right, both = Decision(), {}, {}
    for contrast in CONTRASTS:
        events, higher = circuit.trials(TRIALS, contrast, _generator(seed, contrast))
        counts = circuit.spikes(circuit.potentials(events)[1])
        right[f"{contrast:g}"] = float((winners(counts) == higher).mean())
        both[f"{contrast:g}"] = float((counts > 0).all(axis=1).mean())
    return {
        "data": f"two Poisson inputs, contrast {CONTRAST:.0%}",
        "circuits": right[f"{CONTRAST:g}"],
        "right decisions": right,
        "both neurons fire": both,
        "trials": TRIALS,
    }


def decisions_in_ngspice(seed: int) -> dict[str, Any]:
    """The first trials at one contrast, each as a deck of its own."""
    circuit = Decision()
    events, higher = circuit.trials(TRIALS, CONTRAST, _generator(seed, CONTRAST))
    events, higher = events[:IN_NGSPICE], higher[:IN_NGSPICE]
    twin = winners(circuit.spikes(circuit.potentials(events)[1]))
    counts = [circuit.spikes(circuit.potentials_in_ngspice(trial)[1]) for trial in events]
    spice = winners(np.stack(counts))
    return {
        "ngspice, examples": IN_NGSPICE,
        "ngspice, same class": float((spice == twin).mean()),
        "ngspice, right class": float((spice == higher).mean()),
    }


def figure(path: Path) -> Path:
    """f-I curves over those of the twins, one decision, and right decisions over contrast."""
    found = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["seeds"]["0"]["conformance"]
    figure, axes = plt.subplots(2, 2, figsize=(9, 6.6), layout="constrained")
    _draw_firing(axes[0, 0], found["curves"])
    _draw_graded(axes[0, 1], found["curves"])
    _draw_trial(axes[1, 0])
    _draw_decisions(axes[1, 1], found["right decisions"])
    return saved(figure, path)


def _draw_firing(axes: Axes, found: dict[str, Any]) -> None:
    named = {name: one for name, one in found.items() if "currents [A]" in one}
    for colour, (name, one) in zip(("C0", "C1"), named.items(), strict=True):
        current = 1e6 * np.array(one["currents [A]"])
        axes.loglog(current, one["rates [1/s]"], "o", color=colour, markersize=4, label=name)
        axes.loglog(current, one["twin [1/s]"], "-", color=colour)
        axes.loglog(current, one["switch that turns at once [1/s]"], ":", color=colour)
    axes.plot([], [], "k-", label="twin")
    axes.plot([], [], "k:", label="twin whose switch turns at once")
    axes.set_xticks([1, 2, 5, 10, 20], ["1", "2", "5", "10", "20"])
    axes.minorticks_off()
    axes.set(xlabel="held current [µA]", ylabel="spikes per second", title="Neurons that fire by themselves")
    axes.set(ylim=(20, 2e4))
    axes.legend(fontsize=8, loc="lower right")


def _draw_graded(axes: Axes, found: dict[str, Any]) -> None:
    shown = ("integrate-and-fire-set1", "after-hyperpolarising-set1")
    for colour, name in zip(("C2", "C3"), shown, strict=True):
        one = found[name]
        peaks = 1e6 * np.array(one["peaks [A]"])
        axes.plot(peaks, one["answered"], color=colour, label=name)
        axes.axvline(1e6 * one["twin answers from [A]"], color=colour, linestyle="--")
    axes.plot([], [], "k--", label="leaky integrator answers from here")
    axes.set(
        xlabel="peak of pulses [µA]", ylabel="share of pulses answered", title="Neurons of graded spikes"
    )
    axes.set(xlim=(0.4, 5.0))
    axes.legend(fontsize=8, loc="lower right")


def _draw_trial(axes: Axes) -> None:
    circuit = Decision()
    events, higher = circuit.trials(1, CONTRAST, _generator(0, CONTRAST))
    times, waves = circuit.potentials(events)
    spice_times, spice = circuit.potentials_in_ngspice(events[0])
    for number, colour in ((int(higher[0]), "C0"), (1 - int(higher[0]), "C3")):
        rate = "higher" if number == higher[0] else "lower"
        axes.plot(1e3 * times, 1e3 * waves[:, 0, number], color=colour, label=f"{rate} rate")
        axes.plot(1e3 * spice_times, 1e3 * spice[:, number], "k--", linewidth=0.8)
    axes.plot([], [], "k--", linewidth=0.8, label="ngspice")
    axes.set(xlabel="time [ms]", ylabel="membrane [mV]", title="A decision at 20 % contrast")
    axes.legend(fontsize=8, loc="lower left")


def _draw_decisions(axes: Axes, right: dict[str, float]) -> None:
    contrasts, shares = np.array([float(one) for one in right]), np.array(list(right.values()))
    error = np.sqrt(shares * (1 - shares) / TRIALS)
    axes.errorbar(100 * contrasts, 100 * shares, 100 * error, fmt="o", label="two memristive neurons")
    fine, circuit = np.linspace(0, 0.4, 200), Decision()
    total = 2 * circuit.slots * circuit.events
    axes.plot(100 * fine, 100 * norm.cdf(fine * np.sqrt(total)), "k:", label="whoever counts all events")
    axes.axhline(90, color="grey", linewidth=0.8)
    axes.set(xlabel="contrast [%]", ylabel="right decisions [%]", title=f"{TRIALS} trials a contrast")
    axes.legend(fontsize=8, loc="lower right")
