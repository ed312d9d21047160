"""Write and verify: pulses on the device model itself until each cell holds its target conductance."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from memsim.crossbar.cells import Cells
from memsim.crossbar.laws import check, check_conductance
from memsim.errors import InputError


@dataclass(frozen=True)
class Pulse:
    """A rectangular voltage pulse across a cell: `voltage` [V] for `width` [s]."""

    voltage: float
    width: float

    def __post_init__(self) -> None:
        check("voltage", self.voltage)
        if self.voltage == 0:
            raise InputError("voltage = 0 V is no pulse; allowed: any other voltage")
        check("width", self.width, above=0.0)


@dataclass(frozen=True)
class Programmed:
    """What write and verify left in an array, each tensor of the shape of the target.

    Attributes:
        conductance: at the read voltage [S].
        state: of the device model.
        set_pulses: number given.
        reset_pulses: number given.
        converged: whether the conductance is within tolerance; False is a failed cell.
        energy: of the pulses, without reads and wires [J].
    """

    conductance: Tensor
    state: Tensor
    set_pulses: Tensor
    reset_pulses: Tensor
    converged: Tensor
    energy: Tensor


@dataclass(frozen=True)
class WriteVerify:
    """Programs each cell on its own: read, then SET below the target or RESET above it, until within tolerance.

    Pulses start at the given widths; a cell whose conductance has crossed its target gets pulses half as wide.

    Args:
        set_pulse: raises the conductance.
        reset_pulse: lowers the conductance.
        tolerance: largest distance from the target [S].
        max_pulses: for one cell, after which it has failed.
        read_voltage: of the verifying read, taken as free of disturb [V].
    """

    set_pulse: Pulse
    reset_pulse: Pulse
    tolerance: float
    max_pulses: int = 200
    read_voltage: float = 0.1

    def __post_init__(self) -> None:
        check("tolerance", self.tolerance, above=0.0)
        if self.max_pulses < 1 or self.max_pulses != int(self.max_pulses):
            raise InputError(f"max_pulses = {self.max_pulses!r} is out of range; allowed: integers from 1")
        check("read_voltage", self.read_voltage)
        if self.read_voltage == 0:
            raise InputError("read_voltage = 0 V reads nothing; allowed: any other voltage")

    @torch.no_grad()
    def __call__(
        self,
        cells: Cells,
        target: Tensor,
        *,
        state: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Programmed:
        """Program `cells` to `target` [rows, columns] in S.

        Args:
            cells: the array.
            target: conductances.
            state: of each cell before; the device's initial state where left out.
            generator: of the noise of cells with `switches`.

        Raises:
            InputError: shapes or values out of range, pulses of the wrong sign, or a generator without use.
            ConvergenceError: the device model could not be integrated over a pulse.
        """
        check_conductance(target, "target")
        if (generator is None) != (cells.switches is None):
            raise InputError(
                "generator and switches go together: give both for noisy cells, neither for noiseless"
            )
        (initial,) = cells.device.initial.values()
        x = torch.full_like(target, initial) if state is None else state.to(target, copy=True)
        check_state(cells, x, target, "the target")
        check_directions(cells, target, self.set_pulse, self.reset_pulse)
        return self._run(cells, target, x, generator)

    def _run(self, cells: Cells, target: Tensor, x: Tensor, generator: torch.Generator | None) -> Programmed:
        energy = torch.zeros_like(target)
        ups, downs, halvings = (torch.zeros_like(target, dtype=torch.int64) for _ in range(3))
        pulses = x.new_tensor(
            [(pulse.voltage, pulse.width) for pulse in (self.reset_pulse, self.set_pulse)]
        ).T
        g = cells.conductance(x, self.read_voltage)
        active = (g - target).abs() > self.tolerance
        before = torch.zeros_like(active)
        for number in range(self.max_pulses):
            if not bool(active.any()):
                break
            up = g < target
            halvings += active & (up != before) & (number > 0)
            before = up
            voltage, width = pulses[:, up[active].long()]
            width = width * 0.5 ** halvings[active]
            x[active], spent = cells.at(active).pulse(x[active], voltage, width, generator)
            energy[active] += spent
            ups += active & up
            downs += active & ~up
            g = cells.conductance(x, self.read_voltage)
            active = (g - target).abs() > self.tolerance
        return Programmed(g, x, ups, downs, ~active, energy)


def check_directions(cells: Cells, like: Tensor, set_pulse: Pulse, reset_pulse: Pulse) -> None:
    """Raise InputError where a pulse moves a cell of an array of the shape of `like` the other way."""
    # cells without parameters of their own are all one
    some = like if cells.parameters else like.flatten()[:1]
    for name, pulse, up in (("set_pulse", set_pulse, True), ("reset_pulse", reset_pulse, False)):
        if not bool((cells.raises(some, pulse.voltage) == up).all()):
            raise InputError(
                f"{name} of {pulse.voltage:g} V does not {'raise' if up else 'lower'} the conductance of every "
                f"{cells.device.model} cell; give another voltage or the other sign"
            )


def check_state(cells: Cells, state: Tensor, fitting: Tensor, what: str) -> None:
    """Raise InputError where state or parameters do not fit a tensor, or states are out of range."""
    (limits,) = cells.device.states.values()
    if state.dtype not in {torch.float32, torch.float64}:
        raise InputError(f"state is {state.dtype}; allowed: torch.float32, torch.float64")
    for name, values in {**cells.parameters, "state": state}.items():
        if values.shape != fitting.shape:
            raise InputError(
                f"{name} of shape {list(values.shape)} does not fit {what} of shape {list(fitting.shape)}; "
                "give one value for each cell"
            )
    if not state.numel():
        return
    least, most = torch.aminmax(state)  # NaN where any is
    if not bool((least >= limits.low) & (most <= limits.high)):
        raise InputError(f"state is out of range in some cell; allowed: {limits.low:g} to {limits.high:g}")
