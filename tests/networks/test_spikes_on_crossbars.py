"""Discrete neurons behind crossbars: ideal cells are plain weights; wires and cells add to that."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
import torch
from torch import Tensor

from memsim.errors import InputError
from memsim.learn import load_run, load_study, make_study, train
from memsim.learn.evaluation import evaluate
from memsim.learn.run import build
from memsim.networks.network import Network
from memsim.networks.synapses import Dense, Ideal, OfSpikes
from memsim.networks.tables import NonidealityTable

CONVOLUTION = {"channels": 3, "kernel": 3, "stride": 2, "padding": 1}
TOPOLOGIES = {
    "dense": {"hidden": (12,)},
    "recurrent": {"layers": ({"neurons": 12, "recurrent": True}, {"from": "input"})},
    "convolution": {"hidden": (CONVOLUTION, 12)},
}


def network_of(topology: dict[str, object], **table: object) -> tuple[Network, Tensor]:
    network, data = build(make_study(data="digits", neuron="lif", steps=3, **topology, **table))
    return network.double(), data.test.inputs(slice(30)).double()


def copied(behind: OfSpikes, plain: Ideal) -> None:
    """Give plain weights and biases what cells count."""
    array = behind.array
    counts = (array.crossbar.weight * array.crossbar.gain * behind.voltage / behind.unit).mT
    module = plain.module
    with torch.no_grad():
        if module.bias is not None:
            module.bias.copy_(counts[:, -1])
            counts = counts[:, :-1]
        module.weight.copy_(counts.reshape(module.weight.shape))


@pytest.mark.parametrize("topology", TOPOLOGIES.values(), ids=TOPOLOGIES)
def test_ideal_cells_are_plain_weights(topology: dict[str, object]) -> None:
    behind, inputs = network_of(topology, synapse="crossbar")
    plain, _ = network_of(topology)
    with torch.no_grad():
        for crossbar in behind.crossbars:  # biases are not zero, as at the start
            crossbar.weight[-1] = torch.linspace(-0.2, 0.2, crossbar.weight.shape[1])
    cells = [part for part in behind.modules() if isinstance(part, OfSpikes)]
    matrices = [part for part in plain.modules() if isinstance(part, Ideal)]
    for one, other in zip(cells, matrices, strict=True):
        copied(one, other)
    with torch.no_grad():
        waves, expected = behind.waveforms(inputs), plain.waveforms(inputs)
    for wave, other in zip(waves, expected, strict=True):
        # products in another order, in double precision
        assert torch.allclose(wave, other, rtol=1e-12, atol=1e-12)
    assert float(waves[0].sum()) > 0


def test_first_weights_have_the_variance_of_plain_ones() -> None:
    behind, _ = network_of({"hidden": (200,)}, synapse="crossbar")
    first = cast("OfSpikes", behind.chain[0].synapse)
    counts = (
        first.array.crossbar.weight.detach()[:-1] * first.array.crossbar.gain * first.voltage / first.unit
    )
    # 12800 numbers
    assert float(counts.var()) == pytest.approx(6 / 64, rel=0.05)
    assert not first.array.crossbar.weight[-1].any()
    matrix = OfSpikes(Dense(first.array.crossbar), voltage=first.voltage, unit=first.unit).matrix()
    assert matrix is not None
    assert torch.allclose(matrix[:-1], counts)


def test_wires_have_the_gradient_of_differences() -> None:
    behind, inputs = network_of({"hidden": (6,)}, synapse="crossbar", synapses={"wire_resistance": 20.0})
    first = cast("OfSpikes", behind.chain[0].synapse)
    spikes, weight = (inputs.flatten(1) > 0.5).double(), first.array.crossbar.weight

    def loss() -> Tensor:
        return first(spikes).square().mean()

    (gradient,) = torch.autograd.grad(loss(), weight)
    ideal, _ = network_of({"hidden": (6,)}, synapse="crossbar")
    with torch.no_grad():
        lost = 1 - first(spikes).norm() / cast("OfSpikes", ideal.chain[0].synapse)(spikes).norm()
        assert lost > 0.01
        for row, column in ((3, 0), (20, 5), (44, 2)):
            ends = []
            for side in (1, -1):
                weight[row, column] += side * 1e-5
                ends.append(float(loss()))
                weight[row, column] -= side * 1e-5
            # 1e-5 of a smooth function either way, and solutions to 1e-10
            assert gradient[row, column].item() == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-4)


def test_a_run_on_crossbars_trains_and_is_found_again(tmp_path: Path) -> None:
    study = make_study(
        data="digits",
        layers=({"neurons": 24, "synapse": "crossbar"}, {"synapse": "ideal"}),
        neuron="lif",
        synapses={"wire_resistance": 1.0},
        nonidealities={"train": {"variation": 0.1}, "test": {"variation": 0.1}},
        epochs=3,
        learning_rate=0.02,
    )
    run = train(study, tmp_path)
    again = load_run(tmp_path)
    assert load_study(tmp_path / "study.toml") == again.study
    assert again.study.synapses.wire_resistance == 1.0
    assert run.history[-1].test_accuracy > 0.6
    assert len(again.network.crossbars) == 1
    kept = evaluate(again.network, again.data.test, study.nonidealities.test)
    assert kept == pytest.approx(run.history[-1].test_accuracy)
    worst = NonidealityTable(variation=2.0, stuck_rate=0.3)
    assert evaluate(again.network, again.data.test, worst) < kept
    assert float(again.network.crossbars[0].weight.detach().abs().max()) <= 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"synapses": {"device": "pd-wo3-w"}}, 'use synapse = "crossbar"'),
        ({"nonidealities": {"test": {"levels": 4}}}, 'use synapse = "crossbar"'),
        ({"synapse": "tiles"}, "allowed: ideal, crossbar"),
        ({"synapse": "crossbar", "synapses": {"mirror_ratio": 0.3}}, "synapses.mirror_ratio is of mirrors"),
        ({"synapse": "crossbar", "window": 1e-2}, "window changes nothing"),
    ],
)
def test_bad_studies_are_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_study(**{"data": "digits", "neuron": "lif", **changes})


def test_plain_matrices_are_asked_for_by_name() -> None:
    network, _ = network_of({"hidden": (6,)}, synapse="crossbar")
    with pytest.raises(InputError, match="layer 'layer1' is behind a crossbar"):
        _ = network.synapses
