"""Cells by name: those of the package, `my_cells.py:AhpCell` of a Python file, `my.cir:cell` of a deck.

A Python file runs its code, so that it is read only with trust, once in a process. Names that a run keeps are absolute
and carry a digest of the file behind an `@`: a file that has changed since is noticed before it is read.
"""

from __future__ import annotations

import hashlib
import re
import sys
import traceback
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from PySpice.Spice.Netlist import Circuit, Netlist

from memsim.circuits import Neuron
from memsim.errors import CheckpointError, InputError
from memsim.files import write_text
from memsim.networks.cells import PIN, SHIPPED, Cell, shipped_cell
from memsim.networks.regimes import Regime
from memsim.spice.subcircuits import read_subcircuit
from memsim.text import read_text

_NAME = re.compile(r"(?P<file>.+?\.(?P<kind>py|cir|sp|net|lib)):(?P<item>\w+)(?:@(?P<pin>[0-9a-f]+))?")
_KNOWN: dict[str, Cell] = {}
"""Cells of files that were read, and of objects that were registered, by their full names."""
_KEPT: dict[str, str] = {}
"""Text of a file of its own that makes the same cell, by full name."""
_TRUSTED: set[Path] = set()
"""Decks that may include files of other folders, which runs no code."""
_WANTED = "a Python file with neurons"


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
    found = _NAME.fullmatch(name)
    if found is None:
        return _registered(name)
    path = _located(Path(found["file"]), folder)
    item, python = found["item"], found["kind"] == "py"
    if python:
        text = kept = read_text(path, f"neuron file {str(path)!r}", _WANTED)
    else:
        if trust:
            _TRUSTED.add(path)
        deck = read_subcircuit(path, item, trust=path in _TRUSTED)
        text, kept = deck.text, f"{path.name} with all that it includes\n{deck.text}\n"
    pin = hashlib.sha256(text.encode()).hexdigest()[:PIN]
    if found["pin"] and found["pin"] != pin:
        raise CheckpointError(
            f"{path} has changed since neuron {item!r} was taken from it; put it back as it was "
            "(a run keeps a copy in its folder), or train anew"
        )
    full = f"{path}:{item}@{pin}"
    if full not in _KNOWN:
        made = _from_python(path, item, text, trust) if python else Cell.of(deck.circuit, output=deck.output)
        _KNOWN[full], _KEPT[full] = replace(made, name=full), kept
    return _KNOWN[full]


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
    if not isinstance(entry, str) or _NAME.fullmatch(entry) is None:
        return entry
    return load_cell(entry, trust=trust, folder=folder).name


def register(neuron: Cell | Neuron | type[Neuron] | Netlist) -> Cell:
    """The cell of an object, under a name that studies of this process may use: its own, with its digest."""
    cell = Cell.of(neuron)
    if _KNOWN.get(cell.name) is cell or (cell.name in SHIPPED and shipped_cell(cell.name) is cell):
        return cell
    named = replace(cell, name=f"{cell.name}@{cell.digest}")
    return _KNOWN.setdefault(named.name, named)


def keep_file(name: str, folder: Path) -> None:
    """Write the file that a full name tells of into a folder, where `load_cell` finds it if it goes elsewhere."""
    if name in _KEPT:
        path = Path(name.rpartition(":")[0])
        if path.parent != folder.resolve():
            write_text(folder / path.name, _KEPT[name])


def _located(path: Path, folder: Path | None) -> Path:
    at = (folder or Path.cwd()) / path.expanduser()
    beside = (folder or Path.cwd()) / path.name
    return (beside if not at.exists() and beside.exists() else at).resolve()


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


def _from_python(path: Path, item: str, text: str, trust: bool) -> Cell:
    if not trust:
        raise InputError(
            f"{path} is code that would run; if you know where it comes from, let it with `--trust` (in Python "
            "`load_cell(..., trust=True)`)"
        )
    module = ModuleType(f"{path.stem}_{hashlib.sha256(text.encode()).hexdigest()[:PIN]}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # where dataclasses look for the names in annotations
    try:
        exec(compile(text, str(path), "exec"), module.__dict__)  # noqa: S102 - the user said so
    except Exception as error:
        at = [
            frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)
        ]
        line = at[-1] if at else getattr(error, "lineno", None)
        raise InputError(
            f"{path} cannot be run: {type(error).__name__}: {error}" + (f" (line {line})" if line else "")
        ) from error
    if item not in vars(module):
        raise InputError(f"{path} has no {item!r}; it has: {', '.join(_neurons(module)) or 'no neurons'}")
    return Cell.of(getattr(module, item), name=item)


def _neurons(module: ModuleType) -> list[str]:
    """Names of what is defined in a file and may be a cell."""
    return [
        name
        for name, value in vars(module).items()
        if isinstance(value, Neuron | Circuit | Cell)
        or (isinstance(value, type) and issubclass(value, Neuron) and value.__module__ == module.__name__)
    ]
