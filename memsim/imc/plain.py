"""Whether a module is what its class of torch says, and nothing more."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeGuard, TypeVar, cast

from torch import nn
from torch.nn.utils.parametrize import is_parametrized

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


def settle_weights(layers: Iterable[nn.Module]) -> None:
    """Make parametrised weights, such as normed ones, plain ones of the value that they have in evaluation."""
    for layer in filter(is_parametrized, layers):
        training = layer.training
        layer.eval()
        names = list(cast("nn.ModuleDict", layer.parametrizations))
        values = {name: getattr(layer, name).detach().clone() for name in names}
        # not by torch's remove_parametrizations, which changes a class that copies share
        del layer.parametrizations
        layer.__class__ = type(layer).__bases__[0]
        for name, value in values.items():
            layer.register_parameter(name, nn.Parameter(value))
        layer.train(training)
