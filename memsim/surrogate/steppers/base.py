"""What a time step is: M dy/dt = F(y, u, du/dt), u linear between two samples that are h apart."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from memsim.surrogate.elimination import Entries
from memsim.surrogate.system import BoundSystem, Values


@dataclass(frozen=True)
class Attempt:
    """A step and what it says of itself.

    Attributes:
        y: the unknowns at its end.
        error: in units of what is allowed: above 1, or not a number, it has failed. None where a step is not checked.
        pace: rate [1/s] at which the circuit wants to be stepped over the whole frame that the step is part of; 0 where
            it does not matter.
    """

    y: list[Any]
    error: Any = None
    pace: Any = 0.0


class Stepper(ABC):
    """One time step.

    Attributes:
        order: of convergence.
        implicit: whether rows without mass are solved.
        checked: whether a step finds out that it has failed, so that it can be divided.
    """

    name: ClassVar[str]
    order: ClassVar[int]
    implicit: ClassVar[bool] = True
    checked: ClassVar[bool] = False

    def controlled(self) -> Stepper:
        """The stepper as it suits one that chooses the size of each step by its error."""
        return self

    @abstractmethod
    def step(self, system: BoundSystem, y: Values, *, u: Values, u_next: Values, h: Any) -> list[Any]:
        """State after `h` seconds, from state `y` and inputs `u` (now) and `u_next` (at the end)."""

    def attempt(self, system: BoundSystem, y: Values, *, u: Values, u_next: Values, h: Any) -> Attempt:
        """The step, with its check where the stepper has one."""
        return Attempt(self.step(system, y, u=u, u_next=u_next, h=h))

    def refined(self) -> Stepper:
        """The stepper that belongs to half the step, where one run is compared with a finer one."""
        return self


def slopes(u: Values, u_next: Values, h: Any) -> list[Any]:
    """du/dt over the step."""
    return [(b - a) / h for a, b in zip(u, u_next, strict=True)]


def add(y: Values, k: Values, weight: float = 1.0) -> list[Any]:
    """y + weight k."""
    return [a + (b if weight == 1.0 else weight * b) for a, b in zip(y, k, strict=True)]


def iteration_matrix(mass: Mapping[tuple[int, int], Any], jacobian: Entries, scale: Any) -> Entries:
    """mass * scale - jacobian."""
    matrix = {key: -entry for key, entry in jacobian.items()}
    for key, entry in mass.items():
        matrix[key] = entry * scale + matrix[key] if key in matrix else entry * scale
    return matrix
