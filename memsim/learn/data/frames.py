"""Inputs as frames of events, a share of which are noise, and which of them are signal.

Images become frames in which a pixel has an event with a probability of rate times its value, anew in each; recordings
are frames already. In a frame of noise all that is in it lies at pixels that are drawn: there is as much of it, and
nothing can be seen.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from memsim.errors import InputError
from memsim.learn.data.dataset import Dataset, Split
from memsim.learn.data.frame_table import FrameTable
from memsim.memory import check_memory


def in_frames(data: Dataset, table: FrameTable, steps: int) -> Dataset:
    """A data set in frames, the same at each call; splits say which are `signal`.

    Args:
        data: images, or recordings in as many bins.
        table: what becomes of them.
        steps: frames of an image.

    Raises:
        InputError: no frame of noise or none of signal, or more than the memory holds.
    """
    steps = data.slots or steps
    noisy = round(table.noise * steps)
    if not 0 < noisy < steps:
        raise InputError(
            f"frames.noise = {table.noise:g} of {steps} frames makes {noisy} of them noise; allowed: at least one of "
            "each kind, so that more frames may help"
        )
    generator = torch.Generator().manual_seed(table.seed)
    train, test = (
        _framed(split, count, table, (steps, noisy), generator)
        for split, count in ((data.train, table.train), (data.test, table.test))
    )
    return replace(data, train=train, test=test)


def _framed(
    split: Split, count: int | None, table: FrameTable, frames: tuple[int, int], generator: torch.Generator
) -> Split:
    steps, noisy = frames
    stored, labels = split.stored[:count], split.labels[:count]
    signal = _signal(len(stored), steps, noisy, generator, stretch=table.stretch)
    still = stored.ndim == 2
    check_memory(
        f"{len(stored)} inputs of {steps} frames",
        len(stored) * steps * stored.shape[-1],
        "take fewer of them",
    )
    made = []
    for one, kept in zip(stored, signal, strict=True):
        seen = _events(one * (table.rate / split.full_scale), steps, generator) if still else one.clone()
        seen[~kept] = _scattered(seen[~kept], generator)
        made.append(seen)
    return Split(torch.stack(made), labels, 1.0 if still else split.full_scale, signal)


def _events(chance: Tensor, steps: int, generator: torch.Generator) -> Tensor:
    return torch.bernoulli(chance.expand(steps, -1), generator=generator).to(torch.uint8)


def _scattered(frames: Tensor, generator: torch.Generator) -> Tensor:
    """What is in each of some frames, at other pixels."""
    return frames.gather(-1, torch.rand(frames.shape, generator=generator).argsort(-1))


def _signal(count: int, steps: int, noisy: int, generator: torch.Generator, *, stretch: bool) -> Tensor:
    """Which frames are signal, [count, steps]."""
    if not stretch:
        return torch.rand(count, steps, generator=generator).argsort(-1) >= noisy
    first = torch.randint(noisy + 1, (count, 1), generator=generator)
    step = torch.arange(steps)
    return (step >= first) & (step < first + steps - noisy)
