"""A network on several chips: what each gets right, and what each costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from memsim.errors import InputError
from memsim.imc.converters import decides as card_decides
from memsim.imc.cost import COMPLETE, Accounting, Cost, cost, costs_of_cards, together
from memsim.imc.hardware import HardwareCard, hardware_names, load_hardware
from memsim.imc.mapping import mapped_layers
from memsim.imc.workloads import Workload, workload_of
from memsim.learn.checkpoint import STUDY
from memsim.learn.data import data_name
from memsim.learn.evaluation import evaluate, first
from memsim.learn.judging import UnseenChip, cards_of, check_chips, chip_of, digital_of, judge, on_chip
from memsim.learn.run import Run, load_run
from memsim.learn.run_data import data_of
from memsim.learn.study import Study, load_study
from memsim.networks import Network

COSTED_IMAGES = 20
"""Test images whose spikes and column currents are taken for costs."""


@dataclass(frozen=True)
class Chip:
    """A network on a chip.

    Attributes:
        card: the hardware.
        cost: of an inference.
        accuracy: on test images, R^2 of numbers to predict; None of a network that is only a shape.
        trained: stage of training that made the network; None of a network that is only a shape.
        cold: whether that stage was not for converters of this kind.
        digital: layers that are on no array, and computed beside them.
        unseen: what it gets right on chips that its training never saw, where that was asked for.
        score: what accuracies are.
        software: what the network gets right before it is mapped; None where that was not asked for.
        parts: cost of each card, where layers have cards of their own: that of `card` first; else none.
    """

    card: HardwareCard
    cost: Cost
    accuracy: float | None = None
    trained: str | None = None
    cold: bool = False
    digital: tuple[str, ...] = ()
    unseen: tuple[UnseenChip, ...] = ()
    score: str = "accuracy"
    software: float | None = None
    parts: tuple[Cost, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "card": self.card.name,
            "accuracy": self.accuracy,
            "score": self.score,
            "score_in_software": self.software,
            "trained_in_stage": self.trained,
            "mapped_cold": self.cold,
            "digital_layers": list(self.digital),
            "unseen_chips": [one.as_dict() for one in self.unseen],
            **self.cost.as_dict(),
            "cards": [part.as_dict() for part in self.parts],
        }


def same_size(name: str, card: HardwareCard) -> HardwareCard:
    """A card to compare with; one whose name gives no size has arrays as large as those of `card`."""
    if name not in hardware_names():
        return load_hardware(name)
    rows, columns = card.array.rows, card.array.columns
    if rows == columns:
        return load_hardware(f"{name}-{rows}")
    return load_hardware(name, {"array.rows": rows, "array.columns": columns})


def chips_of_workload(
    workload: Workload,
    cards: Sequence[HardwareCard],
    *,
    accounting: Accounting = COMPLETE,
    skip_events: bool = False,
) -> list[Chip]:
    """What a network costs on each chip."""
    return [
        Chip(card, cost(workload, card, accounting=accounting, skip_events=skip_events)) for card in cards
    ]


def chips_of_run(  # noqa: PLR0913 - each is a choice of its own
    folder: Path,
    cards: Sequence[HardwareCard],
    *,
    data_dir: Path | None = None,
    images: int | None = None,
    unseen: int = 0,
    accounting: Accounting = COMPLETE,
    skip_events: bool = False,
    trust: bool = False,
    changes: Mapping[str, Any] | None = None,
) -> list[Chip]:
    """What a trained network gets right on each chip, and what it costs there.

    Each chip has the network of the last stage that was trained for converters of its kind, or else that of the last
    stage before decisions, mapped without training. Accuracies are those of chip 0, or of the one that it was trained
    for.

    Args:
        folder: of a run with stages.
        cards: the hardware.
        data_dir: folder of the data sets; the environment variable MEMSIM_DATA where left out.
        images: test images for the accuracy; all where left out.
        unseen: chips of each card that training never saw, to judge by; see memsim.learn.judging.
        accounting: what is charged.
        skip_events: whether arrays without any spike are not read.
        trust: run the code of the Python files that its study names.
        changes: entries that differ in cards of single layers, as stages of its study give them.

    Raises:
        InputError: no run with stages in the folder, or unseen chips of a card whose chips are all alike.
    """
    study = load_study(folder / STUDY, trust=trust)
    if not study.stages:
        raise InputError(
            f"{folder} holds no run with stages; train one from a study with [[stages]], or give --workload"
        )
    places = [(card, *stage_for(study, card)) for card in cards]
    of_layers = [cards_of(study, number, changes or {}) for _, number, _ in places]
    for card, own in zip(cards, of_layers, strict=True) if unseen else ():
        check_chips(card, *own.values())
    study, data = data_of(study, data_dir, run=folder)
    return [
        _chip(
            load_run(folder, trust=trust, stages=number + 1, data=data),
            card,
            own,
            cold=cold,
            images=images,
            unseen=unseen,
            accounting=accounting,
            skip_events=skip_events,
        )
        for (card, number, cold), own in zip(places, of_layers, strict=True)
    ]


def stage_for(study: Study, card: HardwareCard) -> tuple[int, bool]:
    """Number of the stage whose network suits a card, and whether it was trained for other converters."""
    trained = [stage.hardware_card() if stage.card else None for stage in study.stages]
    alike = [n for n, other in enumerate(trained) if other and _alike(other, card)]
    if alike:
        return alike[-1], False
    numbers = [n for n, other in enumerate(trained) if other is None or not card_decides(other)]
    return (numbers[-1] if numbers else 0), True


def _alike(one: HardwareCard, other: HardwareCard) -> bool:
    """Whether a network for one card is one for the other: the same weights, read in the same way."""
    return (one.weights, card_decides(one), one.converter.bits) == (
        other.weights,
        card_decides(other),
        other.converter.bits,
    )


def _chip(  # noqa: PLR0913 - each is a choice of its own
    run: Run,
    card: HardwareCard,
    cards: Mapping[str, HardwareCard],
    *,
    cold: bool,
    images: int | None,
    unseen: int,
    accounting: Accounting,
    skip_events: bool,
) -> Chip:
    network = on_chip(run, card, cards=cards, chip=chip_of(run), cold=cold, fold=True)
    test = run.data.test if images is None else first(run.data.test, images)
    shown = first(test, COSTED_IMAGES).inputs()
    with network.unlimited() if cold else nullcontext():
        workload = workload_on_chip(network, shown, data_name(run.study.data))
        accuracy = evaluate(network, test)
    places = places_of(network)
    own = {
        shape.name: other
        for name, other in cards.items()
        for shape in workload.layers
        if shape.name.startswith(places[name])
    }
    costs = costs_of_cards(workload, card, own, accounting=accounting, skip_events=skip_events)
    return Chip(
        card,
        together(costs),
        accuracy=accuracy,
        trained=run.records[-1].stage.name,
        cold=cold,
        digital=digital_of(run.study, len(run.records) - 1),
        unseen=judge(run, card, test, chips=unseen, cards=cards, cold=cold) if unseen else (),
        score="R²" if run.data.regression else "accuracy",
        parts=tuple(costs) if cards else (),
    )


def places_of(network: Network) -> dict[str, str]:
    """What the names of the modules of each layer begin with, by the name of the layer."""
    return {layer.name: f"layers.{number}." for number, layer in enumerate(network.chain)}


def workload_on_chip(network: Network, inputs: Tensor, name: str) -> Workload:
    """What a network on a chip does with inputs; what is kept for several layers over locations is kept once."""
    places = places_of(network)
    layers = {
        key: next(n for n, place in places.items() if key.startswith(place)) for key in mapped_layers(network)
    }
    locations = {layer.name: layer.locations for layer in network.chain if layer.locations}
    keeping = {source: layer for layer, source in reversed(network.turned.items())}.values()
    return workload_of(
        network,
        inputs,
        steps=network.samples(),
        inferences=len(inputs),
        name=name,
        own_steps={key: locations[layer] for key, layer in layers.items() if layer in locations},
        kept=[
            key
            for key, layer in layers.items()
            if layer in keeping and key.startswith(f"{places[layer]}synapse")
        ],
    )
