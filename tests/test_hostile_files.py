"""Files that somebody made to break their reader: netCDF and other HDF5, archives of arrays, images, checkpoints."""

from __future__ import annotations

import gzip
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from memsim import cli, plots
from memsim.errors import InputError, MemsimError
from memsim.files import read_waves
from memsim.hdf5 import MOST_BYTES
from memsim.learn.data import load_dataset

T = np.linspace(0.0, 1.0, 30)
FORMULA = r"$\foo{$"  # which matplotlib would set as mathematics, and cannot


def waves(values: object = None, name: str = "v(mem)", unit: object = "V", **attrs: object) -> xr.Dataset:
    values = np.sin(9 * T) if values is None else values
    return xr.Dataset({name: ("time", values, {"units": unit})}, {"time": ("time", T, {"units": "s"})}, attrs)


def sweep(measure: object, axis: str = "a", labels: object = None, **status: object) -> xr.Dataset:
    data = {"m": (axis, measure, {"units": FORMULA})}
    coords = {} if labels is None else {axis: labels}
    return xr.Dataset({**data, **status}, coords, {"kind": "sweep"})


def steps(values: object, time: object, **attrs: object) -> xr.Dataset:
    return xr.Dataset({"v(mem)": ("time", values, {"units": "V"})}, {"time": ("time", time, attrs)})


DONE = ("a", np.array([1, 1]))
# drawn, with every sign of its texts
TAKEN: dict[str, xr.Dataset] = {
    "formula as a unit": waves(unit=FORMULA),
    "formula as a name": waves(name=f"v(mem{FORMULA})"),
    "formula as a title": waves(title=FORMULA, engine=FORMULA),
    "unit of numbers": waves(unit=np.array([1.0, 2.0])),
    "unit without end": waves(unit="x" * 5000, title="y" * 5000),
    "unit of control characters": waves(unit="\x01\n\u202e"),
    "unit in Chinese": waves(unit="\u4e2d"),
    "nothing finite": waves(np.full(30, np.nan)),
    "infinities": waves(np.full(30, np.inf)),
    "largest numbers": waves(np.where(T > 0.5, 1e308, -1e308)),
    "smallest numbers": waves(np.full(30, 5e-324)),
    "whole numbers": waves(np.arange(30)),
    "truths": waves(T > 0.5),
    "shows what is not there": waves(show=["v(b)", "$"]),
    "shows numbers": waves(show=[1, 2]),
    "one sample": xr.Dataset({"v(mem)": ("time", [1.0], {"units": "V"})}),
    "a calendar": steps([1.0, 2.0], [1.0, 1e300], units="days since 1970-01-01"),
    "sweep with a formula": sweep([1.0, 2.0], status=DONE),
    "corners with formulas": sweep([1.0, 2.0], "corner", [FORMULA, "$"], status=("corner", [1, 1])),
}
REFUSED: dict[str, xr.Dataset] = {
    "no variables": xr.Dataset(),
    "empty sweep": xr.Dataset(attrs={"kind": "sweep"}),
    "sweep without points": sweep(np.zeros(0), status=("a", np.zeros(0))),
    "sweep without status": sweep([1.0, 2.0]),
    "sweep without measures": xr.Dataset({"status": DONE}, attrs={"kind": "sweep"}),
    "sweep of text": sweep(np.array(["x", "y"], object), status=DONE),
    "sweep over text": sweep([1.0, 2.0], "a", ["x", "y"], status=DONE),
    "sweep without values": sweep([np.nan, np.nan], status=DONE),
    "sweep over four axes": xr.Dataset(
        {name: (("a", "b", "c", "d"), np.ones((2, 2, 2, 2))) for name in ("status", "m")},
        attrs={"kind": "sweep"},
    ),
    "sweep of many measures": sweep([1.0, 2.0], status=DONE, **{f"m{k}": DONE for k in range(40)}),
    "text": waves(np.array(["a"] * 30, object)),
    "no samples": xr.Dataset({"v(mem)": ("time", np.zeros(0), {"units": "V"})}),
    "one number": xr.Dataset({"v(mem)": ((), 1.0, {"units": "V"})}),
    "a matrix": xr.Dataset({"v(mem)": (("x", "y"), np.zeros((3, 3)), {"units": "V"})}),
    "text as time": steps([1.0, 2.0], ["a", "b"]),
    "no time": steps([1.0, 2.0], [np.nan, np.nan]),
    "infinite time": steps([1.0, 2.0], [0.0, np.inf]),
    "complex parts that are none": xr.Dataset({"v": (("time", "part"), np.zeros((3, 3)))}),
}


