"""Nothing stays off the arrays unseen: layers used twice, products of one's own, subclasses, states in a graph."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from memsim.errors import InputError
from memsim.imc import calibrate, digital_parts, inference, load_hardware, map_to_imc, mapped_layers, observe
from memsim.imc.workloads import workload_of
from memsim.learn import build, make_study

NO_WIRES = {"wires.word_line": 0.0, "wires.bit_line": 0.0}
IDEAL, DECIDING = load_hardware("ideal"), load_hardware("adcless-differential", NO_WIRES)


def spikes(shape: tuple[int, ...], seed: int) -> Tensor:
    return (torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < 0.4).float()


class Twice(nn.Module):
    """One layer under two names."""

    def __init__(self, one: nn.Linear) -> None:
        super().__init__()
        self.a = one
        self.b = nn.Sequential(one)

    def forward(self, x: Tensor) -> Tensor:
        return self.b((self.a(x) > 0).float())


def test_a_layer_used_twice_is_one_set_of_arrays_read_twice() -> None:
    torch.manual_seed(0)
    model, x = Twice(nn.Linear(20, 20)), spikes((5, 20), 0)
    mapped = map_to_imc(model, IDEAL).eval()
    assert list(mapped_layers(mapped)) == ["a"]
    assert mapped.b[0] is mapped.a
    alone = map_to_imc(model.a, IDEAL).eval()
    assert torch.equal(mapped(x), alone((alone(x) > 0).float()))
    assert observe(mapped, x, inferences=5)["a"].vectors == 2
    (shape,) = workload_of(mapped, x, steps=1, inferences=5, name="twice").layers
    assert shape.positions_seen == 2


def test_decisions_are_calibrated_over_all_uses_of_a_layer() -> None:
    torch.manual_seed(0)
    layer, few, many = nn.Linear(128, 10), spikes((40, 128), 1), spikes((70, 128), 2) * spikes((70, 128), 3)

    class Uses(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, x: Tensor) -> Tensor:
            return torch.cat([self.layer(part) for part in x.split([40, 70])])

    at_once = map_to_imc(layer, DECIDING).eval()
    in_parts = map_to_imc(Uses(), DECIDING).eval()
    calibrate(at_once, torch.cat([few, many]))
    calibrate(in_parts, torch.cat([few, many]))
    assert torch.allclose(in_parts.layer.gain, at_once.gain, rtol=1e-4)
    last = map_to_imc(layer, DECIDING).eval()
    calibrate(last, many)
    assert not torch.allclose(last.gain, at_once.gain, rtol=1e-2)


def test_weights_shared_by_two_layers_are_refused() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    model[2].weight = model[0].weight
    with pytest.raises(InputError, match=r"2 and 0 share their weight"):
        map_to_imc(model, IDEAL)


def test_normalisation_is_folded_where_it_stands_behind_its_layer_alone() -> None:
    torch.manual_seed(0)
    relu, shared = nn.ReLU(), nn.Linear(6, 6)

    def norm() -> nn.BatchNorm1d:
        made = nn.BatchNorm1d(6)
        nn.init.uniform_(made.running_var, 0.5, 2)
        return made

    # a ReLU used twice stands between; a layer used twice has a norm of each use
    after_relu = nn.Sequential(relu, nn.Linear(6, 6), relu, norm())
    of_each_use = nn.Sequential(shared, norm(), nn.Sigmoid(), shared, norm())
    untracked = nn.Sequential(nn.Linear(6, 6), nn.BatchNorm1d(6, track_running_stats=False))
    for model, norms in ((after_relu, 1), (of_each_use, 2), (untracked, 1)):
        mapped = map_to_imc(model.eval(), IDEAL)
        assert sum(isinstance(module, nn.BatchNorm1d) for module in mapped.modules()) == norms
        assert len(mapped_layers(mapped)) == 1


class Backwards(nn.Sequential):
    def forward(self, x: Tensor) -> Tensor:
        return self[0](self[1](x))


def test_normalisation_is_not_folded_in_a_sequence_with_a_forward_of_its_own() -> None:
    mapped = map_to_imc(Backwards(nn.Linear(6, 6), nn.BatchNorm1d(6)), IDEAL)
    assert isinstance(mapped[1], nn.BatchNorm1d)


class Named(nn.Linear):
    """A subclass that computes as its base."""


class Scaled(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return 3 * super().forward(x)


class Standardised(nn.Conv2d):
    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return super()._conv_forward(x, weight - weight.mean(), bias)


def patched() -> nn.Linear:
    layer = nn.Linear(4, 4)
    layer.forward = lambda x: x  # type: ignore[method-assign]
    return layer


def hooked() -> nn.Linear:
    layer = nn.Linear(4, 4)
    layer.register_forward_hook(lambda _, __, out: 3 * out)
    return layer


def test_subclasses_that_compute_as_their_base_are_mapped() -> None:
    torch.manual_seed(0)
    layer, x = Named(4, 4), spikes((3, 4), 0)
    plain = nn.Linear(4, 4)
    plain.load_state_dict(layer.state_dict())
    assert torch.equal(map_to_imc(layer, IDEAL)(x), map_to_imc(plain, IDEAL)(x))
    weighed = nn.utils.parametrizations.weight_norm(nn.Linear(4, 4))
    assert torch.allclose(map_to_imc(weighed, IDEAL).weight, weighed.weight)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (Scaled(4, 4), r"0 is a Scaled with a forward of its own.*nn\.Linear"),
        (Standardised(4, 4, 1), r"0 is a Standardised with a forward of its own.*nn\.Conv2d"),
        (patched(), "0 is a Linear with a forward of its own"),
        (hooked(), "0 has forward hooks"),
    ],
)
def test_layers_that_compute_otherwise_are_refused(layer: nn.Module, message: str) -> None:
    with pytest.raises(InputError, match=message):
        map_to_imc(nn.Sequential(layer), IDEAL)


@pytest.mark.filterwarnings("ignore")  # of torch, which gives both up
def test_layers_whose_weights_are_packed_are_refused() -> None:
    quantised = torch.ao.nn.quantized.dynamic.Linear(4, 4)
    traced = torch.jit.trace(nn.Sequential(nn.Linear(4, 4)), torch.ones(1, 4))
    for packed in (quantised, traced):
        with pytest.raises(InputError, match=r"0 is a .*compiled or quantised"):
            map_to_imc(nn.Sequential(packed, nn.Linear(4, 4)), IDEAL)


BLOCK = nn.Sequential(nn.ReLU(), nn.Linear(4, 4))


@pytest.mark.parametrize(
    "others", [[nn.Linear(4, 4)], [BLOCK], {"a": [nn.Linear(4, 4)]}, ([{"b": BLOCK}],)], ids=str
)
def test_layers_in_a_list_of_python_are_refused(others: object) -> None:
    model = nn.Sequential(nn.Linear(4, 4))
    model.others = others
    kind = type(others).__name__
    with pytest.raises(InputError, match=rf"keeps layers in others, a {kind}.*nn\.ModuleList"):
        map_to_imc(model, IDEAL)


def test_blocks_of_the_network_may_stand_in_a_list_beside() -> None:
    model = nn.Sequential(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), nn.Linear(4, 4))
    model.order = [model[0]]
    mapped = map_to_imc(model, IDEAL)
    assert mapped.order[0] is mapped[0]
    assert list(mapped_layers(mapped)) == ["0.0", "1"]
    model.order = [model[1]]
    with pytest.raises(InputError, match="keeps layers in order, a list"):
        map_to_imc(model, IDEAL)


class Product(nn.Module):
    """A layer on arrays, and a product beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.weight = nn.Parameter(torch.eye(4))
        self.register_buffer("fixed", torch.eye(4))


