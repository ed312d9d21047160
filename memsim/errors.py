"""Every error memsim raises on purpose. Each message names the input, the value, the allowed range and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray as xr


class MemsimError(Exception):
    """Base of all errors raised by memsim."""


class InputError(MemsimError, ValueError):
    """An argument, file or card holds a value that cannot be used."""


class UntrustedDeckError(MemsimError):
    """A deck asks for shell, file or include access that was not granted."""


class EngineNotFoundError(MemsimError):
    """ngspice, its shared library or the Verilog-A compiler is not installed or too old."""


class CheckpointError(MemsimError):
    """A checkpoint is missing, damaged or belongs to another network."""


class DeckWarning(UserWarning):
    """A deck says what SPICE often reads otherwise than it was meant, or something of it was left out."""


_LONGEST = 300
"""Characters of a log line that are shown."""


def printable(text: str) -> str:
    """Text that another program wrote, without the control characters that a terminal would obey."""
    return "".join(c if c in "\n\t" or c.isprintable() else "�" for c in text)


class SimulationError(MemsimError):
    """A simulation did not give a result that can be trusted.

    Attributes:
        remedy: what to try next, one sentence.
        log: the lines of the simulator's log that show the cause.
        partial: waveforms up to the failure, where there are any.
    """

    remedy = ""

    def __init__(
        self,
        message: str,
        *,
        remedy: str | None = None,
        log: Sequence[str] = (),
        partial: xr.Dataset | None = None,
    ) -> None:
        self.remedy = self.remedy if remedy is None else remedy
        self.log = tuple(printable(line)[:_LONGEST] for line in log)
        self.partial = partial
        parts = [message, *(f"  | {line}" for line in self.log[:12])]
        if self.remedy:
            parts.append(f"What to do: {self.remedy}")
        super().__init__("\n".join(parts))


class NetlistError(SimulationError):
    """The deck cannot be parsed or refers to something that does not exist."""

    remedy = "correct the deck line named above; every model, sub-circuit, parameter and include must exist."


class CompilerError(SimulationError):
    """The Verilog-A compiler did not make a library of a module."""

    remedy = "correct the module at the line named; one that memsim wrote should compile: please report it."


class SingularMatrixError(SimulationError):
    """The circuit equations have no unique solution: a floating node or a loop of voltage sources."""

    remedy = "give every node a DC path to ground (or set `.options rshunt=1e12`) and break loops of voltage sources."


class ConvergenceError(SimulationError):
    """Newton iteration or the time step control gave up."""

    remedy = "shorten the time step, soften abrupt expressions, or give switches of their own node a state."


class SimulationTimeoutError(SimulationError):
    """The simulator did not finish within the time limit and was killed."""

    remedy = "raise `timeout`, shorten the run, or look for a source that jumps with its own node."


class ResourceLimitError(SimulationError):
    """The simulator reached a limit of memory or disk and was stopped."""

    remedy = "raise the limit named, or save fewer variables and take longer steps."


class EngineCrashedError(SimulationError):
    """The simulator process ended by a signal or without a result."""

    remedy = "run the deck alone with `ngspice -b` (keep it with `keep=`) and report it if it still crashes."


class BadResultError(SimulationError):
    """The simulator reported success, but the numbers cannot be right."""

    remedy = "check the deck for missing nodes and runaway states; tighten the time step."
