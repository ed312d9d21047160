"""One conversion of a column: energy, time, area.

NeuroSim V1.3 (MultilevelSenseAmp.cpp, SarADC.cpp; 65 nm LSTP) fits the power of a converter beside a column of
conductance G, with L levels or b bits, as

    sense amplifier, flash:  P = level_power (L - 1) + column_power G,            t = 1 ns (L = 2) or 10 ns
    SAR:                     P = sar_base_power + sar_bit_power b + sar_column_power G,   t = (b + 1) sar_bit_time

and E = P t; a card may say how long a decision takes. The part with G is what the array takes, the rest what the
converter takes.

Where currents are ohmic, the array takes V_read^2 G (k t_read + t) instead: for the k pulses that word lines get before
the conversion, one but of counted inputs, and while it lasts.
"""

from __future__ import annotations

from dataclasses import dataclass

from memsim.imc.cost.accounting import Accounting
from memsim.imc.cost.technology import Constants
from memsim.imc.hardware import HardwareCard
from memsim.imc.tables import ConverterTable

SAR_GATES, SAR_GATES_PER_BIT = 478, 182
"""Gates of a SAR converter of one bit, and of each bit more (SarADC.cpp)."""


@dataclass(frozen=True)
class Conversion:
    """What one conversion takes.

    Attributes:
        energy: of the converter [J].
        column_energy: of the array over the conductance of the column [J/S].
        time: of the conversion alone [s].
        period: of an array read with one pulse: the pulse, the conversion, and switches of shared converters [s].
        duration: of an array read with all its pulses [s].
        area: of the converter [m2].
    """

    energy: float
    column_energy: float
    time: float
    period: float
    duration: float
    area: float


def conversion(card: HardwareCard, constants: Constants, accounting: Accounting) -> Conversion:
    """What one conversion takes; an ideal converter takes nothing, and senses as fast as a sense amplifier."""
    c, converter, count = constants, card.converter, pulses(card)
    sharing = c.sharing_delay if converter.columns > 1 else 0.0
    if converter.kind == "sar":
        time, settling = (converter.bits + 1) * c.sar_bit_time, c.settling_sar
        energy = (c.sar_base_power + c.sar_bit_power * converter.bits) * time
        area = c.sar_gate_area * (SAR_GATES + SAR_GATES_PER_BIT * (converter.bits - 1))
        fitted = c.sar_column_power
    else:
        decisions, flash = _decisions(converter), converter.kind == "flash" and converter.bits > 1
        least = converter.decision_time or c.sense_time_least
        time, settling = (c.sense_time_most, c.settling_flash) if flash else (least, c.settling_sense)
        energy = decisions * (c.level_power * time + c.encoder_energy)
        area = decisions * c.level_area
        fitted = c.column_power
    if accounting.currents == "fitted":
        period = time + settling + sharing
        return Conversion(energy, count * fitted * time, time, period, period + (count - 1) * time, area)
    pulse = card.cell.read_time
    taken = card.cell.read_voltage**2 * (count * pulse + time)
    return Conversion(energy, taken, time, pulse + time + sharing, count * pulse + time + sharing, area)


def pulses(card: HardwareCard) -> int:
    """On a word line for one conversion: as many as the largest count, else one."""
    return 2**card.inputs.bits - 1 if card.inputs.coding == "pulse-count" else 1


def _decisions(converter: ConverterTable) -> int:
    """Comparisons of one conversion, all at once: levels less one."""
    if converter.kind == "ideal":
        return 0
    return 2 if converter.kind == "ternary" else 2**converter.bits - 1
