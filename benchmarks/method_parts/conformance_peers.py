"""Neurons of other packages and what memsim makes of them: spikes over 1 000 steps of 100 neurons in float64."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from importlib.metadata import version
from typing import Any, NamedTuple

import torch
from torch import Tensor

from memsim.interop import from_braincog, from_snntorch, from_spikingjelly
from memsim.networks import DiscreteNeuron

STEPS, NEURONS = 1000, 100
F64 = torch.float64


class Peer(NamedTuple):
    """A neuron of another package.

    Attributes:
        package: that makes it, as it is installed.
        module: of the package.
        make: the neuron, from that module.
        convert: it to one of memsim.
        highest: input.
    """

    package: str
    module: str
    make: Callable[[Any], Any]
    convert: Callable[[Any], DiscreteNeuron]
    highest: float


class Compared(NamedTuple):
    """How many spikes the other package makes, and how many entries differ."""

    spikes: int
    differing: int


def _leaky(snntorch: Any, **options: Any) -> Any:
    return snntorch.Leaky(torch.tensor(0.9, dtype=F64), torch.tensor(1.0, dtype=F64), **options)


def _node(neurons: Any, **options: Any) -> Any:
    return neurons.LIFNode(tau=2.7, v_threshold=0.9, **options).double()


def _jelly(*, decay_input: bool, v_reset: float | None) -> Peer:
    make = partial(_node, decay_input=decay_input, v_reset=v_reset)
    highest = 3.0 if decay_input else 1.2
    return Peer("spikingjelly", "spikingjelly.activation_based.neuron", make, from_spikingjelly, highest)


PEERS: Mapping[str, Peer] = {
    "snnTorch Leaky": Peer("snntorch", "snntorch", _leaky, from_snntorch, 0.5),
    "snnTorch Leaky, reset_delay=False": Peer(
        "snntorch", "snntorch", partial(_leaky, reset_delay=False), from_snntorch, 0.5
    ),
    **{
        f"SpikingJelly LIFNode, decay_input={decays}, v_reset={reset}": _jelly(
            decay_input=decays, v_reset=reset
        )
        for decays in (True, False)
        for reset in (0.0, None)
    },
    "BrainCog LIFNode": Peer(
        "braincog", "braincog.base.node.node", lambda nodes: nodes.LIFNode(), from_braincog, 2.0
    ),
}


def inputs(highest: float) -> Tensor:
    """Mostly positive, [time, neurons]."""
    draw = torch.rand((STEPS, NEURONS), generator=torch.Generator().manual_seed(0), dtype=F64)
    return highest * (draw - 0.1)


def stepped(peer: Any, given: Tensor) -> Tensor:
    """Spikes of a neuron of another package, step by step; those of snnTorch return their membrane, too."""
    spikes, state = [], ()
    if hasattr(peer, "reset_mechanism"):
        state = (torch.zeros_like(given[0]),)
    for i in given:
        out = peer(i, *state)
        if state:
            out, *state = out
        spikes.append(out)
    return torch.stack(spikes).to(F64)


def compare(peer: Peer) -> Compared:
    """Both neurons on the same inputs.

    Raises:
        ModuleNotFoundError: the package is not installed.
    """
    theirs, given = peer.make(import_module(peer.module)), inputs(peer.highest)
    with torch.no_grad():
        expected = stepped(theirs, given)
        found, _ = peer.convert(theirs)(given)
    return Compared(int(expected.sum()), int((found != expected).sum()))


def measured() -> dict[str, dict[str, Any]]:
    """What was compared with every package that is installed."""
    found = {}
    for name, peer in PEERS.items():
        try:
            result = compare(peer)
        except ModuleNotFoundError:
            continue
        found[name] = {**result._asdict(), "version": version(peer.package)}
    return found
