"""The shapes, spikes and column currents of a network that is mapped to hardware, as it runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from memsim.errors import InputError
from memsim.imc.counts import check_count
from memsim.imc.digital import run_watched
from memsim.imc.layers import MappedLayer
from memsim.imc.mapping import evaluating, mapped_layers
from memsim.imc.workloads.ends import ends_of
from memsim.imc.workloads.operations import counted, parts_of
from memsim.imc.workloads.shapes import LayerShape, Workload


def workload_of(
    model: nn.Module,
    inputs: Tensor,
    *,
    steps: int,
    inferences: int,
    name: str,
    own_steps: Mapping[str, int] | None = None,
    kept: Collection[str] = (),
) -> Workload:
    """What a mapped network does with inputs, for the cost model.

    Each layer is described by the positions at which it was applied, the share of word lines that were driven, and the
    conductance that these met on the bit lines of its chip, wires and variation included. What the network computes
    beside its arrays is counted as it runs. Of circuits, a step is a
    sample of time: layers behind others are read at every sample, the first one once for each pulse of the drive.

    Args:
        model: a network of `map_to_imc`.
        inputs: as it takes them.
        steps: of time in each inference.
        inferences: how many there are in these inputs.
        name: of the workload.
        own_steps: of layers that are stepped along something else, by their names.
        kept: names of layers all of whose inputs are kept before their first step.

    Raises:
        InputError: a network without mapped layers, or whose inputs do not reach them; no steps or inferences.
    """
    check_count("steps", steps)
    check_count("inferences", inferences)
    layers = mapped_layers(model)
    if not layers:
        raise InputError("the network has no layer on arrays; map it with map_to_imc first")
    seen: dict[str, _Seen] = {key: _Seen() for key in layers}
    with evaluating(model), counted(model) as operations, ends_of(model) as ends:
        run_watched(model, inputs, [(layer, seen[key].hook) for key, layer in layers.items()])
    times = steps * inferences
    stepped = own_steps or {}
    shapes = [
        _shape(key, layer, seen[key], inferences * stepped.get(key, steps)).model_copy(
            update={"steps": stepped.get(key), "kept": key in kept}
        )
        for key, layer in layers.items()
    ]
    return Workload(
        name=name,
        description="a mapped network, as it ran",
        source=f"{inferences} inferences",
        steps=steps,
        spike_rate=sum(shape.spike_rate or 0.0 for shape in shapes) / len(shapes),
        layers=tuple(shapes),
        parts=parts_of(model, operations, times),
        inputs=None if ends.first == shapes[0].name else ends.taken[ends.first] / times,
        outputs=None if ends.last == shapes[-1].name else ends.given[ends.last] / times,
    )


class _Seen:
    """What one layer was given."""

    def __init__(self) -> None:
        self.vectors, self.active = 0, torch.zeros(())
        self.image: tuple[int, int] = (1, 1)

    def hook(self, module: nn.Module, given: tuple[Tensor, ...]) -> None:
        layer: Any = cast("MappedLayer", module)
        if layer.patches is not None:
            self.image = layer.patches.frame.sides(given[0])
        shown = layer.shown(given[0].detach())
        self.vectors += len(shown[0].inputs)
        # of serial inputs, in the mean over their digits, and over signs
        driven = sum((read.inputs.double().sum(0) for read in shown), torch.zeros(()))
        self.active = self.active + driven / (len(shown) * layer.coding.pulses)


def _shape(key: str, layer: MappedLayer, seen: _Seen, times: int) -> LayerShape:
    if not seen.vectors:
        raise InputError(f"{key} was never read; give inputs that pass through all layers")
    active = seen.active / seen.vectors
    met = float((active @ layer.conductances().double()).mean())
    kernel = layer.patches.kernel if layer.patches else (1, 1)
    square = kernel[0] == kernel[1]
    return LayerShape(
        name=key,
        # other kernels than square ones as as many channels of one pixel
        input=(layer.fan_in // kernel[0] ** 2, *seen.image) if square else (layer.fan_in, *seen.image),
        neurons=layer.neurons,
        kernel=kernel[0] if square else 1,
        spike_rate=min(float(active.mean()), 1.0),
        positions_seen=seen.vectors / times,
        conductance=met or None,
        rails=layer.coding.rails,
    )
