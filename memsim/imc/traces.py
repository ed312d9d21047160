"""What the code of modules calls, found by torch.fx without running it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import fx, nn

from memsim.imc.copies import copy_of

UNTRACED = "not traced"
CONVOLUTIONS = {f"{kind}{axes}d" for kind in ("conv", "conv_transpose") for axes in (1, 2, 3)}
MATRICES = {"matmul", "rmatmul", "mm", "bmm", "mv", "addmm", "addmv", "addbmm", "baddbmm"}
PRODUCTS = {"linear", "bilinear", "einsum", "tensordot", "inner", "convolution", *MATRICES, *CONVOLUTIONS}
SHAPES = {"size", "dim", "view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "expand"}
ORDERS = {"getitem", "permute", "transpose", "t", "chunk", "split", "unbind", "cat", "stack"}
MOVES = {"getattr", "contiguous", "detach", "clone", "to", "float", *SHAPES, *ORDERS}
"""Functions that compute nothing."""


def is_foreign(module: nn.Module) -> bool:
    """Whether the code of a module is neither of torch nor ours, so that it is not known what it does."""
    home = getattr(module.forward, "__module__", None) or ""
    return home.partition(".")[0] not in {"torch", "memsim"}


def called(target: Any) -> str:
    """Name of a function or method that a trace calls."""
    # those of exported programs have their variant behind a dot
    return str(getattr(target, "__name__", target)).partition(".")[0].strip("_")


class Trace(NamedTuple):
    """What the forward of a module calls, up to where it depends on inputs.

    Attributes:
        graph: of calls.
        complete: whether there is nothing behind it.
        parameters: names of those of the module.
    """

    graph: fx.Graph
    complete: bool
    parameters: frozenset[str]

    @property
    def functions(self) -> tuple[str, ...]:
        calls = [called(n.target) for n in self.graph.nodes if n.op in {"call_function", "call_method"}]
        names = dict.fromkeys(name for name in calls if name not in MOVES)
        return (*names,) if self.complete else (*names, UNTRACED)

    @property
    def sure(self) -> bool:
        """Whether it is what any call does: arguments that may be left out make a choice, of which one is seen."""
        return self.complete and not any(n.op == "placeholder" and n.args for n in self.graph.nodes)

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


def traces_of(model: nn.Module, asked: Callable[[nn.Module], bool] = is_foreign) -> dict[str, Trace]:
    """Of each module that is asked for, by name; where nothing else is said, of those with code that is not known."""
    if not any(map(asked, model.modules())):
        return {}
    # traced code may write to its module; a chip runs what is evaluated
    copied = copy_of(model).eval()
    return {name: _trace(module) for name, module in copied.named_modules() if asked(module)}


def _trace(module: nn.Module) -> Trace:
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
    return Trace(getattr(tracer, "graph", fx.Graph()), complete, names)
