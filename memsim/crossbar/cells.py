"""Memristive cells under rectangular voltage pulses, after the device model itself.

Over a step h at constant voltage, with rate f, its slope J = df/dx and the current's slope i_x,

    x(h) = x + h f phi_1(h J)
    E(h) = v [h i + h^2 f i_x phi_2(h J)],    phi_1(z) = (e^z - 1) / z,    phi_2(z) = (e^z - 1 - z) / z^2

which is exact where rate and current are affine in x, as for the metastable switch, and of second order elsewhere
(Hochbruck and Ostermann, Acta Numerica 19:209, 2010). The steps of a pulse are doubled until the result stays.

A metastable switch of N switches is noisy: a share p_1 of those on stays on, a share p_0 of those off turns on, and
the fraction on gets the variance [x p_1 (1 - p_1) + (1 - x) p_0 (1 - p_0)] / N (Molter and Nugent, arXiv:1608.04659,
there for small steps).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from memsim.crossbar.laws import check
from memsim.devices import Device, MetastableSwitch, numeric
from memsim.errors import ConvergenceError, InputError

_STATE_ERROR = 1e-5
_ENERGY_ERROR = 1e-4
_MAX_STEPS = 2**14
_BISECTIONS = 53


@dataclass(frozen=True)
class Cells:
    """Memristive cells of one model.

    Args:
        device: the model and its parameters.
        parameters: values that differ from cell to cell [rows, columns], by name.
        switches: number of metastable switches in each cell, which makes each pulse noisy; noiseless where None.
    """

    device: Device
    parameters: Mapping[str, Tensor] = field(default_factory=dict)
    switches: float | None = None

    def __post_init__(self) -> None:
        if len(self.device.states) != 1:
            raise InputError(f"{self.device.model} has {len(self.device.states)} states; allowed: one state")
        for name, values in self.parameters.items():
            for extreme in (values.min(), values.max()):
                self.device.with_values(initial=None, **{name: float(extreme)})
        if self.switches is not None:
            check("switches", self.switches, low=1.0)
            if not isinstance(self.device, MetastableSwitch):
                raise InputError(
                    f"switches = {self.switches!r} says nothing to {self.device.model}; leave it out, "
                    "or use a metastable switch"
                )

    def at(self, which: Tensor) -> Cells:
        """The cells of a boolean mask, in one dimension."""
        return replace(self, parameters={name: values[which] for name, values in self.parameters.items()})

    def conductance(self, x: Tensor, voltage: float) -> Tensor:
        """i / v [S] at state `x` and a read voltage [V]."""
        v = torch.full_like(x, voltage)
        return self._model.current(v, [x], self._values(x)) / voltage

    def state(self, conductance: Tensor, voltage: float) -> Tensor:
        """State x at which i / v [S] at a read voltage [V] is what is asked for, by bisection.

        Raises:
            InputError: a conductance that the device does not reach; names the cell.
        """
        (limits,) = self.device.states.values()
        low, high = (torch.full_like(conductance, end) for end in (limits.low, limits.high))
        ends = torch.stack([self.conductance(low, voltage), self.conductance(high, voltage)])
        least, most = ends.amin(0), ends.amax(0)
        # a bound written in decimal may miss the reciprocal of a resistance by rounding
        margin = 4 * torch.finfo(conductance.dtype).eps * most
        wrong = ~((conductance >= least - margin) & (conductance <= most + margin))
        if bool(wrong.any()):
            place = tuple(wrong.nonzero()[0].tolist())
            raise InputError(
                f"conductance{list(place)} = {conductance[place].item():.4g} S is out of range; {self.device.model} "
                f"allows {least[place].item():.4g} to {most[place].item():.4g} S at {voltage:g} V"
            )
        rising = ends[1] > ends[0]
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            above = (self.conductance(middle, voltage) > conductance) == rising
            low, high = torch.where(above, low, middle), torch.where(above, middle, high)
        return (low + high) / 2

    def raises(self, like: Tensor, voltage: float) -> Tensor:
        """Whether a voltage [V] raises the conductance of each cell, half way through its range."""
        (limits,) = self.device.states.values()
        x, v = torch.full_like(like, (limits.low + limits.high) / 2), torch.full_like(like, voltage)
        model, p = self._model, self._values(x)
        return model.rates(v, [x], p)[0] * model.jacobian(v, [x], p)[1] * voltage > 0

    def pulse(
        self, x: Tensor, voltage: Tensor, width: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """State after a pulse of `voltage` [V] and `width` [s] on each cell at state `x`, and its energy [J]."""
        mean, energy = self._refined(x, voltage, width)
        if self.switches is None:
            return mean, energy
        on, _ = self._refined(torch.ones_like(x), voltage, width)
        off, _ = self._refined(torch.zeros_like(x), voltage, width)
        draw = torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)
        return (mean + self.spread(x, on, off) * draw).clamp(0, 1), energy

    def spread(self, x: Tensor, on: Tensor, off: Tensor) -> Tensor:
        """Standard deviation of the state after pulses on cells with `switches`.

        Args:
            x: state before.
            on: share of the switches on that stay on.
            off: share of the switches off that turn on.
        """
        variance = (x * on * (1 - on) + (1 - x) * off * (1 - off)) / (self.switches or torch.inf)
        return variance.clamp(min=0).sqrt()

    def _refined(self, x: Tensor, voltage: Tensor, width: Tensor) -> tuple[Tensor, Tensor]:
        state, energy = self._integrated(x, voltage, width, 1)
        steps = 2
        while steps <= _MAX_STEPS:
            coarse_state, coarse_energy = state, energy
            state, energy = self._integrated(x, voltage, width, steps)
            settled = (state - coarse_state).abs() <= _STATE_ERROR
            settled &= (energy - coarse_energy).abs() <= _ENERGY_ERROR * energy.abs()
            if bool(settled.all()):
                return state, energy
            steps *= 2
        raise ConvergenceError(
            f"the state of {self.device.model} during a pulse of {voltage.abs().max().item():g} V and "
            f"{width.max().item():g} s did not settle in {_MAX_STEPS} steps",
            remedy="use shorter or lower pulses, or float64.",
        )

    def _integrated(self, x: Tensor, v: Tensor, width: Tensor, steps: int) -> tuple[Tensor, Tensor]:
        model, p = self._model, self._values(x)
        (limits,) = self.device.states.values()
        h, energy = width / steps, torch.zeros_like(x)
        for _ in range(steps):
            (rate,) = model.rates(v, [x], p)
            _, current_slope, _, rate_slope = model.jacobian(v, [x], p)
            z = h * rate_slope
            energy = energy + v * h * (model.current(v, [x], p) + h * rate * current_slope * _phi_2(z))
            # a coarse step may overshoot to where the model is not defined
            x = (x + h * rate * _phi_1(z)).clamp(limits.low, limits.high)
        return x, energy

    @property
    def _model(self) -> Any:
        # typed for NumPy arrays; the torch functions take and return tensors
        return numeric(self.device, "torch")

    def _values(self, like: Tensor) -> list[Tensor]:
        values = {**self.device.values, **self.parameters}
        return [
            torch.as_tensor(values[name], dtype=like.dtype, device=like.device)
            for name in self.device.parameters
        ]


def _phi_1(z: Tensor) -> Tensor:
    return torch.where(z == 0, 1.0, z.expm1() / torch.where(z == 0, 1.0, z))


def _phi_2(z: Tensor) -> Tensor:
    # below 0.05 the difference in the closed form cancels, and the next term of the series is under 1e-12
    series = 1 / 2 + z * (1 / 6 + z * (1 / 24 + z * (1 / 120 + z * (1 / 720 + z / 5040))))
    small = z.abs() < 0.05
    safe = torch.where(small, 1.0, z)
    return torch.where(small, series, (safe.expm1() - safe) / safe.square())
