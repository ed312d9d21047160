"""What reads bit lines: sense amplifiers, ADCs and ideal quantisers.

A converter reads partial sums p, which are bit line currents less those of their reference in LSB (see
memsim.imc.hardware), of shape [tiles, reads, lines]; reads are in the order of time. What its parts are is drawn
once, by `made`, and its noise at each read.
"""

from __future__ import annotations

import math

from memsim.imc.converters.adc import Adc
from memsim.imc.converters.base import Converter, IdealConverter, noise_source, normal
from memsim.imc.converters.sense_amplifiers import SenseAmplifier, TernaryAmplifier
from memsim.imc.estimators import Estimator
from memsim.imc.hardware import HardwareCard

__all__ = [
    "Adc",
    "Converter",
    "IdealConverter",
    "SenseAmplifier",
    "TernaryAmplifier",
    "converter_of",
    "decides",
    "noise_source",
    "normal",
]


def decides(card: HardwareCard) -> bool:
    """Whether columns of a chip are read as decisions."""
    return card.converter.kind in {"sense-amplifier", "ternary"}


def converter_of(card: HardwareCard, gradient: Estimator = "exact", width: float = 0.0) -> Converter:
    """The converters of a card.

    Args:
        card: the hardware.
        gradient: of decisions; see memsim.imc.estimators.
        width: of the gradient [LSB]. `exact` is that of noise, so that decisions get at least this much of it.
    """
    table = card.converter
    # in quadrature, as the noise of the hardware stays
    noise = math.hypot(table.noise, width) if gradient == "exact" else table.noise
    match table.kind:
        case "ideal":
            return IdealConverter()
        case "sense-amplifier":
            return SenseAmplifier(
                offset=table.offset,
                noise=noise,
                hysteresis=table.hysteresis,
                metastable=table.metastable,
                tie=-1 if table.tie == "low" else 1,
                columns=table.columns,
                gradient=gradient,
                width=width,
            )
        case "ternary":
            return TernaryAmplifier(
                threshold=table.threshold,
                offset=table.offset,
                noise=noise,
                columns=table.columns,
                gradient=gradient,
                width=width,
            )
    return Adc(
        bits=table.bits,
        step=card.step,
        offset=table.offset,
        noise=table.noise,
        inl=table.inl,
        dnl=table.dnl,
        columns=table.columns,
    )
