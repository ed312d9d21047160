from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from memsim.errors import InputError

Shape = tuple[int, ...]

SHARED: dict[str, Callable[[Shape], Shape]] = {
    "layer": lambda _: (),
    "column": lambda shape: (shape[0], *(1 for _ in shape[1:])),
    "neuron": lambda shape: shape,
}
"""Who has a number in common: of a layer [channels, ...], the shape that its numbers have."""


class Role(NamedTuple):
    """What a number stands for, what it may be, and the range that a learned one is held in."""

    name: str
    low: float
    high: float
    held: float


LEAK = Role("leak", 0.0, 1.0, held=0.0)
DECAY = Role("decay", 0.0, 1.0, held=0.0)
THRESHOLD = Role("threshold", torch.finfo(torch.float32).tiny, math.inf, held=0.05)
FREE = Role("gain", -math.inf, math.inf, held=-math.inf)


class Coefficient(nn.Module):
    """A number that neurons have: a leak, a threshold, a decay or a gain. A new kind gives `value` and `frozen`.

    Attributes:
        changes: whether it differs from step to step, or with the membrane, and has to be asked anew at each.
        of_membranes: whether it cannot be told without the membranes of its step.
    """

    changes = False
    of_membranes = False

    def bind(self, role: Role, shape: Shape | None) -> None:
        """Learn what it stands for, and the shape [channels, ...] of the layer where that is known.

        Raises:
            InputError: a value that it must not have.
        """

    def value(self, step: int = 0, membrane: Tensor | None = None) -> Tensor | float:
        """The number at a step, which fits to [batch, channels, ...].

        Args:
            step: counted from 0.
            membrane: [batch, channels, ...] at this step, before a reset.
        """
        raise NotImplementedError

    def amount(self, reference: Tensor | float | None) -> Tensor | float:
        """Of a threshold: what a reset takes, where spikes are decided at `reference`, if that is known."""
        return self.value() if reference is None else reference

    def frozen(self) -> Coefficient:
        """As hardware holds it: the same number, which nothing changes any more."""
        raise NotImplementedError


class Fixed(Coefficient):
    """A number that stays, or one for each neuron.

    Args:
        value: a number, or a tensor that fits to [channels, ...].
    """

    number: Tensor | float

    def __init__(self, value: Tensor | float) -> None:
        super().__init__()
        if isinstance(value, Tensor):
            self.register_buffer("number", value.detach().clone())
        else:
            self.number = float(value)

    def bind(self, role: Role, shape: Shape | None) -> None:
        check_range(role.name, self.number, role.low, role.high)
        check_fits(role.name, self.number, shape)

    def value(self, step: int = 0, membrane: Tensor | None = None) -> Tensor | float:
        return self.number

    def frozen(self) -> Fixed:
        return self


class Learned(Coefficient):
    """A number that is trained, held in a range: the parameter is cut off, so beyond it no gradient comes.

    Args:
        value: at the start: a number, or a tensor that fits to [channels, ...].
        shared: who has it in common: layer, column (all places of a channel) or neuron; see SHARED.
        low, high: the range; where left out 0 to 1 for a leak, at least 0.05 for a threshold, any for a gain.

    Raises:
        InputError: a start outside the range, or an unknown `shared`.
    """

    def __init__(
        self,
        value: Tensor | float,
        shared: str = "layer",
        *,
        low: float | None = None,
        high: float | None = None,
    ) -> None:
        super().__init__()
        if shared not in SHARED:
            raise InputError(f"shared = {shared!r} is unknown; allowed: {', '.join(SHARED)}")
        self.shared, self.low, self.high = shared, low, high
        self.raw = nn.Parameter(torch.as_tensor(value).detach().clone())

    def bind(self, role: Role, shape: Shape | None) -> None:
        self.low = role.held if self.low is None else self.low
        self.high = role.high if self.high is None else self.high
        check_range(role.name, self.raw, self.low, self.high)
        if shape is not None and self.raw.ndim == 0:
            own = SHARED[self.shared](shape)
            self.raw = nn.Parameter(self.raw.detach().expand(own).clone(), self.raw.requires_grad)
        check_fits(role.name, self.raw, shape)

    def value(self, step: int = 0, membrane: Tensor | None = None) -> Tensor:
        if self.shared != "layer" and self.raw.ndim == 0:
            raise InputError(
                f"shared = {self.shared!r} needs the shape of the layer; call shaped((channels, ...)) of the neuron"
            )
        return self.raw.clamp(_bound(self.low), _bound(self.high)) if self._bounded else self.raw

    @property
    def _bounded(self) -> bool:
        return _bound(self.low) is not None or _bound(self.high) is not None

    def frozen(self) -> Fixed:
        return Fixed(self.value())


