"""Cards in files that a study names: a run notes what they held, and is refused where they hold something else."""

from __future__ import annotations

from pathlib import Path

import tomli_w

from memsim.errors import CheckpointError
from memsim.files import write_text
from memsim.learn.study import Study
from memsim.own_code import digest
from memsim.text import read_text
from memsim.toml import read_toml

CARDS = "cards.toml"
FILE = ".toml"
"""How the name of a card ends that is a file of the user's."""


def save_cards(study: Study, folder: Path) -> None:
    """Note what the cards in files hold, if the study names any."""
    if found := _digests(study):
        write_text(folder / CARDS, tomli_w.dumps(found))


def check_cards(study: Study, folder: Path) -> None:
    """See that cards hold what they did; runs of an earlier memsim have not noted that.

    Raises:
        InputError: a card that is not there.
        CheckpointError: one that has changed since the run.
    """
    known = read_toml(folder / CARDS, "record") if (folder / CARDS).exists() else {}
    for name, now in _digests(study).items():
        if known.get(name, now) != now:
            raise CheckpointError(
                f"card {name} has changed since the run in {folder}; put it back as it was, or train anew"
            )


def _digests(study: Study) -> dict[str, str]:
    """Of the files, by the names that the study has for them."""
    names = [study.synapses.device] if study.on_crossbars else []
    for stage in study.stages:
        names += [] if stage.card is None else [stage.card, *(one.card for one in stage.cards.values())]
    return {
        name: digest(read_text(Path(name), f"card {name!r}", "a card"))
        for name in names
        if name.endswith(FILE)
    }
