from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from memsim.errors import InputError

Amount = Tensor | float


def _subtract(membrane: Tensor, spikes: Tensor, amount: Amount) -> Tensor:
    return membrane - amount * spikes


def _set(membrane: Tensor, spikes: Tensor, amount: Amount) -> Tensor:
    return (1 - spikes) * membrane + amount * spikes


def _zero(membrane: Tensor, spikes: Tensor, _: Amount) -> Tensor:
    return (1 - spikes) * membrane


def _none(membrane: Tensor, *_: Amount) -> Tensor:
    return membrane


Kind = Callable[[Tensor, Tensor, Amount], Tensor]
KINDS: dict[str, Kind] = {
    "subtract": _subtract,
    "zero": _zero,
    "set": _set,
    "none": _none,
}
"""The membrane after spikes, from membrane, spikes and amount; one more line here is one more kind."""
WITHOUT_AMOUNT = ("zero", "none")


@dataclass(frozen=True)
class Reset:
    """What a spike does to the membrane.

        now:   m <- leak m + i;  o = fires(m);  m <- reset(m, o)
        next:  a subtracting reset is taken unleaked, m <- leak m + i - amount o of the step before;
               any other is the one above, seen later: m <- leak reset(m, o of the step before) + i

    A subtracting reset at the next step fires as one at once does that takes amount / leak.

    Attributes:
        kind: subtract (takes the amount), set (leaves the amount), zero or none; see KINDS; or a function of membrane,
            spikes and amount that gives the membrane.
        amount: a number or tensor; the threshold where left out.
        when: now or next, the step in which it acts.
        detach: whether no gradient goes back from the reset to the spike.
        detach_amount: the same for the amount; as `detach` where left out.

    Raises:
        InputError: an unknown kind or time, or an amount that a kind does not take.
    """

    kind: str | Kind = "subtract"
    amount: Amount | None = None
    when: str = "now"
    detach: bool = True
    detach_amount: bool | None = None

    def __post_init__(self) -> None:
        for name, allowed in (("kind", tuple(KINDS)), ("when", ("now", "next"))):
            given = getattr(self, name)
            if given not in allowed and not (name == "kind" and callable(given)):
                raise InputError(f"{name} = {given!r} of a reset is unknown; allowed: {', '.join(allowed)}")
        if self.amount is not None and self.kind in WITHOUT_AMOUNT:
            raise InputError(
                f"amount = {self.amount!r} changes nothing in a reset of kind {self.kind!r}; leave it out, or choose "
                "subtract or set"
            )

    @property
    def waits(self) -> bool:
        """Whether it acts in the step after the spike, so that spikes are part of the state."""
        return self.when == "next"

    @property
    def takes_threshold(self) -> bool:
        """Whether it needs the threshold."""
        return self.amount is None and self.kind not in WITHOUT_AMOUNT

    @property
    def detaches_amount(self) -> bool:
        """Whether no gradient goes to the amount."""
        return self.detach if self.detach_amount is None else self.detach_amount

    @property
    def leaks(self) -> bool:
        """Whether a reset at the next step comes before the leak."""
        return self.kind != "subtract"

    def __call__(self, membrane: Tensor, spikes: Tensor, threshold: Amount) -> Tensor:
        """The membrane after spikes, both [batch, ...]."""
        amount = threshold if self.amount is None else self.amount
        if self.detaches_amount and isinstance(amount, Tensor):
            amount = amount.detach()
        after = KINDS[self.kind] if isinstance(self.kind, str) else self.kind
        return after(membrane, spikes.detach() if self.detach else spikes, amount)
