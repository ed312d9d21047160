"""Choices that plain numbers, tensors and other number-like values make alike, what is no number included."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import torch
from torch import Tensor


@singledispatch
def select(test: Any, a: Any, b: Any) -> Any:
    """a where the test holds, else b."""
    return a if test else b


@select.register
def _(test: Tensor, a: Any, b: Any) -> Tensor:
    like = next((value for value in (a, b) if isinstance(value, Tensor)), torch.ones(()))
    first, second = (torch.as_tensor(v, dtype=like.dtype, device=like.device) for v in (a, b))
    return torch.where(test, first, second)


@singledispatch
def detached(value: Any) -> Any:
    """The value without its dependence on anything."""
    return value


@detached.register
def _(value: Tensor) -> Tensor:
    return value.detach()


def larger(a: Any, b: Any) -> Any:
    """a where it exceeds b, else b; its slope at a tie is that of b."""
    return _chosen(a > b, a, b)


def smaller(a: Any, b: Any) -> Any:
    """a where it is below b, else b; its slope at a tie is that of b."""
    return _chosen(a < b, a, b)


def _chosen(test: Any, a: Any, b: Any) -> Any:
    # plain numbers, the many of them in steps that adapt, need no dispatch
    return a if test is True else b if test is False else select(test, a, b)


def everywhere(test: Any) -> bool:
    """Whether a test holds for every sample."""
    return bool(test.all()) if isinstance(test, Tensor) else bool(test)
