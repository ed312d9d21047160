from __future__ import annotations

import warnings
from collections.abc import Callable
from copy import deepcopy
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from memsim.surrogate import CompiledCircuit


def copy_of(model: nn.Module) -> nn.Module:
    """A copy of a network; states that hang in a graph, as a trained network keeps them, are copied by value."""
    # compiled circuits are the same for all, and hold machine code that cannot be copied
    shared = {id(part): part for part in model.modules() if isinstance(part, CompiledCircuit)}
    with _CopiesByValue(), warnings.catch_warnings():
        # torch warns of how it copies the programs that it exported
        warnings.filterwarnings("ignore", message=".*LeafSpec", category=FutureWarning)
        return deepcopy(model, cast("dict[int, Any]", shared))


class _CopiesByValue(TorchFunctionMode):
    """Tensors that are results of others can be copied, and the copies are results of none."""

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func is not Tensor.__deepcopy__ or args[0].is_leaf:
            return func(*args, **(kwargs or {}))
        tensor, memo = args
        with torch.no_grad():
            return memo.setdefault(id(tensor), tensor.detach().clone())
