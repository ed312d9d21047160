"""Spikes, and the slope that stands for the derivative that they do not have.

    o = 1 where z > 0 (or z >= 0),   z = m - theta, or m / theta - 1
    do/dz = height shape(x / width) where |x| < support, exactly 0 elsewhere;   x = z, or x = m - centre

Shapes are 1 at 0. Neftci, Mostafa and Zenke, IEEE Signal Processing Magazine 36(6), 2019, compare them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from memsim.errors import InputError

SLOPES: dict[str, Callable[[Tensor], Tensor]] = {
    "triangle": lambda x: (1 - x.abs()).clamp(min=0),
    "box": lambda x: (x.abs() < 1).to(x.dtype),
    "fast-sigmoid": lambda x: 1 / (1 + x.abs()).square(),
    "arctan": lambda x: 1 / (1 + x.square()),
    "gaussian": lambda x: torch.exp(-x.square() / 2),
    "logistic": lambda x: 1 - torch.tanh(x / 2).square(),
    "exponential": lambda x: torch.exp(-x.abs()),
    "straight-through": torch.ones_like,
}
"""Shapes by name; one more line here is one more slope."""


@dataclass(frozen=True)
class Spike:
    """When neurons fire, and how gradients pass.

    Attributes:
        slope: a name of SLOPES, or a function of x that is 1 at 0.
        height: of the slope, where it is highest.
        width: what x is measured in.
        support: |x| beyond which the slope is exactly 0; everywhere some where left out.
        centre: membrane that the slope is highest at; the threshold where left out. Elsewhere than at the threshold, no
            gradient goes to the threshold.
        relative: whether membranes count in thresholds, z = m / theta - 1.
        inclusive: whether neurons fire at the threshold itself, too.

    Raises:
        InputError: an unknown slope, or a value out of range.
    """

    slope: str | Callable[[Tensor], Tensor] = "triangle"
    height: float = 0.3
    width: float = 1.0
    support: float | None = None
    centre: float | None = None
    relative: bool = True
    inclusive: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.slope, str) and self.slope not in SLOPES:
            raise InputError(
                f"slope = {self.slope!r} is unknown; allowed: {', '.join(SLOPES)}, or a function"
            )
        for name in ("height", "width", "support"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise InputError(f"{name} = {value!r} of a spike is out of range; allowed: above 0")

    def __call__(self, membrane: Tensor, reference: Tensor | float, amount: Tensor | float) -> Tensor:
        """Spikes [batch, ...] of membranes [batch, ...].

        Args:
            membrane: before a reset.
            reference: what it must exceed.
            amount: what counts as one threshold, where membranes are relative.
        """
        if not self.relative:
            z, unit = membrane - reference, None
        else:
            unit = amount
            z = membrane / amount - 1 if reference is amount else (membrane - reference) / amount
        if self.centre is None:
            return _Fire.apply(z, z, self)
        x = (membrane if unit is None else membrane / unit) - self.centre
        return _Fire.apply(z, x, self)

    @property
    def compare(self) -> Callable[..., Tensor]:
        """What decides: torch.gt, or torch.ge where neurons fire at the threshold itself."""
        return torch.ge if self.inclusive else torch.gt

    def slope_at(self, x: Tensor) -> Tensor:
        """The slope do/dz at x."""
        shape = SLOPES[self.slope] if isinstance(self.slope, str) else self.slope
        slope = self.height * shape(x if self.width == 1 else x / self.width)
        return slope if self.support is None else slope * (x.abs() < self.support)


class _Fire(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(z: Tensor, _: Tensor, spike: Spike) -> Tensor:
        return spike.compare(z, 0).to(z.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Spike], _: Tensor) -> None:
        _, x, ctx.spike = inputs
        ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor, None]:
        (x,) = ctx.saved_tensors
        return None, gradient * ctx.spike.slope_at(x), None
