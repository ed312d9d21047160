"""Exact steps of devices whose one state relaxes exponentially while the voltage is constant.

Where dx/dt = (1 - x) a(v) - x b(v), a step of length h at constant v is, with phi(z) = (e^z - 1) / z,

    p_on = a h phi(-(a + b) h),  p_off = b h phi(-(a + b) h)
    x'   = x + (1 - x) p_on - x p_off

exactly, for any h; x' stays between 0 and 1 and is differentiable. p_on and p_off are the probabilities that one
metastable unit has turned by the end of the step, so that N units scatter by the variance of two binomials,

    var x' = [(1 - x) p_on (1 - p_on) + x p_off (1 - p_off)] / N

drawn as a Gaussian (Molter and Nugent, arXiv:1608.04659), which gradients pass through.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import sympy as sp
import torch
from torch import Tensor

from memsim.devices.base import Device
from memsim.devices.numeric import generate
from memsim.errors import InputError


@cache
def turning_rates(model: type[Device]) -> tuple[sp.Expr, sp.Expr]:
    """a(v) and b(v) of a model [1/s].

    Raises:
        InputError: the model has several states, or its rate is not affine in the one it has.
    """
    form = model().expressions
    if len(form.states) == 1:
        ((x,), (rate,)) = form.states, form.rates
        if not sp.diff(rate, x).has(x):
            return rate.subs(x, 0), -rate.subs(x, 1)
    raise InputError(
        f"{model.model} does not relax exponentially at a constant voltage; simulate it by a stepper instead"
    )


@cache
def _compiled(model: type[Device]) -> Callable[..., list[Any]]:
    form = model().expressions
    return generate((form.voltage, form.parameters), turning_rates(model), "torch")


def _phi(z: Tensor) -> Tensor:
    small = z.abs() < torch.finfo(z.dtype).eps
    return torch.where(small, 1 + z / 2, torch.expm1(z) / torch.where(small, torch.ones_like(z), z))


def exact_step(
    device: Device,
    v: Tensor,
    x: Tensor,
    h: float,
    *,
    parameters: Mapping[str, Tensor] | None = None,
    units: float | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """State after `h` seconds at a constant voltage.

    Args:
        device: a device whose rate is affine in its one state, such as a metastable switch or a memdiode.
        v: voltage [V], any shape.
        x: state, a shape that broadcasts with `v`.
        h: length of the step [s].
        parameters: parameters to replace by tensors, by name.
        units: number of metastable units; their scatter is drawn where it is given.
        generator: source of the scatter, on the device of `x`.

    Raises:
        InputError: the model does not relax exponentially, an unknown parameter, or `units` without a generator.
    """
    if units is not None and (generator is None or not units > 0):
        raise InputError(f"units = {units!r} needs a generator, and must exceed zero")
    unknown = set(parameters or {}) - set(device.values)
    if unknown:
        raise InputError(
            f"{device.model} has no parameter {min(unknown)!r}; it has: {', '.join(device.values)}"
        )
    values = {**device.values, **(parameters or {})}
    rates = _compiled(type(device))(
        v, [torch.as_tensor(p, dtype=x.dtype, device=x.device) for p in values.values()]
    )
    on, off = (torch.as_tensor(rate, dtype=x.dtype, device=x.device) for rate in rates)
    reach = h * _phi(-(on + off) * h)
    p_on, p_off = on * reach, off * reach
    mean = x + (1 - x) * p_on - x * p_off
    if units is None:
        return mean
    variance = ((1 - x) * p_on * (1 - p_on) + x * p_off * (1 - p_off)) / units
    noise = torch.randn(mean.shape, dtype=x.dtype, device=x.device, generator=generator)
    # the root has an infinite slope where nothing can turn
    spread = torch.sqrt(variance.clamp_min(torch.finfo(x.dtype).tiny))
    return (mean + spread * noise).clamp(0, 1)
