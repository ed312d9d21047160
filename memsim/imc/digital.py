"""What a network computes beside its arrays: found in traces of its code, and where it cannot be traced, as it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from memsim.errors import InputError
from memsim.imc.folding import FoldedNormalisation
from memsim.imc.hooks import Hook, run_hooked
from memsim.imc.layers import MappedLayer
from memsim.imc.placement import PLACED, UNMAPPED
from memsim.imc.traces import PRODUCTS, called, is_foreign, traces_of

CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict, nn.Identity, FoldedNormalisation)

IDLE = {"Identity", "GuardsFn"}
"""Classes that compute nothing: gates that leave currents as they are, and checks of inputs that torch.export adds."""


def digital_parts(model: nn.Module) -> dict[str, tuple[str, ...]]:
    """What a mapped network computes off its arrays, by the name of the module.

    Modules are told by their class. Of those with arrays among their parts, the functions are told that their forward
    calls beside them, and `not traced` where that depends on inputs. Neurons of memristive networks are circuits, not
    digital, and listed too.

    Args:
        model: the network; its code is traced with a copy.
    """
    traced, found, told = traces_of(model), dict[str, tuple[str, ...]](), set[nn.Module]()
    for name, module in model.named_modules():
        if isinstance(module, (MappedLayer, *CONTAINERS)) or type(module).__name__ in IDLE or module in told:
            # parts of an array are told with it
            told.update(module.modules() if isinstance(module, MappedLayer) else ())
        elif not is_foreign(module) and _holds_layers(module):
            continue  # its parts are told
        elif not any(isinstance(part, MappedLayer) for part in module.modules()):
            found[name] = (type(module).__name__,)
            told.update(module.modules())
        elif name in traced and traced[name].functions:
            found[name] = traced[name].functions
    return found


def refuse_products(model: nn.Module) -> None:
    """Raise InputError where the code of a module multiplies with parameters itself, as far as it can be traced."""
    for name, trace in traces_of(model).items():
        for function, weight in trace.products():
            raise _refusal(name, function, weight)


def run_watched(model: nn.Module, inputs: Tensor, hooks: Iterable[tuple[nn.Module, Hook]]) -> None:
    """`run_hooked`, where products with parameters off the arrays raise InputError, and so do inputs without any."""
    if not inputs.numel():
        raise InputError(f"inputs have shape {list(inputs.shape)}, which holds none; give at least one")
    with _watched(model):
        run_hooked(model, inputs, hooks)


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


@contextmanager
def _watched(model: nn.Module) -> Iterator[None]:
    if not any(map(is_foreign, model.modules())):
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
        if not self.running or not is_foreign(self.running[-1][1]):
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
