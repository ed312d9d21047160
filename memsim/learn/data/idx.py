"""IDX files, the format of MNIST and its relatives.

Two zero bytes, one byte for the type (8: unsigned bytes), one for the number of dimensions, each dimension as a
big-endian 32-bit number, then the values (Y. LeCun, "The MNIST database of handwritten digits").
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from memsim.errors import InputError

UNSIGNED_BYTES = 0x08
MAX_BYTES = 2**30
"""Largest content that is read: MNIST needs 47 MB."""


def read_idx(path: Path, dimensions: int) -> Tensor:
    """The unsigned bytes of an IDX file, plain or compressed with gzip (`.gz`).

    No more is unpacked than the header declares, so a small file cannot fill the memory.

    Args:
        path: the file.
        dimensions: how many it must have: 3 for images, 1 for labels.

    Raises:
        InputError: the file cannot be read, is damaged, or is not what was asked for.
    """
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            shape = _read_shape(file, path, dimensions)
            size = math.prod(shape)
            content = file.read(size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be read: {error}; fetch the file again") from None
    if len(content) != size:
        problem = "fewer" if len(content) < size else "more"
        raise InputError(
            f"{path} holds {problem} than the {size} bytes that its header declares for shape {shape}; "
            "fetch the file again"
        )
    return torch.from_numpy(np.frombuffer(content, np.uint8).reshape(shape).copy())


def _read_shape(file: BinaryIO | gzip.GzipFile, path: Path, dimensions: int) -> tuple[int, ...]:
    header = file.read(4 + 4 * dimensions)
    magic = bytes((0, 0, UNSIGNED_BYTES, dimensions))
    if header[:4] != magic:
        raise InputError(
            f"{path} starts with 0x{header[:4].hex()}; allowed: 0x{magic.hex()}, an IDX file of unsigned bytes "
            f"with {dimensions} dimension{'s' * (dimensions > 1)}"
        )
    if len(header) < 4 + 4 * dimensions:
        raise InputError(f"{path} ends within its header; fetch the file again")
    shape = struct.unpack(f">{dimensions}I", header[4:])
    if not 0 < math.prod(shape) <= MAX_BYTES:
        raise InputError(f"{path} declares shape {shape}; allowed: 1 to {MAX_BYTES} bytes in all")
    return shape
