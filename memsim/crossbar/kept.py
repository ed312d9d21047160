"""Arrays that are kept as long as nothing they were made of changes."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from memsim.crossbar.grid import Grid
from memsim.crossbar.hardware import Hardware


@dataclass(frozen=True, eq=False)
class Programming:
    """Weights and wires as they were programmed, held so that nothing else gets their memory, and what came of them.

    Attributes:
        tensors: the weights and the resistances that are tensors.
        versions: how often autograd had seen each of them change.
        hardware: that they were programmed into.
        seed: of what is random in programming.
        grids: the arrays without a graph, by whether they were made in inference mode.
    """

    tensors: tuple[Tensor, ...]
    versions: tuple[int, ...]
    hardware: Hardware
    seed: int | None
    grids: dict[bool, Grid] = field(default_factory=dict)

    @classmethod
    def of(cls, tensors: tuple[Tensor, ...], hardware: Hardware, seed: int | None) -> Programming:
        return cls(tuple(tensor.detach() for tensor in tensors), _versions(tensors), hardware, seed)

    def is_of(self, tensors: tuple[Tensor, ...], hardware: Hardware) -> bool:
        if hardware is not self.hardware or _versions(tensors) != self.versions:
            return False
        return all(a.data_ptr() == b.data_ptr() for a, b in zip(self.tensors, tensors, strict=True))


def _versions(tensors: tuple[Tensor, ...]) -> tuple[int, ...]:
    return tuple(0 if tensor.is_inference() else tensor._version for tensor in tensors)
