from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from memsim.devices import Device, MetastableSwitch
from memsim.fit import Record, transient_current

TRUE = MetastableSwitch(r_on=2e3, r_off=80e3, v_on=0.25, v_off=-0.15, tau=2e-4, initial={"x": 0.02})


@pytest.fixture(scope="session")
def true_device() -> Device:
    """The device behind the synthetic loops."""
    return TRUE


@pytest.fixture(scope="session")
def loop() -> Callable[..., Record]:
    """Makes a loop of a device behind a resistor, one period of a sine."""

    def make(
        frequency: float = 100.0, *, device: Device = TRUE, noise: float = 0.0, resistance: float = 5e3
    ) -> Record:
        time = np.arange(100) / (100 * frequency)
        drive = 0.8 * np.sin(2 * np.pi * frequency * time)
        blank = Record(f"{frequency:g}Hz", time, drive, drive / resistance, resistance)
        current = transient_current(device, blank, substeps=2)
        current = current + noise * np.abs(current).max() * np.random.default_rng(3).standard_normal(100)
        return Record(blank.name, time, drive, current, resistance)

    return make
