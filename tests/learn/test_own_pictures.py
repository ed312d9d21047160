"""Images of one's own: every mode is read by the type that it has, and nothing of an image is left out in silence."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from memsim.errors import InputError
from memsim.learn.data import load_dataset
from memsim.learn.data.table import DataTable

RANDOM = np.random.default_rng(0)
SHARES = RANDOM.random((20, 6, 5))


def saved(folder: Path, image: Callable[[np.ndarray], Image.Image], suffix: str = "png") -> str:
    """Images of SHARES, of two classes, to train on and as many to test on."""
    for number, share in enumerate(SHARES):
        place = folder / ("train", "test")[number // 10] / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        image(share).save(place / f"{number}.{suffix}")
    return str(folder)


def in_order(folder: str, **options: object) -> np.ndarray:
    """Inputs to train on in the order of SHARES."""
    inputs = load_dataset(DataTable(name=folder, **options)).train.inputs().numpy()
    return inputs.reshape(2, 5, -1).transpose(1, 0, 2).reshape(10, -1)


def grey(bits: int) -> Callable[[np.ndarray], Image.Image]:
    kind = np.uint8 if bits == 8 else np.uint16
    return lambda share: Image.fromarray(np.round(share * (2**bits - 1)).astype(kind))


@pytest.mark.parametrize(
    ("suffix", "bits"), [("png", 8), ("png", 10), ("png", 12), ("png", 16), ("tif", 12), ("pgm", 16)]
)
def test_grey_values_of_any_depth_keep_all_their_bits(tmp_path: Path, suffix: str, bits: int):
    found = in_order(saved(tmp_path, grey(bits), suffix))
    np.testing.assert_allclose(found, SHARES[:10].reshape(10, -1), atol=0.5 / (2**bits - 1) + 1e-7)


def test_the_depth_is_told_and_a_range_says_another(tmp_path: Path):
    folder = saved(tmp_path, grey(12))
    notes = load_dataset(folder).notes
    assert any("are read as of 12 bits: white is 4095; say range" in note for note in notes)
    wide = in_order(folder, range=(0, 65535))
    np.testing.assert_allclose(wide, in_order(folder) * 4095 / 65535, atol=1e-7)


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_floats_and_wide_integers_have_the_range_that_is_given_or_that_of_training(
    tmp_path: Path, kind: type
):
    size = 1 if kind is np.float32 else 10**6
    folder = saved(tmp_path, lambda share: Image.fromarray((share * size).astype(kind)), "tif")
    given = in_order(folder, range=(0, size))
    np.testing.assert_allclose(given, SHARES[:10].reshape(10, -1), atol=2e-6)  # whole numbers up to 1e6
    assert in_order(folder, quantile=1.0).max() == 1.0


def test_a_palette_ink_and_two_levels_are_read_as_colours_and_black_and_white(tmp_path: Path):
    colours = [np.array([255, 0, 0]), np.array([0, 0, 255])]
    for mode in ("P", "CMYK", "RGB"):
        folder = tmp_path / mode

        def image(share: np.ndarray, mode: str = mode) -> Image.Image:
            pixels = np.where(share[..., None] > 0.5, *colours).astype(np.uint8)
            return Image.fromarray(pixels).convert(mode)

        found = in_order(saved(folder, image, "tif")).reshape(10, 3, 6, 5)
        np.testing.assert_array_equal(found[:, 0], SHARES[:10] > 0.5)
        np.testing.assert_array_equal(found[:, 2], SHARES[:10] <= 0.5)
    two = in_order(saved(tmp_path / "1", lambda share: Image.fromarray(share > 0.5)))
    np.testing.assert_array_equal(two.reshape(10, 6, 5), SHARES[:10] > 0.5)


def with_alpha(mode: str, alpha: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], Image.Image]:
    def image(share: np.ndarray) -> Image.Image:
        bands = [np.round(share * 255)] * (len(mode) - 1) + [alpha(share)]
        return Image.merge(mode, [Image.fromarray(band.astype(np.uint8)) for band in bands])

    return image


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_alpha_that_is_the_same_everywhere_says_nothing_and_any_other_is_refused(tmp_path: Path, mode: str):
    found = in_order(saved(tmp_path / "same", with_alpha(mode, lambda share: share * 0 + 200)))
    np.testing.assert_allclose(found[:, :30], SHARES[:10].reshape(10, -1), atol=0.5 / 255 + 1e-7)
    other = saved(tmp_path / "other", with_alpha(mode, lambda share: share * 255))
    with pytest.raises(InputError, match=r"\.png is transparent in parts.*without an alpha channel"):
        load_dataset(other)


def png_of_16_bits(share: np.ndarray) -> bytes:
    """Three colours of 16 bits, which Pillow does not write."""
    height, width = share.shape
    pixels = np.repeat((share[..., None] * 65535).astype(">u2"), 3, axis=2)
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)

    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    head = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def write_one(folder: Path, name: str, content: bytes) -> str:
    (folder / "a").mkdir(exist_ok=True)
    (folder / "a" / name).write_bytes(content)
    return str(folder)


def animated(folder: Path) -> str:
    frames = [Image.new("L", (4, 4), colour) for colour in (0, 255)]
    (folder / "a").mkdir()
    frames[0].save(folder / "a" / "1.gif", save_all=True, append_images=frames[1:])
    return str(folder)


def of_two_types(folder: Path) -> str:
    path = saved(folder, grey(8))
    grey(12)(SHARES[0]).save(folder / "train" / "a" / "99.png")
    return path


def of_two_types_in_two_parts(folder: Path) -> str:
    path = saved(folder, grey(8))
    for image in (folder / "test").glob("*/*"):
        grey(12)(SHARES[0]).save(image)
    return path


WRONG = {
    "colours of 16 bits": (lambda f: write_one(f, "1.png", png_of_16_bits(SHARES[0])), r"more than 8 bits a colour"),
    "colours of 12 bits": (
        lambda f: write_one(f, "1.ppm", b"P6 2 2 4095\n" + bytes(24)),
        r"1\.ppm has more than 8 bits a colour, of which 8 would be read; save the pixels as CLASS/NAME\.npy",
    ),
    "several in one": (animated, r"1\.gif holds 2 images; allowed: one in each file"),
    "two types": (of_two_types, r"99\.png has pixels of type uint16, and .* of uint8; save all in one way"),
    "two types in two parts": (of_two_types_in_two_parts, "images are of type uint8 in training and uint16 in test"),
    "too large": (lambda f: write_one(f, "1.pgm", b"P5 9999 4000 255\n"), "1.pgm has 9999 x 4000 pixels; allowed"),
}  # fmt: skip


@pytest.mark.parametrize(("make", "message"), WRONG.values(), ids=WRONG)
def test_images_of_which_only_a_part_would_be_read_are_refused(
    tmp_path: Path, make: Callable[[Path], str], message: str, assert_clear: Callable[[str], None]
):
    with pytest.raises(InputError, match=message) as error:
        load_dataset(make(tmp_path))
    assert_clear(str(error.value))
