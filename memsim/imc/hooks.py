from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

Hook = Callable[[nn.Module, tuple[Tensor, ...]], None]
"""Called with a module and what it is given, before it runs."""


@torch.no_grad()
def run_hooked(model: nn.Module, inputs: Tensor, hooks: Iterable[tuple[nn.Module, Hook]]) -> None:
    """Run a network once without gradients, with hooks that are gone again afterwards."""
    handles = [module.register_forward_pre_hook(hook) for module, hook in hooks]
    try:
        model(inputs)
    finally:
        for handle in handles:
            handle.remove()
