"""Layers that a study says once and that stand in a network several times, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from memsim.networks.network import INPUT

if TYPE_CHECKING:
    from memsim.networks.layer_table import LayerTable

BEFORE = "before"
"""In `from` or `after` of a layer: the layer before its block, or before the layer itself where it has none."""


def expanded(layers: Sequence[LayerTable]) -> tuple[LayerTable, ...]:
    """All layers, each as often as it stands there.

    The layer NAME of what is repeated is called NAME-1, NAME-2 and so on, and `from` or `after` of a layer beside it
    in the block means that of the same turn.
    """
    found: list[LayerTable] = []
    for layer in layers:
        block = layer.block or (layer,)
        for turn in range(1, layer.repeat + 1):
            own = {
                one.name: f"{one.name}-{turn}"
                for one in block
                if one.name and (layer.block or layer.repeat > 1)
            }
            before = (found[-1].name or f"layer{len(found)}") if found else INPUT
            found += _turn(block, {**own, BEFORE: before})
    return tuple(found)


def _turn(block: Sequence[LayerTable], names: Mapping[str, str]) -> Iterator[LayerTable]:
    def known(name: str | None) -> str | None:
        return None if name is None else names.get(name, name)

    for layer in block:
        sources = tuple(
            known(source)
            if isinstance(source, str)
            else source.model_copy(update={"layer": known(source.layer)})
            for source in layer.sources
        )
        own = {"name": known(layer.name), "sources": sources, "after": known(layer.after)}
        yield layer.model_copy(update={**own, "repeat": 1})
