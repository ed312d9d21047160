"""What a network computes beside its arrays: found in traces of its code, and where it cannot be traced, as it runs."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx, nn
from torch.overrides import TorchFunctionMode

from memsim.errors import InputError
from memsim.imc.copies import copy_of
from memsim.imc.hooks import Hook, run_hooked
from memsim.imc.layers import MappedLayer
from memsim.imc.placement import PLACED, UNMAPPED

UNTRACED = "not traced"
CONVOLUTIONS = {f"{kind}{axes}d" for kind in ("conv", "conv_transpose") for axes in (1, 2, 3)}
MATRICES = {"matmul", "rmatmul", "mm", "bmm", "mv", "addmm", "addmv", "addbmm", "baddbmm"}
PRODUCTS = {"linear", "bilinear", "einsum", "tensordot", "inner", *MATRICES, *CONVOLUTIONS}
SHAPES = {"size", "dim", "view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "expand"}
ORDERS = {"getitem", "permute", "transpose", "t", "chunk", "split", "unbind", "cat", "stack"}
MOVES = {"getattr", "contiguous", "detach", "clone", "to", "float", *SHAPES, *ORDERS}
"""Functions that compute nothing."""
CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict, nn.Identity)


def digital_parts(model: nn.Module) -> dict[str, tuple[str, ...]]:
    """What a mapped network computes off its arrays, by the name of the module.

    Modules are told by their class. Of those with arrays among their parts, the functions are told that their forward
    calls beside them, and `not traced` where that depends on inputs. Neurons of memristive networks are circuits, not
    digital, and listed too.

    Args:
        model: the network; its code is traced with a copy.
    """
    traced, found, told = _traces(model), dict[str, tuple[str, ...]](), set[nn.Module]()
    for name, module in model.named_modules():
        if isinstance(module, (MappedLayer, *CONTAINERS)) or module in told:
            # parts of an array are told with it
            told.update(module.modules() if isinstance(module, MappedLayer) else ())
        elif not foreign(module) and _holds_layers(module):
            continue  # its parts are told
        elif not any(isinstance(part, MappedLayer) for part in module.modules()):
            found[name] = (type(module).__name__,)
            told.update(module.modules())
        elif name in traced and traced[name].functions:
            found[name] = traced[name].functions
    return found


def refuse_products(model: nn.Module) -> None:
    """Raise InputError where the code of a module multiplies with parameters itself, as far as it can be traced."""
    for name, trace in _traces(model).items():
        for function, weight in trace.products():
            raise _refusal(name, function, weight)


def run_watched(model: nn.Module, inputs: Tensor, hooks: Iterable[tuple[nn.Module, Hook]]) -> None:
    """`run_hooked`, where products with parameters off the arrays raise InputError."""
    with _watched(model):
        run_hooked(model, inputs, hooks)


def foreign(module: nn.Module) -> bool:
    """Whether the code of a module is neither of torch nor ours, so that it is not known what it does."""
    home = getattr(module.forward, "__module__", None) or ""
    return home.partition(".")[0] not in {"torch", "memsim"}


def _holds_layers(module: nn.Module) -> bool:
    """Whether layers are among the parts of what is none."""
    layers = (*PLACED, *UNMAPPED)
    return not isinstance(module, layers) and any(isinstance(part, layers) for part in module.modules())


def _refusal(name: str, function: str, weight: str) -> InputError:
    layer = "nn.Conv2d" if "conv" in function else "nn.Linear"
    return InputError(
        f"{name or 'the network'} calls {function} with its parameter {weight}, which stays digital; "
        f"make it an {layer}"
    )


def called(target: Any) -> str:
    """Name of a function of torch, without the underscores around it."""
    return str(getattr(target, "__name__", target)).strip("_")


class _Trace(NamedTuple):
    """What the forward of a module calls, up to where it depends on inputs."""

    graph: fx.Graph
    complete: bool
    parameters: frozenset[str]

    @property
    def functions(self) -> tuple[str, ...]:
        calls = [called(n.target) for n in self.graph.nodes if n.op in {"call_function", "call_method"}]
        names = dict.fromkeys(name for name in calls if name not in MOVES)
        return (*names,) if self.complete else (*names, UNTRACED)

    def products(self) -> Iterator[tuple[str, str]]:
        """Functions that multiply with a parameter, or with what is made of parameters alone."""
        weights: dict[fx.Node, str] = {}
        for node in self.graph.nodes:
            given = [weights[n] for n in node.all_input_nodes if n in weights]
            if node.op == "get_attr" and node.target in self.parameters:
                weights[node] = str(node.target)
            elif given and len(given) == len(node.all_input_nodes):
                weights[node] = given[0]
            elif given and node.op != "call_module" and called(node.target) in PRODUCTS:
                yield called(node.target), given[0]


class _Tracer(fx.Tracer):
    """Looks at the code of one module; its parts are called as they are."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return True


