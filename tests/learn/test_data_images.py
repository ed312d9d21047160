"""IDX files: what was written is read, and what is damaged is named."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils import Bunch

from memsim.errors import InputError
from memsim.learn.data import load_dataset
from memsim.learn.data.idx import MAX_BYTES, read_idx

TRAIN, TEST = 6, 3


def idx(values: np.ndarray) -> bytes:
    return struct.pack(f">4B{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.tobytes()


def images(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 28, 28), np.uint8)


def labels(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.uint8)


def write_set(folder: Path, name: str = "{}-idx{}-ubyte", **changed: bytes) -> None:
    """A small set in MNIST's four files; `changed` replaces the content of one."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, count in (("train", TRAIN), ("t10k", TEST)):
        contents = {
            name.format(f"{part}-images", 3): changed.get(f"{part}_images", idx(images(count))),
            name.format(f"{part}-labels", 1): changed.get(f"{part}_labels", idx(labels(count))),
        }
        for file, content in contents.items():
            (folder / file).write_bytes(gzip.compress(content) if file.endswith(".gz") else content)


@pytest.mark.parametrize(
    "name", ["{}-idx{}-ubyte", "{}-idx{}-ubyte.gz", "{}.idx{}-ubyte", "{}.idx{}-ubyte.gz"]
)
@pytest.mark.parametrize("place", ["mnist", ".", "MNIST/raw"])
def test_all_usual_names_and_places_are_found(tmp_path: Path, name: str, place: str):
    write_set(tmp_path / place, name)
    data = load_dataset("mnist", tmp_path)
    assert torch.equal(data.train.inputs(), torch.from_numpy(images(TRAIN)).flatten(1) / 255)
    assert data.test.labels.tolist() == [0, 1, 2]


def test_the_environment_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_set(tmp_path / "fashion-mnist")
    monkeypatch.setenv("MEMSIM_DATA", str(tmp_path))
    assert len(load_dataset("fashion-mnist").train) == TRAIN


@given(st.lists(st.integers(1, 6), min_size=1, max_size=3).map(tuple), st.integers(0, 2**32 - 1))
def test_any_array_comes_back(tmp_path_factory: pytest.TempPathFactory, shape: tuple[int, ...], seed: int):
    values = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    path = tmp_path_factory.getbasetemp() / "any-ubyte"
    path.write_bytes(idx(values))
    assert torch.equal(read_idx(path, len(shape)), torch.from_numpy(values))


GOOD = idx(images(TEST))
DAMAGED = {
    "empty": (b"", "0x;"),
    "wrong magic": (b"\x89PNG" + GOOD[4:], "0x89504e47; allowed: 0x00000803"),
    "labels for images": (idx(labels(TEST)), "0x00000801"),
    "end in the header": (GOOD[:10], "within its header"),
    "truncated": (GOOD[:-1], "fewer than the 2352 bytes"),
    "too long": (GOOD + b"\0", "more than the 2352 bytes"),
    "no images": (idx(images(0)), r"shape \(0, 28, 28\)"),
    "absurd size": (struct.pack(">4B3I", 0, 0, 8, 3, 2**31, 28, 28), f"allowed: 1 to {MAX_BYTES}"),
    "other pixels": (idx(images(TEST)[:, :14]), "14 x 28 pixels; allowed: 28 x 28"),
}


@pytest.mark.parametrize("case", DAMAGED)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_damaged_file_is_named_with_what_is_wrong(tmp_path: Path, case: str, suffix: str):
    content, message = DAMAGED[case]
    write_set(tmp_path, "{}-idx{}-ubyte" + suffix, t10k_images=content)
    with pytest.raises(InputError, match=f"t10k-images-idx3-ubyte.*{message}"):
        load_dataset("mnist", tmp_path)


def test_damaged_compression_is_named(tmp_path: Path):
    write_set(tmp_path, "{}-idx{}-ubyte.gz")
    path = tmp_path / "train-images-idx3-ubyte.gz"
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"not gzip at all", whole[:-8] + bytes(8)):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"train-images-idx3-ubyte\.gz cannot be read"):
            load_dataset("mnist", tmp_path)


def test_a_small_file_cannot_fill_the_memory(tmp_path: Path):
    """64 MiB of zeros behind a header that declares three images: only those are unpacked."""
    write_set(tmp_path, "{}-idx{}-ubyte.gz", t10k_images=GOOD + bytes(2**26))
    with pytest.raises(InputError, match="more than the 2352 bytes"):
        load_dataset("mnist", tmp_path)


def test_labels_must_fit(tmp_path: Path):
    write_set(tmp_path, t10k_labels=idx(np.array([0, 10, 2], np.uint8)))
    with pytest.raises(InputError, match=r"mnist \(test\): label 1 is 10; allowed: 0 to 9"):
        load_dataset("mnist", tmp_path)
    write_set(tmp_path, t10k_labels=idx(labels(5)))
    with pytest.raises(InputError, match="3 inputs and 5 labels"):
        load_dataset("mnist", tmp_path)


def test_a_missing_file_is_named_and_nothing_is_fetched_instead(tmp_path: Path):
    write_set(tmp_path / "mnist")
    (tmp_path / "mnist" / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(InputError, match="no file for train-labels"):
        load_dataset("mnist", tmp_path)


def test_the_files_of_a_relative_are_refused(tmp_path: Path):
    first_of_mnist = np.array([7, 2, 1, 0, 4, 1, 4, 9, 5, 9], np.uint8)
    write_set(tmp_path, t10k_images=idx(images(10)), t10k_labels=idx(first_of_mnist))
    assert len(load_dataset("mnist", tmp_path).test) == 10
    with pytest.raises(InputError, match="belongs to mnist, not to fashion-mnist"):
        load_dataset("fashion-mnist", tmp_path)


def test_openml_serves_where_there_are_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fetch(name: str, **_: object) -> Bunch:
        assert name == "Fashion-MNIST"
        values = np.arange(70_000, dtype=np.int64)
        return Bunch(
            data=np.broadcast_to(values[:, None] % 256, (70_000, 784)),
            target=(values % 10).astype(str).astype(object),
        )

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetch)
    data = load_dataset("fashion-mnist", tmp_path)
    assert (len(data.train), len(data.test)) == (60_000, 10_000)
    assert data.test.labels[:3].tolist() == [0, 1, 2]
    assert data.test.stored[0, 0] == 60_000 % 256


def test_without_files_and_network_both_ways_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fetch(*_: object, **__: object) -> Bunch:
        raise OSError("no route to host")

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetch)
    with pytest.raises(
        InputError, match=r"IDX files.*--data-dir or MEMSIM_DATA.*OpenML \(no route to host\)"
    ):
        load_dataset("mnist", tmp_path)
