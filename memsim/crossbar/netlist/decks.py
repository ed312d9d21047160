"""Crossbars with wires as whole decks: an operating point, or a transient of memristive devices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import torch
from torch import Tensor

from memsim.circuits.stimuli import Constant, Stimulus, check_times, number
from memsim.crossbar.cell_laws import Cell
from memsim.crossbar.cells import Cells
from memsim.crossbar.netlist.array import array_lines, wrapped
from memsim.crossbar.netlist.cells import CellText, dynamic_cells, resistors, static_cells
from memsim.crossbar.wires import Wires
from memsim.errors import InputError
from memsim.spice.deck import KLU_ELEMENTS, OPTIONS

# Newton's last step is quadratic: where it moves by 1e-9, what is left is rounding.
_NEWTON = {"reltol": 1e-9, "abstol": 1e-18, "vntol": 1e-12}
_SHOWN = 8
# Each saved waveform is looked up among all nodes, and read into a variable of its own.
_SAVED = 5000


def crossbar_deck(
    conductance: Tensor,
    voltage: Tensor,
    wires: Wires,
    *,
    cell: Cell | None = None,
    bit_line_voltage: Tensor | float = 0.0,
    title: str = "crossbar",
) -> str:
    """Deck for the operating point of one array; current out of bit line j is `i(vsense<j>)`.

    Voltages of the nodes, `v(w<i>_<j>)` and `v(b<i>_<j>)`, are saved in arrays of up to 2500 cells; larger decks have a
    `.save` line for the currents alone, which can be taken out.

    Args:
        conductance: of each cell, [rows, columns] in S; an open cell is left out. With a `cell` that has a state,
            the state of each.
        voltage: of each word line driver, [rows] in V.
        wires: resistances of the wires and the ends of the lines.
        cell: static law of the cells; ohmic where left out.
        bit_line_voltage: at which the sense ends hold the bit lines, a number or [columns], in V.
        title: first line of the deck, in ASCII.

    Raises:
        InputError: a shape or a value that cannot be used.
    """
    if conductance.ndim != 2 or voltage.shape != conductance.shape[:1]:
        raise InputError(
            f"conductance {list(conductance.shape)} and voltage {list(voltage.shape)} are not one array with one "
            "vector; give [rows, columns] and [rows]"
        )
    cells = resistors(conductance) if cell is None else static_cells(cell, conductance)
    held = torch.as_tensor(bit_line_voltage, dtype=torch.float64).expand(conductance.shape[1])
    drive = [f"vdrive{row} in{row} 0 {value!r}" for row, value in enumerate(voltage.tolist())]
    sense = [[f"vsense{column} out{column} 0 {value!r}"] for column, value in enumerate(held.tolist())]
    sensed = _sense_currents(wires, conductance.shape[1])
    saved = wrapped([".save", *sensed]) if 2 * conductance.numel() > _SAVED and sensed else ()
    options = _options({} if cell is None else _NEWTON, conductance.numel())
    return _deck(title, _array(cells, wires, drive, sense), [*options, *saved, ".op"])


def crossbar_transient_deck(  # noqa: PLR0913 - what a transient is, in a call in one line
    cells: Cells,
    state: Tensor,
    word_lines: Sequence[Stimulus],
    wires: Wires,
    *,
    stop: float,
    step: float,
    bit_lines: Sequence[Stimulus] | None = None,
    title: str = "crossbar",
) -> str:
    """Deck for a transient of one array of memristive devices.

    Current out of bit line j is `i(vsense<j>)`, the state of a cell `v(xc<i>_<j>.x)`. Driver voltages, sense currents
    and the states of up to 5000 cells are saved; the deck plots sense currents when run interactively.

    Args:
        cells: device model, with parameters that differ from cell to cell where it has them.
        state: of each cell at the start, [rows, columns].
        word_lines: what each word line driver does [V].
        wires: resistances of the wires and the ends of the lines.
        stop: end time [s].
        step: largest time step [s].
        bit_lines: what the sense ends hold the bit lines at [V]; virtual ground where left out.
        title: first line of the deck, in ASCII.

    Raises:
        InputError: a shape, a state or a time that cannot be used.
    """
    check_times(stop, step)
    text = dynamic_cells(cells, state)
    rows, columns = state.shape
    bit_lines = [Constant(0.0)] * columns if bit_lines is None else bit_lines
    for kind, stimuli, count in (("word_lines", word_lines, rows), ("bit_lines", bit_lines, columns)):
        if len(stimuli) != count:
            raise InputError(f"{kind} has {len(stimuli)} stimuli, but this array needs {count}, one a line")
    drive = [line for i, s in enumerate(word_lines) for line in s.netlist_lines(f"vdrive{i}", f"in{i}", "0")]
    sense = [s.netlist_lines(f"vsense{j}", f"out{j}", "0") for j, s in enumerate(bit_lines)]
    (name,) = cells.device.states
    sensed = _sense_currents(wires, columns)
    saved = [*(f"v(in{row})" for row in range(rows)), *sensed]
    if state.numel() <= _SAVED:
        saved += [f"v(xc{row}_{column}.{name})" for row in range(rows) for column in range(columns)]
    shown = " ".join((sensed or saved)[:_SHOWN])
    analysis = [
        *_options(OPTIONS, state.numel()),
        *wrapped([".save", *saved]),
        f".print tran {shown}",
        f".tran {number(step)} {number(stop)} 0 {number(step)} uic",
        *(".control", "if $?batchmode", "else", "run", f"plot {shown}", "end", ".endc"),
    ]
    return _deck(title, _array(text, wires, drive, sense), analysis)


def _deck(title: str, circuit: Iterable[str], analysis: Iterable[str]) -> str:
    if not title.isascii() or "\n" in title:
        raise InputError(f"title = {title!r} cannot be the first line of a deck; give one line in ASCII")
    return "\n".join([title, *circuit, *analysis, ".end", ""])


def _array(cells: CellText, wires: Wires, drive: list[str], sense: list[list[str]]) -> Iterator[str]:
    """The array between its drivers and what holds its bit lines, of which some float."""
    columns = cells.present.shape[1]
    yield from array_lines(cells, wires)
    yield from drive
    for column in _sensed(wires, columns):
        yield from sense[column]


def _sensed(wires: Wires, columns: int) -> list[int]:
    """Bit lines that do not float."""
    floats = torch.isinf(torch.as_tensor(wires.sense)).expand(columns).tolist()
    return [column for column in range(columns) if not floats[column]]


def _sense_currents(wires: Wires, columns: int) -> list[str]:
    return [f"i(vsense{column})" for column in _sensed(wires, columns)]


def _options(options: Mapping[str, float | str], cells: int) -> Iterator[str]:
    words = [f"{name}={value}" for name, value in sorted(options.items())]
    # ngspice without KLU ignores the option
    words += ["klu"] if cells >= KLU_ELEMENTS else []
    if words:
        yield " ".join([".options", *words])
