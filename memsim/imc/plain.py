"""Whether a module is what its class of torch says, and nothing more."""

from __future__ import annotations

from typing import TypeGuard, TypeVar

from torch import nn

M = TypeVar("M", bound=nn.Module)

METHODS = ("__call__", "forward", "_conv_forward")


def computes_as(module: nn.Module, base: type[M]) -> TypeGuard[M]:
    """Whether a module is of a class, with the forward of that class."""
    return isinstance(module, base) and not any(
        name in vars(module) or getattr(type(module), name, None) is not getattr(base, name, None)
        for name in METHODS
    )


def hooked(module: nn.Module) -> bool:
    """Whether something else is computed before or behind a module."""
    return bool(module._forward_hooks or module._forward_pre_hooks)
