"""Gradients where the activity of a layer that hears itself settles, whatever the number of steps.

    m[t] = lambda (m[t-1] - q s[t-1]) + g (W s[t-1] + c),    s[t] = 1 where m[t] >= theta        the neurons
    a = sum over t of lambda^(T-t) s[t] / sum over t of lambda^(T-t)                             their rates
    f(a) = clip(g (W a + c) / (lambda q), 0, 1),    a = f(a) as T grows, up to m / (lambda q sum over t of lambda^(T-t))
    v = J^T v + dL/da,    J = df/da at a,    dL/dp = v^T df/dp                                   the gradients

q is what a spike takes from the membrane, c the current of the other connections. Nothing of the steps is kept. On
hardware, W s[t] is what its columns give for the spikes of each step, and f their average. There is one equilibrium,
and v is found by iteration, where |W| < lambda q / g: weights beyond it are scaled back before each batch.

Xiao, Meng, Zhang, Wang and Lin, Training feedback spiking neural networks by implicit differentiation on the
equilibrium state, NeurIPS 2021, arXiv:2109.14247. Their f divides by theta where neurons lose lambda theta for a spike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from memsim.errors import ConvergenceError, InputError
from memsim.learn.rules.base import RunAnew
from memsim.learn.rules.checks import number_of, of_discrete_neurons
from memsim.networks.discrete_neurons import DiscreteNeuron
from memsim.networks.gates import Identity
from memsim.networks.layer import Layer
from memsim.networks.scans import TIME
from memsim.networks.scores import last as of_last_step
from memsim.networks.spiking import SpikingNetwork
from memsim.networks.synapses import Ideal, Synapse

POWERS = 20


class Equilibrium(RunAnew):
    """Implicit differentiation at the equilibrium of a layer that hears itself.

    Args:
        contraction: largest factor by which f may spread two rates apart; weights of a layer to itself are held there.
        tolerance: of v, relative to its largest entry.
        most: iterations v <- J^T v + dL/da to reach it in.

    Raises:
        InputError: values out of range. `grads` raises it for networks that have no such equilibrium: what it takes is
            one recurrent layer of neurons with a fixed leak, whose resets subtract, and a last layer of the same leak
            that is read at the last step.
    """

    def __init__(self, *, contraction: float = 0.9, tolerance: float = 1e-5, most: int = 500) -> None:
        for name, value in (("contraction", contraction), ("tolerance", tolerance)):
            if not 0 < value < 1:
                raise InputError(f"{name} = {value!r} of rule 'equilibrium'; allowed: above 0, below 1")
        if most < 1:
            raise InputError(f"most = {most!r} of rule 'equilibrium'; allowed: at least 1")
        self.contraction, self.tolerance, self.most = contraction, tolerance, most

    def prepared(self, network: nn.Module) -> SpikingNetwork:
        checked = _checked(network)
        hold(checked.chain[0], self.contraction)
        return checked

    def scores(
        self,
        network: SpikingNetwork,
        inputs: Tensor,
        *,
        masks: Sequence[Tensor] | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Scores [batch, classes] of the network itself, with the gradients of its equilibrium.

        Raises:
            ConvergenceError: in the backward pass, where v does not settle.
        """
        hidden, last = network.chain
        values = network.drive(network.on_lines(inputs), generator).over(()).values  # type: ignore[arg-type]
        steps = len(values)
        currents = hidden.gated(hidden.synapse(values[: 1 if _stays(values, hidden) else steps]))
        shares = _shares(number_of(cast("DiscreteNeuron", hidden.neuron).leak), steps, values)
        plain = all(map(_is_plain, (cast("Synapse", hidden.recurrent), last.synapse)))
        with torch.no_grad():
            spikes = _spikes(hidden, currents, steps)
            heard = _Heard.rates(spikes, shares) if plain else _Heard(torch.stack(list(spikes)), shares)
            rate = heard.rate()
        drive = currents[0] if len(currents) == 1 else (shares * currents).sum(0)

        def response(a: Tensor) -> Tensor:
            current = drive + heard.through(cast("Synapse", hidden.recurrent), a - rate)
            return _per_spike(hidden, current).clamp(0, 1)

        a = at_equilibrium(rate, response, tolerance=self.tolerance, most=self.most)
        mask = 1.0 if masks is None else masks[0]
        current = last.gated(heard.through(last.synapse, a - rate, mask)[None])
        gain = cast("DiscreteNeuron", last.neuron).gain.value()
        return network.readout(gain * current / shares[-1].item())


def at_equilibrium(
    rate: Tensor, response: Callable[[Tensor], Tensor], *, tolerance: float = 1e-5, most: int = 500
) -> Tensor:
    """Rates, with the gradients of the equilibrium that they are near to.

    Args:
        rate: a, without gradient.
        response: f.
        tolerance: of v, relative to its largest entry.
        most: iterations v <- J^T v + dL/da to reach it in.

    Raises:
        ConvergenceError: in the backward pass, where v does not settle.
    """
    at = rate.clone().requires_grad_()
    return cast("Tensor", _Settled.apply(rate, response(at), at, tolerance, most))


class _Heard(NamedTuple):
    """Spikes [time, batch, neurons], or one entry of their rates, and the share that each has in a rate."""

    trains: Tensor
    shares: Tensor

    @classmethod
    def rates(cls, spikes: Iterator[Tensor], shares: Tensor) -> _Heard:
        rate = sum(share * now for share, now in zip(shares, spikes, strict=True))
        return cls(cast("Tensor", rate)[None], torch.ones_like(shares[:1]))

    def rate(self) -> Tensor:
        return (self.shares * self.trains).sum(0)

    def through(self, synapse: Synapse, change: Tensor, mask: Tensor | float = 1.0) -> Tensor:
        """Average current [batch, neurons]; a change of the rates, which is zero, is a change of every entry."""
        return (self.shares * synapse(mask * (self.trains + change))).sum(0)


