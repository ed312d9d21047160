"""Programs of torch.export as networks of layers: what they multiply with parameters are layers of torch again."""

from __future__ import annotations

from typing import Any

from torch import fx, nn
from torch.export import ExportedProgram

from memsim.errors import InputError
from memsim.imc.convolutions import CONVOLUTIONS
from memsim.imc.traces import called

_CONVOLUTIONS: dict[str, Any] = {
    kind.__name__.lower().replace("convtranspose", "conv_transpose"): kind for kind in CONVOLUTIONS
}
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d)
_NORMS: dict[int, type[nn.Module]] = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d}
"""By the axes of what is normalised."""


def network_of(program: ExportedProgram) -> nn.Module:
    """A network that computes as an exported program, of layers that `map_to_imc` knows.

    Products, convolutions and batch normalisations whose weights are parameters become layers, under the names of
    these; calls with the same weights are one layer. All else stays the functions that it is.

    Args:
        program: of torch.export, for evaluation.

    Raises:
        InputError: what is no program.
    """
    if not isinstance(program, ExportedProgram):
        raise InputError(
            f"program is a {type(program).__name__}; give what torch.export.export or torch.export.load gave"
        )
    network = program.module()
    layers: dict[tuple[str, ...], str] = {}
    for node in [node for node in network.graph.nodes if node.op == "call_function"]:
        given = _given(network, node)
        layer = _layer(called(node.target), given, node)
        if layer is None:
            continue
        same = (str(node.target), *map(str, node.args[1:]))
        if same not in layers:
            layers[same] = _place(network, str(node.args[1].target), layer)
        with network.graph.inserting_before(node):
            call = network.graph.call_module(layers[same], (node.args[0],))
        node.replace_all_uses_with(call)
        network.graph.erase_node(node)
    for switch in ("train", "eval"):  # which programs refuse, and which change their layers alone
        vars(network).pop(switch, None)
    _drop_unused(network, {network.get_submodule(name) for name in layers.values()})
    network.recompile()
    return network


def _drop_unused(network: fx.GraphModule, layers: set[nn.Module]) -> None:
    """Take parameters that layers have now from where they were."""
    for node in list(network.graph.nodes):
        if node.op == "get_attr" and not node.users:
            network.graph.erase_node(node)
            parent, _, name = str(node.target).rpartition(".")
            holder = network.get_submodule(parent)
            if holder not in layers:
                delattr(holder, name)


def _given(network: fx.GraphModule, node: fx.Node) -> dict[str, Any]:
    """Arguments of a call by name; parameters and buffers themselves, other results as nodes."""
    schema = getattr(node.target, "_schema", None)
    names = [] if schema is None else [argument.name for argument in schema.arguments]
    given = {**dict(zip(names, node.args, strict=False)), **node.kwargs}
    return {name: _tensor(network, value) for name, value in given.items()}


def _tensor(network: fx.GraphModule, value: object) -> object:
    if not (isinstance(value, fx.Node) and value.op == "get_attr"):
        return value
    parent, _, name = str(value.target).rpartition(".")
    return getattr(network.get_submodule(parent), name)


def _layer(function: str, given: dict[str, Any], node: fx.Node) -> nn.Module | None:
    """The layer that a call is; None where it is none, or where its weights are no parameters."""
    weight, bias = given.get("weight"), given.get("bias")
    if not isinstance(weight, nn.Parameter) or isinstance(bias, fx.Node):
        return None
    shape, options = tuple(weight.shape), dict[str, Any](bias=bias is not None, device="meta")
    if function == "linear":
        layer: Any = nn.Linear(shape[1], shape[0], **options)
    elif function in _CONVOLUTIONS:
        kind = _CONVOLUTIONS[function]
        options |= {name: value for name, value in given.items() if name not in {"input", "weight", "bias"}}
        # weights are [neurons, channels of a group, ...], those of transposed ones [channels, neurons of a group, ...]
        ends = shape[0], shape[1] * int(given.get("groups", 1))
        channels, neurons = ends if issubclass(kind, _TRANSPOSED) else ends[::-1]
        layer = kind(channels, neurons, shape[2:], **options)
    elif function == "batch_norm" and not given["training"]:
        return _norm(given, node)
    else:
        return None
    layer.weight, layer.bias = weight, bias
    return layer


def _norm(given: dict[str, Any], node: fx.Node) -> nn.Module | None:
    kind = _NORMS.get(node.meta["val"].ndim)
    if kind is None:
        return None
    norm = kind(len(given["weight"]), eps=given["eps"], device="meta")
    norm.weight, norm.bias = given["weight"], given["bias"]
    norm.running_mean, norm.running_var = given["running_mean"], given["running_var"]
    return norm.eval()


def _place(network: fx.GraphModule, weight: str, layer: nn.Module) -> str:
    """Put a layer where its weight was, and say where that is."""
    parent = weight.rpartition(".")[0]
    alone = parent and not list(network.get_submodule(parent).children())
    name = parent if alone and type(network.get_submodule(parent)) is nn.Module else f"{weight}_layer"
    network.add_submodule(name, layer)
    return name
