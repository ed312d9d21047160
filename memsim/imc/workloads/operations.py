"""What a network computes beside its arrays, counted as it runs.

A product takes as many multiply-accumulates as it has terms (half of the operations that PyTorch counts), a
normalisation one for each element. Any other function takes one operation for each element of what it reads or gives,
whichever is more. Neurons and activations are charged as neurons, and count nothing here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn
from torch.nn.modules import activation
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from memsim.imc.digital import digital_parts, running_modules
from memsim.imc.layers import MappedLayer
from memsim.imc.placement import LAYERS
from memsim.imc.traces import MOVES, PRODUCTS, called, is_foreign
from memsim.imc.workloads.shapes import DigitalPart

NEURONS = "charged as neurons"
NORM = "_norm"
"""At the end of the names of functions that normalise."""
UNSEEN = {*MOVES, "get", "size", "set"}
"""Functions that compute nothing, reading and writing of attributes included."""


@dataclass
class Operations:
    """Of one module, over all inferences.

    Attributes:
        does: functions that it called.
        macs: multiplications with their sums.
        operations: all others.
        updates: of neurons behind a layer.
    """

    does: dict[str, None] = field(default_factory=dict)
    macs: float = 0.0
    operations: float = 0.0
    updates: float = 0.0


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
            updates=found[name].updates / times if name in found else 0.0,
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
        name = called(func)
        if name in UNSEEN or "dropout" in name or not self._counts(name):
            return func(*args, **(kwargs or {}))
        with FlopCounterMode(display=False) as counter:
            result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor):
            self._count(name, counter.get_total_flops() / 2, _largest((*args, result)))
            if isinstance(self.running[-1][1], LAYERS):
                self.found[self.running[-1][0]].updates += result.numel()
        return result

    def _count(self, name: str, terms: float, elements: int) -> None:
        place = self.found[self.running[-1][0]]
        place.does[name] = None
        if terms or name in PRODUCTS or name.endswith(NORM):
            # PyTorch counts no products with a vector, which have a term for each element of the matrix
            place.macs += terms or elements
        else:
            place.operations += elements

    def _counts(self, name: str) -> bool:
        """Whether what runs is neither on arrays nor a neuron."""
        if not self.running or any(isinstance(module, MappedLayer) for _, module in self.running):
            return False
        module = self.running[-1][1]
        if is_foreign(module):
            return any(isinstance(part, MappedLayer) for part in module.modules())
        if type(module).forward.__module__.startswith("memsim"):
            # our modules beside arrays are neurons, and what normalises in front of them
            return name.endswith(NORM)
        return type(module).__module__ != activation.__name__


def _largest(values: tuple[Any, ...]) -> int:
    """Elements of the largest tensor among these."""
    return max((value.numel() for value in values if isinstance(value, Tensor)), default=0)