class ByLinear(Product):
    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(self.fc(x), self.weight)


class ByConv(Product):
    def forward(self, x: Tensor) -> Tensor:
        return functional.conv2d(self.fc(x)[:, None], self.weight[None, None, :1])


class ByOperator(Product):
    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x) @ (2 * self.weight).t()


class ByBuffer(Product):
    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("bi,ij->bj", self.fc(x), self.fixed)


class WeightOfLayer(Product):
    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(self.fc(x), self.fc.weight)


class Unseen(Product):
    """Steps cannot be traced: how many there are is data."""

    def forward(self, steps: Tensor) -> Tensor:
        return sum(functional.linear(self.fc(step), self.weight) for step in steps)


PRODUCTS = [
    (ByLinear, "calls linear with its parameter weight"),
    (ByConv, "calls conv2d with its parameter weight.*nn.Conv2d"),
    (ByOperator, "calls matmul with its parameter weight"),
    (WeightOfLayer, r"calls linear with its parameter fc\.weight"),
]


@pytest.mark.parametrize(("network", "message"), PRODUCTS)
def test_products_beside_the_arrays_are_refused(network: type[nn.Module], message: str) -> None:
    with pytest.raises(InputError, match=f"1 {message}"):
        map_to_imc(nn.Sequential(nn.Identity(), network()), IDEAL)


@pytest.mark.parametrize("run", [calibrate, lambda net, x: observe(net, x, inferences=1)])
def test_products_that_cannot_be_traced_are_refused_as_they_run(run) -> None:
    mapped = map_to_imc(nn.Sequential(Unseen()), IDEAL).eval()
    assert "not traced" in digital_parts(mapped)["0"]
    with pytest.raises(InputError, match="0 calls linear with its parameter weight"):
        run(mapped, spikes((3, 2, 4), 0))


