"""Graphs that snnTorch's own exporter writes, through nirtorch, fire in memsim as they do there."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from memsim.interop import spiking_from_nir
from memsim.networks.discrete import Reset

DT = 1e-4


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_a_graph_of_snntorchs_exporter_gives_the_same_membranes() -> None:
    snntorch = pytest.importorskip("snntorch", reason="snnTorch is in the extra bench")
    pytest.importorskip("nirtorch", reason="needs nirtorch: pip install 'memsim[peers]'")
    from snntorch.export_nir import export_to_nir

    torch.manual_seed(0)
    leaks = torch.linspace(0.7, 0.95, 8, dtype=torch.float64)
    hidden = snntorch.Leaky(leaks, threshold=torch.ones(8, dtype=torch.float64), init_hidden=True)
    last = snntorch.Leaky(torch.full((3,), 0.9), threshold=torch.ones(3), init_hidden=True, output=True)
    theirs = nn.Sequential(nn.Linear(6, 8).double(), hidden, nn.Linear(8, 3), last)  # its spikes are float32
    with torch.no_grad():
        for layer in (theirs[0], theirs[2]):
            layer.weight.abs_()
    graph = export_to_nir(theirs, torch.rand(6).double())
    ours = spiking_from_nir(graph, DT, reset=Reset(when="next"))
    for mine, layer in zip(ours.synapses, (theirs[0], theirs[2]), strict=True):
        assert torch.equal(mine.weight, layer.weight.to(mine.weight))
    inputs = (torch.rand(200, 1, 6) > 0.5).double()
    hidden.reset_mem()
    with torch.no_grad():
        expected = torch.stack([hidden(theirs[0](x)) for x in inputs]).double()
        found, _ = ours.neurons[0](ours.synapses[0](inputs))
    assert expected.sum() > 300
    assert torch.equal(found, expected)
