"""Pairs of cells that are written where they stand, by what their weights are to change.

    w = (G+ - G-) / (g_max - g_min)

A pair begins with both cells around the middle of the range. To raise w, G+ gets set pulses and G- as many reset
pulses; to lower it, the other way round. Near the ends of the range, where set pulses do little, reset pulses do much,
so that a pair at w = 0 moves alike both ways.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from memsim.crossbar.cells import Cells
from memsim.crossbar.counted import MOST_PULSES, CountedPulses, Written
from memsim.crossbar.laws import check
from memsim.crossbar.programming import Pulse, WriteVerify
from memsim.devices import Device
from memsim.errors import ConvergenceError, InputError

READ_VOLTAGE = 0.1
"""That weights are read with [V]."""


@dataclass(frozen=True)
class Pairs:
    """Weights [...] as states [2, ...] of cells, those of G+ first.

    Attributes:
        cells: of an array, all alike.
    """

    cells: Cells

    @cached_property
    def range(self) -> tuple[float, float]:
        """Lowest and highest conductance of a cell [S]."""
        (limits,) = self.cells.device.states.values()
        ends = torch.tensor([limits.low, limits.high], dtype=torch.float64)
        low, high = sorted(self.cells.conductance(ends, READ_VOLTAGE).tolist())
        return low, high

    @property
    def span(self) -> float:
        """What a weight of 1 is [S]."""
        low, high = self.range
        return high - low

    def weights(self, state: Tensor) -> Tensor:
        """Of states [2, ...]."""
        up, down = self.cells.conductance(state, READ_VOLTAGE)
        return (up - down) / self.span

    def conductances(self, weight: Tensor) -> Tensor:
        """Of cells around the middle of the range, [2, ...] in S."""
        low, high = self.range
        half = weight * (self.span / 2)
        return ((low + high) / 2 + torch.stack([half, -half])).clamp(low, high)

    def states(self, weight: Tensor) -> Tensor:
        """States at such conductances."""
        return self.cells.state(self.conductances(weight), READ_VOLTAGE)


class InPlace(NamedTuple):
    """What writing left.

    Attributes:
        written: states, energy and pulses of the cells, [2, ...] each.
        left: of the wanted change, kept for the next time; zeros where nothing is kept.
    """

    written: Written
    left: Tensor


@runtime_checkable
class Writer(Protocol):
    """What writes pairs. Adding one is a class with these two."""

    keeps: bool
    """Whether a number is kept for each weight, in a digital memory beside the array."""

    def write(
        self, pairs: Pairs, state: Tensor, wanted: Tensor, generator: torch.Generator | None
    ) -> InPlace:
        """Write a change of weights.

        Args:
            pairs: what the cells are.
            state: of the cells, [2, ...].
            wanted: change of the weights, what was left of earlier ones included, [...].
            generator: source of all that is random.
        """


Remainder = Callable[[Tensor, torch.Generator], tuple[Tensor, Tensor]]
"""From wanted pulses, with fractions and signs, to whole ones, and what is kept of the rest."""


def nearest(x: Tensor, _: torch.Generator) -> tuple[Tensor, Tensor]:
    """The nearest number; the rest is lost."""
    return x.round(), torch.zeros_like(x)


def drawn(x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The number above with the probability of the fraction, else that below; right on average, nothing is kept."""
    draw = torch.rand(x.shape, generator=generator, dtype=x.dtype, device=x.device)
    return (x + draw).floor(), torch.zeros_like(x)


def kept(x: Tensor, _: torch.Generator) -> tuple[Tensor, Tensor]:
    """Whole pulses; the rest is kept until it makes one."""
    return x.trunc(), x.frac()


REMAINDERS: dict[str, Remainder] = {"nearest": nearest, "drawn": drawn, "kept": kept}
"""What becomes of parts of a pulse; one more line here is one more policy."""