class Parts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.fc = nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(18, 3)
        self.gain = nn.Parameter(torch.ones(2, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        found = functional.relu(self.norm(self.conv(x))) * self.gain
        return self.fc((found + found).flatten(1))


def test_products_with_constants_are_listed() -> None:
    assert digital_parts(map_to_imc(ByBuffer(), IDEAL)) == {"": ("einsum",)}


def test_what_stays_digital_is_listed() -> None:
    mapped = map_to_imc(nn.Sequential(Parts(), nn.Sequential(nn.Sigmoid())), IDEAL, fold=False)
    assert digital_parts(mapped) == {
        "0": ("relu", "mul", "add"),
        "0.norm": ("BatchNorm2d",),
        "1.0": ("Sigmoid",),
    }


def test_neurons_of_a_network_are_told_as_wholes() -> None:
    network, _ = build(make_study(neuron="lif", hidden=(12,)))
    parts = digital_parts(map_to_imc(network, IDEAL))
    assert [parts[f"layers.{n}.neuron"] for n in (0, 1)] == [
        (type(layer.neuron).__name__,) for layer in network.layers
    ]
    assert not any(name.startswith("layers.0.neuron.") for name in parts)


class Remembers(nn.Module):
    """A state that is a result of the weights, as trained spiking networks hold it."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.register_buffer("state", torch.zeros(1, 4))
        self.trace: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.state = 0.5 * self.state + self.fc(x)
        self.trace.append(self.state)
        return self.state


def test_states_in_a_graph_are_copied_by_value() -> None:
    model, x = Remembers(), spikes((1, 4), 0)
    model(x).sum().backward()
    mapped = map_to_imc(model, IDEAL)
    assert torch.equal(mapped.state, model.state)
    assert mapped.state.is_leaf
    assert mapped.trace[0] is mapped.state
    assert model.state.grad_fn is not None
    assert len(model.trace) == 1


def test_a_trained_network_of_snntorch_is_mapped() -> None:
    snntorch = pytest.importorskip("snntorch", reason="snnTorch is not installed")
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 5), snntorch.Leaky(beta=0.9, init_hidden=True, output=True))
    x = spikes((4, 6), 0)
    torch.stack([model(x)[1] for _ in range(3)]).sum().backward()
    fine = load_hardware("ideal", {"weights.bits": 12, "accumulation.bits": 32})
    mapped = map_to_imc(model, fine).eval()
    assert digital_parts(mapped)["1"][0] == "Leaky"
    with torch.no_grad():
        assert torch.allclose(mapped(x)[1], model(x)[1], atol=5e-3)


@pytest.mark.parametrize("count", [0, -1, 1.5, "3", None])
def test_what_counts_is_a_whole_number(count: object) -> None:
    model, x = map_to_imc(nn.Linear(4, 2), IDEAL).eval(), torch.ones(3, 4)
    refused = r"= .* is out of range; allowed: integers from 1"
    with pytest.raises(InputError, match=f"inferences {refused}"):
        observe(model, x, inferences=count)
    with pytest.raises(InputError, match=f"inferences {refused}"):
        workload_of(model, x, steps=1, inferences=count, name="mine")
    with pytest.raises(InputError, match=f"steps {refused}"):
        workload_of(model, x, steps=count, inferences=1, name="mine")
    with pytest.raises(InputError, match=f"samples {refused}"), inference(model, samples=count):
        pass


def test_inputs_without_any_are_not_observed() -> None:
    model, none = map_to_imc(nn.Linear(4, 2), IDEAL).eval(), torch.ones(0, 4)
    with pytest.raises(InputError, match=r"inputs have shape \[0, 4\], which holds none"):
        observe(model, none, inferences=1)
    with pytest.raises(InputError, match=r"inputs have shape \[0, 4\], which holds none"):
        workload_of(model, none, steps=1, inferences=1, name="mine")


def test_cards_are_cards_and_chips_have_numbers() -> None:
    model = nn.Sequential(nn.Linear(4, 2))
    with pytest.raises(InputError, match="card = 'ideal' is no HardwareCard"):
        map_to_imc(model, "ideal")
    with pytest.raises(InputError, match="card = 'ideal' is no HardwareCard"):
        map_to_imc(model, IDEAL, cards={"0": "ideal"})
    for chip in (1.5, -1, "7"):
        with pytest.raises(InputError, match=r"chip = .* is out of range; allowed: integers from 0"):
            map_to_imc(model, IDEAL, chip=chip)
    varied = load_hardware("ideal", {"cell.variation": 0.2})
    chips = [map_to_imc(model[0], varied, chip=chip).conductances() for chip in (0, 2**32, 2**64)]
    assert not any(torch.equal(chips[0], other) for other in chips[1:])
