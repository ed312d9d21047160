"""`memsim netlist`: shipped circuits, devices and crossbars of any size as stand-alone ngspice decks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from memsim.errors import InputError
from memsim.text import read_text
from memsim.units import parse_si

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from memsim.crossbar import Cells, Wires
    from memsim.crossbar.cell_laws import Cell

    Array = NDArray[np.float64]

LINES = 64
RANGE = ("1u", "100u")
VOLTAGE = "0.1"
STOP = "1m"
STEPS = 500


class _CircuitsByDefault(TyperGroup):
    """`memsim netlist NAME` means `memsim netlist circuits NAME`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or args[0] not in {*self.commands, "--help"}:
            args = ["circuits", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=_CircuitsByDefault, rich_markup_mode="markdown")


class CellKind(StrEnum):
    """Static law of a cell."""

    OHMIC = "ohmic"
    SINH = "sinh"
    THRESHOLD = "threshold"
    SELECTOR = "selector"


@dataclass(frozen=True)
class _Array:
    conductance: Array
    voltage: Array
    wires: Wires

    def title(self, analysis: str) -> str:
        rows, columns = self.conductance.shape
        return f"crossbar of {rows} word lines and {columns} bit lines: {analysis}"


@app.callback()
def netlist() -> None:
    """Write stand-alone ngspice decks; each runs with `ngspice -b file.cir` and plots with `ngspice file.cir`.

    Examples: `memsim netlist` (all shipped circuits), `memsim netlist integrate-and-fire-set1 --out decks`,
    `memsim netlist device knowm-sdc`, `memsim netlist crossbar --rows 64 --columns 64 --out xbar.cir`
    """


@app.command()
def circuits(
    names: Annotated[
        list[str] | None, typer.Argument(help="Circuits to write; all of them where left out.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the decks.")] = Path("netlists"),
) -> None:
    """Write shipped circuits, and sub-circuits and Verilog-A of the device models (the default).

    Example: `memsim netlist circuits integrate-and-fire-set1 --out decks`
    """
    from memsim.netlists import write_netlists

    for path in write_netlists(out, names or None):
        typer.echo(path)


@app.command()
def device(
    name: Annotated[
        str, typer.Argument(help="A card (see `memsim devices`), or the path of a `.toml` card.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the files.")] = Path("netlists"),
    compiled: Annotated[
        bool, typer.Option("--compile", help="Compile the Verilog-A into an OSDI library, with OpenVAF.")
    ] = False,
) -> None:
    """Write one device card as ngspice sub-circuits and as Verilog-A, its values the defaults.

    `NAME.lib` has a sub-circuit that moves and one that is frozen in its state; `NAME.va` is one module that does
    both; `NAME-osdi.cir` shows how a simulator loads the latter once it is compiled. The compiler is `openvaf-r` or
    `openvaf` on the PATH, or what the environment variable MEMSIM_OPENVAF names.

    Examples: `memsim netlist device knowm-sdc --out decks`, `memsim netlist device fitted.toml --compile`
    """
    from memsim.devices import load_card
    from memsim.netlists import write_device
    from memsim.spice import compile_verilog_a, openvaf_program

    if compiled:
        openvaf_program()  # before anything is written
    for path in write_device(load_card(name), out):
        typer.echo(path)
        if compiled and path.suffix == ".va":
            typer.echo(compile_verilog_a(path))