def _hard_loop(file: h5py.File) -> None:
    group = file.create_group("g")
    group["self"] = group


def _filled(kind: object, fill: object) -> Callable[[h5py.File], object]:
    def write(file: h5py.File) -> None:
        file.create_dataset(
            "v", (2_000_000_000,), kind, chunks=(1_000_000,), compression="gzip", fillvalue=fill
        )

    return write


def _with(attribute: str, value: object) -> Callable[[h5py.File], object]:
    return lambda file: file.create_dataset("v", data=np.zeros(3)).attrs.__setitem__(attribute, value)


def _holding(data: object, **kind: object) -> Callable[[h5py.File], object]:
    return lambda file: file.create_dataset("v", data=data, **kind)


HDF5: dict[str, Callable[[h5py.File], object]] = {
    "links in a circle": lambda file: file.__setitem__("l", h5py.SoftLink("/l")),
    "link to a group that leads back": lambda file: file.create_group("g").__setitem__(
        "x", h5py.SoftLink("/")
    ),
    "group in itself": _hard_loop,
    "link to another file": lambda file: file.__setitem__("x", h5py.ExternalLink("/etc/passwd", "/x")),
    "16 GB of a fill value": _filled("f8", 1.0),
    "2 GB of a fill value as bytes": _filled("i1", 1),
    "texts of a fill value": _filled(h5py.string_dtype(), "abc"),
    "a group alone": lambda file: file.create_group("g").create_dataset("v", data=np.zeros(3)),
    "compound": _holding(np.zeros(3, [("a", "f8"), ("b", "i4")])),
    "complex": _holding(np.zeros(3, complex)),
    "opaque": _holding(np.zeros(3, "V5")),
    "nothing": _holding(h5py.Empty("f8")),
    "lists": lambda file: file.create_dataset("v", (3,), h5py.vlen_dtype("f8")),
    "references": lambda file: file.create_dataset(
        "v", data=np.array([file.ref], object), dtype=h5py.ref_dtype
    ),
    "scale of text": _with("scale_factor", "x"),
    "dimensions of text": _with("DIMENSION_LIST", "x"),
    "a type alone": lambda file: file.__setitem__("v", np.dtype("f8")),
    "data in another file": lambda file: file.create_dataset(
        "v", (3,), "f8", external=[("/etc/passwd", 0, 24)]
    ),
}
COMMANDS = (
    "plot {} --out new.png",
    "report {} --out new.html",
    "plot {} --kind raster --out new.png",
    "plot {} --kind hysteresis --x v(mem) --y v(mem) --out new.png",
    "plot {} --select a=1 --out new.png",
)


@pytest.fixture
def memsim(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], tuple[int, str]]:
    monkeypatch.chdir(tmp_path)

    def run(line: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["memsim", *line.split()])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return int(end.value.code or 0), capsys.readouterr().err

    return run


@pytest.mark.parametrize("data", TAKEN.values(), ids=TAKEN)
def test_odd_texts_and_numbers_are_drawn_as_they_are(
    tmp_path: Path, memsim: Callable[[str], tuple[int, str]], data: xr.Dataset
):
    data.to_netcdf(tmp_path / "odd.nc", engine="h5netcdf")
    for command in COMMANDS[:2]:
        assert memsim(command.format("odd.nc")) == (0, "")


def test_a_formula_in_a_file_is_shown_letter_by_letter(tmp_path: Path):
    waves(unit=FORMULA).to_netcdf(tmp_path / "odd.nc", engine="h5netcdf")
    figure = plots.waveforms(read_waves(tmp_path / "odd.nc"), ["v(mem)"])
    plots.save(figure, tmp_path / "odd.svg")
    assert FORMULA in (tmp_path / "odd.svg").read_text()


