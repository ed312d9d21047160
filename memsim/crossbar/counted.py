"""Counted pulses: learning in situ writes each cell with a number of equal pulses, and does not read it in between.

At constant voltage a state moves by itself, dx/dt = f(x), so that n pulses of width w are one of width n w. Where all
cells are alike, what n pulses make of a state is tabulated once, and looked up for every cell.

Pulses follow each other at once: what cells forget between pulses is not in it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from memsim.crossbar.cells import Cells
from memsim.crossbar.laws import check
from memsim.crossbar.programming import Pulse, check_directions, check_state
from memsim.devices import Device
from memsim.errors import ConvergenceError, InputError

MOST_PULSES = 1024
"""For one cell in one call."""
_STATE_ERROR, _ENERGY_ERROR = 1e-3, 1e-2
"""Of looking up: shares of the range of states, and of the largest energy."""
_FEWEST_ROWS = 2**4
"""Of a table, so that updates whose largest counts differ a little share one."""
_FEWEST_POINTS, _MOST_POINTS = 2**7 + 1, 2**13 + 1


@dataclass(frozen=True)
class Written:
    """What counted pulses left in an array, each tensor of its shape.

    Attributes:
        state: of the device model.
        energy: of the pulses, without wires [J].
        pulses: that each cell got, for its endurance.
    """

    state: Tensor
    energy: Tensor
    pulses: Tensor


@dataclass(frozen=True)
class CountedPulses:
    """Writes by integer numbers of pulses.

    Args:
        set_pulse: raises the conductance.
        reset_pulse: lowers the conductance.
        variation: relative spread of the step of one pulse, independent from pulse to pulse, at least 0. That of
            several pulses is drawn once, as if their steps were equal: where the last ones are smaller, states scatter
            more than by calls of one pulse each.
    """

    set_pulse: Pulse
    reset_pulse: Pulse
    variation: float = 0.0

    def __post_init__(self) -> None:
        check("variation", self.variation, low=0.0)

    @torch.no_grad()
    def __call__(
        self,
        cells: Cells,
        state: Tensor,
        up: Tensor,
        down: Tensor,
        *,
        generator: torch.Generator | None = None,
    ) -> Written:
        """Give each cell its set pulses, and then its reset pulses.

        Args:
            cells: the array.
            state: of each cell, [rows, columns] or of any shape.
            up: number of set pulses of each cell, integers from 0 to 1024, of the shape of `state`.
            down: the same of reset pulses.
            generator: of variation, and of the noise of cells with `switches`.

        Raises:
            InputError: shapes or values out of range, pulses of the wrong sign, or a generator without use.
            ConvergenceError: the device model could not be integrated, or is too steep to be tabulated.
        """
        if (generator is None) != (not self.variation and cells.switches is None):
            raise InputError(
                "generator goes with variation or switches: give both, or neither for cells without noise"
            )
        check_state(cells, state, state, "the state")
        check_directions(cells, state, self.set_pulse, self.reset_pulse)
        energy = torch.zeros_like(state)
        for name, pulse, counts in (("up", self.set_pulse, up), ("down", self.reset_pulse, down)):
            if _most(counts, state, name):
                many = 2 * int(counts.count_nonzero()) > counts.numel()
                given = self._given if many else self._given_to_few
                state, spent = given(cells, state, pulse, counts, generator)
                energy += spent
        return Written(state, energy, up.long() + down.long())

    def _given_to_few(
        self, cells: Cells, x: Tensor, pulse: Pulse, counts: Tensor, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        """As `_given`, looking at no other cells than those that get pulses."""
        where = counts.flatten().nonzero()[:, 0]
        some = cells.at(counts > 0) if cells.parameters else cells
        before, own = (one.flatten().index_select(0, where) for one in (x, counts))
        end, spent = self._given(some, before, pulse, own, generator)
        state = x.flatten().index_copy(0, where, end).view_as(x)
        return state, x.new_zeros(x.numel()).index_copy_(0, where, spent).view_as(x)

    def _given(
        self, cells: Cells, x: Tensor, pulse: Pulse, counts: Tensor, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        """State and energy after pulses of one kind; cells without any keep theirs."""
        moved = (
            _integrated(cells, x, pulse, counts) if cells.parameters else _looked_up(cells, x, pulse, counts)
        )
        end, some = moved.state, counts > 0
        if self.variation:
            share = self.variation / counts.clamp(min=1).to(x.dtype).sqrt()
            end = end + (end - x) * share * _draw(x, generator)
        if cells.switches is not None:
            end = end + cells.spread(x, moved.from_high, moved.from_low) * _draw(x, generator)
        (limits,) = cells.device.states.values()
        return torch.where(some, end.clamp(limits.low, limits.high), x), moved.energy


class _Moved(NamedTuple):
    """By pulses, noise left out: states, energies [J], and where states at the limits would be."""

    state: Tensor
    energy: Tensor
    from_low: Tensor
    from_high: Tensor


def _integrated(cells: Cells, x: Tensor, pulse: Pulse, counts: Tensor) -> _Moved:
    """Each cell by its own parameters."""
    quiet = replace(cells, switches=None)
    (limits,) = cells.device.states.values()
    voltage, width = torch.full_like(x, pulse.voltage), counts.to(x.dtype) * pulse.width
    state, energy = quiet.pulse(x, voltage, width)
    if cells.switches is None:
        return _Moved(state, energy, x, x)
    ends = (quiet.pulse(torch.full_like(x, end), voltage, width)[0] for end in (limits.low, limits.high))
    return _Moved(state, energy, *ends)


def _looked_up(cells: Cells, x: Tensor, pulse: Pulse, counts: Tensor) -> _Moved:
    """Cells that are all alike, between the points of a table."""
    (limits,) = cells.device.states.values()
    rows = max(_FEWEST_ROWS, 1 << (int(counts.max()) - 1).bit_length())
    table = _table(cells.device, pulse, rows, x.dtype, x.device)
    points = table.shape[1]
    place = (x - limits.low) * ((points - 1) / (limits.high - limits.low))
    left = place.floor().clamp_(0, points - 2)
    share, row = (place - left).flatten(), counts.flatten().long()
    near = table.flatten(0, 1).index_select(0, row * points + left.flatten().long())
    state = torch.lerp(near[:, 0], near[:, 1], share).view_as(x)
    energy = torch.lerp(near[:, 2], near[:, 3], share).view_as(x)
    if cells.switches is None:
        return _Moved(state, energy, x, x)
    return _Moved(state, energy, *(table[row, end, 0].view_as(x) for end in (0, -1)))


@lru_cache(maxsize=32)
def _table(model: Device, pulse: Pulse, rows: int, dtype: torch.dtype, place: torch.device) -> Tensor:
    """After 0 to `rows` pulses from each of so many states: state here and at the next one, and energies of both.

    The points are doubled until those between two others lie where looking up finds them. [rows + 1, points, 4]
    """
    points, (limits,) = _FEWEST_POINTS, model.states.values()
    coarse = _climbed(model, pulse, rows, points)
    while points < _MOST_POINTS:
        points = 2 * points - 1
        fine = _climbed(model, pulse, rows, points)
        between = [
            (part[:, :-1] + part[:, 1:]) / 2 - whole[:, 1::2]
            for part, whole in zip(coarse, fine, strict=True)
        ]
        allowed = (_STATE_ERROR * (limits.high - limits.low), _ENERGY_ERROR * float(fine[1].abs().max()))
        coarse = fine
        if all(float(error.abs().max()) <= most for error, most in zip(between, allowed, strict=True)):
            x, energy = (part.to(dtype=dtype, device=place) for part in fine)
            return torch.stack([x, x.roll(-1, 1), energy, energy.roll(-1, 1)], -1).contiguous()
    raise ConvergenceError(
        f"{model.model} turns so steeply that {points} states do not tell what pulses of {pulse.voltage:g} V and "
        f"{pulse.width:g} s make of those between",
        remedy="use shorter or lower pulses.",
    )


def _climbed(model: Device, pulse: Pulse, rows: int, points: int) -> tuple[Tensor, Tensor]:
    """States and energies [rows + 1, points] after 0, 1, 2, ... pulses from evenly spaced states."""
    cells, (limits,) = Cells(model), model.states.values()
    x = torch.linspace(limits.low, limits.high, points, dtype=torch.float64)
    voltage, width = torch.full_like(x, pulse.voltage), torch.full_like(x, pulse.width)
    states, energies = [x], [torch.zeros_like(x)]
    for _ in range(rows):
        x, spent = cells.pulse(x, voltage, width)
        states.append(x)
        energies.append(energies[-1] + spent)
    return torch.stack(states), torch.stack(energies)


def _most(counts: Tensor, state: Tensor, name: str) -> int:
    """The largest number of pulses of a cell.

    Raises:
        InputError: no integers, of another shape, or out of range.
    """
    no_integers = counts.is_floating_point() or counts.is_complex() or counts.dtype == torch.bool
    if no_integers or counts.shape != state.shape:
        raise InputError(
            f"{name} is {counts.dtype} of shape {list(counts.shape)}; give integers of the shape of the state, "
            f"{list(state.shape)}"
        )
    if not counts.numel():
        return 0
    low, high = (int(end) for end in torch.aminmax(counts))
    if low < 0 or high > MOST_PULSES:
        raise InputError(f"{name} is from {low} to {high} pulses; allowed: 0 to {MOST_PULSES}")
    return high


def _draw(like: Tensor, generator: torch.Generator | None) -> Tensor:
    return torch.randn(like.shape, generator=generator, dtype=like.dtype, device=like.device)
