"""Networks on hardware: which layers go to arrays, how full those are, and what is read."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from memsim.crossbar import Crossbar
from memsim.errors import InputError
from memsim.imc.converters import decides
from memsim.imc.convolutions import Convolution, groups_of
from memsim.imc.copies import copy_of
from memsim.imc.counts import check_count
from memsim.imc.crossbars import MappedCrossbar, layer_parts, spans_of
from memsim.imc.digital import refuse_products, run_watched
from memsim.imc.folding import fold_normalisation
from memsim.imc.groups import GroupedLayers
from memsim.imc.hardware import HardwareCard
from memsim.imc.hooks import Hook
from memsim.imc.layers import MappedLayer
from memsim.imc.patches import Patches
from memsim.imc.placement import LAYERS, PLACED, Placement
from memsim.imc.plain import settle_weights
from memsim.imc.refusals import check_layers, check_nothing_left, known_layers
from memsim.imc.stepwise import fold_all_steps


def map_to_imc(  # noqa: PLR0913 - each is a choice of its own
    model: nn.Module,
    card: HardwareCard,
    *,
    generator: torch.Generator | None = None,
    chip: int = 0,
    sample: Tensor | None = None,
    fold: bool = True,
    skip: Collection[str] = (),
    cards: Mapping[str, HardwareCard] | None = None,
) -> nn.Module:
    """A copy of a network that computes as the hardware would, tile by tile.

    Every nn.Linear, convolution and transposed convolution of one or two axes becomes a `MappedLayer`, one in groups a
    layer for each group, whose weights can be trained further; a layer that is used several times is one set of arrays
    that is read for each use. Parametrised weights, such as normed ones, are those of evaluation. Spiking neurons,
    pooling and all else stay digital: `digital_parts` lists them. Products with parameters that are no such layer are
    refused: at once where the code of a module can be traced, else by `calibrate`, `observe` and `workload_of`, which
    run it.

    A batch normalisation of the outputs of a layer and of nothing else is folded into it, with its running averages,
    wherever the code around both can be traced; elsewhere, and where either is used several times, it stays digital.
    Batch normalisation through time in front of discrete neurons becomes gains and thresholds of single steps, see
    memsim.networks.stepwise; where a reset is to a value, it stays digital.
    A network that is mapped already is mapped to the new card with its weights, scales, biases and ranges of inputs.
    States that hang in a graph are copied by value. Crossbars of a memristive network become `MappedCrossbar`s. Where
    their columns are read as decisions, word lines present what is above rest: silence must give sums of zero.

    Args:
        model: the network; not changed.
        card: the hardware.
        generator: source of the noise of reads, and of the chips that are made while training.
        chip: which chip it is in evaluation: what is drawn once for a layer follows from its name and this number.
        sample: inputs of a memristive network, whose lowest and highest voltages are presented as 0 and 1.
        fold: normalisation into layers; else all of it is digital, and `estimate_averages` fits it to a chip.
        skip: names of layers, or of modules that hold some, which stay as they are; `digital_parts` lists them.
        cards: of layers that have one of their own, by their names or by those of modules that hold them.

    Raises:
        InputError: a layer that cannot be mapped, a product that would stay digital, weights that are not finite, or a
            card that does not fit; a name that changes nothing.
    """
    placement = Placement(card, skip, cards or {})
    check_count("chip", chip, least=0)
    for one in placement.every_card:
        _check_card(one, generator)
    placement.check(model)
    check_layers(model, placement.left_out(model))
    refuse_products(model)
    copied = copy_of(model)
    left = placement.left_out(copied)
    settle_weights(layer for layer in copied.modules() if isinstance(layer, LAYERS) and layer not in left)
    if fold:
        fold_normalisation(copied, left)
        fold_all_steps(copied, left)
    spans = spans_of(model, sample, above_rest=lambda name: decides(placement.card_of(name)))
    replaced = {
        name: _on_arrays(
            module, placement.card_of(name), name, generator=generator, chip=chip, span=spans.get(name)
        )
        for name, module in copied.named_modules()
        if isinstance(module, PLACED) and module not in left
    }
    for name, module in copied.named_modules():
        if isinstance(module, MappedCrossbar) and decides(placement.card_of(f"{name}.layer")):
            module.cut_below_rest()
    if "" in replaced:
        return replaced[""]
    _put(copied, replaced)
    check_nothing_left(copied, left)
    if not replaced:
        raise InputError(
            f"the network has no Crossbar and none of {known_layers()}, so nothing to map; give one that has"
            if not skip
            else f"skip = {list(skip)} leaves nothing to map; leave fewer layers out"
        )
    return copied


def mapped_layers(model: nn.Module) -> dict[str, MappedLayer]:
    """The layers of a network that are on arrays, by name."""
    return {name: module for name, module in model.named_modules() if isinstance(module, MappedLayer)}


@dataclass(frozen=True)
class Activity:
    """What the arrays of one layer did.

    Attributes:
        vectors: input vectors for each inference: time steps times positions.
        array_reads: of single arrays, for each inference.
        active: share of word lines that are driven in a read, on average.
        clipped: share of inputs beyond the range of the layer, on average.
    """

    vectors: float
    array_reads: float
    active: float
    clipped: float = 0.0


def observe(model: nn.Module, inputs: Tensor, *, inferences: int) -> dict[str, Activity]:
    """What the arrays of each layer do in one call of a mapped network.

    Args:
        model: the network.
        inputs: as it takes them.
        inferences: how many there are in these inputs.

    Raises:
        InputError: no inputs or inferences, or code of a module that multiplies with parameters itself.
    """
    check_count("inferences", inferences)
    seen: dict[str, Tensor] = {}

    def counting(name: str) -> Hook:
        def hook(module: nn.Module, given: tuple[Tensor, ...]) -> None:
            layer = cast("MappedLayer", module)
            shown = layer.shown(given[0].detach())
            vectors, pulses = len(shown[0].inputs), len(shown) * layer.coding.pulses
            driven = sum(float(read.inputs.double().sum()) for read in shown) / (layer.rows * pulses)
            clipped = vectors * layer.coding.clipped(given[0])
            found = torch.tensor([vectors, driven, clipped], dtype=torch.float64)
            seen[name] = seen.get(name, 0) + found

        return hook

    layers = mapped_layers(model)
    run_watched(model, inputs, [(layer, counting(name)) for name, layer in layers.items()])
    return {
        name: Activity(
            vectors=count / inferences,
            array_reads=count * layers[name].tiles * layers[name].reads_per_vector / inferences,
            active=active / count,
            clipped=clipped / count,
        )
        for name, (count, active, clipped) in ((name, found.tolist()) for name, found in seen.items())
    }


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """The network in evaluation mode: one chip, without what training adds."""
    before = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(before)


def _on_arrays(
    module: nn.Module,
    card: HardwareCard,
    name: str,
    *,
    generator: torch.Generator | None,
    chip: int,
    span: tuple[float, float] | None,
) -> nn.Module:
    """What a layer becomes; `span` is that of the word lines of a crossbar [V]."""
    if isinstance(module, Crossbar):
        assert span is not None  # noqa: S101 - each crossbar has one
        title = f"{name}.layer".lstrip(".")
        layer = MappedLayer(*layer_parts(module, span), card, name=title, generator=generator, chip=chip)
        return MappedCrossbar(layer, span, module.gain).train(module.training)

    def mapped(name: str, weight: Tensor, bias: Tensor | None, patches: Patches | None) -> MappedLayer:
        return MappedLayer(
            weight,
            bias,
            card,
            patches=patches,
            name=name or "the layer",
            generator=generator,
            chip=chip,
        ).train(module.training)

    if isinstance(module, MappedLayer):
        layer = mapped(name, module.weight, module.bias, module.patches)
        _carry_over(module, layer)
        return layer
    if isinstance(module, nn.Linear):
        return mapped(name, module.weight, module.bias, None)
    groups = groups_of(cast("Convolution", module))
    if len(groups) == 1:
        return mapped(name, *groups[0])
    return GroupedLayers(
        [mapped(f"{name}.groups.{number}".lstrip("."), *group) for number, group in enumerate(groups)]
    )


def _carry_over(before: MappedLayer, layer: MappedLayer) -> None:
    """What still means the same: ranges of inputs, scales on one grid, what decisions count, trims of its tiles."""
    with torch.no_grad():
        if before.card.weights == layer.card.weights:
            layer.log_scale.copy_(before.log_scale)
        if before.card.converter.kind == layer.card.converter.kind and before.gain.shape == layer.gain.shape:
            layer.gain.copy_(before.gain)
        if before.decides == layer.decides and before.trim.shape == layer.trim.shape:
            layer.trim.copy_(before.trim)
    layer.with_step_bias(before.step_bias)
    if before.coding.fitted:
        layer.fit_inputs(before.coding.low, before.coding.high)


def _put(model: nn.Module, replaced: dict[str, nn.Module]) -> None:
    """Put modules in the place of others, wherever these stand: the same arrays are read for each use of a layer."""
    instead = {id(model.get_submodule(name)): module for name, module in replaced.items()}
    for name, module in list(model.named_modules(remove_duplicate=False)):
        if id(module) in instead:
            parent, _, last = name.rpartition(".")
            setattr(model.get_submodule(parent), last, instead[id(module)])


def _check_card(card: HardwareCard, generator: torch.Generator | None) -> None:
    if not isinstance(card, HardwareCard):
        raise InputError(f"card = {card!r} is no HardwareCard; give one of load_hardware")
    table, cell = card.converter, card.cell
    if generator is None and (table.noise or table.metastable or cell.read_noise):
        raise InputError(f"generator = None, but reads of {card.name} are random; give a torch.Generator")
