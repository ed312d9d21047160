"""Delays on the way to a synapse: x(t - d), a straight line between samples, for each line its own d."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from memsim.circuits.stimuli import check_positive
from memsim.surrogate.bounded import Bounded


class Delay(nn.Module):
    """Outputs of neurons, later.

    Args:
        longest: delay of every line, or the bound of those that are trained [s, or steps of discrete neurons].
        lines: how many have a delay of their own, between 0 and `longest`, which is trained; one for all, which stays,
            where left out.
        generator: source of the delays that training starts from, uniform.

    Raises:
        InputError: no positive delay.
    """

    def __init__(
        self, longest: float, lines: int | None = None, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        check_positive("delay", longest)
        self.longest, self.trained = longest, None
        if lines is not None:
            start = longest * torch.rand(lines, generator=generator, dtype=torch.float64)
            self.trained = Bounded(start, (0.0, longest), margin=0.02).float()

    def values(self) -> Tensor:
        """Delays, [lines] or of one line for all."""
        return torch.tensor([self.longest]) if self.trained is None else self.trained()

    def forward(self, x: Tensor, dt: float = 1.0) -> Tensor:
        """Outputs [time, batch, lines] as they arrive; before the first sample they were what that is.

        Args:
            x: outputs.
            dt: between samples [s].
        """
        steps = self.values().to(x) / dt
        whole = steps.detach().floor()
        later = self._shifted(x, whole.long())
        return later + (steps - whole) * (self._shifted(x, whole.long() + 1) - later)

    @staticmethod
    def _shifted(x: Tensor, steps: Tensor) -> Tensor:
        source = (torch.arange(len(x), device=x.device)[:, None] - steps).clamp(min=0)
        return x.gather(0, source[:, None, :].expand(x.shape))
