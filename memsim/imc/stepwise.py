"""Normalisation of single steps, which modules of a network know how to make gains and references of steps."""

from __future__ import annotations

from collections.abc import Container
from typing import Protocol, runtime_checkable

from torch import nn


@runtime_checkable
class FoldsSteps(Protocol):
    """A module with a normalisation of single steps."""

    def fold_steps(self) -> None:
        """Make it gains and references of steps where nothing is changed by that; else leave it as it is."""


def fold_all_steps(model: nn.Module, left: Container[nn.Module] = ()) -> None:
    """Fold normalisation of single steps wherever it can be, but for modules that are `left` as they are."""
    for module in [module for module in model.modules() if module not in left]:
        if isinstance(module, FoldsSteps):
            module.fold_steps()
