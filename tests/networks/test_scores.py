"""What scores are made of the membranes of the last layer, and what a layer starts to hear itself with."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from memsim.errors import InputError
from memsim.learn import make_study
from memsim.networks import SpikingNetwork, build_network
from memsim.networks.spikes import coding_of
from memsim.own_code import load_object

INPUTS = torch.rand(3, 6, generator=torch.Generator().manual_seed(0))


def network(**entries: object) -> SpikingNetwork:
    found = build_network((6,), 4, make_study(neuron="lif", steps=5, hidden=(7,), **entries))
    assert isinstance(found, SpikingNetwork)
    return found


@pytest.mark.parametrize(("name", "made"), [("mean", lambda v: v.mean(0)), ("last", lambda v: v[-1])])
def test_scores_are_made_of_the_last_membranes(name: str, made: object) -> None:
    found = network(scores=name)
    membranes = found.waveforms(INPUTS)[-1]
    assert torch.equal(found(INPUTS), made(membranes))
    assert float(membranes.detach().std(0).mean()) > 0


def test_a_scale_is_what_counts_as_one_unit() -> None:
    plain, found = network(scores="sum"), network(scores={"kind": "sum", "scale": 20})
    torch.testing.assert_close(found(INPUTS), plain(INPUTS) / 20)
    for wrong in (0.0, -1.0, float("inf"), "20", True):
        with pytest.raises(InputError, match=r"scores.scale = .*; allowed: numbers above 0"):
            network(scores={"kind": "sum", "scale": wrong})
    with pytest.raises(InputError, match="allowed: a name, or kind and scale"):
        network(scores={"kind": "sum"})
    with pytest.raises(InputError, match="'median' is unknown"):
        network(scores={"kind": "median", "scale": 2.0})


PAIRS = {"channels": 5, "kernel": 1, "output": True, "fires": True}


def test_the_dot_product_is_that_of_rates_at_two_places() -> None:
    study = make_study(neuron="lif", steps=8, layers=(PAIRS,), scores={"kind": "dot-product", "scale": 0.5})
    found = build_network((6, 1, 2), 2, study)
    inputs = torch.rand(4, 12, generator=torch.Generator().manual_seed(0))
    one, other = found.waveforms(inputs)[-1].detach().mean(0).view(4, 5, 2).unbind(-1)
    assert float((one * other).sum()) > 0
    expected = torch.stack([torch.ones(4), torch.einsum("bc,bc->b", one, other)], 1) / 0.5
    torch.testing.assert_close(found(inputs).detach(), expected)


def test_a_dot_product_is_of_two_classes_and_of_a_layer_with_neurons() -> None:
    with pytest.raises(InputError, match="tell 2 classes apart, and the data have 4"):
        network(scores="dot-product")
    with pytest.raises(InputError, match="give it neurons and output = true"):
        build_network((6, 1, 2), 2, make_study(neuron="lif", steps=5, hidden=(7,), scores="dot-product"))
    odd = make_study(neuron="lif", steps=5, layers=({"neurons": 5, "output": True},), scores="dot-product")
    with pytest.raises(InputError, match="of two places, and the last layer has 5 neurons"):
        build_network((6,), 2, odd)(INPUTS)


def test_scores_of_your_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("def first(v):\n    return v[0]\n\n\ndef all_of_them(v):\n    return v\n")
    load_object(f"{file}:first", trust=True)
    found = network(scores=f"{file}:first")
    assert torch.equal(found(INPUTS), found.waveforms(INPUTS)[-1][0])
    with pytest.raises(InputError, match=r"must give \[batch, classes\]"):
        network(scores=f"{file}:all_of_them")(INPUTS)


def test_unknown_scores_and_scores_of_circuits_are_refused() -> None:
    with pytest.raises(InputError, match="known: mean, last"):
        network(scores="median")
    with pytest.raises(InputError, match="scores"):
        make_study(neuron="integrate-and-fire-set1", scores="last")


def test_scores_of_ones_own_are_nothing_that_nir_could_say() -> None:
    interop = pytest.importorskip("memsim.interop")
    with pytest.raises(InputError, match="scores of its own"):
        interop.to_nir(network(scores="last"))


def test_a_layer_starts_to_hear_itself_with_weights_of_that_norm() -> None:
    layers = ({"neurons": 7, "recurrent": True, "recurrent_norm": 0.8},)
    found = build_network((6,), 4, make_study(neuron="lif", layers=layers))
    norms = found.chain[0].recurrent.module.weight.detach().norm(dim=1)
    assert torch.allclose(norms, torch.full((7,), 0.8))


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"neuron": "lif", "layers": ({"neurons": 3, "recurrent_norm": 1.0},)}, "not recurrent"),
        (
            {"layers": ({"neurons": 3, "recurrent": True, "recurrent_norm": 1.0},)},
            "circuits are behind crossbars",
        ),
    ],
)
def test_a_norm_that_changes_nothing_is_refused(entries: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        make_study(**entries)


def test_a_norm_of_weights_that_are_cells_is_refused() -> None:
    layers = ({"neurons": 3, "recurrent": True, "recurrent_norm": 1.0},)
    with pytest.raises(InputError, match="behind crossbars"):
        build_network((6,), 4, make_study(neuron="lif", synapse="crossbar", layers=layers))


def test_an_output_that_fires_is_read_by_its_spikes() -> None:
    found = build_network(
        (6,), 4, make_study(neuron="lif", steps=9, scores="sum", layers=({"neurons": 7}, {"fires": True}))
    )
    counts = found(INPUTS).detach()
    assert torch.equal(counts, counts.round())
    assert torch.equal(counts, found.waveforms(INPUTS)[-1].detach().sum(0))
    assert float(counts.sum()) > 0


def test_latencies_are_one_spike_in_the_first_half_the_sooner_the_higher() -> None:
    spikes = coding_of("latency")(torch.tensor([[0.0, 0.25, 0.5, 1.0]]), 9)
    assert spikes.shape == (9, 1, 4)
    assert [column.nonzero()[:, 0].tolist() for column in spikes[:, 0].T] == [[], [3], [2], [0]]
    events = (torch.rand(2, 9, 4, generator=torch.Generator().manual_seed(1)) > 0.5).float()
    assert torch.equal(coding_of("latency")(events, 9), events.transpose(0, 1))