def _refused_everywhere(
    memsim: Callable[[str], tuple[int, str]], assert_clear: Callable[[str], None], path: Path
) -> None:
    for command in COMMANDS:
        code, message = memsim(command.format(path))
        assert code == 2, (command, message)
        assert_clear(message)
    assert [one.name for one in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_drawn_is_named(
    tmp_path: Path,
    memsim: Callable[[str], tuple[int, str]],
    assert_clear: Callable[[str], None],
    data: xr.Dataset,
):
    data.to_netcdf(tmp_path / "bad.nc", engine="h5netcdf")
    _refused_everywhere(memsim, assert_clear, tmp_path / "bad.nc")


@pytest.mark.parametrize("write", HDF5.values(), ids=HDF5)
def test_hdf5_that_is_no_netcdf_is_named(
    tmp_path: Path,
    memsim: Callable[[str], tuple[int, str]],
    assert_clear: Callable[[str], None],
    write: Callable[[h5py.File], object],
):
    with h5py.File(tmp_path / "bad.nc", "w") as file:
        write(file)
    _refused_everywhere(memsim, assert_clear, tmp_path / "bad.nc")


def test_texts_that_all_refer_to_a_long_one_are_counted_before_they_are_read(tmp_path: Path):
    with h5py.File(tmp_path / "bad.nc", "w") as file:
        file.create_dataset(
            "v",
            (100_000_000,),
            h5py.string_dtype(),
            chunks=(100_000,),
            compression="gzip",
            fillvalue="x" * 100_000,
        )
    with pytest.raises(InputError, match=f"allowed: up to {MOST_BYTES / 1e9:.3g} GB"):
        read_waves(tmp_path / "bad.nc")


# --- data sets: archives, images, recordings

IDX_NAMES = {
    "train-images": "train-images-idx3-ubyte",
    "train-labels": "train-labels-idx1-ubyte",
    "t10k-images": "t10k-images-idx3-ubyte",
    "t10k-labels": "t10k-labels-idx1-ubyte",
}


def idx(*shape: int, values: int | None = None, magic: bytes = b"\x00\x00\x08") -> bytes:
    count = int(np.prod(shape)) if values is None else values
    sides = b"".join(side.to_bytes(4, "big") for side in shape)
    return magic + bytes([len(shape)]) + sides + bytes(count)


IDX: dict[str, dict[str, bytes | None]] = {
    "no labels": {"train-labels": None},
    "no images": {"t10k-images": None},
    "empty": {"train-images": b""},
    "header alone": {"train-images": idx(2, 28, 28, values=0)},
    "cut header": {"train-images": idx(2, 28, 28)[:7]},
    "cut": {"train-images": idx(2, 28, 28)[:-1]},
    "too long": {"train-images": idx(2, 28, 28) + b"x"},
    "more images than bytes": {"train-images": idx(2**31, 28, 28, values=9)},
    "no image": {"train-images": idx(0, 28, 28)},
    "other size": {"train-images": idx(2, 8, 8)},
    "two dimensions": {"train-images": idx(2, 784)},
    "floats": {"train-images": idx(2, 28, 28, magic=b"\x00\x00\x0d")},
    "text": {"train-labels": b"7, 2, 1"},
    "labels out of range": {"train-labels": idx(2)[:-1] + b"\x0a"},
    "more labels than images": {"train-labels": idx(3)},
    "labels of Fashion-MNIST": {"t10k-labels": idx(10)[:8] + bytes((9, 2, 1, 1, 6, 1, 4, 6, 5, 7))},
}


@pytest.mark.parametrize("change", IDX.values(), ids=IDX)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
def test_images_that_are_none(
    tmp_path: Path, assert_clear: Callable[[str], None], change: dict[str, bytes | None], packed: bool
):
    good = {kind: idx(2, 28, 28) if kind.endswith("images") else idx(2) for kind in IDX_NAMES}
    for kind, content in (good | change).items():
        if content is not None:
            path = tmp_path / (IDX_NAMES[kind] + (".gz" if packed else ""))
            path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(InputError) as refused:
        load_dataset("mnist", tmp_path)
    assert_clear(str(refused.value))


def events(**change: object) -> dict[str, object]:
    good = {
        "x": np.arange(6, dtype=np.uint8),
        "y": np.arange(6, dtype=np.uint8),
        "p": np.zeros(1, np.uint8),
        "dt": np.ones(6, np.uint32),
        "offsets": np.array([0, 3, 6]),
        "label": np.array([1, 2]),
        "n_train": np.array(1),
    }
    return good | change


def spoken(**change: object) -> dict[str, object]:
    good = {
        "audio": np.arange(60, dtype=np.int16),
        "offsets": np.array([0, 30, 60]),
        "digit": np.array([1, 2]),
        "index": np.array([0, 7]),
        "rate": np.array(8000),
    }
    return good | change


ODD_ARRAYS = {
    "missing": None,
    "text": np.array(["a", "b"]),
    "complex": np.array([1j, 2j]),
    "a matrix": np.ones((2, 2)),
    "nothing": np.zeros(0),
    "infinite": np.array([np.inf, np.nan]),
    "negative": np.array([-1, -5]),
    "huge": np.array([2**62, 2**63 - 1]),
    "structured": np.zeros(2, [("a", "f8")]),
    "dates": np.array(["2020-01-01"], "M8[D]"),
}
ARCHIVES = [("nmnist", "nmnist_small.npz", name) for name in events()] + [
    ("fsdd", "fsdd_0to14.npz", name) for name in spoken()
]


@pytest.mark.parametrize("odd", ODD_ARRAYS)
@pytest.mark.parametrize(("data", "file", "name"), ARCHIVES)
def test_archives_with_an_odd_array(  # noqa: PLR0917 - each combination is a case
    tmp_path: Path, assert_clear: Callable[[str], None], data: str, file: str, name: str, odd: str
):
    arrays = {**(events() if data == "nmnist" else spoken()), name: ODD_ARRAYS[odd]}
    np.savez(tmp_path / file, **{key: value for key, value in arrays.items() if value is not None})
    with pytest.raises(InputError) as refused:
        load_dataset(data, tmp_path, bins=2)
    assert_clear(str(refused.value))
    assert file in str(refused.value) or data in str(refused.value)


BROKEN_ARCHIVES: dict[str, bytes | dict[str, bytes]] = {
    "empty": b"",
    "text": b"x,y\n1,2\n",
    "a pickle": b"\x80\x04cposix\nsystem\n(S'touch pwned'\ntR.",
    "no arrays": {},
    "text as an array": {"x.npy": b"hello"},
    "cut array": {"x.npy": b"\x93NUMPY\x01\x00"},
    "header that is code": {"x.npy": b"\x93NUMPY\x01\x00\x20\x00__import__('os').system('true')\n "},
    "endless array": {
        "x.npy": b"\x93NUMPY\x01\x00\x76\x00"
        + b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999,), }".ljust(117)
        + b"\n"
    },
}


