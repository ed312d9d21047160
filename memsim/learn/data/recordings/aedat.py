from __future__ import annotations

from pathlib import Path

import numpy as np

from memsim.errors import InputError
from memsim.learn.data.recordings.base import EventFile
from memsim.learn.data.recordings.columns import Columns, chosen


class AedatEvents(EventFile):
    """Streams of events as cameras of iniVation write them, by the package aedat."""

    suffixes = (".aedat4",)

    def read(self, path: Path, place: str | None) -> Columns:
        try:
            import aedat
        except ImportError:
            raise InputError(f"{path} needs the package aedat: pip install 'memsim[recordings]'") from None
        try:
            decoder = aedat.Decoder(path)
            streams = decoder.id_to_stream()
            parts = [(str(packet["stream_id"]), packet["events"]) for packet in decoder if "events" in packet]
        except (RuntimeError, OSError, ValueError) as error:
            raise InputError(f"{path} cannot be read: {error}; fetch it again") from None
        events = {
            name: np.concatenate([part for stream, part in parts if stream == name])
            for name in dict.fromkeys(stream for stream, _ in parts)
        }
        fields = {name: {key: one[key] for key in ("t", "x", "y", "p")} for name, one in events.items()}
        name, columns = chosen(fields, place)
        stream = streams[int(name)]
        return Columns(columns, unit=("us", "as .aedat4 has them"), size=(stream["height"], stream["width"]))
