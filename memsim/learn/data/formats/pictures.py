from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from memsim.errors import InputError
from memsim.learn.data.formats.base import Format
from memsim.learn.data.formats.classes import has_classes, read_classes, same_shape
from memsim.learn.data.raw import Array, Examples, Found
from memsim.learn.data.table import DataTable

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".pgm", ".ppm", ".tif", ".tiff")
WHITE = 255
MOST_PIXELS = 2**24
WIDE = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
"""Modes of grey images whose values are no bytes: they are read as they are."""
DEPTHS = (8, 10, 12, 14, 16)
"""Bits of cameras, the values of which are kept in whole numbers that hold more."""
INSTEAD = "save the pixels as CLASS/NAME.npy, of shape [h, w] or [c, h, w]"


class ImageFolder(Format):
    """Images by class: bytes as they are, wider whole numbers by the bits that they have, others by their range."""

    what = "a folder of images CLASS/NAME.png"

    def holds(self, path: Path) -> bool:
        return has_classes(path, SUFFIXES)

    def read(self, path: Path, table: DataTable, slots: int) -> Found:
        train, test = read_classes(path, SUFFIXES, _pixels, _of_one_kind)
        ends, notes = _range(train)
        return Found(train, test, layout="images", range=ends, notes=notes)


def _pixels(path: Path) -> Array:
    """[h, w] of a grey image, [3, h, w] of one in colour; bytes, or what the file has in their place."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            if image.width * image.height > MOST_PIXELS:
                raise InputError(
                    f"{path} has {image.width} x {image.height} pixels; allowed: up to {MOST_PIXELS} in all"
                )
            _check_whole(path, image)
            pixels = _values(path, image)
    except InputError:
        raise
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise InputError(f"{path} is not a complete image; remove it, or save it again") from None
    return pixels if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _check_whole(path: Path, image: ImageFile) -> None:
    """Refuse images of which only a part would be read."""
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":  # whose further ones are previews
        raise InputError(f"{path} holds {frames} images; allowed: one in each file, or {INSTEAD}")
    if image.mode not in WIDE and any(_is_deep(tile.args) for tile in image.tile):
        raise InputError(
            f"{path} has more than 8 bits a colour, of which 8 would be read; {INSTEAD}, or grey ones of 16 bits"
        )


def _is_deep(args: object) -> bool:
    """Whether arguments of a decoder of Pillow name a raw mode of 16 bits, or a largest value beyond a byte."""
    parts = args if isinstance(args, tuple) else (args,)
    raw, *others = parts
    if len(others) == 1 and isinstance(others[0], int):
        return others[0] > WHITE
    return ";16" in str(raw) and not str(raw).startswith("BGR")  # 16 bits of all three colours


def _values(path: Path, image: ImageFile) -> Array:
    if image.mode in WIDE:
        wide = np.asarray(image)
        return wide.astype(wide.dtype.newbyteorder("="))
    grey = image.mode in {"1", "L", "LA"}
    if image.has_transparency_data:
        *_, alpha = image.convert("RGBA").split()
        low, high = alpha.getextrema()
        if low != high:
            raise InputError(
                f"{path} is transparent in parts, and what is behind them is unknown; save it without an alpha "
                f"channel on the background that is meant, or {INSTEAD}, with alpha as one of c channels"
            )
    return np.asarray(image.convert("L" if grey else "RGB"))


def _of_one_kind(images: Sequence[tuple[Path, Array]]) -> Array:
    """Images as one array; a byte and a number of 16 bits that are the same do not mean the same."""
    (first, one), *others = images
    for path, other in others:
        if other.dtype != one.dtype:
            raise InputError(
                f"{path} has pixels of type {other.dtype}, and {first.name} of {one.dtype}; save all in one way"
            )
    return same_shape(images)


def _range(train: Examples) -> tuple[tuple[float, float] | None, tuple[str, ...]]:
    """Values of black and white, where the type of the pixels knows them, and what to say of it."""
    pixels = np.asarray(train.inputs)
    if pixels.dtype == np.uint8:
        return (0.0, float(WHITE)), ()
    largest = int(pixels.max()) if pixels.dtype.kind in "iu" and pixels.min() >= 0 else 2 ** DEPTHS[-1]
    depth = next((bits for bits in DEPTHS if largest < 2**bits), None)
    if depth is None:
        return None, ()
    white = 2**depth - 1
    said = f"pixels reach {largest}, and are read as of {depth} bits: white is {white}; say range = [0, WHITE] if not"
    return (0.0, float(white)), (said,)
