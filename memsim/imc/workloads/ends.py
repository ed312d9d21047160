"""The first and the last layer of a network that runs: what crosses the edge of a chip."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from memsim.imc.placement import PLACED, UNMAPPED


@dataclass
class Ends:
    """Of a network, by the names of its layers, whether on arrays or not.

    Attributes:
        taken: numbers that each layer was given, in the order of their first calls.
        given: numbers that each one gave.
        last: the layer that was called last.
    """

    taken: dict[str, int] = field(default_factory=dict)
    given: dict[str, int] = field(default_factory=dict)
    last: str = ""

    @property
    def first(self) -> str:
        """The layer that was called first."""
        return next(iter(self.taken))

    def enter(self, name: str) -> Any:
        """A hook before a layer runs."""

        def count(_: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
            inputs = next(iter((*given, *named.values())))
            self.taken[name] = self.taken.get(name, 0) + inputs.numel()

        return count

    def leave(self, name: str) -> Any:
        """A hook after it ran."""

        def count(_: nn.Module, __: object, found: Any) -> None:
            self.last = name
            # recurrent layers of torch give their states, too
            outputs = found if isinstance(found, Tensor) else found[0]
            self.given[name] = self.given.get(name, 0) + outputs.numel()

        return count


@contextmanager
def ends_of(model: nn.Module) -> Iterator[Ends]:
    """See the first and the last layer of a model while it runs."""
    ends, layers = Ends(), (*PLACED, *UNMAPPED)
    handles = [
        handle
        for name, module in model.named_modules()
        if isinstance(module, layers)
        for handle in (
            module.register_forward_pre_hook(ends.enter(name), with_kwargs=True),
            module.register_forward_hook(ends.leave(name)),
        )
    ]
    try:
        yield ends
    finally:
        for handle in handles:
            handle.remove()
