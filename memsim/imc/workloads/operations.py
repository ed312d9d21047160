"""What a network computes beside its arrays, counted as it runs.

A product with weights takes as many multiply-accumulates as it has terms, a normalisation one for each element; pooling
takes an operation for each element that it reads, and any other function one for each that it gives. Neurons and
activations are charged as neurons, and count nothing here.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn
from torch.nn.modules import activation
from torch.overrides import TorchFunctionMode

from memsim.imc.digital import MOVES, PRODUCTS, called, digital_parts, foreign, running_modules
from memsim.imc.layers import MappedLayer
from memsim.imc.workloads.shapes import DigitalPart

NEURONS = "charged as neurons"
UNSEEN = {*MOVES, "get", "size", "set"}
"""Functions that compute nothing, reading and writing of attributes included."""


@dataclass
class Operations:
    """Of one module, over all inferences.

    Attributes:
        does: functions that it called.
        macs: multiplications with their sums.
        operations: all others.
    """

    does: dict[str, None] = field(default_factory=dict)
    macs: float = 0.0
    operations: float = 0.0


@contextmanager
def counted(model: nn.Module) -> Iterator[dict[str, Operations]]:
    """Operations of each module beside the arrays, by its name, while the model runs."""
    found: dict[str, Operations] = defaultdict(Operations)
    with running_modules(model) as running, _Counter(running, found):
        yield found


def parts_of(model: nn.Module, found: dict[str, Operations], times: float) -> tuple[DigitalPart, ...]:
    """Parts beside the arrays: what they do, and how much of it in each step.

    Args:
        model: the network.
        found: operations of its modules.
        times: steps in which these were counted, over all inferences.
    """
    told = {name: ", ".join(does) for name, does in digital_parts(model).items()}
    names = dict.fromkeys([*told, *found])
    return tuple(
        DigitalPart(
            name=name or "network",
            does=", ".join(found[name].does) if name in found else f"{told[name]}: {NEURONS}",
            macs=found[name].macs / times if name in found else 0.0,
            operations=found[name].operations / times if name in found else 0.0,
        )
        for name in names
    )


class _Counter(TorchFunctionMode):
    """Sees each function of torch that is called.

    Args:
        running: modules whose code runs, the innermost last.
        found: where to count.
    """

    def __init__(self, running: list[tuple[str, nn.Module]], found: dict[str, Operations]) -> None:
        super().__init__()
        self.running, self.found = running, found

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        name = called(func)
        if isinstance(result, Tensor) and name not in UNSEEN and "dropout" not in name and self._counts():
            place = self.found[self.running[-1][0]]
            place.does[name] = None
            macs = _macs(name, args, kwargs or {}, result)
            place.macs += macs
            place.operations += 0 if macs else _elements(name, args, result)
        return result

    def _counts(self) -> bool:
        """Whether what runs is neither on arrays nor a neuron."""
        if not self.running or any(isinstance(module, MappedLayer) for _, module in self.running):
            return False
        module = self.running[-1][1]
        if not foreign(module):
            ours = type(module).forward.__module__.startswith("memsim")
            return not ours and type(module).__module__ != activation.__name__
        return any(isinstance(part, MappedLayer) for part in module.modules())


def _macs(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], result: Tensor) -> float:
    if name.endswith("_norm") or name == "normalize":
        return result.numel()
    if name not in PRODUCTS:
        return 0
    weight = kwargs.get("weight", args[1] if len(args) > 1 else None)
    if not isinstance(weight, Tensor):
        return result.numel()
    if "transpose" in name:
        return float(args[0].numel() * weight.numel() // weight.shape[0])
    if "conv" in name or name == "linear":
        return result.numel() * math.prod(weight.shape[1:])
    return float(result.numel() * args[0].shape[-1])


def _elements(name: str, args: tuple[Any, ...], result: Tensor) -> float:
    reads = "pool" in name or name in {"sum", "mean", "amax", "amin"}
    return args[0].numel() if reads and args and isinstance(args[0], Tensor) else result.numel()
