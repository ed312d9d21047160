"""A hardware card with the amplifiers of a circuit.

Bit lines give currents and amplifiers compare voltages: with a load R between them, an LSB of the card is at the input
R V_read (G_on - G_off) / (2^b - 1).
"""

from __future__ import annotations

import math
from typing import Any

from memsim.errors import InputError
from memsim.imc.amplifiers.bench import Bench
from memsim.imc.amplifiers.figures import RESOLUTION, AmplifierFigures
from memsim.imc.hardware import load_hardware
from memsim.units import format_si

DECISIONS = {"sense-amplifier", "ternary"}


def decision_time(figures: AmplifierFigures, bench: Bench) -> float:
    """Until inputs as small as the noise are decided [s], by the law of times: t0 + tau ln(supply / noise)."""
    return figures.time_offset + figures.time_constant * math.log(bench.supply / figures.noise)


def card_of(
    figures: AmplifierFigures, bench: Bench, *, base: str, load: float, source: str, matching: float
) -> dict[str, Any]:
    """Content of a card, as TOML has it.

    Args:
        figures: of the amplifier.
        bench: that they were found on.
        base: card that it stands on, whose columns are read by decisions.
        load: R, that currents of bit lines become voltages in [ohm].
        source: circuit of the amplifier.
        matching: A of its thresholds [V m].

    Raises:
        InputError: a card that is not read by decisions, or a load that is not above 0.
    """
    card = load_hardware(base)
    if card.converter.kind not in DECISIONS:
        raise InputError(
            f"card {base} is read by {card.converter.kind}; allowed: one of {' and '.join(sorted(DECISIONS))}"
        )
    if not load > 0:
        raise InputError(f"load = {load:g} ohm; allowed: above 0")
    lsb = load * card.cell.lsb
    entries = {"offset": figures.offset / lsb, "noise": figures.noise / lsb}
    if figures.hysteresis > RESOLUTION and card.converter.kind == "sense-amplifier":
        entries["hysteresis"] = figures.hysteresis / lsb
    entries["decision_time"] = decision_time(figures, bench)
    driven = f"{bench.supply:g} V, inputs at {bench.common:g} V"
    at = f"{source} in ngspice, {driven}, 1 LSB = {format_si(lsb, 'V')} in {load:g} ohm"
    told = {
        "offset": f"{figures.samples} draws of mismatch, A = {1e9 * matching:g} mV µm, "
        f"{format_si(figures.offset, 'V')} +- {format_si(figures.offset_error, 'V', 2)}: {at}",
        "noise": f"of channels, {format_si(figures.noise, 'V')}: {at}",
        "hysteresis": f"mean of the draws, {format_si(figures.hysteresis, 'V')}: {at}",
        "decision_time": f"at {format_si(figures.noise, 'V')}, below which noise decides: {at}",
    }
    return {
        "base": base,
        "description": f"{base} with amplifiers {source}",
        "converter": {name: float(f"{value:.4g}") for name, value in entries.items()},
        "sources": {f"converter.{name}": told[name] for name in entries},
    }
