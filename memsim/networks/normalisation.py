"""Normalisation of the currents of a layer in front of its gate and neurons, in digital arithmetic."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any, cast

from pydantic import AfterValidator
from torch import Tensor, nn
from torch.nn.functional import batch_norm

from memsim.errors import InputError
from memsim.networks.described import Entry, described
from memsim.networks.gates import OfSteps
from memsim.own_code import names_code

BATCH, THROUGH_TIME = "batch", "batch-through-time"
TAKES_OUT_MEANS = frozenset({BATCH, THROUGH_TIME})
"""Normalisations behind which a bias changes nothing."""


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation of each channel of a convolution, or each dense neuron, over time, batch and positions.

    y = weight (i - mean) / sqrt(variance + eps) + bias: Ioffe and Szegedy, ICML 2015 (arXiv:1502.03167), algorithm 1.
    Training normalises by the moments of the batch, evaluation by their running averages.

    Args:
        shape: of the neurons: (neurons,) or (channels, height, width).
        momentum: share of a batch in the running averages, above 0 and at most 1.
        eps: added to the variance, above 0.
        initial_weight: of all channels as training starts. With 0, what is normalised says nothing until its weight has
            moved, so that a layer whose currents are added to others begins as these.

    Raises:
        InputError: numbers that are out of range.
    """

    def __init__(
        self, shape: tuple[int, ...], momentum: float = 0.1, eps: float = 1e-5, initial_weight: float = 1.0
    ) -> None:
        _check_settings(momentum, eps, initial_weight)
        super().__init__(shape[0], eps=eps, momentum=momentum)
        nn.init.constant_(self.weight, initial_weight)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name that torch gives it
        """Currents [time, batch, neurons] of that shape.

        Raises:
            InputError: one value of each channel in training, which has no variance.
        """
        values = input.flatten(0, 1).unflatten(-1, (self.num_features, -1))
        if self.training and values[:, 0].numel() == 1:
            raise _single("of 2 or more examples, or more steps")
        return super().forward(values).reshape(input.shape)


class BatchNormThroughTime(nn.BatchNorm1d, OfSteps):
    """Batch normalisation with moments and weights of each step; without a shift, which would be a bias.

    y[t] = weight[t] (i[t] - mean[t]) / sqrt(variance[t] + eps): Kim and Panda, Frontiers in Neuroscience 15, 2021
    (arXiv:2010.01729), equation 5, as their public code has it. On hardware it is gains and references of single steps;
    see memsim.networks.stepwise.

    Args:
        shape: of the neurons: (neurons,) or (channels, height, width).
        steps: of time, at least 1.
        momentum: share of a batch in the running averages, above 0 and at most 1.
        eps: added to the variance, above 0.
        initial_weight: of all channels and steps as training starts.

    Raises:
        InputError: numbers that are out of range.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        steps: int,
        momentum: float = 0.1,
        eps: float = 1e-4,
        initial_weight: float = 1.0,
    ) -> None:
        _check_settings(momentum, eps, initial_weight)
        if steps < 1:
            raise InputError(f"layers.norm.steps = {steps}; allowed: integers from 1")
        super().__init__(steps * shape[0], eps=eps, momentum=momentum)
        self.register_parameter("bias", None)
        nn.init.constant_(self.weight, initial_weight)
        self.steps, self.places = steps, math.prod(shape[1:])

    def forward(self, input: Tensor, first: int = 0) -> Tensor:  # noqa: A002 - the name that torch gives it
        """Currents [time, batch, neurons] of that shape.

        Args:
            input: currents.
            first: number of their first step.

        Raises:
            InputError: steps that it has no moments of, training on some of its steps, or on one value of each.
        """
        taken = len(input)
        if first + taken > self.steps or (self.training and taken < self.steps):
            raise InputError(
                f"batch normalisation through time has moments of {self.steps} steps, and gets step {first + 1} to "
                f"{first + taken}; allowed: {'all of them, as it trains' if self.training else 'any of these'}"
            )
        # each channel of each step is a channel of torch
        values = input.unflatten(-1, (-1, self.places)).transpose(0, 1).flatten(1, 2)
        if self.training and values[:, 0].numel() == 1:
            raise _single("of 2 or more examples")
        found = super().forward(values) if self.training else self._averaged(values, first)
        return found.unflatten(1, (taken, -1)).transpose(0, 1).flatten(2)

    def fold(self, step: int) -> tuple[Tensor, Tensor]:
        """Gain and reference of a step, as of a gate, by the running averages.

        Raises:
            InputError: a step that it has no moments of.
        """
        if not 0 <= step < self.steps:
            raise InputError(
                f"step = {step}; batch normalisation through time has moments of {self.steps} steps"
            )
        mean, variance, weight = (part.view(self.steps, -1)[step] for part in self._kept)
        gain = weight / (variance + self.eps).sqrt()
        return gain.repeat_interleave(self.places), (-gain * mean).repeat_interleave(self.places)

    @property
    def _kept(self) -> tuple[Tensor, Tensor, Tensor]:
        """Running averages and weights."""
        return cast("Tensor", self.running_mean), cast("Tensor", self.running_var), self.weight

    def _averaged(self, values: Tensor, first: int) -> Tensor:
        begin = first * self.num_features // self.steps
        own = slice(begin, begin + values.shape[1])
        mean, variance, weight = (part[own] for part in self._kept)
        return batch_norm(values, mean, variance, weight, eps=self.eps)


def _check_settings(momentum: float, eps: float, initial_weight: float) -> None:
    if not 0 < momentum <= 1:
        raise InputError(f"layers.norm.momentum = {momentum:g}; allowed: above 0, at most 1")
    if not eps > 0:
        raise InputError(f"layers.norm.eps = {eps:g}; allowed: above 0")
    if not math.isfinite(initial_weight):
        raise InputError(f"layers.norm.initial_weight = {initial_weight:g}; allowed: finite numbers")


def _single(remedy: str) -> InputError:
    return InputError(
        "batch normalisation trains on a single current of each neuron, whose variance is zero; give batches "
        + remedy
    )


NORMS: dict[str, Callable[..., nn.Module]] = {BATCH: BatchNorm, THROUGH_TIME: BatchNormThroughTime}
"""Normalisations by the names that studies use."""


def kind_of(entry: Any) -> str | None:
    """Name of the kind that an entry of a layer says; none where it says nothing."""
    return entry.get("kind") if isinstance(entry, dict) else entry


def make_norm(entry: object, shape: tuple[int, ...], steps: int | None = None) -> nn.Module | None:
    """The normalisation that an entry of a layer names.

    Args:
        entry: a name in NORMS, `FILE.py:NAME`, or a table with either as `kind` and settings; none where left out.
        shape: of the neurons, which a normalisation with an argument of that name gets.
        steps: of time, the same way, where they are known.

    Raises:
        InputError: no such normalisation, or what is no module.
    """
    if entry is None:
        return None
    offered = {"shape": shape} | ({} if steps is None else {"steps": steps})
    return described(entry, NORMS, cast("Any", nn.Module), "layers.norm", offered=offered)


def _is_a_norm(norm: Any) -> Any:
    if not names_code(kind_of(norm)):  # one of the user's may go by the shape
        make_norm(norm, (1,), 1)
    return norm


NormEntry = Annotated[Entry, AfterValidator(_is_a_norm)]
"""An entry of a table that describes a normalisation."""
