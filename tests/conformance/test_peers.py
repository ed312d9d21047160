"""Neurons of other packages, converted: not one entry of 1 000 steps of 100 neurons differs, in float64."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from memsim.errors import InputError
from memsim.interop import from_braincog
from memsim.networks import DiscreteNeuron
from memsim.networks.discrete import Reset

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
from method_parts import conformance_peers as peers

HOW = {"snntorch": "'memsim[bench]'", "spikingjelly": "'memsim[peers]'", "braincog": "'memsim[peers]'"}


def installed(package: str, module: str) -> Any:
    return pytest.importorskip(module, reason=f"needs {package}: pip install {HOW[package]}")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize("name", peers.PEERS)
def test_not_one_entry_differs(name: str) -> None:
    peer = peers.PEERS[name]
    installed(peer.package, peer.module)
    found = peers.compare(peer)
    assert found.spikes > 10_000
    assert found.differing == 0


@pytest.mark.parametrize(("amount", "alike"), [(1 / 0.9, True), (1.0, False)])
def test_a_reset_one_step_later_takes_the_threshold_over_the_leak(amount: float, *, alike: bool) -> None:
    """snnTorch's default takes 1 a step later, unleaked: as 1 / 0.9 at once, and not as 1."""
    layer = peers.PEERS["snnTorch Leaky"].make(installed("snntorch", "snntorch"))
    given = peers.inputs(0.5)
    expected = peers.stepped(layer, given)
    found, _ = DiscreteNeuron(0.9, 1.0, reset=Reset(amount=amount))(given)
    differing = int((found != expected).sum())
    assert differing == 0 if alike else differing > 10_000


class LIFNode(nn.Module):
    """What a module of BrainCog shows."""

    def __init__(self, **values: Any) -> None:
        super().__init__()
        self.threshold, self.tau, self.dt, self.groups = torch.tensor(0.5), 2.0, 1.0, 1
        self.act_fun = type("QGateGrad", (), {"alpha": 2.0})()
        for name, value in values.items():
            setattr(self, name, value)


def test_a_node_of_braincog_is_its_equation_with_its_gradient() -> None:
    """v <- v + (x - v) / 2, above 0.5 a spike whose slope is 2 - 4 |v - 0.5|; the reset has none."""
    neuron = from_braincog(LIFNode())
    given = peers.inputs(2.0)
    v, expected = torch.zeros(peers.NEURONS, dtype=torch.float64), []
    for x in given:
        v = v + (x - v) / 2
        expected.append((v > 0.5).double())
        v = v * (1 - expected[-1])
    assert torch.equal(neuron(given)[0], torch.stack(expected))
    one = torch.tensor([[0.8]], dtype=torch.float64, requires_grad=True)
    neuron(one)[0].sum().backward()
    assert one.grad.item() == pytest.approx((2 - 4 * 0.1) / 2, rel=1e-12)  # float64


def test_what_braincog_has_and_memsim_has_not_is_refused_by_name() -> None:
    cases = {
        "Linear is no neuron": nn.Linear(2, 2),
        "has sigmoid_thres": LIFNode(sigmoid_thres=True),
        "has n_groups": LIFNode(groups=2),
        "SimpleNamespace is unknown": LIFNode(act_fun=SimpleNamespace(alpha=2.0)),
    }
    for words, module in cases.items():
        with pytest.raises(InputError, match=words):
            from_braincog(module)
