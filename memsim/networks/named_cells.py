"""Cells by name: those of the package, `my_cells.py:TiringCell` of a Python file, `my.cir:cell` of a deck.

Files are named, trusted and kept as memsim.own_code says. Full names of cells in Python files end in a `~` and a digest
of the circuit, since a file may read others, such as the card of a device.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from PySpice.Spice.Netlist import Circuit, Netlist

from memsim.circuits import Neuron
from memsim.errors import CheckpointError, InputError
from memsim.networks.cells import SHIPPED, Cell, shipped_cell
from memsim.networks.regimes import Regime
from memsim.own_code import PIN, keep, keep_as, load_object, located, names_code, pinned
from memsim.spice.subcircuits import read_subcircuit

_DECK = re.compile(r"(?P<file>.+?\.(cir|sp|net|lib)):(?P<item>\w+)(?:@(?P<pin>[0-9a-f]+))?")
_CIRCUIT = re.compile(r"(?P<code>.+@[0-9a-f+]+)~(?P<pin>[0-9a-f]+)")
_KNOWN: dict[str, Cell] = {}
"""Cells of files that were read, and of objects that were registered, by their full names."""
_MADE: dict[str, tuple[object, Cell]] = {}
"""Objects of Python files, and their cells, by the full name of the object."""
_TRUSTED: set[Path] = set()
"""Decks that may include files of other folders, which runs no code."""


def load_cell(name: str | Cell, *, trust: bool = False, folder: Path | None = None) -> Cell:
    """A cell by name.

    Args:
        name: of a cell of the package; `FILE.py:NAME`, a class or object in a Python file; or `FILE.cir:NAME`, a
            sub-circuit of a deck, whose one terminal is input and output, or whose two are input, then output. A cell
            is returned as it is.
        trust: run the code of a Python file, and let a deck include files of other folders. Either needs it once in a
            process, a Python file again when it has changed.
        folder: where relative paths start, and where a file is looked for by its name alone if it is no longer at its
            absolute path; the current folder where left out.

    Raises:
        InputError: no such cell or file, a Python file without trust or whose code fails, or no cell in what is named.
        CheckpointError: a file that is not what it was when the name was kept.
    """
    if isinstance(name, Cell):
        return name
    if name in SHIPPED:
        return shipped_cell(name)
    code, pin = _apart(name)
    if names_code(code):
        return _of_code(code, pin, trust, folder)
    found = _DECK.fullmatch(name)
    if found is None:
        return _registered(name)
    path = located(Path(found["file"]), folder)
    if trust:
        _TRUSTED.add(path)
    deck = read_subcircuit(path, found["item"], trust=path in _TRUSTED)
    full = pinned(path, found["item"], deck.text, found["pin"], "neuron")
    if full not in _KNOWN:
        _KNOWN[full] = replace(Cell.of(deck.circuit, output=deck.output), name=full)
    keep(full, f"{path.name} with all that it includes\n{deck.text}\n")
    return _KNOWN[full]


def _apart(name: str) -> tuple[str, str | None]:
    """A name without the digest of its circuit, and that."""
    found = _CIRCUIT.fullmatch(name)
    return (found["code"], found["pin"]) if found else (name, None)


def _of_code(name: str, pin: str | None, trust: bool, folder: Path | None) -> Cell:
    """The cell of an object in a Python file, whose circuit has that digest, if one is given."""
    full, made = load_object(name, "neuron", trust=trust, folder=folder, offers=_neurons)
    if full not in _MADE or _MADE[full][0] is not made:
        item = full.rpartition(":")[2].partition("@")[0]
        cell = Cell.of(made, name=item)
        named = replace(cell, name=f"{full}~{cell.pin}")
        _MADE[full] = made, named
        _KNOWN[named.name] = named
        keep_as(named.name, full)
    cell = _MADE[full][1]
    if pin and cell.name != f"{full}~{pin}":
        file, item = full.partition("@")[0].rsplit(":", 1)
        raise CheckpointError(
            f"the circuit of neuron {item!r} of {file} is not what it was: what the file reads or imports, such as the "
            "card of a device, has changed; put it back as it was, or train anew"
        )
    return cell


def known_as(neuron: object) -> tuple[str, Regime]:
    """Full name and regime of a named cell, or of an object, which is registered.

    Raises:
        InputError: as `load_cell` and `Cell.of`.
    """
    if isinstance(neuron, str) and neuron in SHIPPED:  # without making its circuit
        return neuron, SHIPPED[neuron].regime
    cell = load_cell(neuron) if isinstance(neuron, str) else register(neuron)
    return cell.name, cell.regime


def full_name(entry: object, folder: Path, *, trust: bool = False) -> object:
    """The full name of a cell that an entry of a study in a folder names by its file; any other entry as it is."""
    if not isinstance(entry, str) or not (names_code(_apart(entry)[0]) or _DECK.fullmatch(entry)):
        return entry
    return load_cell(entry, trust=trust, folder=folder).name


def register(neuron: Cell | Neuron | type[Neuron] | Netlist) -> Cell:
    """The cell of an object, under a name that studies of this process may use: its own, with its digest."""
    cell = Cell.of(neuron)
    if _KNOWN.get(cell.name) is cell or (cell.name in SHIPPED and shipped_cell(cell.name) is cell):
        return cell
    named = replace(cell, name=f"{cell.name}@{cell.digest}")
    return _KNOWN.setdefault(named.name, named)


def _registered(name: str) -> Cell:
    if name in _KNOWN:
        return _KNOWN[name]
    if re.fullmatch(rf".+@[0-9a-f]{{{PIN}}}", name):
        raise InputError(
            f"neuron {name!r} was an object of another process; make it again and register it with "
            "memsim.networks.register, or keep it in a file and name that"
        )
    raise InputError(
        f"unknown neuron {name!r}; known: {', '.join(SHIPPED)}; or name one of yours: FILE.py:CLASS, or FILE.cir:NAME"
    )


def _neurons(module: ModuleType) -> list[str]:
    """Names of what is defined in a file and may be a cell."""
    return [
        name
        for name, value in vars(module).items()
        if isinstance(value, Neuron | Circuit | Cell)
        or (isinstance(value, type) and issubclass(value, Neuron) and value.__module__ == module.__name__)
    ]
