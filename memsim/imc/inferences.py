"""Where an inference begins and ends, for layers that remember."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from memsim.imc.counts import check_count
from memsim.imc.layers import MappedLayer
from memsim.imc.order import Memory
from memsim.imc.programmed import ProgrammedLayer


@contextmanager
def inference(model: nn.Module, samples: int) -> Iterator[None]:
    """One inference of each sample of a batch: layers that remember begin anew, and go on from call to call.

    In training, where each call is of a new chip, all calls within are of one.

    Amplifiers with hysteresis then decide by their own last decision in this inference, and references that change
    with the step follow the steps of all calls within. Networks of memsim do this by themselves; a loop of your own
    over steps is put inside:

        with inference(on_chip, samples=len(batch)):
            outputs = [on_chip(batch[:, step]) for step in range(steps)]

    A layer that is used several times in a step is read as often: each call is a step of its own to it, and of calls
    that hold several steps each all of the first come before those of the second.

    Samples are the fastest of the axes [steps * samples], where inputs have no axis of their own for them.

    Args:
        model: a mapped network, or one layer.
        samples: of the batch, at least 1.

    Raises:
        InputError: no samples.
    """
    check_count("samples", samples)
    layers = [module for module in model.modules() if isinstance(module, MappedLayer)]
    before = [layer.memory for layer in layers]
    try:
        for layer in layers:
            layer.memory = Memory(samples)
        with one_chip(model):
            yield
    finally:
        for layer, memory in zip(layers, before, strict=True):
            layer.memory = memory


@contextmanager
def one_chip(model: nn.Module) -> Iterator[None]:
    """In training, where each read is of a new chip, all reads within are of one."""
    programmed = [module for module in model.modules() if isinstance(module, ProgrammedLayer)]
    layers = [layer for layer in programmed if not layer.in_inference]  # others are in one that goes on
    for layer in layers:
        layer.begin_inference()
    try:
        yield
    finally:
        for layer in layers:
            layer.end_inference()


def remembering(model: nn.Module) -> bool:
    """Whether some layer of a network depends on reads before, or on the step."""
    return any(isinstance(module, MappedLayer) and module.remembers for module in model.modules())
