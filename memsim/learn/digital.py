"""Layers of a stage that are not on the arrays of its card: digital ones, and those with cards of their own."""

from __future__ import annotations

from collections.abc import Sequence

from memsim.learn.stages import Stage
from memsim.networks.layer_table import CROSSBAR
from memsim.networks.network import INPUT
from memsim.networks.parts import names_of
from memsim.networks.skips import CURRENT
from memsim.networks.spikes import DIRECT
from memsim.networks.tables import NetworkTable


def check_digital(study: NetworkTable, stages: Sequence[Stage]) -> None:
    """Raise ValueError where `digital` of a stage cannot be, or a layer must be digital that is not."""
    mapped: set[str] = set()
    for stage in stages:
        if stage.card is None:
            continue
        _check_names(study, stage)
        _check_cards(study, stage)
        again = [name for name in stage.digital if name in mapped]
        if again:
            raise ValueError(
                f"stage {stage.name!r}: digital names {again[0]!r}, which a stage before has on arrays; name it "
                "there, too"
            )
        mapped |= set(names_of(study.every_layer)) - set(stage.digital)
        if study.coding == DIRECT:
            _check_stem(study, stage)


def check_dropout(study: NetworkTable, stages: Sequence[Stage], whole: float) -> None:
    """Raise ValueError where neurons would speak louder than word lines can; `whole` is the dropout of the study.

    Spikes are 0 or 1 on word lines, and voltages of crossbars fill a range of their own, unless these are binary, too.
    """
    hearing = list(zip(names_of(study.every_layer), study.every_layer, strict=True))[1:]
    for stage in stages:
        dropout = whole if stage.dropout is None else stage.dropout
        if stage.card is None or not dropout:
            continue
        for name, layer in hearing:
            binary = stage.card_of(name).inputs.coding == "binary"
            crossbar = not study.discrete or (layer.synapse or study.synapse) == CROSSBAR
            if name in stage.digital or (crossbar and not binary):
                continue
            lines = "are binary" if binary else "take spikes of 0 to 1"
            others = ", or hardware other inputs.coding" if crossbar else ""
            raise ValueError(
                f"stage {stage.name!r} has dropout = {dropout:g}, with which others speak louder, and word lines "
                f"of {stage.card_of(name).name} {lines}; give the stage dropout = 0.0{others}"
            )


def _check_names(study: NetworkTable, stage: Stage) -> None:
    names, where = names_of(study.every_layer), f"stage {stage.name!r}: digital"
    for number, name in enumerate(stage.digital):
        if name not in names:
            raise ValueError(f"{where} names {name!r}, which is no layer; known: {', '.join(names)}")
        if name in stage.digital[:number]:
            raise ValueError(f"{where} names {name!r} twice, which changes nothing; name it once")
        layer = study.every_layer[names.index(name)]
        if not study.discrete or (layer.synapse or study.synapse) == CROSSBAR:
            raise ValueError(
                f"{where} names {name!r}, which is behind a crossbar; allowed: layers of discrete neurons with plain "
                "weights"
            )
    if set(stage.digital) == set(names):
        raise ValueError(f"{where} leaves no layer to the card; leave out a name, or the card")


def _check_cards(study: NetworkTable, stage: Stage) -> None:
    """Raise ValueError where a card of a single layer names none, or changes nothing."""
    names, where = names_of(study.every_layer), f"stage {stage.name!r}: cards"
    on_arrays = [name for name in names if name not in stage.digital]
    for name, card in stage.cards_of_layers().items():
        if name not in names:
            raise ValueError(f"{where} names {name!r}, which is no layer; known: {', '.join(names)}")
        if name in stage.digital:
            raise ValueError(
                f"{where} gives {name!r} a card, and digital leaves it out; name it in one of them"
            )
        if card == stage.hardware_card():
            raise ValueError(f"{where} gives {name!r} the card that it has anyway; leave it out")
    if set(on_arrays) <= set(stage.cards):
        raise ValueError(
            f"{where} leaves no layer to the card of the stage, {stage.card}; leave out one, or make its card that of "
            "the stage"
        )


def _check_stem(study: NetworkTable, stage: Stage) -> None:
    """Raise ValueError where numbers of the input would be on binary word lines."""
    names = names_of(study.every_layer)
    for layer, name, before in zip(study.every_layer, names, [INPUT, *names], strict=False):
        main, _ = layer.fed_by(before, study.inputs)
        skips = [skip for skip in layer.others(study.inputs) if skip.kernel or layer.join == CURRENT]
        heard = {main, *(skip.layer for skip in skips)}
        if not heard & {INPUT, *study.inputs} or name in stage.digital:
            continue
        card = stage.card_of(name)
        if card.inputs.coding == "binary":
            raise ValueError(
                f"stage {stage.name!r}: coding = {DIRECT!r} gives layer {name!r} numbers, and word lines of "
                f"{card.name} are binary; put it into digital, or give hardware inputs.coding = pulse-count or "
                "bit-serial"
            )
