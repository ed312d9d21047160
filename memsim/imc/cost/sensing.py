"""One conversion of a column: energy, time, area.

NeuroSim V1.3 (MultilevelSenseAmp.cpp, SarADC.cpp; 65 nm LSTP) fits the power of a converter beside a column of
conductance G, with L levels or b bits, as

    sense amplifier, flash:  P = level_power (L - 1) + column_power G,            t = 1 ns (L = 2) or 10 ns
    SAR:                     P = sar_base_power + sar_bit_power b + sar_column_power G,   t = (b + 1) sar_bit_time

and E = P t. The part with G is what the array takes, the rest what the converter takes.
"""

from __future__ import annotations

from dataclasses import dataclass

from memsim.imc.cost.technology import Constants
from memsim.imc.tables import ConverterTable

SAR_GATES, SAR_GATES_PER_BIT = 478, 182
"""Gates of a SAR converter of one bit, and of each bit more (SarADC.cpp)."""


@dataclass(frozen=True)
class Conversion:
    """What one conversion takes.

    Attributes:
        energy: of the converter [J].
        column_energy: of the array over the conductance of the column [J/S].
        time: of the conversion [s].
        period: of an array read: the conversion, and what settles around it [s].
        area: of the converter [m2].
    """

    energy: float
    column_energy: float
    time: float
    period: float
    area: float


def conversion(converter: ConverterTable, constants: Constants) -> Conversion:
    """What one conversion takes; an ideal converter takes nothing, and senses as fast as a sense amplifier."""
    c = constants
    sharing = c.sharing_delay if converter.columns > 1 else 0.0
    if converter.kind == "sar":
        time = (converter.bits + 1) * c.sar_bit_time
        power = c.sar_base_power + c.sar_bit_power * converter.bits
        area = c.sar_gate_area * (SAR_GATES + SAR_GATES_PER_BIT * (converter.bits - 1))
        return Conversion(
            power * time, c.sar_column_power * time, time, time + c.settling_sar + sharing, area
        )
    decisions = _decisions(converter)
    flash = converter.kind == "flash" and converter.bits > 1
    time = c.sense_time_most if flash else c.sense_time_least
    settling = c.settling_flash if flash else c.settling_sense
    energy = decisions * (c.level_power * time + c.encoder_energy)
    return Conversion(
        energy, c.column_power * time, time, time + settling + sharing, decisions * c.level_area
    )


def _decisions(converter: ConverterTable) -> int:
    """Comparisons of one conversion, all at once: levels less one."""
    if converter.kind == "ideal":
        return 0
    return 2 if converter.kind == "ternary" else 2**converter.bits - 1
