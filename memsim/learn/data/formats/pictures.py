from __future__ import annotations

from pathlib import Path

import numpy as np

from memsim.errors import InputError
from memsim.learn.data.formats.base import Format
from memsim.learn.data.formats.classes import has_classes, read_classes, same_shape
from memsim.learn.data.raw import Array, Found
from memsim.learn.data.table import DataTable

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".pgm", ".ppm", ".tif", ".tiff")
WHITE = 255.0
MOST_PIXELS = 2**24


class ImageFolder(Format):
    """Images by class, as bytes."""

    what = "a folder of images CLASS/NAME.png"

    def holds(self, path: Path) -> bool:
        return has_classes(path, SUFFIXES)

    def read(self, path: Path, table: DataTable, slots: int) -> Found:
        train, test = read_classes(path, SUFFIXES, _pixels, same_shape)
        return Found(train, test, layout="images", range=(0.0, WHITE))


def _pixels(path: Path) -> Array:
    """[h, w] of a grey image, [3, h, w] of one in colour, as bytes."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            if image.width * image.height > MOST_PIXELS:
                raise InputError(
                    f"{path} has {image.width} x {image.height} pixels; allowed: up to {MOST_PIXELS} in all"
                )
            grey = image.mode in {"1", "L", "I", "F", "I;16"}
            pixels = np.asarray(image.convert("L" if grey else "RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise InputError(f"{path} is not a complete image; remove it, or save it again") from None
    return pixels if grey else pixels.transpose(2, 0, 1)
