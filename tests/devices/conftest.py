from __future__ import annotations

import pytest

from memsim.devices import MODELS, card_names, load_device

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