class ByCounts:
    """Writes by numbers of equal pulses, and does not read.

    The number is the wanted change over what one pulse to each cell of a pair does in the middle of the range.

    Args:
        set_voltage, set_width: of the pulse that raises the conductance of a cell [V, s].
        reset_voltage, reset_width: of the one that lowers it.
        variation: of the step of a pulse, see `CountedPulses`.
        remainder: what becomes of parts of a pulse: nearest, drawn or kept; see REMAINDERS.

    Raises:
        InputError: values out of range, or an unknown remainder.
    """

    def __init__(
        self,
        *,
        set_voltage: float,
        set_width: float,
        reset_voltage: float,
        reset_width: float,
        variation: float = 0.0,
        remainder: str | Remainder = "kept",
    ) -> None:
        if isinstance(remainder, str) and remainder not in REMAINDERS:
            raise InputError(f"remainder = {remainder!r} is unknown; allowed: {', '.join(REMAINDERS)}")
        self.pulses = CountedPulses(
            Pulse(set_voltage, set_width), Pulse(reset_voltage, reset_width), variation
        )
        self.remainder = REMAINDERS[remainder] if isinstance(remainder, str) else remainder
        self.keeps = self.remainder not in {nearest, drawn}

    def step(self, pairs: Pairs) -> float:
        """Change of a weight of 0 by one pulse to each cell of its pair."""
        return _step(pairs.cells.device, self.pulses.set_pulse, self.pulses.reset_pulse)

    def write(
        self, pairs: Pairs, state: Tensor, wanted: Tensor, generator: torch.Generator | None
    ) -> InPlace:
        """See `Writer`.

        Raises:
            ConvergenceError: more pulses for one cell than are counted.
        """
        step, source = self.step(pairs), generator or torch.Generator(state.device).manual_seed(0)
        counts, rest = self.remainder(wanted / step, source)
        most = float(counts.abs().amax())
        if not most <= MOST_PULSES:
            raise ConvergenceError(
                f"an update asks for {most:g} pulses of one cell, and {MOST_PULSES} are the most",
                remedy="lower learning_rate, or write with wider pulses.",
            )
        up = counts.to(torch.int16)
        both = torch.stack([up, -up])
        noisy = self.pulses.variation or pairs.cells.switches is not None
        written = self.pulses(
            pairs.cells, state, both.clamp(min=0), (-both).clamp(min=0), generator=source if noisy else None
        )
        return InPlace(written, rest * step)


@lru_cache(maxsize=32)
def _step(device: Device, set_pulse: Pulse, reset_pulse: Pulse) -> float:
    pairs = Pairs(Cells(device))
    middle, pulses = pairs.states(torch.zeros((), dtype=torch.float64)), (set_pulse, reset_pulse)
    voltage, width = (
        middle.new_tensor([getattr(one, name) for one in pulses]) for name in ("voltage", "width")
    )
    return float(pairs.weights(pairs.cells.pulse(middle, voltage, width)[0]))


class ByVerifying:
    """Writes and reads each cell until it holds its conductance.

    What a cell lacks of a wanted change is kept, so that changes within the tolerance add up until they are written.

    Args:
        set_voltage, set_width: of the pulse that raises the conductance of a cell [V, s].
        reset_voltage, reset_width: of the one that lowers it.
        tolerance: largest distance of a cell from its conductance, as a share of the range.
        max_pulses: for one cell at one time, after which it stays where it is.

    Raises:
        InputError: values out of range.
    """

    keeps = True

    def __init__(
        self,
        *,
        set_voltage: float,
        set_width: float,
        reset_voltage: float,
        reset_width: float,
        tolerance: float = 0.01,
        max_pulses: int = 200,
    ) -> None:
        check("tolerance", tolerance, above=0.0)
        self.set_pulse, self.reset_pulse = Pulse(set_voltage, set_width), Pulse(reset_voltage, reset_width)
        self.tolerance, self.max_pulses = tolerance, max_pulses

    def write(
        self, pairs: Pairs, state: Tensor, wanted: Tensor, generator: torch.Generator | None
    ) -> InPlace:
        """See `Writer`."""
        before = pairs.weights(state)
        write = WriteVerify(
            self.set_pulse, self.reset_pulse, self.tolerance * pairs.span, self.max_pulses, READ_VOLTAGE
        )
        target = pairs.conductances((before + wanted).clamp(-1, 1))
        found = write(
            pairs.cells,
            target,
            state=state,
            generator=None if pairs.cells.switches is None else generator,
        )
        written = Written(found.state, found.energy, found.set_pulses + found.reset_pulses)
        return InPlace(written, wanted - (pairs.weights(found.state) - before))


WRITERS: dict[str, Callable[..., Writer]] = {"counts": ByCounts, "verify": ByVerifying}
"""Writers by the names that studies use."""
