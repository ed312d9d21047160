"""What stands in the cells of an array: resistors, static laws, or memristive devices with their states."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from memsim.circuits.device import DeviceSubCircuit, StaticDeviceSubCircuit, subcircuit_name
from memsim.crossbar.cell_laws import CONDUCTANCE, Cell, InSeries, quantity
from memsim.crossbar.cells import Cells
from memsim.crossbar.laws import check_conductance
from memsim.errors import InputError


@dataclass(frozen=True, eq=False)
class CellText:
    """How the cells of one array are written.

    Attributes:
        definitions: lines of the sub-circuits that they are instances of.
        element: letters that their names begin with, `rc` or `xc`.
        present: [rows, columns]; False where a cell is open and left out.
        rows: what follows the nodes of each cell, row by row; None for an open one.
    """

    definitions: tuple[str, ...]
    element: str
    present: Tensor
    rows: Callable[[], Iterator[list[str | None]]]


def resistors(conductance: Tensor) -> CellText:
    """Ohmic cells of `conductance` [rows, columns] in S; 0 for an open one."""
    check_conductance(conductance)
    values = conductance.detach().double()

    def rows() -> Iterator[list[str | None]]:
        for row in values.tolist():
            yield [f"{1 / value:.15g}" if value else None for value in row]

    return CellText((), "rc", values > 0, rows)


def static_cells(cell: Cell, values: Tensor) -> CellText:
    """Cells of a static law; `values` [rows, columns] are their conductances in S, or the states they stay in."""
    name = quantity(cell)
    _check_values(cell, name, values)
    present = values > 0 if name == CONDUCTANCE else torch.ones_like(values, dtype=torch.bool)
    kind, lines = _static_definitions(cell)
    return CellText(tuple(lines), "xc", present, lambda: _instances(kind, present, {name: values}))


def dynamic_cells(cells: Cells, state: Tensor) -> CellText:
    """Devices that start in `state` [rows, columns], each with its own parameters where `cells` has them."""
    (name,) = cells.device.states
    _check_values(cells.device, name, state)
    for parameter, given in cells.parameters.items():
        if given.shape != state.shape:
            raise InputError(
                f"parameter {parameter} has shape {list(given.shape)} and state {list(state.shape)}; give both "
                "as [rows, columns]"
            )
    subcircuit = DeviceSubCircuit(cells.device)
    everywhere = torch.ones_like(state, dtype=torch.bool)
    values = {f"{name}_0": state, **cells.parameters}
    return CellText(
        tuple(_text(subcircuit)),
        "xc",
        everywhere,
        lambda: _instances(str(subcircuit.name), everywhere, values),
    )


def definitions(cell: Cell | None, *, dynamic: bool = False) -> tuple[str, ...]:
    """Lines of the sub-circuits that cells are instances of: none for ohmic ones, frozen devices or dynamic ones."""
    if cell is None:
        return ()
    if dynamic and not isinstance(cell, InSeries):
        return tuple(_text(DeviceSubCircuit(cell)))
    return tuple(_static_definitions(cell)[1])


def _instances(kind: str, present: Tensor, values: Mapping[str, Tensor]) -> Iterator[list[str | None]]:
    names = list(values)
    columns = [tensor.detach().double().tolist() for tensor in values.values()]
    for row, here in enumerate(present.tolist()):
        cells = zip(here, *(column[row] for column in columns), strict=True)
        yield [
            f"{kind} {' '.join(f'{name}={value!r}' for name, value in zip(names, own, strict=True))}"
            if exists
            else None
            for exists, *own in cells
        ]


def _static_definitions(cell: Cell) -> tuple[str, list[str]]:
    """Name of the cell's sub-circuit, and the lines that define it."""
    if not isinstance(cell, InSeries):
        subcircuit = StaticDeviceSubCircuit(cell)
        return str(subcircuit.name), _text(subcircuit)
    selector = StaticDeviceSubCircuit(cell.selector)
    kind = subcircuit_name(f"{cell.selector.model}_and_resistor")
    return kind, [
        *_text(selector),
        f".subckt {kind} p n g=1e-05",
        f"xselector p middle {selector.name}",
        "rmemory middle n {1/g}",
        f".ends {kind}",
    ]


def _text(subcircuit: DeviceSubCircuit | StaticDeviceSubCircuit) -> list[str]:
    return str(subcircuit).lower().splitlines()


def _check_values(cell: Cell, name: str, values: Tensor) -> None:
    if values.ndim != 2:
        raise InputError(f"{name} has shape {list(values.shape)}; give [rows, columns]")
    if isinstance(cell, InSeries) or name not in cell.states:
        check_conductance(values, name)
        return
    limits = cell.states[name]
    wrong = ~((values >= limits.low) & (values <= limits.high))
    if bool(wrong.any()):
        place = wrong.nonzero()[0].tolist()
        cell.check_state(f"{name}{place}", name, values[tuple(place)].item())
