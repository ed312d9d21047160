"""The elementary functions of devices on torch tensors, with derivatives that stay finite at corners.

torch's own derivatives of pow, log, sqrt and asin are infinite where the argument, or its distance to the end of the
domain, is zero. Times a vanishing slope of the argument that gives NaN. Here such a derivative is 0 at the corner.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

Number = Tensor | float


def tiny(dtype: torch.dtype) -> float:
    """What counts as zero under a negative power: neither 1 / tiny nor its square overflows."""
    return torch.finfo(dtype).smallest_normal ** 0.5


def _tensors(*values: Number) -> list[Tensor]:
    """Numbers as tensors of the type of those that are tensors."""
    like = next(value for value in values if isinstance(value, Tensor))
    return [torch.as_tensor(value, dtype=like.dtype, device=like.device) for value in values]


def _recorded(*values: Number) -> bool:
    """Whether autograd follows an operation on these."""
    return torch.is_grad_enabled() and any(isinstance(v, Tensor) and v.requires_grad for v in values)


def power_values(base: Number, exponent: Number) -> Any:
    """base**exponent, and 0 for a negative exponent of zero, where no gradients are recorded."""
    if isinstance(base, Tensor) and not isinstance(exponent, Tensor) and exponent >= 0:
        return torch.pow(base, exponent)
    base, exponent = _tensors(base, exponent)
    corner = (exponent < 0) & (base.abs() <= tiny(base.dtype))
    return torch.where(corner, 0.0, torch.pow(base, exponent))


class _Power(torch.autograd.Function):
    """Its derivatives are powers of the same kind, so that those of any order are guarded."""

    generate_vmap_rule = True

    @staticmethod
    def forward(base: Tensor, exponent: Tensor) -> Tensor:
        return power_values(base, exponent)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], _: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        base, exponent = ctx.saved_tensors
        by_base = by_exponent = None
        if ctx.needs_input_grad[0]:
            by_base = (gradient * exponent * power(base, exponent - 1)).sum_to_size(base.shape)
        if ctx.needs_input_grad[1]:
            by_exponent = (gradient * power(base, exponent) * bounded_log(base)).sum_to_size(exponent.shape)
        return by_base, by_exponent


def power(base: Number, exponent: Number) -> Any:
    """base**exponent for a base that is never negative."""
    if not _recorded(base, exponent):
        return power_values(base, exponent)
    return _Power.apply(*_tensors(base, exponent))


def general_power(base: Number, exponent: Number) -> Any:
    """base**exponent as sympy writes it: a whole exponent takes any base, 1 / base has a pole."""
    if isinstance(base, Tensor) and not isinstance(exponent, Tensor) and exponent == int(exponent):
        return torch.pow(base, exponent)
    return power(base, exponent)


def bounded_log(z: Tensor) -> Tensor:
    """ln z, and the logarithm of `tiny` where z is less."""
    return torch.log(z.clamp_min(tiny(z.dtype)))


def log(z: Tensor) -> Tensor:
    """ln z; its derivative counts as 0 where 1/z would overflow."""
    if not _recorded(z):
        return torch.log(z)
    corner = z.detach().abs() <= tiny(z.dtype)
    return torch.where(corner, torch.log(z.detach()), torch.log(torch.where(corner, 1.0, z)))


def sqrt(z: Tensor) -> Tensor:
    """The square root."""
    return power(z, 0.5)


def asin(z: Tensor) -> Tensor:
    """The arc sine; its derivative counts as 0 at either end."""
    if not _recorded(z):
        return torch.asin(z)
    end = z.detach().abs() == 1
    return torch.where(end, torch.asin(z.detach()), torch.asin(torch.where(end, 0.0, z)))


def softplus(z: Tensor) -> Tensor:
    """ln(1 + exp(z)); above 40 its difference to z is below float64 rounding."""
    return torch.nn.functional.softplus(z, threshold=40.0)


def clip(z: Tensor, limit: Number) -> Tensor:
    """z bounded to [-limit, limit]; its slope is 0 from the corners on."""
    if isinstance(limit, Tensor):
        return torch.where(z.abs() < limit, z, torch.sign(z) * limit)
    return torch.nn.functional.hardtanh(z, -limit, limit)


def ramp(z: Tensor) -> Tensor:
    """z where it is positive, else 0; the slope at the corner is 1/2."""
    return (z + z.abs()) / 2


def step(z: Tensor) -> Tensor:
    """The slope of `ramp`."""
    return (1 + torch.sign(z)) / 2
