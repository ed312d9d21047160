"""Networks as shapes: what a cost model needs to know of them, and nothing that has to be trained.

description = "what it is"
source = "where the shapes come from"
steps = 10                 # time steps of an inference
spike_rate = 0.5           # share of inputs that spike in a step
silent_steps = 0           # of the steps, those without any spike
inputs = 3072              # numbers that the network takes in each step, where the first layer is none of these
outputs = 10               # numbers that it gives, where the last one is none of these
[[layers]]
input = [3, 32, 32]        # channels, height, width
neurons = 64               # channels of the output
kernel = 3                 # 1 where left out, which with an input of 1 x 1 is a fully connected layer
stride = 1
padding = 2                # pixels added to height and to width, both sides together
pooled = true              # whether 2 x 2 pooling follows
spike_rate = 0.1           # of this layer, where it differs
steps = 78                 # of this layer, where they are others, as those over locations
kept = true                # whether all inputs of an inference are kept before the first of these steps
digital = true             # whether it is computed beside the arrays
[[parts]]                  # what else is computed beside the arrays, in each step
name = "shortcut"
macs = 0                   # multiplications with their sums
operations = 16384         # sums, products or comparisons
"""

from __future__ import annotations

import math
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from memsim.imc.tables import Table
from memsim.tables import Count, NonNegative, Positive, Share, Whole
from memsim.toml import checked, read_shipped, shipped_names

Positions = Literal["padded", "unpadded"]

_DATA = resources.files("memsim.imc.workloads") / "data"


class LayerShape(Table):
    """A convolution, or a fully connected layer as a convolution of one pixel.

    Attributes:
        name: of the layer.
        input: channels, height and width.
        neurons: channels of the output.
        kernel: pixels on a side.
        stride: pixels between positions.
        padding: pixels added to height and to width, both sides together.
        pooled: whether 2 x 2 pooling follows.
        spike_rate: share of inputs that spike in a step; the workload's where left out.
        positions_seen: at which weights were really applied; from the shape where left out.
        digital: whether it is computed beside the arrays, such as a first layer of pixels.
        conductance: that a read of all rows of a bit line meets, on average over bit lines and reads [S]; where left
            out it is expected from the spike rate.
        rails: signs of inputs, which are read one after the other.
        steps: of an inference, where they are not those of the workload, as of locations that neurons are stepped over.
        kept: whether all inputs of an inference are kept before the first of these steps.
    """

    name: str
    input: tuple[Count, Count, Count]
    neurons: Count
    kernel: Count = 1
    stride: Count = 1
    padding: Whole = 0
    pooled: bool = False
    spike_rate: Share | None = None
    positions_seen: Positive | None = None
    conductance: Positive | None = None
    digital: bool = False
    rails: Annotated[int, Field(ge=1, le=2)] = 1
    steps: Count | None = None
    kept: bool = False

    @property
    def rows(self) -> int:
        """Inputs of one neuron."""
        return self.input[0] * self.kernel**2

    @property
    def weights(self) -> int:
        """Of the layer."""
        return self.rows * self.neurons

    def positions(self, rule: Positions) -> float:
        """How often the weights are applied in one step.

        Args:
            rule: `padded`: once for each pixel of the output, which is what a chip does. `unpadded`: floor of
                (H - k + 1) (W - k + 1) / s^2, the published accounting, which leaves out what padding adds and so
                charges nothing for a 3 x 3 kernel on 2 x 2 pixels.
        """
        if self.positions_seen is not None:
            return self.positions_seen
        _, *sides = self.input
        if rule == "padded":
            counts = [(side + self.padding - self.kernel) // self.stride + 1 for side in sides]
            return math.prod(counts)
        return int(math.prod(max(side - self.kernel + 1, 0) / self.stride for side in sides))

    def outputs(self) -> float:
        """Neurons in all, at every pixel."""
        return self.positions("padded") * self.neurons


class DigitalPart(Table):
    """What a network computes beside its arrays, in each step.

    Attributes:
        name: of the part.
        does: what, in words.
        macs: multiplications with their sums.
        operations: sums, products or comparisons.
        updates: of neurons behind a digital layer.
    """

    name: str
    does: str = ""
    macs: NonNegative = 0.0
    operations: NonNegative = 0.0
    updates: NonNegative = 0.0


class Workload(Table):
    """A network as shapes.

    Attributes:
        name: of the workload.
        description: what it is.
        source: where the shapes come from.
        steps: time steps of an inference.
        spike_rate: share of inputs that spike in a step, where a layer does not say otherwise.
        silent_steps: of the steps, those without any spike; rates are those of the others.
        layers: in the order of the network.
        parts: what it computes beside its arrays; layers that are digital, and pooling, come from `layers`.
        inputs: numbers that the network takes in each step; those of the first of `layers` where left out.
        outputs: numbers that it gives; those of the last of `layers` where left out.
    """

    name: str
    description: str = ""
    source: str = ""
    steps: Count
    spike_rate: Share
    silent_steps: Whole = 0
    layers: Annotated[tuple[LayerShape, ...], Field(min_length=1)]
    parts: tuple[DigitalPart, ...] = ()
    inputs: Positive | None = None
    outputs: Positive | None = None

    @model_validator(mode="after")
    def _has_arrays(self) -> Workload:
        if all(layer.digital for layer in self.layers):
            raise ValueError(
                "every layer is digital, so that there are no arrays to cost; leave one on arrays"
            )
        return self

    @property
    def on_arrays(self) -> tuple[LayerShape, ...]:
        """Layers that are not digital."""
        return tuple(layer for layer in self.layers if not layer.digital)

    @property
    def ends(self) -> tuple[float, float]:
        """Numbers that the network takes in each step, and numbers that it gives."""
        inputs = math.prod(self.layers[0].input) if self.inputs is None else self.inputs
        return inputs, self.layers[-1].outputs() if self.outputs is None else self.outputs

    def digital_parts(self) -> list[DigitalPart]:
        """What is computed beside the arrays: digital layers, 2 x 2 pooling, and the parts named."""
        found = []
        for layer in self.layers:
            if layer.digital:
                macs = layer.positions("padded") * layer.weights
                found.append(DigitalPart(name=layer.name, does="layer", macs=macs, updates=layer.outputs()))
            if layer.pooled:
                found.append(DigitalPart(name=layer.name, does="pooling", operations=layer.outputs()))
        return [*found, *self.parts]

    def rate(self, layer: LayerShape) -> float:
        """Share of a layer's inputs that spike in a step, on average over all steps."""
        rate = self.spike_rate if layer.spike_rate is None else layer.spike_rate
        return rate * max(self.steps - self.silent_steps, 0) / self.steps

    def with_spike_rate(self, rate: float) -> Workload:
        """The same network with this share of spikes in every layer."""
        layers = [{**layer.model_dump(), "spike_rate": None, "conductance": None} for layer in self.layers]
        return _checked(self.name, {**self.model_dump(), "spike_rate": rate, "layers": layers})


def workload_names() -> list[str]:
    """Names of the workloads that ship with memsim."""
    return shipped_names(_DATA)


def load_workload(name: str | Path) -> Workload:
    """A workload by name, or from a path that ends in `.toml`.

    Raises:
        InputError: no such workload, not a TOML file, or an entry that cannot be used.
    """
    return _checked(*read_shipped(name, _DATA, "workload"))


def _checked(name: str, content: dict[str, object]) -> Workload:
    # TOML has lists where layers have tuples
    return checked(Workload, {**content, "name": name}, f"workload {name!r}", strict=False)