@app.command()
def crossbar(  # noqa: PLR0913, PLR0917 - each argument is an option of the command
    rows: Annotated[int | None, typer.Option(min=1, help="Word lines; 64, or as in the files.")] = None,
    columns: Annotated[int | None, typer.Option(min=1, help="Bit lines; 64, or as in the files.")] = None,
    wire_resistance: Annotated[str, typer.Option(help="Of each segment between two cells.")] = "1",
    driver_resistance: Annotated[str, typer.Option(help="Of each word line driver.")] = "0",
    sense_resistance: Annotated[str, typer.Option(help="At the sense end of each bit line.")] = "0",
    both_sides: Annotated[
        bool, typer.Option("--both-sides", help="Drive each word line from both ends.")
    ] = False,
    floating: Annotated[
        list[int] | None, typer.Option(help="A bit line without a sense end; may be given again.")
    ] = None,
    conductance_min: Annotated[
        str | None, typer.Option(help="Lowest random one; 1u, or the device's.")
    ] = None,
    conductance_max: Annotated[
        str | None, typer.Option(help="Highest random one; 100u, or the device's.")
    ] = None,
    conductances: Annotated[
        Path | None, typer.Option(help="Matrix in S, a row for each word line, as `.csv` or `.npy`.")
    ] = None,
    inputs: Annotated[Path | None, typer.Option(help="Word line voltages in V, as `.csv` or `.npy`.")] = None,
    input_max: Annotated[str | None, typer.Option(help="Highest random input; 0.1.")] = None,
    cell: Annotated[CellKind | None, typer.Option(help="Static law of the cells; ohmic.")] = None,
    device: Annotated[
        str | None, typer.Option(help="Memristive cells: a card (see `memsim devices`) or a `.toml`.")
    ] = None,
    read_voltage: Annotated[
        str | None, typer.Option(help="At which a device has its conductance; 0.1.")
    ] = None,
    dynamic: Annotated[bool, typer.Option("--dynamic", help="Transient: the states move.")] = False,
    stop: Annotated[str | None, typer.Option(help="End of the transient; 1m.")] = None,
    step: Annotated[str | None, typer.Option(help="Its longest time step; a 500th of --stop.")] = None,
    pulse_width: Annotated[
        str | None, typer.Option(help="Of the input pulse on each word line; half of --stop.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of random conductances and inputs.")] = 0,
    out: Annotated[Path, typer.Option(help="The deck.")] = Path("crossbar.cir"),
) -> None:
    """Write one crossbar with wires: an operating point, or a transient of memristive devices.

    Numbers take engineering notation: `10k`, `2.5meg`, `100u`. Conductances and inputs are random and uniform unless
    files give them. Current out of bit line j is `i(vsense<j>)`; cell i, j lies between the nodes `w<i>_<j>` and
    `b<i>_<j>`, which a run shows as `v(w0_3)` in arrays of up to 2500 cells.

    The memory that ngspice needs for a large deck is stated first, and a deck for which it is not free is refused. From
    about 120 x 120 cells on, take an ngspice with KLU.

    With `--device`, each cell is the device in the state that has its conductance at the read voltage: frozen there,
    or with `--dynamic` moving under a pulse of the input voltage on its word line.

    Examples: `memsim netlist crossbar --rows 64 --columns 64 --wire-resistance 1 --out xbar.cir`,
    `memsim netlist crossbar --conductances g.csv --inputs v.csv --driver-resistance 100 --both-sides`,
    `memsim netlist crossbar --rows 8 --columns 8 --device pd-wo3-w --dynamic --input-max 1.2 --stop 5m`
    """
    import numpy as np

    from memsim.files import write_text

    _refuse_idle_options(
        {
            "--dynamic": (dynamic or None, device, "it moves the states of a device; add --device"),
            "--stop": (stop, dynamic, "it describes a transient; add --dynamic"),
            "--step": (step, dynamic, "it describes a transient; add --dynamic"),
            "--pulse-width": (pulse_width, dynamic, "it describes a transient; add --dynamic"),
            "--read-voltage": (read_voltage, device, "it finds the states of a device; add --device"),
            "--cell": (cell, device is None, "the cells are those of --device"),
            "--conductance-min": (conductance_min, conductances is None, "--conductances gives all of them"),
            "--conductance-max": (conductance_max, conductances is None, "--conductances gives all of them"),
            "--input-max": (input_max, inputs is None, "--inputs gives all of them"),
            "--seed": (seed or None, conductances is None or inputs is None, "nothing is random"),
        }
    )
    cells, at = _cells(device), parse_si(VOLTAGE if read_voltage is None else read_voltage, "V")
    generator = np.random.default_rng(seed)
    law = cells.device if cells is not None else _law(cell or CellKind.OHMIC)
    if conductances is None:
        _check_size((rows or LINES, columns or LINES), law, dynamic, out)
        low, high = _range(cells, at, conductance_min, conductance_max)
        matrix = generator.uniform(low, high, (rows or LINES, columns or LINES))
    else:
        matrix = _table(conductances, "--conductances", (rows, columns))
        _check_size(matrix.shape, law, dynamic, out)
    if inputs is None:
        voltage = generator.uniform(
            0, parse_si(VOLTAGE if input_max is None else input_max, "V"), len(matrix)
        )
    else:
        voltage = _table(inputs, "--inputs", (len(matrix), 1))[:, 0]
    ends = (parse_si(driver_resistance, "Ω"), parse_si(sense_resistance, "Ω"))
    wires = _wires(
        parse_si(wire_resistance, "Ω"), ends, both_sides, _floating(floating or [], matrix.shape[1])
    )
    array = _Array(matrix, voltage, wires)
    if cells is not None and dynamic:
        text = _transient_deck(array, cells, at, _span(stop, step, pulse_width))
    elif cells is not None:
        text = _frozen_deck(array, cells, at)
    else:
        text = _static_deck(array, law)
    write_text(out, text)
    typer.echo(out)


def _refuse_idle_options(options: dict[str, tuple[object, object, str]]) -> None:
    """Each option by name: its value, whether it has an effect, and why not."""
    for name, (value, has_effect, reason) in options.items():
        if value is not None and not has_effect:
            raise InputError(f"{name} has no effect here: {reason}")


def _cells(device: str | None) -> Cells | None:
    from memsim.crossbar import Cells
    from memsim.devices import load_device

    return None if device is None else Cells(load_device(device))