class _Settled(torch.autograd.Function):
    """Rates, with the gradient v of what they settle to."""

    @staticmethod
    def forward(  # noqa: PLR0917 - torch gives them by position
        ctx: Any, rate: Tensor, settled: Tensor, at: Tensor, tolerance: float, most: int
    ) -> Tensor:
        ctx.settled, ctx.at, ctx.tolerance, ctx.most = settled, at, tolerance, most
        return rate.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor, None, None, None]:
        def turned(v: Tensor) -> Tensor:
            return torch.autograd.grad(ctx.settled, ctx.at, v, retain_graph=True)[0]

        return None, _fixed_point(turned, gradient, ctx.tolerance, ctx.most), None, None, None


def _fixed_point(turned: Callable[[Tensor], Tensor], gradient: Tensor, tolerance: float, most: int) -> Tensor:
    v = gradient
    for _ in range(most):
        following = gradient + turned(v)
        change, largest = float((following - v).abs().amax()), float(following.abs().amax())
        v = following
        if change <= tolerance * largest:
            return v
    raise ConvergenceError(
        f"the gradient at the equilibrium still changes by {change / largest:.2g} of its largest entry after {most} "
        "iterations, because neurons hear each other too strongly to settle",
        remedy="lower contraction of the rule or learning_rate, or raise most and tolerance of the rule.",
    )


def _spikes(layer: Layer, currents: Tensor, steps: int) -> Iterator[Tensor]:
    """Of each step, as the network fires; currents are those of all steps, or one that stays."""
    neuron, synapse = cast("DiscreteNeuron", layer.neuron), cast("Synapse", layer.recurrent)
    out, state = torch.zeros_like(currents[0]), None
    for step in range(steps):
        now = currents[step % len(currents)]
        out, state = neuron.step(now + synapse(out), state)
        yield out


def hold(layer: Layer, contraction: float) -> None:
    """Scale the weights of a layer to itself back where f would spread rates by more than that."""
    weight = cast("Tensor", cast("Ideal", layer.recurrent).module.weight)
    with torch.no_grad():
        slope = _per_spike(layer, torch.as_tensor(_norm(weight.flatten(1))))
        weight.mul_((contraction / slope).clamp(max=1))


def _norm(weight: Tensor) -> Tensor:
    """Largest singular value, by power iteration; from below, within a few per cent."""
    x = torch.ones_like(weight[0])
    for _ in range(POWERS):
        y = weight @ (x / x.norm().clamp(min=torch.finfo(x.dtype).tiny))
        x = weight.mT @ y
    return y.norm()


def _per_spike(layer: Layer, current: Tensor) -> Tensor:
    """A current in the spikes of a step that take as much from the membrane."""
    neuron = cast("DiscreteNeuron", layer.neuron)
    amount = neuron.threshold.value() if neuron.reset.amount is None else neuron.reset.amount
    return neuron.gain.value() * current / (neuron.leak.value() * amount)


def _shares(leak: float, steps: int, like: Tensor) -> Tensor:
    """Of each step in a rate, [time, 1, 1]."""
    ages = torch.arange(steps - 1, -1, -1, dtype=like.dtype, device=like.device)
    weights = leak**ages
    return (weights / weights.sum())[:, None, None]


def _stays(values: Tensor, layer: Layer) -> bool:
    """Whether one step tells the current of all."""
    return values.stride(0) == 0 and _is_plain(layer.synapse)


def _is_plain(synapse: Synapse) -> bool:
    """Whether it is linear, and draws no noise."""
    return isinstance(synapse, Ideal) and isinstance(synapse.module, nn.Linear | nn.Conv2d)


def _checked(module: nn.Module) -> SpikingNetwork:
    """A network that this rule takes.

    Raises:
        InputError: what it lacks.
    """
    network = of_discrete_neurons(module, "equilibrium")
    lacks = _lacks(network)
    if lacks:
        raise InputError(f"rule 'equilibrium' {lacks}; correct it, or choose another rule")
    return network


def _lacks(network: SpikingNetwork) -> str | None:
    """What keeps the activity of a network from settling to what this rule knows."""
    if len(network.chain) != 2 or not isinstance(network.chain[0].recurrent, Ideal):
        return "is of one recurrent layer of plain weights, or tiles in their place, in front of the last one"
    layers, last = network.chain, network.chain[-1]
    neurons = [cast("DiscreteNeuron", layer.neuron) for layer in layers]
    reset, leaks = neurons[0].reset, [number_of(neuron.leak) for neuron in neurons]
    needs = {
        "is of layers that hear the layer before, and nothing else": not any(
            layer.connections or layer.resampling or layer.delay or layer.source for layer in layers
        ),
        "is of layers that are stepped over time": all(layer.over == TIME for layer in layers),
        "is of a last layer without normalisation or gate": last.norm is None
        and isinstance(last.gate, Identity),
        "is of neurons whose reset subtracts at once": reset.kind == "subtract" and not reset.waits,
        "is of neurons without compartments": not any(neuron.compartments for neuron in neurons),
        'is of networks that are read at the last step, scores = "last"': network.readout is of_last_step,
        f"needs one leak above 0 for both layers, a number; they have {leaks[0]:g} and {leaks[1]:g}": leaks[0]
        == leaks[1]
        > 0,
    }
    return next((what for what, there in needs.items() if not there), None)
