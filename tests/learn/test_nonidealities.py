"""Non-idealities of a whole network: drawn when they should be, and gone afterwards."""

import pytest
import torch

from memsim.errors import InputError
from memsim.learn import Run, build, evaluate, make_study
from memsim.learn.evaluation import first
from memsim.networks import MemristiveNetwork, realised
from memsim.networks.tables import NonidealityTable

VARIED = NonidealityTable(variation=0.2)


@pytest.fixture
def network() -> MemristiveNetwork:
    return build(make_study(hidden=(20,), step=1e-3, stepper="strang"))[0]


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def cells(network: MemristiveNetwork) -> list[torch.Tensor]:
    with torch.no_grad():
        return [torch.cat(crossbar.conductances()).clone() for crossbar in network.crossbars]


def test_variation_is_that_of_the_cells(network):
    ideal = cells(network)
    with realised(network, VARIED, draw()):
        logarithms = torch.cat([(g / i).log().flatten() for g, i in zip(cells(network), ideal, strict=True)])
    # 2960 cells: standard errors of mean and deviation are 0.0037 and 0.0026; three of each
    assert float(logarithms.mean()) == pytest.approx(0, abs=0.011)
    assert float(logarithms.std()) == pytest.approx(0.2, abs=0.008)


def test_cells_are_drawn_anew_at_each_update_and_stay_in_between(network):
    with realised(network, VARIED, draw()):
        first, again = cells(network), cells(network)
        with torch.no_grad():
            for crossbar in network.crossbars:
                crossbar.weight.add_(0.0)
        other = cells(network)
    for one, two, three in zip(first, again, other, strict=True):
        assert torch.equal(one, two)
        assert not torch.equal(one, three)


def test_the_crossbars_are_what_they_were_afterwards(network):
    before = cells(network)
    with pytest.raises(KeyboardInterrupt), realised(network, VARIED, draw()):
        raise KeyboardInterrupt
    assert all(torch.equal(one, two) for one, two in zip(before, cells(network), strict=True))


def test_stuck_cells_and_levels_are_as_many_as_asked_for(network):
    with realised(network, NonidealityTable(stuck_rate=0.1, stuck_conductance=1e-7), draw()):
        stuck = torch.cat([(g == 1e-7).flatten() for g in cells(network)])
    # 2960 cells, binomial: standard error 0.0055; three of them
    assert float(stuck.double().mean()) == pytest.approx(0.1, abs=0.017)
    with realised(network, NonidealityTable(levels=5), draw()):
        assert all(1 < len(g.unique()) <= 5 for g in cells(network))


def test_wires_of_the_study_stay_when_cells_vary():
    network, data = build(make_study(hidden=(4,), step=1e-3, synapses={"wire_resistance": 20.0}))
    with realised(network, NonidealityTable(read_noise=1e-6), draw()), torch.no_grad():
        noisy = network.crossbars[0](data.test.inputs(slice(3)))
    with torch.no_grad():
        ideal = data.test.inputs(slice(3)) @ network.crossbars[0].weight * network.crossbars[0].gain
        wired = network.crossbars[0](data.test.inputs(slice(3)))
    # noise of one part in a million of each cell is far below what the wires take
    assert float((noisy - wired).abs().max()) < 1e-3 * float((wired - ideal).abs().max())


def test_an_accuracy_under_non_idealities_can_be_repeated(small_run: tuple[Run, object]):
    run = small_run[0]
    table = NonidealityTable(variation=1.0, read_noise=0.3)
    found = [evaluate(run.network, run.data.test, table, seed=seed) for seed in (0, 0, 1, 2)]
    assert found[0] == found[1]
    assert len(set(found)) > 1  # other seeds are other pieces of hardware
    assert evaluate(run.network, run.data.test) == run.history[-1].test_accuracy


def test_rounding_is_not_trained_through():
    with pytest.raises(InputError, match="rounding to levels has no slope to train along"):
        make_study(nonidealities={"train": {"levels": 8}})


def test_weights_that_are_no_cells_cannot_be_stuck():
    network, data = build(make_study(neuron="lif", hidden=(4,), steps=2))
    with pytest.raises(
        InputError, match=r"stuck_rate = 0\.5 changes nothing, because no weights .* are cells"
    ):
        evaluate(network, first(data.test, 4), NonidealityTable(stuck_rate=0.5))
    assert 0 <= evaluate(network, first(data.test, 4), NonidealityTable()) <= 1
    network, data = build(make_study(neuron="lif", synapse="crossbar", hidden=(4,), steps=2))
    with realised(network, NonidealityTable(stuck_rate=0.5), draw()):
        assert len(torch.cat([g.flatten() for g in cells(network)]).unique()) > 1