def _range(cells: Cells | None, at: float, low: str | None, high: str | None) -> tuple[float, float]:
    """Conductances between which random ones lie: as asked for, else the device's, else RANGE."""
    import torch

    lowest, highest = (parse_si(text, "S") for text in RANGE)
    if cells is not None:
        (limits,) = cells.device.states.values()
        ends = cells.conductance(torch.tensor([limits.low, limits.high], dtype=torch.float64), at)
        lowest, highest = sorted(ends.tolist())
    lowest = lowest if low is None else parse_si(low, "S")
    highest = highest if high is None else parse_si(high, "S")
    if not 0 <= lowest <= highest:
        raise InputError(
            f"conductances from {lowest:g} S to {highest:g} S; allowed: 0 <= --conductance-min <= --conductance-max"
        )
    return lowest, highest


def _table(path: Path, option: str, shape: tuple[int | None, int | None]) -> Array:
    """A matrix from a file, of the given shape where it is given; a single row will do for a single column."""
    import numpy as np

    try:
        if path.suffix == ".npy":
            table = np.array(np.load(path, mmap_mode="r", allow_pickle=False), dtype=float)
        else:
            lines = read_text(path, str(path), "a table").splitlines()
            table = (
                np.loadtxt(lines, delimiter=",", ndmin=2) if any(map(str.strip, lines)) else np.empty((0, 0))
            )
    except (OSError, EOFError, ValueError, TypeError, MemoryError) as error:
        reason = "it does not exist" if not path.exists() else str(error).splitlines()[0]
        raise InputError(
            f"{option} {path} cannot be read: {reason}; give numbers in SI units as .csv or .npy"
        ) from None
    table = np.atleast_2d(table)
    if not table.size or not np.isfinite(table).all():
        raise InputError(f"{option} {path} holds no numbers, or some that are not finite; repair the file")
    if shape[1] == 1 and table.shape[0] == 1:
        table = table.T
    if table.ndim != 2 or any(
        want not in {None, have} for want, have in zip(shape, table.shape, strict=True)
    ):
        wanted = " x ".join("any" if size is None else str(size) for size in shape)
        raise InputError(
            f"{option} {path} holds {' x '.join(map(str, table.shape))} numbers, but {wanted} are needed"
        )
    return table


def _floating(lines: list[int], columns: int) -> NDArray[np.bool_]:
    """[columns], True where a bit line has no sense end."""
    import numpy as np

    for line in lines:
        if not 0 <= line < columns:
            raise InputError(f"--floating {line} is no bit line; allowed: 0 to {columns - 1}")
    return np.isin(np.arange(columns), lines)


def _wires(segment: float, ends: tuple[float, float], both_sides: bool, floating: NDArray[np.bool_]) -> Wires:
    import torch

    from memsim.crossbar import Wires

    driver, sense = ends
    sensed = torch.where(torch.from_numpy(floating), torch.inf, torch.tensor(sense, dtype=torch.float64))
    return Wires(segment, segment, driver, sensed, driven_from_both_sides=both_sides)


def _law(kind: CellKind) -> Cell | None:
    from memsim.crossbar import InSeries, SinhCell, SinhSelector, ThresholdCell

    laws: dict[CellKind, Cell] = {
        CellKind.SINH: SinhCell(),
        CellKind.THRESHOLD: ThresholdCell(),
        CellKind.SELECTOR: InSeries(SinhSelector()),
    }
    return laws.get(kind)


def _check_size(shape: tuple[int, ...], law: Cell | None, dynamic: bool, out: Path) -> None:
    """Refuse a deck that does not fit, and say what a large one takes, before anything is made."""
    from memsim.crossbar.netlist import deck_size, definitions

    rows, columns = shape
    size = deck_size(rows, columns, definitions(law, dynamic=dynamic))
    size.check(out)
    for note in size.notes():
        typer.echo(note, err=True)


def _static_deck(array: _Array, law: Cell | None) -> str:
    import torch

    from memsim.crossbar import crossbar_deck

    return crossbar_deck(
        torch.from_numpy(array.conductance),
        torch.from_numpy(array.voltage),
        array.wires,
        cell=law,
        title=array.title("operating point"),
    )


def _frozen_deck(array: _Array, cells: Cells, at: float) -> str:
    import torch

    from memsim.crossbar import crossbar_deck

    states = cells.state(torch.from_numpy(array.conductance), at)
    voltage = torch.from_numpy(array.voltage)
    return crossbar_deck(
        states, voltage, array.wires, cell=cells.device, title=array.title("operating point")
    )


def _span(stop: str | None, step: str | None, width: str | None) -> tuple[float, float, float]:
    end = parse_si(STOP if stop is None else stop, "s")
    return (
        end,
        end / STEPS if step is None else parse_si(step, "s"),
        end / 2 if width is None else parse_si(width, "s"),
    )


def _transient_deck(array: _Array, cells: Cells, at: float, span: tuple[float, float, float]) -> str:
    import torch

    from memsim.circuits import PulseTrain
    from memsim.crossbar import crossbar_transient_deck

    stop, step, width = span
    once = 2 * (stop + width + 2 * step)
    return crossbar_transient_deck(
        cells,
        cells.state(torch.from_numpy(array.conductance), at),
        [PulseTrain(level, width, once, rise=step, fall=step) for level in array.voltage.tolist()],
        array.wires,
        stop=stop,
        step=step,
        title=array.title("transient"),
    )
