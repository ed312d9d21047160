"""What suits each neuron: entries of a study that it changes where they are left out.

Mirrors scale with the currents that a neuron takes. Neurons that fire by themselves do so under a current that is held,
and are given time for some spikes, at steps that resolve them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from memsim.circuits import impedance_scale

MIRROR_RATIO = 0.3
"""For integrate-and-fire neurons of set 1."""


def _self_firing(window: float) -> dict[str, Any]:
    return {
        "window": window,
        "step": window / 500,
        "drive": {"pulse": "held"},
        "synapses": {"mirror_ratio": 1.0},
    }


BY_NEURON: Mapping[str, Mapping[str, Any]] = {
    "integrate-and-fire-set2": {"synapses": {"mirror_ratio": MIRROR_RATIO * impedance_scale(2)}},
    "integrate-and-fire-set3": {"synapses": {"mirror_ratio": MIRROR_RATIO * impedance_scale(3)}},
    "threshold-switching-a": _self_firing(window=5e-3),
    "threshold-switching-b": _self_firing(window=0.5e-3),
}


def completed(entries: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Entries, with defaults where they are left out, in tables within them, too."""
    result = {**defaults, **entries}
    for name, default in defaults.items():
        given = result[name]
        if isinstance(default, Mapping) and isinstance(given, Mapping):
            result[name] = completed(given, default)
    return result
