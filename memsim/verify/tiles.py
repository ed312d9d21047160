"""Circuits behind tiles: converters are no circuit here, so neurons are driven with the currents that tiles give them.

These are the currents of the network itself, at the samples that it was trained with, and straight lines between: both
engines get the same ones, and what differs is what is a circuit.
"""

from __future__ import annotations

import torch
from torch import Tensor

from memsim.imc.mapping import evaluating, mapped_layers
from memsim.networks import MemristiveNetwork
from memsim.networks.drives import WordLines
from memsim.networks.network import Arriving


def not_circuits(network: MemristiveNetwork) -> tuple[str, ...]:
    """Names of the arrays of a network that are read through converters."""
    return tuple(mapped_layers(network))


def currents_of(network: MemristiveNetwork, lines: WordLines) -> list[Tensor]:
    """Into the neurons of each layer, [time, batch, neurons] in A, float64, at the samples of the network's clock."""
    clock, found = network.clock, list[Tensor]()

    def fire(_: int, arriving: Arriving) -> Tensor:
        current = arriving.current()
        found.append(current.double())
        out, _ = arriving.layer.fire(current, dt=clock.step)
        return out

    with torch.no_grad(), evaluating(network):
        network.flow(lines.over(clock.times()), fire, dt=clock.step)
    return found


def refined(current: Tensor, parts: int) -> Tensor:
    """Straight lines between samples [time, ...], each step in so many parts."""
    share = torch.arange(parts, dtype=current.dtype).reshape(-1, *(1 for _ in current.shape[1:])) / parts
    begins, ends = current[:-1, None], current[1:, None]
    return torch.cat([torch.lerp(begins, ends, share).flatten(0, 1), current[-1:]])