@pytest.mark.parametrize("content", BROKEN_ARCHIVES.values(), ids=BROKEN_ARCHIVES)
@pytest.mark.parametrize(("data", "file"), [("nmnist", "nmnist_small.npz"), ("fsdd", "fsdd_0to14.npz")])
def test_archives_that_are_none(
    tmp_path: Path,
    assert_clear: Callable[[str], None],
    data: str,
    file: str,
    content: bytes | dict[str, bytes],
):
    path = tmp_path / file
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        good = {name: content.get("x.npy", b"") for name in (*events(), *spoken())} if content else {}
        with zipfile.ZipFile(path, "w") as archive:
            for name, array in good.items():
                archive.writestr(f"{name}.npy", array)
    with pytest.raises(InputError) as refused:
        load_dataset(data, tmp_path, bins=2)
    assert_clear(str(refused.value))
    assert file in str(refused.value)


@pytest.mark.parametrize(
    "data", ["mnist-1d", "", "../mnist", "tonic:", "tonic:os", "tonic:__doc__", "\u0000"]
)
def test_data_sets_that_there_are_not(tmp_path: Path, assert_clear: Callable[[str], None], data: str):
    with pytest.raises(MemsimError) as refused:
        load_dataset(data, tmp_path)
    assert_clear(str(refused.value))
