"""Gates by the names that studies use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch

from memsim.networks.attention import DimensionalAttention, JointAttention
from memsim.networks.described import described
from memsim.networks.gates import Gate, Identity
from memsim.networks.mirrors import Mirrors

GATES: dict[str, Callable[..., Gate]] = {
    "dimensional": DimensionalAttention,
    "joint": JointAttention,
    "mirrors": Mirrors,
}
"""One more line here is one more gate."""


def make_gate(
    entry: object,
    shape: tuple[int, ...],
    steps: int | None = None,
    generator: torch.Generator | None = None,
) -> Gate:
    """The gate that an entry of a layer names.

    Args:
        entry: a name in GATES, `FILE.py:NAME`, or a table with either as `kind` and settings; none where left out.
        shape: of the neurons, which a gate with an argument of that name gets.
        steps: of time, the same way, where they are known.
        generator: source of what it draws, the same way.

    Raises:
        InputError: no such gate, or what is no gate.
    """
    if entry is None:
        return Identity()
    offered = {"shape": shape, "generator": generator} | ({} if steps is None else {"steps": steps})
    return described(entry, GATES, cast("Any", Gate), "layers.gate", offered=offered)
