"""Writing the shipped circuits as stand-alone decks, and the device models as Verilog-A."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import torch

from memsim.circuits import DeviceSubCircuit, PulseTrain, StaticDeviceSubCircuit
from memsim.circuits.catalogue import CATALOGUE, load_bench
from memsim.crossbar import Cells, Wires, crossbar_deck, crossbar_transient_deck
from memsim.devices import MODELS, Card, Device, card_names, load_card, load_device, verilog_a
from memsim.devices.cards import Drive
from memsim.devices.verilog_a import module_name
from memsim.errors import InputError
from memsim.files import ensure_folder, write_text
from memsim.spice import OPTIONS, deck
from memsim.text import meant

DRIVE = Drive(amplitude=1.0, frequency=100.0)
"""Of a card that names none."""
PERIODS, STEPS = 2, 1000
"""Of a device's own deck: periods of its drive, and steps in each."""


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


def library(device: Device, name: str | None = None, cards: Iterable[Card] = ()) -> str:
    """Sub-circuits of a device to include in one's own deck: with its states, and frozen in them.

    Its values are the defaults. Every parameter, and the state the device starts in, can be set on the instance line.

    Args:
        device: the device.
        name: of the moving sub-circuit, and with `_static` of the other; the model's where left out.
        cards: of the same model, to be shown as instance lines.
    """
    name = name or device.model
    moving = DeviceSubCircuit(device, name, portable=True)
    frozen = StaticDeviceSubCircuit(device, f"{name}_static", portable=True)
    start = " ".join(f"{state}_0={value:g}" for state, value in device.initial.items())
    state = " ".join(f"{state}={value:g}" for state, value in device.initial.items())
    uses = {
        f"xm1 p n {moving.name} {start}": "moves from this state, in a transient",
        f"xm1 p n {frozen.name} {state}": "stays in it, for .op and .dc too",
    }
    parameters = {key: f"{spec.meaning} [{spec.unit}]" for key, spec in device.parameters.items()}
    states = {key: f"state: {spec.meaning}" for key, spec in device.states.items()}
    head = [
        f"{device.model}: {(inspect.getdoc(type(device)) or '').splitlines()[0]}",
        f"model: {device.reference}",
        *_columns(uses),
        *(f"card {card.name}: xm1 p n {moving.name} {_differences(card.device, device)}" for card in cards),
        *_columns(parameters | states),
    ]
    comments = (f"* {line}".rstrip() for line in head)
    return "\n".join([*comments, str(moving).strip(), str(frozen).strip(), ""])


def _model_library(model: type[Device]) -> str:
    cards = [card for card in map(load_card, card_names()) if type(card.device) is model]
    return library(model(), cards=cards)


def _differences(device: Device, other: Device) -> str:
    """Values in which a device differs from another of its model, as on an instance line."""
    changed = {key: value for key, value in device.values.items() if value != other.values[key]}
    changed |= {f"{key}_0": value for key, value in device.initial.items() if value != other.initial[key]}
    return " ".join(f"{key}={value!r}" for key, value in changed.items())


def _columns(pairs: Mapping[str, str]) -> list[str]:
    width = max(map(len, pairs))
    return [f"{left.ljust(width)}  {right}" for left, right in pairs.items()]


def osdi_deck(card: Card) -> str:
    """Deck that loads a card's compiled Verilog-A into ngspice and takes the device through a loop.

    It stands beside the library, which `pre_osdi` finds there.
    """
    drive, name, module = card.drive or DRIVE, _stem(card), module_name(card.name)
    period = 1 / drive.frequency
    return "\n".join([
        f".title {name} as compiled Verilog-A",
        f"* for an ngspice with OSDI, beside {name}.osdi, which `openvaf-r {name}.va` makes; not with uic",
        f".model {module}_model {module}",
        f"vdrive drive 0 sin({drive.offset!r} {drive.amplitude!r} {drive.frequency!r})",
        f"rseries drive top {drive.series_resistance!r}",
        f"nm1 top 0 {module}_model " + " ".join(f"{k}_0={v!r}" for k, v in card.device.initial.items()),
        f".options {' '.join(f'{key}={value}' for key, value in OPTIONS.items())}",
        ".save v(drive) v(top) i(vdrive)",
        f".tran {period / STEPS!r} {PERIODS * period!r} 0 {period / STEPS!r}",
        *(".control", f"pre_osdi {name}.osdi", "if $?batchmode", "else", "run"),
        *("plot -i(vdrive) vs v(top)", "end", ".endc", ".end", ""),
    ])  # fmt: skip


def _stem(card: Card) -> str:
    """A card's name as that of its files, which stands in a netlist as one word."""
    return re.sub(r"[^\w.-]", "_", card.name, flags=re.ASCII)


def write_device(card: Card, folder: Path) -> list[Path]:
    """Write a card's sub-circuits, its Verilog-A, and a deck that shows how the latter is loaded once compiled.

    Raises:
        InputError: a folder that cannot be written, or a model that Verilog-A cannot express.
    """
    name = _stem(card)
    files = {
        f"{name}.lib": library(card.device, module_name(card.name)),
        f"{name}.va": verilog_a(card.device, card.name),
        f"{name}-osdi.cir": osdi_deck(card),
    }
    ensure_folder(folder)
    for file, text in files.items():
        write_text(folder / file, text)
    return [folder / file for file in files]


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
        known = [*CATALOGUE, *CROSSBARS]
        raise InputError(f"unknown circuit {name!r}; known: {', '.join(known)}{meant(name, known)}")
    return bench_deck(name)


def write_netlists(folder: Path, names: Sequence[str] | None = None) -> Iterable[Path]:
    """Write decks into `folder` and yield their paths.

    Args:
        folder: made when missing.
        names: circuits by name; where left out, all of them, and a library and a Verilog-A file per device model.

    Raises:
        InputError: an unknown circuit, or a folder that cannot be written.
    """
    if names is None:
        ensure_folder(folder)  # before all of them are made
    decks = {name: shipped_deck(name) for name in names or [*CATALOGUE, *CROSSBARS]}
    files = {f"{name}.cir": text for name, text in decks.items()}
    if names is None:
        files |= {f"{name}.va": verilog_a(model()) for name, model in MODELS.items()}
        files |= {f"{name}.lib": _model_library(model) for name, model in MODELS.items()}
    ensure_folder(folder)
    for file, text in files.items():
        write_text(folder / file, text)
        yield folder / file
