"""Spike times of leaky neurons with synaptic currents, in closed form, and so with their exact gradients.

    u' = -u/tau + v,   v' = -v/tau_s,   tau = 2 tau_s;   an input at t_j adds w_j to v, an own spike takes q from u

Between inputs u reaches theta where, with E = e^(t/tau),

    c E^2 - b E + a = 0,   a = sum of w_j e^(t_j/tau_s),   b = sum of w_j e^(t_j/tau) - (q/tau) sum of e^(t_k/tau)
    c = theta/tau,   E = 2a / (b + x),   x = sqrt(b^2 - 4ac)

over the inputs j and own spikes k before. It is a spike if it comes after these and before the next input. The order of
events is found once; times follow from it by differentiable functions of weights and input times alone.

Bacho and Chu, Exploring trade-offs in spiking neural networks, Neural Computation 35, 2023, arXiv:2212.09500.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from memsim.errors import InputError

SILENT = float("inf")
"""Time of a spike that does not come."""
LONGEST = {torch.float32: 80.0, torch.float64: 600.0}
"""Window over tau_s, beyond which exponentials leave the range of numbers."""


class Events(NamedTuple):
    """Inputs of a batch in the order in which they come.

    Attributes:
        times: [batch, events], `SILENT` behind the last one.
        lines: that they come on, [batch, events].
    """

    times: Tensor
    lines: Tensor


@dataclass(frozen=True)
class ExactNeurons:
    """Neurons whose membranes have twice the time constant of their synaptic currents; any unit of time.

    Attributes:
        tau: of the synaptic current.
        threshold: theta, of u.
        reset: q, what a spike takes from u.
        window: within which spikes count.
        most: spikes of a neuron; later ones are not looked for.

    Raises:
        InputError: a value that is not above 0, or a reset above the threshold.
    """

    tau: float
    threshold: float
    reset: float
    window: float
    most: int = 30

    def __post_init__(self) -> None:
        for name in ("tau", "threshold", "reset", "window", "most"):
            if not getattr(self, name) > 0:
                raise InputError(
                    f"{name} = {getattr(self, name)!r} of exact neurons is out of range; allowed: above 0"
                )

    def __call__(self, events: Events, weights: Tensor) -> Tensor:
        """Spike times [batch, neurons, most], `SILENT` behind the last one.

        Args:
            events: the inputs.
            weights: [lines, neurons], in units of v.

        Raises:
            InputError: a window that is too long for numbers of this kind.
        """
        a, b, edges = self._driven(events, weights)
        with torch.no_grad():
            following = self._order(edges, a, b)
        return self._timed(a, b, following)

    def highest(self, events: Events, weights: Tensor) -> Tensor:
        """Highest u of neurons that never fire, over the threshold: [batch, neurons]; arguments as for a call.

        Between inputs u = tau (b/E - a/E^2), which is highest at E = 2a/b.
        """
        a, b, edges = self._driven(events, weights)
        growth = (edges / (2 * self.tau)).exp()[..., None]
        turn = torch.where((a > 0) & (b > 0), 2 * a / b, 1.0).detach()
        at = turn.maximum(growth[:, :-1]).minimum(growth[:, 1:])
        return (2 * self.tau / self.threshold) * (b / at - a / at.square()).amax(1)

    def _driven(self, events: Events, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """a and b of the inputs after each, [batch, events, neurons], and the times between which they hold."""
        self._check_window(weights.dtype)
        come = events.times < self.window
        times = torch.where(come, events.times, 0.0)
        each = weights[events.lines] * come[..., None]
        a = (each * (times / self.tau).exp()[..., None]).cumsum(1)
        b = (each * (times / (2 * self.tau)).exp()[..., None]).cumsum(1)
        edges = torch.where(come, events.times, self.window)
        return a, b, torch.cat([edges, torch.full_like(edges[:, :1], self.window)], 1)

    def _check_window(self, dtype: torch.dtype) -> None:
        longest = LONGEST.get(dtype, 0.0) * self.tau
        if self.window > longest:
            raise InputError(
                f"window = {self.window:g} is too long for exponentials of {dtype}; allowed: up to {longest:g}, "
                f"{LONGEST.get(dtype, 0.0):g} times tau"
            )

    def _order(self, edges: Tensor, a: Tensor, b: Tensor) -> Tensor:
        """Number of the input that each spike follows, [batch, neurons, most]; -1 where there is none.

        All intervals between inputs are looked at for the next spike at once, of neurons that fired the last time.
        """
        batch, inputs, neurons = a.shape
        growth = (edges / (2 * self.tau)).exp().repeat_interleave(neurons, 0)
        a, b = (one.transpose(1, 2).flatten(0, 1) for one in (a, b))
        numbers = torch.arange(inputs, device=a.device)
        found = torch.full((batch * neurons, self.most), -1, device=a.device)
        firing = torch.arange(batch * neurons, device=a.device)
        own, last = torch.zeros_like(a[:, :1]), torch.zeros_like(a[:, :1])
        for number in range(self.most):
            crossing, within = self._crossing(a[firing], b[firing] - own), growth[firing]
            comes = (crossing > within[:, :-1].maximum(last)) & (crossing <= within[:, 1:])
            first = torch.where(comes, numbers, inputs).amin(1)
            fires = first < inputs
            firing, first, own = firing[fires], first[fires], own[fires]
            found[firing, number] = first
            last = crossing[fires].gather(1, first[:, None])
            own = own + (self.reset / (2 * self.tau)) * last
            if not len(firing):
                break
        return found.unflatten(0, (batch, neurons))

    def _crossing(self, a: Tensor, b: Tensor) -> Tensor:
        """E where u rises through the threshold; NaN where it does not, or only touches it and has no slope."""
        square = b.square() - 4 * a * self.threshold / (2 * self.tau)
        return torch.where((a > 0) & (b > 0) & (square > 0), 2 * a / (b + square.sqrt()), torch.nan)

    def _timed(self, a: Tensor, b: Tensor, following: Tensor) -> Tensor:
        """Times of spikes whose places in the order of events are known."""
        own, spikes = torch.zeros_like(a[:, 0]), []
        for number in range(int((following >= 0).sum(-1).max()) if following.numel() else 0):
            place = following[..., number]
            there = place >= 0
            here = [
                torch.where(there, one.gather(1, place.clamp(min=0)[:, None])[:, 0], 1.0) for one in (a, b)
            ]
            # where no spike comes, numbers that have a slope
            rising = torch.where(there, here[1] - own, 1 + 4 * self.threshold / self.tau)
            growth = self._crossing(here[0], rising)
            own = own + there * (self.reset / (2 * self.tau)) * growth
            spikes.append(torch.where(there, 2 * self.tau * growth.log(), SILENT))
        silent = torch.full((*own.shape, self.most - len(spikes)), SILENT, dtype=a.dtype, device=a.device)
        return torch.cat([torch.stack(spikes, -1), silent], -1) if spikes else silent


def events_of_steps(spikes: Tensor) -> Events:
    """Spikes [time, batch, lines] as events; a step is a unit of time.

    Raises:
        InputError: numbers other than 0 and 1.
    """
    if bool(((spikes != 0) & (spikes != 1)).any()):
        raise InputError("exact spike times are of inputs that are spikes, 0 or 1; give another coding")
    lines = spikes.shape[-1]
    inputs, places = spikes.transpose(0, 1).flatten(1).nonzero(as_tuple=True)
    many = torch.bincount(inputs, minlength=spikes.shape[1])
    place = torch.arange(len(inputs), device=inputs.device) - (many.cumsum(0) - many)[inputs]
    shape = len(many), max(1, int(many.max()))
    times = torch.full(shape, SILENT, dtype=spikes.dtype, device=spikes.device)
    found = torch.zeros(shape, dtype=torch.long, device=spikes.device)
    times[inputs, place], found[inputs, place] = (places // lines).to(times.dtype), places % lines
    return Events(times, found)


def events_of_times(times: Tensor) -> Events:
    """Spikes of neurons, [batch, neurons, spikes], as events, with their gradients."""
    neurons, each = times.shape[1:]
    found, order = times.flatten(1).sort(1)
    last = max(1, int((found < SILENT).sum(1).max()))
    lines = torch.arange(neurons, device=times.device).repeat_interleave(each)
    return Events(found[:, :last], lines[order[:, :last]])
