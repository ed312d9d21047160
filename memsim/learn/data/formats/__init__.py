"""Formats of data files: each is one module, and one line here."""

from __future__ import annotations

from pathlib import Path

from memsim.errors import InputError
from memsim.learn.data.formats.arrays import ArrayFolder
from memsim.learn.data.formats.base import Format
from memsim.learn.data.formats.npz import NpzFile
from memsim.learn.data.formats.pictures import ImageFolder
from memsim.learn.data.formats.sounds import SoundFolder
from memsim.learn.data.formats.spreadsheet import CsvFile
from memsim.learn.data.raw import Found
from memsim.learn.data.table import DataTable

FORMATS: tuple[Format, ...] = (
    NpzFile(),
    CsvFile(),
    ArrayFolder(),
    SoundFolder(),
    ImageFolder(),
)
OF_SOME = frozenset().union(*(form.entries for form in FORMATS))
"""Entries of DataTable that say something of some formats only."""


def read_data(path: Path, table: DataTable, slots: int) -> Found:
    """The examples in a file or folder; arguments as for `Format.read`.

    Raises:
        InputError: no format reads it, it is damaged or incomplete, or the table has an entry of another format.
    """
    for form in FORMATS:
        if form.holds(path):
            table.refuse(OF_SOME - form.entries, f"these data are {form.what}")
            return form.read(path, table, slots)
    known = "; ".join(form.what for form in FORMATS)
    raise InputError(f"data {str(path)!r} are of no format that is known; allowed: {known}")
