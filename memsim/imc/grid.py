"""Numbers on the grid that cells hold: first scales of weights, and integers shared out to column references."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from memsim.crossbar.laws import straight_through
from memsim.imc.hardware import HardwareCard
from memsim.imc.tiles import largest_weight, powers

SMALLEST_SCALE, SCALES_TRIED = 0.3, 29
"""First scales are sought from this share of the one that clips nothing."""
LARGE = 2.0**20
"""LSB of a tile, where converters read everything: half an LSB, which grids without 0 hold for 0, vanishes beside."""


def first_scale(weight: Tensor, bias: Tensor, card: HardwareCard) -> Tensor:
    """Scale [neurons] with the least square error of weights [neurons, rows] on the grid of a card.

    Neurons whose weights change nothing beside their bias [neurons], as those of pruned channels, get one for it.
    """
    most = weight.abs().amax(1)
    idle = most * weight.shape[1] <= bias.abs() * torch.finfo(weight.dtype).eps
    return torch.where(idle, _scale_of(bias, weight.shape[1], card), _scale_on_grid(weight, card))


def _scale_of(bias: Tensor, rows: int, card: HardwareCard) -> Tensor:
    """Scale with which converters read biases alone [neurons], and next to nothing where those are 0."""
    converter, counts, tiles = card.converter, powers(card), math.ceil(rows / card.array.rows)
    share: float = sum(counts)  # a decision of each digit
    if converter.adc:
        share = 2.0 ** (converter.bits - 2) * card.step * counts[-1]
    elif converter.kind == "ideal":
        share = LARGE
    return torch.where(bias == 0, 1 / LARGE, bias.abs() / (share * tiles))


def _scale_on_grid(weight: Tensor, card: HardwareCard) -> Tensor:
    # by powers of 2, so that squares neither vanish nor overflow and nothing is rounded
    tiny = torch.finfo(weight.dtype).tiny
    exponent = weight.abs().amax(1).clamp(min=tiny).frexp().exponent
    return _scale_of_units(weight.ldexp(-exponent[:, None]), card).ldexp(exponent).clamp(min=tiny)


def _scale_of_units(weight: Tensor, card: HardwareCard) -> Tensor:
    """Of weights whose largest are near 1."""
    largest = weight.abs().amax(1).clamp(min=torch.finfo(weight.dtype).tiny) / largest_weight(card)
    tried = (
        largest
        * torch.linspace(SMALLEST_SCALE, 1, SCALES_TRIED, dtype=weight.dtype, device=weight.device)[:, None]
    )
    half = 0.0 if card.differential else 0.5
    span = largest_weight(card)
    number = ((weight / tried[..., None] - half).round() + half).clamp(-span, span)
    error = (number * tried[..., None] - weight).square().sum(-1)
    return tried.gather(0, error.argmin(0, keepdim=True))[0]


def shared_out(wanted: Tensor, tiles: int, card: HardwareCard) -> Tensor:
    """Integers [neurons] as column references [tiles, lines], the digits of shares whose sum is exact.

    The last digit takes what is above it. Integers keep ties where they were, which fractions would all resolve alike.
    """
    counts = powers(card)
    whole = wanted.detach().round()
    share = ((whole + torch.arange(tiles, device=whole.device)[:, None]) / tiles).floor()
    size, levels = share.abs(), card.cell.levels
    digits = [(size / count).floor() for count in counts]
    digits[:-1] = [digit.remainder(levels) for digit in digits[:-1]]
    smooth = (wanted / (tiles * sum(counts)))[..., None].expand(tiles, -1, len(counts))
    return straight_through(share.sign()[..., None] * torch.stack(digits, -1), smooth).flatten(-2)
