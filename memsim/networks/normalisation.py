"""Normalisation of the currents of a layer in front of its gate and neurons, in digital arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from torch import Tensor, nn

from memsim.errors import InputError
from memsim.networks.described import described

BATCH = "batch"


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation of each channel of a convolution, or each dense neuron, over time, batch and positions.

    y = weight (i - mean) / sqrt(variance + eps) + bias: Ioffe and Szegedy, ICML 2015 (arXiv:1502.03167), algorithm 1.
    Training normalises by the moments of the batch, evaluation by their running averages.

    Args:
        shape: of the neurons: (neurons,) or (channels, height, width).
        momentum: share of a batch in the running averages, above 0 and at most 1.
        eps: added to the variance, above 0.

    Raises:
        InputError: numbers that are out of range.
    """

    def __init__(self, shape: tuple[int, ...], momentum: float = 0.1, eps: float = 1e-5) -> None:
        if not 0 < momentum <= 1:
            raise InputError(f"layers.norm.momentum = {momentum:g}; allowed: above 0, at most 1")
        if not eps > 0:
            raise InputError(f"layers.norm.eps = {eps:g}; allowed: above 0")
        super().__init__(shape[0], eps=eps, momentum=momentum)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name that torch gives it
        """Currents [time, batch, neurons] of that shape.

        Raises:
            InputError: one value of each channel in training, which has no variance.
        """
        values = input.flatten(0, 1).unflatten(-1, (self.num_features, -1))
        if self.training and values[:, 0].numel() == 1:
            raise InputError(
                "batch normalisation trains on a single current of each neuron, whose variance is zero; give batches "
                "of 2 or more examples, or more steps"
            )
        return super().forward(values).reshape(input.shape)


NORMS: dict[str, Callable[..., nn.Module]] = {BATCH: BatchNorm}
"""Normalisations by the names that studies use."""


def kind_of(entry: Any) -> str | None:
    """Name of the kind that an entry of a layer says; none where it says nothing."""
    return entry.get("kind") if isinstance(entry, dict) else entry


def make_norm(entry: object, shape: tuple[int, ...]) -> nn.Module | None:
    """The normalisation that an entry of a layer names.

    Args:
        entry: a name in NORMS, `FILE.py:NAME`, or a table with either as `kind` and settings; none where left out.
        shape: of the neurons, which a normalisation with an argument of that name gets.

    Raises:
        InputError: no such normalisation, or what is no module.
    """
    if entry is None:
        return None
    return described(entry, NORMS, cast("Any", nn.Module), "layers.norm", offered={"shape": shape})
