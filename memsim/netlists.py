"""Writing the shipped circuits as stand-alone decks, and the device models as Verilog-A."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch

from memsim.circuits import DeviceSubCircuit, PulseTrain, StaticDeviceSubCircuit
from memsim.circuits.catalogue import CATALOGUE, load_bench
from memsim.crossbar import Cells, Wires, crossbar_deck, crossbar_transient_deck
from memsim.devices import MODELS, Device, card_names, load_card, load_device, verilog_a
from memsim.errors import InputError
from memsim.files import ensure_folder, write_text
from memsim.spice import deck


def _crossbar_operating_point() -> str:
    """Wires on purpose so bad that they show, one open cell, one floating bit line, drivers on both sides."""
    resistance = torch.tensor(
        [[10e3, 20e3, 50e3], [100e3, torch.inf, 200e3], [500e3, 1e6, 16e3], [25e3, 40e3, 80e3]],
        dtype=torch.float64,
    )
    wires = Wires(
        100.0, 50.0, 1e3, torch.tensor([200.0, torch.inf, 200.0]).double(), driven_from_both_sides=True
    )
    voltage = torch.tensor([0.1, 0.2, 0.05, 0.15], dtype=torch.float64)
    return crossbar_deck(
        1 / resistance,
        voltage,
        wires,
        title="4 x 3 crossbar with wires, an open cell and a floating bit line",
    )


def _crossbar_programming() -> str:
    state = torch.tensor([[0.1, 0.5], [0.2, 0.6], [0.3, 0.7]], dtype=torch.float64)
    pulses = [
        PulseTrain(level, width=50e-6, period=200e-6, rise=1e-6, fall=1e-6, delay=10e-6)
        for level in (0.5, -0.5, 0.1)
    ]
    return crossbar_transient_deck(
        Cells(load_device("knowm-sdc")),
        state,
        pulses,
        Wires(1.0, 1.0),
        stop=200e-6,
        step=0.5e-6,
        title="3 x 2 crossbar of memristors under pulses of +0.5 V, -0.5 V and +0.1 V",
    )


CROSSBARS: dict[str, Callable[[], str]] = {
    "crossbar-operating-point": _crossbar_operating_point,
    "crossbar-programming": _crossbar_programming,
}


def library(model: type[Device]) -> str:
    """Sub-circuits of a model to include in one's own deck: with its states, and frozen in them.

    Every parameter, and the state the device starts in, can be set on the instance line; values of the cards are
    given as such lines.
    """
    device = model()
    dynamic = DeviceSubCircuit(device)
    lines = [f"* {device.model}: {device.reference}", f"* use: xm1 p n {dynamic.name} r_on=... x_0=..."]
    for card in map(load_card, card_names()):
        if type(card.device) is model:
            changed = {k: v for k, v in card.device.values.items() if v != device.values[k]}
            changed |= {f"{k}_0": v for k, v in card.device.initial.items() if v != device.initial[k]}
            values = " ".join(f"{key}={value!r}" for key, value in changed.items())
            lines.append(f"* {card.name}: xm1 p n {dynamic.name} {values}".rstrip())
    return "\n".join([*lines, str(dynamic).strip(), str(StaticDeviceSubCircuit(device)).strip(), ""])


def bench_deck(name: str) -> str:
    """Deck of a shipped circuit: runs in batch, plots when run interactively."""
    bench = load_bench(name)
    return deck(bench.circuit, stimuli=bench.stimuli, stop=bench.stop, step=bench.step, plot=bench.show)


def shipped_deck(name: str) -> str:
    """Deck of a shipped circuit or crossbar.

    Raises:
        InputError: no circuit of that name; the message lists them.
    """
    if name in CROSSBARS:
        return CROSSBARS[name]()
    if name not in CATALOGUE:
        raise InputError(f"unknown circuit {name!r}; known: {', '.join([*CATALOGUE, *CROSSBARS])}")
    return bench_deck(name)


def write_netlists(folder: Path, names: Sequence[str] | None = None) -> Iterable[Path]:
    """Write decks into `folder` and yield their paths.

    Args:
        folder: made when missing.
        names: circuits by name; where left out, all of them, and a library and a Verilog-A file per device model.

    Raises:
        InputError: an unknown circuit, or a folder that cannot be written.
    """
    decks = {name: shipped_deck(name) for name in names or [*CATALOGUE, *CROSSBARS]}
    files = {f"{name}.cir": text for name, text in decks.items()}
    if names is None:
        files |= {f"{name}.va": verilog_a(model()) for name, model in MODELS.items()}
        files |= {f"{name}.lib": library(model) for name, model in MODELS.items()}
    ensure_folder(folder)
    for file, text in files.items():
        write_text(folder / file, text)
        yield folder / file