class Logistic(Learned):
    """A number that is trained as 1 / (1 + exp(-w)), which no w leaves 0 to 1 with; `rising=False` turns it round.

    Args:
        value: at the start, above 0 and below 1.
        shared: as for `Learned`.
        rising: whether it grows with w. Trained time constants are often put as leak = 1 - 1 / (1 + exp(-w)).
    """

    def __init__(self, value: Tensor | float, shared: str = "layer", *, rising: bool = True) -> None:
        start = torch.as_tensor(value)
        inside = torch.finfo(torch.get_default_dtype()).eps
        check_range("value", start, inside, 1 - inside)
        super().__init__(torch.logit(start if rising else 1 - start), shared, low=-math.inf, high=math.inf)
        self.rising = rising

    def value(self, step: int = 0, membrane: Tensor | None = None) -> Tensor:
        share = super().value(step, membrane).sigmoid()
        return share if self.rising else 1 - share


class Complement(Coefficient):
    """1 - leak, times a factor: the gain with which neurons are running averages, m <- leak m + (1 - leak) i.

    Args:
        leak: of the same neurons.
        factor: a number, or a tensor that fits to [channels, ...].
    """

    def __init__(self, leak: Coefficient, factor: Tensor | float = 1.0) -> None:
        super().__init__()
        self._leak = (leak,)  # within a tuple, because the parameter is the leak's
        self.factor = Fixed(factor)
        self.changes = leak.changes

    def value(self, step: int = 0, membrane: Tensor | None = None) -> Tensor | float:
        return self.factor.value() * (1 - self._leak[0].value(step, membrane))

    def frozen(self) -> Complement:
        return Complement(self._leak[0].frozen(), self.factor.number)


COEFFICIENTS: dict[str, Callable[..., Coefficient]] = {
    "fixed": Fixed,
    "learned": Learned,
    "logistic": Logistic,
}
"""Policies of any number by the names that tables use."""
GAINS: dict[str, Callable[..., Coefficient]] = {**COEFFICIENTS, "complement": Complement}


def coefficient(value: Coefficient | Tensor | float) -> Coefficient:
    """What was given, or the number that was given as one that stays."""
    return value if isinstance(value, Coefficient) else Fixed(value)


def numbers(value: Tensor | float) -> Tensor:
    """A value without its gradient, and to all its digits."""
    return value.detach() if isinstance(value, Tensor) else torch.tensor(value, dtype=torch.float64)


def _bound(limit: float | None) -> float | None:
    return None if limit is None or math.isinf(limit) else limit


def check_range(name: str, value: Tensor | float, low: float, high: float) -> None:
    """Refuse numbers that are not finite, or out of range.

    Raises:
        InputError: what was given and what is allowed.
    """
    given = numbers(value)
    good = given.isfinite() & (given >= low) & (given <= high)
    if not bool(good.all()):
        worst = given[~good].flatten()[0].item()
        raise InputError(f"{name} = {worst:g} is out of range; allowed: {low:g} to {high:g}")


def check_fits(name: str, value: Tensor | float, shape: Shape | None) -> None:
    """Refuse numbers that do not fit to a layer.

    Raises:
        InputError: both shapes.
    """
    if shape is None or not isinstance(value, Tensor):
        return
    sides = zip(value.shape, shape, strict=False)
    if value.numel() > 1 and not (value.ndim == len(shape) and all(own in (1, side) for own, side in sides)):
        raise InputError(
            f"{name} has the shape {tuple(value.shape)}, which does not fit to a layer of {shape}; give one number, "
            "or one for each of its columns or neurons"
        )
