"""Published and measured non-idealities, ready to use."""

from __future__ import annotations

import math

from memsim.crossbar.laws import ClippedLog, ClippedPower, check
from memsim.crossbar.nonidealities import Drift, ProgrammingNoise, ReadNoise, StuckCells

PCM_G_MAX = 25e-6
_FIRST_READ = 20.0
_READ_TIME = 250e-9

NEURRAM_1S = ProgrammingNoise((0.348e-6, 16.030e-6, -43.853e-6, 45.393e-6, -16.815e-6), g_max=40e-6)
"""ReRAM spread 1 s after programming: Wan et al., Nature 608:504, 2022, polynomial as in IBM aihwkit."""

NEURRAM_1DAY = ProgrammingNoise((0.701e-6, 22.086e-6, -50.773e-6, 47.095e-6, -16.458e-6), g_max=40e-6)
"""The same after one day."""

NEURRAM_2DAYS = ProgrammingNoise((0.782e-6, 20.274e-6, -43.507e-6, 37.062e-6, -11.934e-6), g_max=40e-6)
"""The same after two days."""

PCM_PROGRAMMING = ProgrammingNoise((0.26348e-6, 1.9650e-6, -1.1731e-6), g_max=PCM_G_MAX)
"""Phase-change memory up to 25 uS: Nandakumar et al., ICECS 2019, as in aihwkit."""

STUCK_CHIP_13 = StuckCells(778 / 65536, conductance=1 / 6.6e3)
"""Stanford 64 kbit ReRAM, chip 13: 778 cells stay at low resistance, median 6.6 kohm (counted in the data)."""

STUCK_CHIP_14 = StuckCells(339 / 65536, conductance=1 / 6.1e3)
"""Stanford 64 kbit ReRAM, chip 14: 339 cells stay at low resistance, median 6.1 kohm (counted in the data)."""


def pcm_drift(time: float) -> Drift:
    """Drift of phase-change memory `time` seconds after programming: Nandakumar et al., ICECS 2019, as in aihwkit."""
    return Drift(
        time,
        reference_time=_FIRST_READ,
        mean=ClippedLog(-0.0155, 0.0244, low=0.049, high=0.1, g_max=PCM_G_MAX),
        spread=ClippedLog(-0.0125, -0.0059, low=0.008, high=0.045, g_max=PCM_G_MAX),
    )


def pcm_read_noise(time: float) -> ReadNoise:
    """1/f noise of a 250 ns read of phase-change memory, `time` seconds after programming.

    Nandakumar et al., ICECS 2019, as in aihwkit, except that the law is taken at the conductance that is read
    and not at the target.
    """
    check("time", time, above=_READ_TIME)
    growth = math.sqrt(math.log((time + _READ_TIME) / (2 * _READ_TIME)))
    return ReadNoise(ClippedPower(0.0088 * growth, -0.65, high=0.2 * growth, g_max=PCM_G_MAX))
