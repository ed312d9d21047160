from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from memsim.devices import MODELS, Device, card_names, load_device, numeric

Array = NDArray[np.float64]

ALL_MODELS = {name: model() for name, model in MODELS.items()}
ALL_DEVICES = {f"model {name}": model for name, model in ALL_MODELS.items()} | {
    f"card {name}": load_device(name) for name in card_names()
}


@pytest.fixture(params=ALL_MODELS.values(), ids=ALL_MODELS.keys(), scope="session")
def model(request):
    """Every model with its defaults."""
    return request.param


@pytest.fixture(params=ALL_DEVICES.values(), ids=ALL_DEVICES.keys(), scope="session")
def device(request):
    """Every model with its defaults, and every card."""
    return request.param


@pytest.fixture(scope="session")
def cycle():
    """Currents [A] and first state of a device in one cycle of a voltage across it, by SciPy."""
    return _cycle


def _cycle(
    device: Device, wave: Callable[[float | Array], Array], period: float, number: int
) -> tuple[Array, Array]:
    """Currents [A] and first state in cycle `number`, counted from 1, of a voltage across the device."""
    model, p = numeric(device), list(device.values.values())
    times = np.linspace((number - 1) * period, number * period, 4001)
    solution = solve_ivp(
        lambda t, x: np.array(model.rates(wave(t), x, p)),
        (0, times[-1]),
        list(device.initial.values()),
        t_eval=times,
        method="LSODA",
        rtol=1e-9,
        atol=1e-12,
        max_step=period / 500,
    )
    return model.current(wave(times), solution.y, p), solution.y[0]
