"""A trained network on chips that its training never saw, as they come and with averages of each chip.

Training meets chips that are drawn anew for each batch, and is looked at on chip 0 after each epoch; chips 1, 2, ...
are seen by neither. Averages of a chip are those of training images without their labels.

Normalisation takes the offsets of a chip off where it knows the averages of that chip, as in training, where each batch
has its own. Those that training leaves are averages of all chips, so that offsets of one stay: an accuracy with them is
that of a chip that was not calibrated, the more so the more levels a converter has, since its offset is added to every
read. A choice between networks is one between calibrated chips.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count, islice
from typing import Any

from memsim.errors import InputError
from memsim.imc.calibration import calibrate, estimate_averages, normalisations
from memsim.imc.hardware import DRAWN_ONCE, HardwareCard
from memsim.learn.data import Split
from memsim.learn.evaluation import AT_ONCE, evaluate, first
from memsim.learn.metrics import ACCURACY, main_metric_name
from memsim.learn.run import CALIBRATION_SAMPLE, Run, decides, on_card
from memsim.learn.shares import shares_of
from memsim.learn.stages import Stage
from memsim.learn.study import Study
from memsim.networks import Network

AVERAGES_SAMPLE = 1_000
"""Training images that the averages of a chip are taken from."""
NOISE_SEED = 0
"""Of the noise of reads, so that an accuracy can be repeated."""


@dataclass(frozen=True)
class UnseenChip:
    """What a network gets right on a chip that its training never saw.

    Attributes:
        chip: its number, at least 1.
        accuracy: with the averages of normalisation that training left.
        fitted: with those of the chip; None of a network without batch normalisation.
        metric: what both are.
    """

    chip: int
    accuracy: float
    fitted: float | None
    metric: str = ACCURACY

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        name = self.metric.replace("-", "_")
        return {
            "chip": self.chip,
            f"{name}_averages_of_training": self.accuracy,
            f"{name}_averages_per_chip": self.fitted,
        }


def check_chips(*cards: HardwareCard) -> None:
    """Raise InputError where the chips of some cards are all alike, so that none is unseen."""
    if not any(card.chips_differ for card in cards):
        raise InputError(
            f"chips of {cards[0].name} are all alike, and judging several says no more than one; give it one of "
            f"{', '.join(DRAWN_ONCE)} above 0 (--hardware), or ask for no chips"
        )


def stage_on_card(study: Study, number: int) -> Stage | None:
    """The stage that says which layers are where in the network of a stage: in software, the next one with a card."""
    return next((stage for stage in study.stages[number:] if stage.card is not None), None)


def digital_of(study: Study, number: int) -> tuple[str, ...]:
    """Layers of the network of a stage that are not on arrays."""
    stage = stage_on_card(study, number)
    return () if stage is None else stage.digital


def cards_of(study: Study, number: int, changes: Mapping[str, Any]) -> dict[str, HardwareCard]:
    """Cards of single layers of the network of a stage, with what differs in all cards."""
    stage = stage_on_card(study, number)
    found = {} if stage is None else stage.cards_of_layers()
    return {name: card.changed(changes) if changes else card for name, card in found.items()}


def on_chip(
    run: Run,
    card: HardwareCard,
    *,
    cards: Mapping[str, HardwareCard] | None = None,
    chip: int = 0,
    cold: bool = False,
    fold: bool = False,
) -> Network:
    """The network of a run, or of its first stages, on a chip; decisions are calibrated where it is cold.

    Args:
        run: with stages, or its first ones.
        card: the hardware.
        cards: of single layers, by their names.
        chip: which one it is.
        cold: whether its last stage was not for such a card.
        fold: normalisation, see `on_card`.
    """
    digital = digital_of(run.study, len(run.records) - 1)
    network = on_card(
        run.network, card, run.data, NOISE_SEED, digital=digital, cards=cards, chip=chip, fold=fold
    )
    if cold and decides(network):
        with network.unlimited():
            calibrate(network, first(run.data.train, CALIBRATION_SAMPLE).inputs())
    return network


def judge(
    run: Run,
    card: HardwareCard,
    test: Split,
    *,
    chips: int,
    cards: Mapping[str, HardwareCard] | None = None,
    cold: bool = False,
) -> tuple[UnseenChip, ...]:
    """What a network gets right on so many chips of a card.

    Args:
        run: with stages, or its first ones.
        card: the hardware.
        test: examples, which choose nothing.
        chips: how many.
        cards: of single layers, by their names.
        cold: whether its last stage was not for such a card: decisions are calibrated then.

    Raises:
        InputError: a card whose chips are all alike.
    """
    check_chips(card, *(cards or {}).values())
    seen = {stage.chip for stage in run.study.stages[: len(run.records)]}
    unseen = islice((chip for chip in count(1) if chip not in seen), chips)
    return tuple(
        _judged(on_chip(run, card, cards=cards, chip=chip, cold=cold), run, test, chip) for chip in unseen
    )


def chip_of(run: Run) -> int:
    """The chip that training looked at last: the one that its last stage is for, or chip 0."""
    return run.study.stages[len(run.records) - 1].chip or 0


def judge_seen(run: Run, examples: Split) -> UnseenChip:
    """What a network gets right of examples on the chip that training looks at after each epoch."""
    stage = run.study.stages[len(run.records) - 1]
    chip, cards = chip_of(run), stage.cards_of_layers()
    return _judged(on_chip(run, stage.hardware_card(), cards=cards, chip=chip), run, examples, chip)


def note_on_averages(run: Run) -> str | None:
    """What to say of accuracies after epochs on hardware, where normalisation takes them for less than they are."""
    stage = run.study.stages[len(run.records) - 1]
    differ = any(card.chips_differ for card in stage.every_card)
    if stage.chip is not None or not differ or not normalisations(run.network):
        return None
    kept, held = shares_of(run.study, run.data)
    seen = judge_seen(run, first(kept if held is None else held, AVERAGES_SAMPLE))
    return (
        f"on chip 0, {'training' if held is None else 'held-out'} {seen.metric} is {seen.accuracy:.4f} with the "
        f"averages of normalisation of all chips, as after each epoch, and {seen.fitted:.4f} with its own"
    )


def _judged(network: Network, run: Run, test: Split, chip: int) -> UnseenChip:
    metric = main_metric_name(test.labels)
    with network.unlimited():
        accuracy = evaluate(network, test)
        if not normalisations(network):
            return UnseenChip(chip, accuracy, None, metric)
        shown = first(shares_of(run.study, run.data)[0], AVERAGES_SAMPLE)
        estimate_averages(network, [inputs for inputs, _ in shown.batches(AT_ONCE)])
        return UnseenChip(chip, accuracy, evaluate(network, test), metric)
