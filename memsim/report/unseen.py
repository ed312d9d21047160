"""Tables of what a network gets right on chips that its training never saw."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from memsim.learn.chips import Chip
from memsim.learn.judging import AVERAGES_SAMPLE, UnseenChip
from memsim.report.page import Section, Table

HEADING = "Chips that training never saw"
FITTED = (
    "Averages of batch normalisation are those that training left, or those of "
    f"{AVERAGES_SAMPLE} training images without labels on the chip itself."
)


def mean_rows(chips: Sequence[Chip]) -> list[list[object]]:
    """Mean, lowest and highest accuracy on each card; no rows where no chips were asked for."""
    if not chips[0].unseen:
        return []
    title = f"{len(chips[0].unseen)} unseen"
    return [
        [f"{title}{kind}", *(_spread([score(one) for one in chip.unseen]) for chip in chips)]
        for kind, score in _kinds(chips).items()
    ]


def unseen_section(chips: Sequence[Chip]) -> Section:
    """Accuracy on every chip."""
    kinds = _kinds(chips)
    header = ["chip", *(f"{chip.card.name}{kind}" for chip in chips for kind in kinds)]
    rows = [
        [several[0].chip, *(f"{score(one):.2%}" for one in several for score in kinds.values())]
        for several in zip(*(chip.unseen for chip in chips), strict=True)
    ]
    text = f"{chips[0].score.capitalize()} on test data. {FITTED if len(kinds) > 1 else ''}".rstrip()
    table: Table = (header, rows)
    return Section(heading=HEADING, text=text, tables=[table])


def _kinds(chips: Sequence[Chip]) -> dict[str, Callable[[UnseenChip], float]]:
    """What is told of a chip: accuracies by the averages of normalisation, one where there are none."""
    if chips[0].unseen[0].fitted is None:
        return {"": _as_trained}
    return {", averages of training": _as_trained, ", averages per chip": _fitted}


def _as_trained(one: UnseenChip) -> float:
    return one.accuracy


def _fitted(one: UnseenChip) -> float:
    assert one.fitted is not None  # noqa: S101 - a network has normalisation on all chips or on none
    return one.fitted


def _spread(values: Sequence[float]) -> str:
    return f"{sum(values) / len(values):.2%} ({min(values):.2%} to {max(values):.2%})"