def _traces(model: nn.Module) -> dict[str, _Trace]:
    """Of each module with code that is not known."""
    if not any(map(foreign, model.modules())):
        return {}
    # traced code may write to its module; a chip runs what is evaluated
    copied = copy_of(model).eval()
    return {name: _trace(module) for name, module in copied.named_modules() if foreign(module)}


def _trace(module: nn.Module) -> _Trace:
    # fx looks at classes, and knows nothing of a forward that one module has
    tracer, complete = _Tracer(), "forward" not in vars(module)
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")
        try:
            if complete:
                tracer.trace(module)
        except Exception:  # noqa: BLE001 - code of others, given what is no tensor, may raise anything
            complete = False
    names = frozenset(name for name, _ in module.named_parameters(remove_duplicate=False))
    return _Trace(getattr(tracer, "graph", fx.Graph()), complete, names)


@contextmanager
def _watched(model: nn.Module) -> Iterator[None]:
    if not any(map(foreign, model.modules())):
        yield
        return
    with running_modules(model) as running, _Watch(model, running):
        yield


@contextmanager
def running_modules(model: nn.Module) -> Iterator[list[tuple[str, nn.Module]]]:
    """Names and modules whose code runs, the innermost last."""
    running: list[tuple[str, nn.Module]] = []

    def enter(name: str) -> Hook:
        return lambda module, _: running.append((name, module))

    def leave(*_: object) -> None:
        running.pop()

    handles: list[Any] = []
    for name, module in model.named_modules():
        handles += [
            module.register_forward_pre_hook(enter(name)),
            module.register_forward_hook(leave, always_call=True),
        ]
    try:
        yield running
    finally:
        for handle in handles:
            handle.remove()


class _Watch(TorchFunctionMode):
    """Sees each function of torch that is called.

    Args:
        model: the network.
        running: modules whose code runs, the innermost last.
    """

    def __init__(self, model: nn.Module, running: list[tuple[str, nn.Module]]) -> None:
        super().__init__()
        self.running = running
        # tensors are kept, so that no other takes their place in memory
        self.weights: dict[int, tuple[Tensor, str]] = {
            id(weight): (weight, name) for name, weight in model.named_parameters()
        }

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if not self.running or not foreign(self.running[-1][1]):
            return func(*args, **(kwargs or {}))
        given = list(_tensors((*args, *(kwargs or {}).values())))
        weights = [self.weights[id(tensor)][1] for tensor in given if id(tensor) in self.weights]
        if weights and len(weights) < len(given) and called(func) in PRODUCTS:
            name, _ = self.running[-1]
            raise _refusal(name, called(func), weights[0].removeprefix(f"{name}."))
        found = func(*args, **(kwargs or {}))
        if weights and len(weights) == len(given):
            self.weights |= {id(tensor): (tensor, weights[0]) for tensor in _tensors((found,))}
        return found


def _tensors(values: Iterable[Any]) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)
