"""What discrete neurons get of inputs at each step: spikes, one bit per word line, or the numbers themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from memsim.networks.drives import first_events
from memsim.networks.named_functions import check_function, own_function
from memsim.own_code import names_code

Coding = Callable[[Tensor, int], Tensor]
"""From inputs [batch, inputs], or events [batch, bins, inputs], and a number of steps to [steps, batch, inputs]."""
SPIKES, DIRECT = "spikes", "direct"


def rate_coded(values: Tensor, steps: int) -> Tensor:
    """Evenly spaced spikes, round(steps * value) of them: values are added up until they make a spike.

    Args:
        values: [batch, inputs], 0 to 1.
        steps: of time.

    Returns:
        [steps, batch, inputs].
    """
    number = torch.arange(1, steps + 1, dtype=values.dtype, device=values.device)[:, None, None]
    # half a spike in advance, so that the count is rounded and not cut
    climbed = (number * values + 0.5).floor()
    return climbed.diff(dim=0, prepend=torch.zeros_like(climbed[:1])).clamp(max=1)


def event_coded(frames: Tensor) -> Tensor:
    """A spike wherever a time bin has an event, [bins, batch, inputs] from [batch, bins, inputs]."""
    return (frames > 0).to(frames.dtype).transpose(0, 1)


def as_spikes(inputs: Tensor, steps: int) -> Tensor:
    """Still inputs as evenly spaced spikes, events as they come."""
    return event_coded(inputs) if inputs.ndim == 3 else rate_coded(inputs, steps)


def direct(inputs: Tensor, steps: int) -> Tensor:
    """Still inputs as the same numbers at every step, events as the numbers of each bin."""
    return inputs.transpose(0, 1) if inputs.ndim == 3 else inputs.expand(steps, *inputs.shape)


def latency_coded(inputs: Tensor, steps: int) -> Tensor:
    """One spike for each value above 0 of still inputs, the higher the sooner, within the first half of the steps.

    The other half is for neurons to answer in. Events come as they are.
    """
    if inputs.ndim == 3:
        return event_coded(inputs)
    early = first_events(inputs, -(-steps // 2)).transpose(0, 1)
    return torch.cat([early, early.new_zeros(steps - len(early), *early.shape[1:])])


@dataclass(frozen=True)
class DrawnCoding:
    """A coding that draws; one and the same draw where it gets no generator.

    Attributes:
        draw: from inputs, steps and a generator to [steps, batch, inputs].
    """

    draw: Callable[[Tensor, int, torch.Generator], Tensor]

    def __call__(self, inputs: Tensor, steps: int, generator: torch.Generator | None = None) -> Tensor:
        """Spikes [steps, batch, inputs] of still inputs; events come as they are."""
        if inputs.ndim == 3:
            return event_coded(inputs)
        source = torch.Generator(inputs.device).manual_seed(0) if generator is None else generator
        return self.draw(inputs, steps, source)


def bernoulli(inputs: Tensor, steps: int, generator: torch.Generator) -> Tensor:
    """At each step a spike with the probability that the input says, 0 to 1."""
    return torch.bernoulli(inputs.expand(steps, *inputs.shape), generator=generator)


CODINGS: dict[str, Coding] = {
    SPIKES: as_spikes,
    DIRECT: direct,
    "latency": latency_coded,
    "bernoulli": DrawnCoding(bernoulli),
}
"""Codings by the names that studies use."""


def check_coding(name: Any) -> str:
    """The full name of a coding; see `check_function`."""
    return check_function("coding", name, CODINGS)


def coding_of(name: str) -> Coding:
    """The coding of that name; one of the user's says what is wrong with it."""
    if not names_code(name):
        return CODINGS[name]

    def coding(inputs: Tensor, steps: int) -> Tensor:
        wanted = (steps, len(inputs), inputs.shape[-1])
        return own_function("coding", name, (inputs, steps), ("steps, batch, inputs", wanted))

    return coding
