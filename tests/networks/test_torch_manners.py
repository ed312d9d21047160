"""Networks among torch's own tools: images, copies, torch.compile, torch.func."""

from __future__ import annotations

import copy
import io

import pytest
import torch
from torch.func import functional_call, grad, jacrev, vmap

from memsim.errors import InputError
from memsim.learn import make_study
from memsim.networks import build_network
from memsim.surrogate import CompiledCircuit

IMAGE, LAYERS = (2, 3, 3), ({"channels": 2, "kernel": 2}, {})
CIRCUITS = {
    "circuits": {"step": 1e-3},
    "recurrent": {"step": 1e-3, "layers": ({"neurons": 4, "recurrent": True}, {})},
}
DISCRETE = {"lif": {"neuron": "lif"}, "lif-crossbar": {"neuron": "lif", "synapse": "crossbar"}}
WIRES = {"step": 1e-3, "synapses": {"wire_resistance": 5.0}}
X = torch.rand(3, *IMAGE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
FLAT = X.flatten(1)


def network(entries, shape=IMAGE):
    return build_network(shape, 3, make_study(**{"layers": LAYERS, "seed": 1} | entries)).double()


@pytest.fixture(scope="module", params=[*CIRCUITS, *DISCRETE])
def net(request):
    return network((CIRCUITS | DISCRETE)[request.param])


def parameters(net):
    return {name: value.detach() for name, value in net.named_parameters()}


def called(net):
    return lambda tensors, x: functional_call(net, tensors, (x,))


def test_images_are_taken_as_torch_gives_them(net):
    assert torch.equal(net(X), net(FLAT))


def test_grey_images_and_signals_are_taken_where_they_fit():
    for shape in ((4, 5), (1, 4, 5)):
        net = network(CIRCUITS["circuits"], shape)
        for given in ((4, 5), (1, 4, 5)):
            assert torch.equal(net(torch.ones(2, *given).double()), net(torch.ones(2, 20).double()))
    steps = network({"neuron": "lif", "steps": 4})
    frames = (X[:, None] > torch.rand(3, 4, *IMAGE)).double()  # [batch, time, channels, height, width]
    assert torch.equal(steps(frames), steps(frames.flatten(2)))


@pytest.mark.parametrize("shape", [(3, 3, 3, 2), (3, 2, 9), (3, 17), (3, 2, 1, 3, 3, 2), (3, 3)])
def test_other_shapes_are_refused_by_name(net, shape):
    with pytest.raises(
        InputError, match=rf"shape \[{', '.join(map(str, shape))}\].*\[batch, 18\] or \[..., 2, 3, 3\]"
    ):
        net(torch.zeros(shape, dtype=torch.float64))


def test_copies_and_saved_tensors_say_the_same(net):
    found, twin = net(FLAT), copy.deepcopy(net)
    assert torch.equal(twin(FLAT), found)
    with torch.no_grad():
        for value in twin.parameters():
            value.mul_(0.9)
    assert not torch.equal(twin(FLAT), found)
    file = io.BytesIO()
    torch.save(net.state_dict(), file)
    file.seek(0)
    twin.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(twin(FLAT), found)


@pytest.mark.filterwarnings("ignore")  # of the compiler, about itself
def test_torch_compile_says_the_same(net):
    compiled = torch.compile(net, backend="aot_eager")
    torch.testing.assert_close(compiled(FLAT), net(FLAT))
    compiled(FLAT).square().sum().backward()
    found = [value.grad.clone() for value in net.parameters() if value.grad is not None]
    net.zero_grad()
    net(FLAT).square().sum().backward()
    for one, other in zip(found, [v.grad for v in net.parameters() if v.grad is not None], strict=True):
        torch.testing.assert_close(one, other)


def test_functional_calls_and_their_gradients_are_those_of_autograd(net):
    tensors, call = parameters(net), called(net)
    # without a gradient, products may be summed in another order
    torch.testing.assert_close(call(tensors, FLAT), net(FLAT), rtol=1e-12, atol=1e-14)
    loss = net(FLAT).square().sum()
    trained = {name: value for name, value in net.named_parameters() if value.requires_grad}
    wanted = torch.autograd.grad(loss, list(trained.values()))
    found = grad(lambda p: call(p, FLAT).square().sum())(tensors)
    for one, other in zip([found[name] for name in trained], wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12 * float(other.abs().max() + 1))


def test_a_jacobian_is_a_gradient_of_each_output(net):
    tensors = parameters(net)
    name = next(key for key in tensors if key.endswith("weight"))
    found = jacrev(lambda w: functional_call(net, {**tensors, name: w}, (FLAT[:1],)))(tensors[name])[0]
    value = dict(net.named_parameters())[name]
    wanted = [torch.autograd.grad(out, value, retain_graph=True)[0] for out in net(FLAT[:1])[0]]
    torch.testing.assert_close(found, torch.stack(wanted), rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("kind", DISCRETE)
def test_examples_and_networks_of_discrete_neurons_are_mapped(kind):
    net = network(DISCRETE[kind])
    tensors, call = parameters(net), called(net)
    torch.testing.assert_close(vmap(lambda x: call(tensors, x[None])[0])(FLAT), net(FLAT))
    two = {name: torch.stack([value, 0.9 * value]) for name, value in tensors.items()}
    both = vmap(call, in_dims=(0, None))(two, FLAT)
    for number in range(2):
        torch.testing.assert_close(both[number], call({name: v[number] for name, v in two.items()}, FLAT))
    each = vmap(grad(lambda p, x: call(p, x[None]).square().sum()), in_dims=(None, 0))(tensors, FLAT)
    whole = grad(lambda p: call(p, FLAT).square().sum())(tensors)
    for name, value in whole.items():
        torch.testing.assert_close(each[name].sum(0), value)


def test_what_torch_func_cannot_follow_is_named_with_what_can():
    net = network(CIRCUITS["circuits"])
    tensors, call = parameters(net), called(net)
    with pytest.raises(InputError, match=r"torch.vmap shows no values.*axis of its batch.*jacrev"):
        vmap(lambda x: call(tensors, x[None])[0])(FLAT)
    wired = network(WIRES)
    assert torch.allclose(called(wired)(parameters(wired), FLAT), wired(FLAT), rtol=1e-6)
    with pytest.raises(InputError, match=r"wires are solved; use torch.autograd"):
        grad(lambda p: called(wired)(p, FLAT).sum())(parameters(wired))
    cell = net.cells[0].circuit
    for engine in ("native", "fused"):
        circuit = CompiledCircuit(cell.circuit(), inputs=(cell.source,), engine=engine)
        with pytest.raises(InputError, match=rf"engine = '{engine}'.*use engine = 'loop', or 'auto'"):
            grad(lambda i, c=circuit: c(i, dt=1e-4)[0]["v(mem)"].sum())(torch.zeros(3, 2).double())
