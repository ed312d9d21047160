"""Memsim's neurons and networks in other people's code: snnTorch-style steps, torch.nn.Sequential, NIR graphs."""

from __future__ import annotations

import importlib
from typing import Any

from memsim.errors import InputError
from memsim.interop.braincog_neurons import from_braincog
from memsim.interop.snntorch_neurons import from_snntorch, to_snntorch
from memsim.interop.spikingjelly_neurons import from_spikingjelly, to_spikingjelly
from memsim.interop.stepwise import SpikingNeuron, SpikingSequence

__all__ = [
    "SpikingNeuron",
    "SpikingSequence",
    "from_braincog",
    "from_nir",
    "from_snntorch",
    "from_spikingjelly",
    "read_nir",
    "spiking_from_nir",
    "spiking_to_nir",
    "to_nir",
    "to_snntorch",
    "to_spikingjelly",
    "write_nir",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(importlib.import_module("memsim.interop.nir_graph"), name)
    except ModuleNotFoundError:
        raise InputError("NIR graphs need the package nir: pip install 'memsim[interop]'") from None
