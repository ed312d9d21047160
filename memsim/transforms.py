"""What follows a run besides autograd: torch.func, which follows operations and no kernels, and torch.compile."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor

_functorch: Any = torch._C._functorch  # there is no public question of that kind

Given = ParamSpec("Given")
Made = TypeVar("Made")


def left_to_python(function: Callable[Given, Made]) -> Callable[Given, Made]:
    """The function, which torch.compile calls and does not look into: what it does are kernels, or no tensors."""

    @functools.wraps(function)
    def call(*args: Given.args, **kwargs: Given.kwargs) -> Made:
        if torch.compiler.is_compiling():
            # not at import: it takes a second to load the compiler
            return torch.compiler.disable(function)(*args, **kwargs)
        return function(*args, **kwargs)

    return call


def transformed(*tensors: object) -> bool:
    """Whether any of these is followed by grad, vjp, jacrev, jvp or vmap of torch.func."""
    if torch.compiler.is_compiling():
        return False
    return any(isinstance(one, Tensor) and _functorch.is_functorch_wrapped_tensor(one) for one in tensors)


def batched(*tensors: object) -> bool:
    """Whether any of these is an example of vmap."""
    return any(isinstance(one, Tensor) and _is_batched(one) for one in tensors)


def _is_batched(tensor: Tensor) -> bool:
    while _functorch.is_functorch_wrapped_tensor(tensor):
        if _functorch.is_batchedtensor(tensor):
            return True
        tensor = _functorch.get_unwrapped(tensor)
    return False
