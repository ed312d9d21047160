"""What suits each neuron: entries of a study that its regime gives where they are left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from memsim.networks.regimes import Regime


def suiting(regime: Regime) -> dict[str, Any]:
    """Entries of a study that suit neurons of a regime."""
    return {
        "window": regime.window,
        "step": regime.step,
        "drive": {"pulse": regime.pulse, "tau": regime.tau},
        "synapses": {"mirror_ratio": regime.mirror_ratio},
    }


def completed(entries: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Entries, with defaults where they are left out, in tables within them, too."""
    result = {**defaults, **entries}
    for name, default in defaults.items():
        given = result[name]
        if isinstance(default, Mapping) and isinstance(given, Mapping):
            result[name] = completed(given, default)
    return result
