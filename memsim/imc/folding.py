"""Normalisation behind a layer becomes its weights and bias, where it is plain that nothing else meets either."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Container, Iterator, Mapping
from typing import cast

from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from memsim.errors import InputError
from memsim.imc.convolutions import CONVOLUTIONS, Convolution
from memsim.imc.plain import computes_as, hooked
from memsim.imc.traces import Trace, is_foreign, traces_of

NORMS: dict[type[nn.Module], tuple[type[nn.Module], int]] = {
    nn.Linear: (nn.BatchNorm1d, 2),
    nn.Conv1d: (nn.BatchNorm1d, 3),
    nn.ConvTranspose1d: (nn.BatchNorm1d, 3),
    nn.Conv2d: (nn.BatchNorm2d, 4),
    nn.ConvTranspose2d: (nn.BatchNorm2d, 4),
}
"""What normalises the neurons of each layer, and the axes that outputs have then."""


class FoldedNormalisation(nn.Module):
    """Where a normalisation was that is folded into a layer: lets outputs with so many axes through.

    Of other axes the normalisation would have been over positions. How many there are is seen in calls alone.
    """

    def __init__(self, norm: str, axes: int) -> None:
        super().__init__()
        self.norm, self.axes = norm, axes

    def forward(self, outputs: Tensor) -> Tensor:
        """The outputs as they are.

        Raises:
            InputError: the normalisation would not have been one of neurons.
        """
        if outputs.ndim != self.axes:
            raise InputError(
                f"{self.norm} is folded into the layer in front of it, whose outputs have shape "
                f"{list(outputs.shape)}; its neurons are normalised where outputs have {self.axes} axes: give inputs "
                "for that, or map with fold=False"
            )
        return outputs


def fold_normalisation(model: nn.Module, left: Container[nn.Module] = ()) -> None:
    """Fold running averages into layers whose outputs are normalised and do nothing else, in code that can be traced.

    Layers and normalisations that are used elsewhere too, and those that are `left` as they are, stay. Code that
    cannot be traced is taken to use those that can as wholes.
    """
    traces = traces_of(model, lambda module: is_foreign(module) or computes_as(module, nn.Sequential))
    uses, places = _uses(model, traces), _places(model)
    for name, trace in traces.items():
        for layer, norm in _normalised(model.get_submodule(name), trace):
            alone = all(uses[id(part)] == 1 == len(places[part]) for part in (layer, norm))
            if alone and layer not in left and _fit(layer, norm):
                _put(places[layer], _fused(layer, norm))
                _put(places[norm], FoldedNormalisation(type(norm).__name__, _normal(layer)[1]))


Place = tuple[nn.Module, str]


def _uses(model: nn.Module, traces: Mapping[str, Trace]) -> Counter[int]:
    """How often the traced code calls each module, or takes its parameters."""
    uses = Counter[int]()
    for name, trace in traces.items():
        module = model.get_submodule(name)
        for node in trace.graph.nodes:
            if node.op == "call_module":
                uses[id(_called(module, node))] += 1
            elif node.op == "get_attr":
                uses[id(module.get_submodule(str(node.target).rpartition(".")[0]))] += 1
    return uses


def _places(model: nn.Module) -> dict[nn.Module, set[Place]]:
    """Where each module stands."""
    places: dict[nn.Module, set[Place]] = defaultdict(set)
    for module in model.modules():
        for name, part in module._modules.items():
            if part is not None:
                places[part].add((module, name))
    return places


def _normalised(module: nn.Module, trace: Trace) -> Iterator[tuple[nn.Module, nn.Module]]:
    """Layers whose outputs go to one normalisation alone."""
    for node in trace.graph.nodes if trace.sure else ():
        if node.op != "call_module" or len(node.users) != 1:
            continue
        (user,) = node.users
        if user.op == "call_module" and user.args == (node,) and not user.kwargs:
            yield _called(module, node), _called(module, user)


def _called(module: nn.Module, node: fx.Node) -> nn.Module:
    return module.get_submodule(str(node.target))


def _fit(layer: nn.Module, norm: nn.Module) -> bool:
    """Whether the two can be one layer; not where batches have averages of their own."""
    kind, _ = _normal(layer)
    if kind is None or not computes_as(norm, kind) or hooked(norm) or norm.running_mean is None:
        return False
    neurons = layer.out_features if isinstance(layer, nn.Linear) else cast("Convolution", layer).out_channels
    # torch folds channels of transposed convolutions, of which groups have shares
    shares = isinstance(layer, CONVOLUTIONS) and layer.transposed and layer.groups > 1
    return neurons == norm.num_features and not shares


def _normal(layer: nn.Module) -> tuple[type[nn.Module] | None, int]:
    """What normalises the neurons of a layer, and axes of its outputs then; none of other modules."""
    return next((normal for base, normal in NORMS.items() if computes_as(layer, base)), (None, 0))


def _fused(layer: nn.Module, norm: nn.Module) -> nn.Module:
    training, batch_norm = layer.training, cast("nn.BatchNorm1d", norm.eval())
    if isinstance(layer, nn.Linear):
        return fuse_linear_bn_eval(layer.eval(), batch_norm).train(training)
    conv = cast("Convolution", layer.eval())
    return fuse_conv_bn_eval(conv, batch_norm, transpose=conv.transposed).train(training)


def _put(places: set[Place], module: nn.Module) -> None:
    for parent, name in places:
        setattr(parent, name, module)
