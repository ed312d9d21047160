from __future__ import annotations

import pytest

from memsim.devices import MODELS, card_names, load_device

DEVICES = {f"model {name}": model() for name, model in MODELS.items()} | {
    f"card {name}": load_device(name) for name in card_names()
}


@pytest.fixture(params=DEVICES.values(), ids=DEVICES.keys())
def device(request):
    """Every model with its defaults, and every card."""
    return request.param
