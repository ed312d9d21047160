"""Whether the digital accumulators of a card are wide enough for the sums of a layer."""

from __future__ import annotations

import math

from memsim.errors import InputError
from memsim.imc.converters import decides
from memsim.imc.hardware import HardwareCard
from memsim.imc.inputs import InputCoding
from memsim.imc.tiles import powers


def check_accumulator(card: HardwareCard, coding: InputCoding, *, rows: int, name: str) -> None:
    """Raise InputError where sums of a layer of so many rows could leave the accumulator."""
    table, converter = card.accumulation, card.converter
    if table.kind == "analog":
        return
    grid = card.step if converter.adc else 1 if decides(card) else 0.5
    one = 2 ** (converter.bits - 1) * grid if converter.adc else 1.0
    if converter.kind == "ideal":
        one = min(rows, card.array.rows) * (card.cell.levels - 1)
    tiles = -(-rows // card.array.rows)
    largest = one * tiles * sum(powers(card)) * coding.largest * coding.rails
    needed = math.ceil(math.log2(largest / grid + 1)) + 1
    if needed > table.width:
        raise InputError(
            f"accumulation.bits = {table.width} is too narrow for {name}, whose sums need {needed}; "
            "allowed: at least that"
        )
