"""What neurons are stepped along: time, or the locations that an input comes from.

    over time       x[t, l] comes in step by step t:           i[t] = sum over l of w[l] x[t, l]
    over location   x[t, l] comes in location by location l:   i[l] = sum over t of w[t] x[t, l]

A layer over locations is one over time that gets its input turned, so that its neurons remember the locations before:
they have a weight for each step. All steps are kept until the first location is read.

Kang, Banerjee, Chopp, Katsaggelos and Cossairt, Boost event-driven tactile learning with location spiking neurons,
arXiv:2210.04277.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import torch
from torch import Tensor

from memsim.errors import InputError

Over = Literal["time", "location"]
TIME: Over = "time"
LOCATION: Over = "location"
INDEX: Final = "index"
RANDOM: Final = "random"
Order = Literal["index", "random"] | tuple[int, ...]


@dataclass(frozen=True)
class Scan:
    """What a layer is stepped along.

    Attributes:
        over: time or location.
        steps: how many; None where that is not known.
        order: of locations, as numbers of the lines that they are; empty of time.
    """

    over: Over = TIME
    steps: int | None = None
    order: tuple[int, ...] = ()


def order_of(entry: Order, lines: int, generator: torch.Generator | None) -> tuple[int, ...]:
    """The order of so many lines that an entry says.

    Raises:
        InputError: a list that does not name each line once.
    """
    if isinstance(entry, str):
        drawn = torch.randperm(lines, generator=generator).tolist() if entry == RANDOM else range(lines)
        return tuple(drawn)
    if sorted(entry) != list(range(lines)):
        wrong = next((n for n in entry if not 0 <= n < lines or entry.count(n) > 1), None)
        said = f"has {len(entry)} of {lines}" if wrong is None else f"names {wrong}"
        raise InputError(f"order {said} locations; allowed: each of 0 to {lines - 1} once")
    return tuple(entry)


def turned(x: Tensor, order: Tensor | None = None) -> Tensor:
    """[lines, batch, time] of [time, batch, lines]; lines in that order, by number where left out."""
    return (x if order is None else x[..., order]).transpose(0, 2)
