from __future__ import annotations

from pathlib import Path

import numpy as np

from memsim.learn.data.formats.base import Format
from memsim.learn.data.formats.classes import has_classes, read_classes
from memsim.learn.data.raw import Examples, Found
from memsim.learn.data.speech import CHANNELS, mel_energies, read_wav
from memsim.learn.data.table import DataTable
from memsim.memory import check_memory

SUFFIXES = (".wav",)


class SoundFolder(Format):
    """Sounds by class, as bands of energy over time."""

    what = "a folder of sounds CLASS/NAME.wav"
    entries = frozenset({"duration"})

    def holds(self, path: Path) -> bool:
        return has_classes(path, SUFFIXES)

    def read(self, path: Path, table: DataTable, slots: int) -> Found:
        train, test = read_classes(path, SUFFIXES, read_wav, lambda files: [sound for _, sound in files])
        parts = [part for part in (train, test) if part is not None]
        duration = table.duration or max(len(signal) / rate for signal, rate in train.inputs)
        size = sum(map(len, parts))
        check_memory(
            f"{size} sounds in {slots} bins of time", 8 * CHANNELS * slots * size, "take fewer slots"
        )
        energies = [
            Examples(
                np.stack(
                    [mel_energies(signal, rate, slots, duration=duration) for signal, rate in part.inputs]
                ),
                part.targets,
            )
            for part in parts
        ]
        note = (
            f"sounds as {CHANNELS} bands of energy over their first {duration:.3g} s in {slots} bins of time"
        )
        return Found(
            energies[0],
            energies[1] if test is not None else None,
            layout="series",
            range=(0.0, 1.0),
            duration=duration,
            notes=(note,),
        )
