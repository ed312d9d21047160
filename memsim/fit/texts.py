"""Files of measurements as text, whatever wrote them: any encoding, packed, a spreadsheet, or variables of Matlab."""

from __future__ import annotations

import gzip
import io
import re
import zlib
from pathlib import Path

import numpy as np
import pandas as pd

from memsim.errors import InputError
from memsim.fit.blocks import unframed
from memsim.memory import check_memory, format_bytes
from memsim.text import decoded

MOST_BYTES = 2**30
"""Of a file, unpacked."""
MEMORY_OF_A_BYTE = 8
_WANTED = "give a table of voltage and current, one sample a row"
_SPREADSHEETS = (".xlsx", ".xlsm", ".xls", ".ods")
_PACKED = (".gz",)


def text_of(path: Path, encoding: str | None = None) -> str:
    """Text of a table of measurements, with line feeds alone, and without what an instrument wraps its rows in.

    Args:
        path: a text file in any encoding, one packed with gzip, a spreadsheet (`.xlsx`), or a `.mat` file.
        encoding: of a text file, where it cannot be told from it.

    Raises:
        InputError: no such file, one that is too large, binary, damaged, or an unknown encoding.
    """
    suffix = path.suffix.lower()
    if suffix in _SPREADSHEETS:
        return _spreadsheet(path)
    if suffix == ".mat":
        return _matlab(path)
    content = _unpacked(path) if suffix in _PACKED else _content(path)
    if encoding is None:
        text = decoded(content)
    else:
        try:
            text = content.decode(encoding)
        except (LookupError, UnicodeDecodeError) as error:
            raise InputError(f"{path.name}: --encoding {encoding}: {error}") from None
    if "\0" in text[:4096]:
        raise InputError(f"{path.name} is a binary file; {_WANTED} as text, or a .xlsx, .mat or .gz file")
    return unframed(re.sub(r"\r\n?", "\n", text))


def _content(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise InputError(f"{path.name} has {format_bytes(size)}; the most is {format_bytes(MOST_BYTES)}")
        check_memory(
            f"{path.name}, a file of {format_bytes(size)},", MEMORY_OF_A_BYTE * size, "read a part of it"
        )
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"cannot read {path}: no such file or directory; give the path of a table") from None
    except (OSError, ValueError) as error:
        reason = str(getattr(error, "strerror", None) or error).lower()
        raise InputError(f"cannot read {path}: {reason}; give the path of a table") from None


def _unpacked(path: Path) -> bytes:
    try:
        with gzip.open(io.BytesIO(_content(path))) as file:
            content = file.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path.name} cannot be unpacked: {error}") from None
    if len(content) > MOST_BYTES:
        raise InputError(f"{path.name} has more than {format_bytes(MOST_BYTES)} unpacked")
    return content


def _spreadsheet(path: Path) -> str:
    """The first sheet, its cells parted by tabs."""
    content = io.BytesIO(_content(path))
    try:
        frame = pd.read_excel(content, header=None)
    except ImportError as error:
        raise InputError(
            f"{path.name}: spreadsheets need a package that is not installed ({error.name}): `pip install openpyxl`; "
            "or save it as CSV"
        ) from None
    except Exception as error:  # noqa: BLE001  (a damaged file can fail anywhere in the reader)
        raise InputError(f"{path.name} cannot be read as a spreadsheet: {error}") from None
    return str(frame.to_csv(sep="\t", index=False, header=False))


def _matlab(path: Path) -> str:
    """Vectors of one length, under their names; or the columns of a single matrix."""
    from scipy.io import loadmat

    try:
        variables = loadmat(io.BytesIO(_content(path)), squeeze_me=True)
    except NotImplementedError:
        raise InputError(f"{path.name} is of Matlab 7.3; save it with `-v7`, or as CSV") from None
    except Exception as error:  # noqa: BLE001  (as above)
        raise InputError(f"{path.name} cannot be read as a Matlab file: {error}") from None
    numbers = {
        name: value
        for name, value in variables.items()
        if not name.startswith("__") and isinstance(value, np.ndarray) and value.dtype.kind in "fiu"
    }
    vectors = {name: value for name, value in numbers.items() if value.ndim == 1}
    lengths = {len(value) for value in vectors.values()}
    if len(vectors) > 1 and len(lengths) == 1:
        return str(pd.DataFrame(vectors).to_csv(sep="\t", index=False))
    matrices = [value for value in numbers.values() if value.ndim == 2]
    if len(matrices) == 1:
        return str(pd.DataFrame(matrices[0]).to_csv(sep="\t", index=False, header=False))
    shapes = ", ".join(f"{name} {value.shape}" for name, value in numbers.items()) or "no numbers"
    raise InputError(
        f"{path.name} holds {shapes}; save voltage and current as vectors of one length, or one matrix"
    )
