"""Stages that several studies begin with, trained once."""

from __future__ import annotations

import os
from pathlib import Path

from memsim.learn import EpochRecord, Study, load_study, save_study
from memsim.learn.checkpoint import CHECKPOINT, STUDY
from memsim.learn.stages import stage_folder


def share_stages(chosen: Study, folder: Path, other: Path) -> None:
    """Begin a run with the stages of another run that are the same: each is a function of all before it."""
    if folder == other or (folder / STUDY).exists() or not (other / STUDY).exists():
        return
    known = load_study(other / STUDY)
    for number, (mine, theirs) in enumerate(zip(chosen.stages, known.stages, strict=False)):
        source = stage_folder(other, number, theirs) / CHECKPOINT
        if mine != theirs or not source.exists():
            break
        target = stage_folder(folder, number, mine)
        target.mkdir(parents=True, exist_ok=True)
        os.link(source, target / CHECKPOINT)
    save_study(chosen, folder / STUDY)


def told(_done: int, _total: int, epoch: EpochRecord | None) -> None:
    """What an epoch gave."""
    if epoch is not None:
        print(
            f"epoch {epoch.epoch}: loss {epoch.loss:.3f} test {epoch.test_accuracy:.4f} ({epoch.seconds:.0f} s)",
            flush=True,
        )
