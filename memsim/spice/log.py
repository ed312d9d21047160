"""What ngspice says in its log, as typed errors."""

from __future__ import annotations

import re
from collections.abc import Sequence

from memsim.errors import (
    ConvergenceError,
    EngineCrashedError,
    NetlistError,
    SimulationError,
    SingularMatrixError,
)

# In order of precedence: after a singular matrix ngspice also says "timestep too small", after an unknown
# model "aborted".
NETLIST_CAUSES = (
    "unknown subckt|can't find model|valid modelname|no such function (?!as )|pterror|syntax error|"
    "undefined parameter|cannot compute substitute|could not find (include|library) file|"
    "device already exists|there aren't any circuits|no data saved|error on line|undefined number|"
    "too few parameters|mif-error|unable to find definition of model|resistance to low|"
    "osdi: no such command|osdi lib|targets v"
)
CONVERGENCE_CAUSES = (
    "timestep too small|no convergence|iteration limit|out of range for|simulation.s. aborted"
)
RULES: tuple[tuple[type[SimulationError], str, str], ...] = (
    (SingularMatrixError, "ngspice found a singular matrix", "singular matrix"),
    (NetlistError, "ngspice cannot read the deck", NETLIST_CAUSES),
    (ConvergenceError, "ngspice did not find a solution", CONVERGENCE_CAUSES),
)


def classify(log: str, returncode: int, deck: str = "") -> SimulationError | None:
    """The error that a finished run of ngspice reports, or None where it reports none.

    Notes of gmin or source stepping that succeeded are not errors; a singular matrix is one, although
    ngspice then returns 0 and, for a floating node, any voltage.

    Args:
        log: text of the log file and of the console.
        returncode: exit code of the process, negative for a signal.
        deck: its text, of which a line is shown where ngspice only tells its number.
    """
    if returncode < 0:
        return EngineCrashedError(f"ngspice was ended by signal {-returncode}", log=tail(log))
    for error, message, pattern in RULES:
        lines = cited(log, pattern)
        if lines:
            return error(message, log=[*lines, *quoted(lines, deck)])
    if returncode != 0:
        return EngineCrashedError(f"ngspice ended with code {returncode} and no known cause", log=tail(log))
    return None


def complaints(log: str) -> list[str]:
    """What commands of a deck could not do with their vectors, which leaves its analyses as they are."""
    return cited(log, r"^Error: (no such (function as|vector)|RHS )", limit=2)


def cited(log: str, pattern: str, limit: int = 12) -> list[str]:
    """Log lines that match, each with the next one (ngspice names the deck line there), without repeats."""
    lines = [line.strip() for line in log.splitlines()]
    found: dict[str, None] = {}
    for index, line in enumerate(lines):
        if re.search(pattern, line, flags=re.IGNORECASE):
            for near in lines[index : index + 2]:
                if near:
                    found.setdefault(near)
        if len(found) >= limit:
            break
    return list(found)[:limit]


def quoted(cited_lines: Sequence[str], deck: str) -> list[str]:
    """Lines of a deck that log lines name by their number alone, as ngspice does since release 44."""
    physical = deck.split("\n")
    numbers = [
        found[1] for line in cited_lines for found in [re.search(r"stopped at line (\d+)$", line)] if found
    ]
    named = [int(number) for number in dict.fromkeys(numbers) if int(number) <= len(physical)]
    return [f"line {number}: {physical[number - 1].strip()[:120]}" for number in named]


def tail(log: str, count: int = 8) -> list[str]:
    """The last lines of a log that are not statistics."""
    noise = re.compile(r"^(Total|DRAM|Maximum|Current|Shared|Text|Stack|Library|\*\*|Batch mode)|\bMB\.$")
    lines = [line.strip() for line in log.splitlines() if line.strip() and not noise.search(line.strip())]
    return lines[-count:]
