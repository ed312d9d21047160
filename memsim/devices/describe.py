"""Cards in words: one line each, or everything there is to know about one."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Sequence

from memsim.devices.cards import Card
from memsim.devices.retention import memory


def listing(cards: Sequence[Card]) -> str:
    """A line for each card: name, model, retention and description."""
    rows = [(card.name, card.device.model, memory(card.device), card.description) for card in cards]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:3]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row[:3], widths, strict=True)), row[3]])
        for row in rows
    ]
    return "\n".join(lines)


def describe(card: Card) -> str:
    """A card in full: what it is, its equations, states, parameters, source and retention."""
    device = card.device
    states = [
        (name, f"{device.initial[name]:g}", f"{spec.low:g} to {spec.high:g}", spec.meaning)
        for name, spec in device.states.items()
    ]
    parameters = [
        (name, f"{device.values[name]:g}", spec.unit, spec.meaning)
        for name, spec in device.parameters.items()
    ]
    sections = [
        f"{card.name}: {card.description}",
        f"model {device.model}: {inspect.getdoc(type(device))}",
        inspect.getdoc(sys.modules[type(device).__module__]) or "",
        "states, initial value and range\n" + _table(states),
        "parameters in SI units\n" + _table(parameters),
        f"values: {card.source}\nmodel: {device.reference}",
        f"memory at zero voltage: {memory(device)}",
        *([f"drive: {card.drive}"] if card.drive else []),
    ]
    return "\n\n".join(sections)


def _table(rows: Iterable[tuple[str, ...]]) -> str:
    table = list(rows)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join(
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    )
