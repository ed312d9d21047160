"""Recordings of event cameras: all files say the same, no window is in both parts, nothing is guessed in silence."""

from collections.abc import Callable
from pathlib import Path
from shutil import copy

import h5py
import numpy as np
import pytest
import torch

from memsim.errors import InputError
from memsim.learn import load_run, make_study, train
from memsim.learn.data import Dataset, load_dataset
from memsim.learn.data.table import DataTable
from memsim.learn.shares import shares_of

WIDTH, HEIGHT, SPAN = 12, 10, 2.0
WINDOW, SLOTS = 0.1, 4
TINY = Path(__file__).parent / "recordings" / "tiny.aedat4"


def events(seed: int = 0, count: int = 4000) -> dict[str, np.ndarray]:
    """Times in us, from a first event at a time of the day."""
    random = np.random.default_rng(seed)
    time = np.sort(random.integers(0, int(SPAN * 1e6), count)).astype(np.int64)
    time[0], time[-1] = 0, int(SPAN * 1e6) - 1
    return {
        "t": time + 50_000_000,
        "x": random.integers(0, WIDTH, count).astype(np.uint16),
        "y": random.integers(0, HEIGHT, count).astype(np.uint16),
        "p": random.integers(0, 2, count).astype(np.uint8),
    }


def as_table(one: dict[str, np.ndarray]) -> np.ndarray:
    return np.rec.fromarrays([one[key] for key in "xytp"], names="x,y,t,p").view(np.ndarray)


def write_targets(path: Path, seconds: np.ndarray, scale: float = 1e6, zero: float = 50e6) -> None:
    """Velocities that are straight lines over time."""
    lines = [f"{zero + scale * t:.17g}, {3 * t + 1:.17g}, {-5 * t:.17g}" for t in seconds]
    path.write_text("\n".join(["timestamp, vx, vy", *lines]) + "\n")


def write_npz(path: Path, one: dict[str, np.ndarray]) -> None:
    np.savez(path, **one)


def write_fields(path: Path, one: dict[str, np.ndarray]) -> None:
    np.savez(path, events=as_table(one))


def write_tonic(path: Path, one: dict[str, np.ndarray]) -> None:
    with h5py.File(path, "w") as file:
        file["data/0"] = as_table(one)


def write_dsec(path: Path, one: dict[str, np.ndarray]) -> None:
    with h5py.File(path, "w") as file:
        since = one["t"] - one["t"][0]
        for key in "txyp":
            file[f"events/{key}"] = since.astype(np.uint32) if key == "t" else one[key]
        file["t_offset"] = one["t"][0]
        file["ms_to_idx"] = np.searchsorted(since, 1000 * np.arange(int(SPAN * 1000)))


def write_mvsec(path: Path, one: dict[str, np.ndarray]) -> None:
    with h5py.File(path, "w") as file:
        columns = [one["x"], one["y"], one["t"] * 1e-6, 2.0 * one["p"] - 1]
        file["davis/left/events"] = np.stack(columns, axis=1)


US = {"time_unit": "us"}
FILES: dict[str, tuple[Callable[[Path, dict], None], str, dict]] = {
    "arrays": (write_npz, ".npz", US),
    "structured": (write_fields, ".npz", US),
    "tonic": (write_tonic, ".h5", US),
    "dsec": (write_dsec, ".h5", {}),
    "mvsec": (write_mvsec, ".hdf5", {}),
}


def read(folder: Path, test_share: float = 0.2, bins: int = SLOTS, **options: object) -> Dataset:
    recordings = {"window": WINDOW, **options}
    return load_dataset(DataTable(name=str(folder), test_share=test_share, recordings=recordings), bins=bins)


def make(folder: Path, kind: str = "arrays", names: tuple[str, ...] = ("a",)) -> dict:
    write, suffix, options = FILES[kind]
    folder.mkdir(exist_ok=True)
    for seed, name in enumerate(names):
        write(folder / (name + suffix), events(seed))
        in_seconds = {"scale": 1.0, "zero": 50.0} if kind == "mvsec" else {}
        write_targets(folder / f"{name}.targets.csv", np.linspace(0, SPAN, 41), **in_seconds)
    return options


@pytest.mark.parametrize("kind", FILES)
def test_every_kind_of_file_gives_the_same_examples(kind: str, tmp_path: Path):
    wanted = read(tmp_path / "one", **make(tmp_path / "one"))
    found = read(tmp_path / "other", width=WIDTH, height=HEIGHT, **make(tmp_path / "other", kind))
    assert found.shape == (2, HEIGHT, WIDTH)
    for one, other in ((wanted.train, found.train), (wanted.test, found.test)):
        assert torch.equal(one.stored, other.stored)
        torch.testing.assert_close(one.labels, other.labels, rtol=1e-5, atol=1e-5)


def test_slots_hold_the_events_of_their_time_pixel_and_polarity(tmp_path: Path):
    data = read(tmp_path / "one", **make(tmp_path / "one"))
    one = events()
    count = round(SPAN / WINDOW)
    edges = [SLOTS * count, 2, HEIGHT, WIDTH]
    sides = [(0, SPAN * 1e6), (-0.5, 1.5), (-0.5, HEIGHT - 0.5), (-0.5, WIDTH - 0.5)]
    columns = np.stack([one["t"] - one["t"][0], 1 - one["p"].astype(int), one["y"], one["x"]], axis=1)
    counts = np.histogramdd(columns, edges, sides)[0].reshape(count, SLOTS, -1)
    # the last fifth is for the test, and the window before it for nothing
    expected = np.minimum(counts, data.train.full_scale)
    np.testing.assert_array_equal(data.train.stored.numpy(), expected[: count - 5])
    np.testing.assert_array_equal(data.test.stored.numpy(), expected[count - 4 :])


SCALES = {"us": 1, "s": 1e-6, "ns": 1000}
"""Of times that are given in us."""


@pytest.mark.parametrize("unit", SCALES)
@pytest.mark.parametrize(("window", "steps"), [(0.01, 10), (0.05, 10), (0.07, 7), (0.3, 100), (0.3, 7)])
def test_events_on_the_edges_of_slots_are_in_the_slots_that_begin_there(
    unit: str, window: float, steps: int, tmp_path: Path
):
    """Beside whole-number arithmetic, for one event in each ms and for random ones."""
    options = make(tmp_path)
    length = round(window * 1e6)
    random = np.sort(np.random.default_rng(3).integers(0, 2_000_000, 3000))
    for time in (np.arange(2000) * 1000, random):
        since = time - time[0]
        # 19 days of a clock in seconds, which floats tell apart to 0.2 ns
        first = 1_700_000_000_000 if unit == "us" else 1_600_000_000_001
        one = {key: np.ones(len(time), int) for key in "xyp"}
        write_npz(tmp_path / "a.npz", {"t": (first + since) * SCALES[unit], **one})
        zero = first * SCALES[unit]
        write_targets(tmp_path / "a.targets.csv", np.linspace(0, 2, 9), scale=1e6 * SCALES[unit], zero=zero)
        data = read(tmp_path, **{**options, "time_unit": unit}, window=window, bins=steps)
        found = data.train.stored.view(-1, steps, 2, 2, 2)[:, :, 0, 1, 1].flatten()
        wanted = np.bincount(since * steps // length)[: len(found)]
        np.testing.assert_array_equal(found, np.minimum(wanted, data.train.full_scale))


def test_targets_are_those_in_the_middle_of_each_window(tmp_path: Path):
    data = read(tmp_path / "one", **make(tmp_path / "one"))
    found = torch.cat([data.in_units(part.labels) for part in (data.train, data.test)]).numpy()
    middle = WINDOW * (np.arange(20) + 0.5)
    middle = np.delete(middle, 15)
    # labels are single precision
    np.testing.assert_allclose(found, np.stack([3 * middle + 1, -5 * middle], axis=1), rtol=1e-5)


@pytest.mark.parametrize("binning", [1, 2])
def test_flow_is_the_mean_of_its_square_and_unknown_where_nothing_happened(binning: int, tmp_path: Path):
    options, path = make(tmp_path), tmp_path / "a.targets.csv"
    path.unlink()
    seconds, random = np.linspace(0, SPAN, 9), np.random.default_rng(1)
    field = random.standard_normal((2, HEIGHT, WIDTH))
    flow = (1 + seconds)[:, None, None, None] * field
    flow[:, :, :2, :2] = np.nan
    np.savez(tmp_path / "a.targets.npz", t=50_000_000 + (1e6 * seconds).astype(int), flow=flow)
    data = read(tmp_path, binning=binning, **options)
    height, width = HEIGHT // binning, WIDTH // binning
    assert data.shape == (2, height, width)
    found = data.in_units(data.train.labels).view(-1, 2, height, width).numpy()
    mean = field.reshape(2, height, binning, width, binning).mean(axis=(2, 4))
    wanted = (1 + WINDOW * (np.arange(len(found)) + 0.5))[:, None, None, None] * mean
    silent = data.train.stored.view(len(found), SLOTS, 2, height, width).sum(dim=(1, 2)).numpy() == 0
    unknown = silent[:, None] | np.isnan(flow[0, :1, ::binning, ::binning])
    np.testing.assert_array_equal(np.isnan(found), unknown.repeat(2, 1))
    np.testing.assert_allclose(found[~np.isnan(found)], wanted[~np.isnan(found)], rtol=1e-5)
    assert silent.any() == (binning == 1)  # 200 events in 120 pixels, or in 30


def test_the_test_is_later_or_another_recording_and_what_is_held_out_is_later(tmp_path: Path):
    options = make(tmp_path, names=("a", "b", "c"))
    by_time = read(tmp_path, **options)
    assert (len(by_time.train), len(by_time.test)) == (3 * 15, 3 * 4)
    by_name = read(tmp_path, test=("b",), **options)
    alone = read(tmp_path, test=("a", "c"), **options)
    assert (len(by_name.train), len(by_name.test)) == (40, 20)
    scale = min(by_name.train.full_scale, alone.train.full_scale)
    assert torch.equal(by_name.test.stored.clamp(max=scale), alone.train.stored.clamp(max=scale))
    study = make_study(hidden=[4], steps=SLOTS, training={"validation": 0.25})
    kept, held = shares_of(study, by_name)
    assert held is not None
    assert torch.equal(torch.cat([kept.stored, held.stored]), by_name.train.stored)


def test_what_was_found_is_told(tmp_path: Path):
    options = make(tmp_path)
    told = "\n".join(read(tmp_path, **options).notes)
    assert "4000 events in 2 s, times in us (as time_unit says), polarities 0 and 1" in told
    assert f"camera of {WIDTH} x {HEIGHT} pixels, by the largest column and row" in told
    assert "vx, vy" in told
    write_targets(tmp_path / "a.targets.csv", np.array([0.3, 0.4, 0.5, 1.7, 1.8, 1.9, 2.0]))
    one = events()
    kept = (one["t"] < 50_400_000) | (one["t"] > 50_450_001)
    write_npz(tmp_path / "a.npz", {key: values[kept] for key, values in one.items()})
    told = "\n".join(read(tmp_path, window=0.05, **options).notes)
    # windows of 50 ms before 0.3 s, in the gap from 0.5 to 1.7 s; the one from 0.4 s on is empty
    assert "30 of 40 windows are left out" in told
    assert "1 of 10 windows have no event" in told


def test_pixels_that_fill_no_square_are_counted(tmp_path: Path):
    data = read(tmp_path, binning=7, **make(tmp_path))
    assert data.shape == (2, 1, 1)
    one = events()
    outside = int(((one["x"] >= 7) | (one["y"] >= 7)).sum())
    assert any(f"{outside} events lie in rows or columns that fill no square" in note for note in data.notes)


def _changed(**changes: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        one = events()
        write_npz(folder / "a.npz", {key: changes.get(key, lambda v: v)(one[key]) for key in one})

    return change


def _swapped(times: np.ndarray) -> np.ndarray:
    times = times.copy()
    times[[100, 2000]] = times[[2000, 100]]
    return times


def _targets(*times: float) -> Callable[[Path], None]:
    return lambda folder: write_targets(folder / "a.targets.csv", np.array(times))


REFUSED: dict[str, tuple[Callable[[Path], object], dict, str]] = {
    "unit": (lambda _: None, {"time_unit": None}, r"time_unit: 's' \(2 Ms\).*'us' \(2 s\), 'ns' \(2 ms\)"),
    "unsorted": (_changed(t=_swapped), {}, r"go back at 2 place\(s\).*event 100 to"),
    "outside": (
        lambda _: None,
        {"width": 8, "height": 20},
        r"of 4000 events lie outside the camera of 8 x 20",
    ),
    "negative": (_changed(x=lambda v: v.astype(int) - 1), {}, "is no pixel, the first is -1"),
    "rectified": (_changed(y=lambda v: v + 0.25), {}, r"y of 4000 event\(s\) is no pixel"),
    "polarity": (_changed(p=lambda v: v + 1), {}, "polarities are 1, 2; allowed: 0 and 1, or -1 and 1"),
    "length": (_changed(p=lambda v: v[:-1]), {}, r"p \(3999,\)"),
    "no number": (_changed(t=lambda v: np.where(v > v[5], np.nan, v)), {}, "not finite numbers everywhere"),
    "names": (lambda folder: np.savez(folder / "a.npz", t=[1], x=[1], y=[1]), {}, "no events were found"),
    "two names": (
        lambda folder: np.savez(folder / "a.npz", **events(), ts=[1]),
        {},
        "t and ts are two names",
    ),
    "place": (lambda _: None, {"place": "left"}, "place = 'left' has no events; allowed: the top"),
    "empty": (_changed(**dict.fromkeys("txyp", lambda v: v[:0])), {}, "no events; remove it"),
    "elsewhere": (
        _targets(10, 11, 12),
        {},
        r"from 10 to 12 s after the first event, and the recording is 2 s",
    ),
    "backwards": (_targets(0, 2, 1), {}, "must increase"),
    "no time": (_targets(), {}, r"a.targets.csv has no rows; give at least two times"),
    "one time": (_targets(0), {}, "give at least two"),
    "between": (_targets(1.96, 1.99), {}, "none of 20 windows .* has a target in its middle"),
    "long": (lambda _: None, {"window": 0.9}, "2 windows with targets, too few"),
    "no truth": (lambda folder: (folder / "a.targets.csv").unlink(), {}, "0 files of targets"),
    "gap": (
        lambda folder: (folder / "a.targets.csv").write_text("t,v\n50e6,1\n51e6,\n52e6,3\n"),
        {},
        "v are not finite",
    ),
    "unknown test": (lambda _: None, {"test": ("b",)}, "test names 'b', which is no recording; there are a"),
    "history": (
        lambda _: None,
        {"history": SLOTS},
        f"history = {SLOTS} shows bins before the first of {SLOTS}",
    ),
    "all test": (lambda _: None, {"test": ("a",)}, "leaves none to train on"),
    "wide squares": (lambda _: None, {"binning": 11}, "more than the camera has"),
}


@pytest.mark.parametrize(("change", "options", "told"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_meant_is_refused_with_numbers(
    change: Callable[[Path], object], options: dict, told: str, tmp_path: Path
):
    given = make(tmp_path)
    change(tmp_path)
    with pytest.raises(InputError, match=told):
        read(tmp_path, **{**given, **options})


def test_a_recording_under_two_names_is_found_out(tmp_path: Path):
    options = make(tmp_path)
    for suffix in (".npz", ".targets.csv"):
        copy(tmp_path / f"a{suffix}", tmp_path / f"b{suffix}")
    with pytest.raises(InputError, match="recordings a and b have the same events"):
        read(tmp_path, test=("b",), **options)


@pytest.mark.parametrize(
    "piece", [slice(1000), slice(1000, 2500), slice(1000, None)], ids=["head", "middle", "tail"]
)
def test_a_piece_of_another_recording_is_found_out(piece: slice, tmp_path: Path):
    options = make(tmp_path, names=("a", "b"))
    one = {key: values[piece] for key, values in events().items()}
    write_npz(tmp_path / "b.npz", one)
    write_targets(tmp_path / "b.targets.csv", np.linspace(0, SPAN, 41), zero=float(one["t"][0]))
    with pytest.raises(InputError, match=f"recording b are those of a from event {piece.start or 0} on"):
        read(tmp_path, test=("b",), window=0.05, **options)
    one["x"][700] += 1
    write_npz(tmp_path / "b.npz", one)
    assert len(read(tmp_path, test=("b",), window=0.05, **options).test)


def test_a_wrong_unit_is_seen_in_the_index_of_dsec(tmp_path: Path):
    make(tmp_path, "dsec")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["ms_to_idx"][...] = file["ms_to_idx"][()] // 2
    with pytest.raises(InputError, match="does not point to the events"):
        read(tmp_path)
    make(tmp_path / "other", "dsec")
    with pytest.raises(InputError, match="are in us, by ms_to_idx; leave it out"):
        read(tmp_path / "other", time_unit="ns")


def test_entries_of_other_data_are_refused(tmp_path: Path):
    options = {"window": WINDOW, **make(tmp_path)}
    with pytest.raises(InputError, match="centre = True changes nothing, because these data are recordings"):
        load_dataset(DataTable(name=str(tmp_path), centre=True, recordings=options))
    with pytest.raises(InputError, match="test names the recordings"):
        read(tmp_path, test_share=0.5, test=("a",))
    with pytest.raises(InputError, match="holds no recordings; give a folder"):
        load_dataset(DataTable(name=str(tmp_path / "a.npz"), recordings=options))


def test_files_of_inivation_are_read(tmp_path: Path):
    pytest.importorskip("aedat")
    copy(TINY, tmp_path)
    write_targets(tmp_path / "tiny.targets.csv", np.linspace(0, 0.2, 5), zero=1.7e15)
    data = read(tmp_path, window=0.02, bins=1)
    assert data.shape == (2, 10, 12)
    brighter = data.train.stored[0].view(2, 10, 12)[0]
    wanted = torch.zeros(10, 12, dtype=torch.uint8)
    for k in range(0, 20, 3):
        wanted[k % 10, k % 12] += 1
    assert torch.equal(brighter, wanted)
    assert any("times in us (as .aedat4 has them)" in note for note in data.notes)
    (tmp_path / "tiny.aedat4").write_bytes(TINY.read_bytes()[:1500])
    with pytest.raises(InputError, match=r"tiny.aedat4 cannot be read"):
        read(tmp_path, window=0.02)


def test_a_network_learns_from_recordings_and_knows_them_again(tmp_path: Path):
    """Events come at a rate that the target is: what is learned is seen in recordings of the test."""
    random = np.random.default_rng(0)
    place = tmp_path / "recordings"
    place.mkdir()
    for name in "abc":
        rate = np.repeat(random.uniform(0.2, 1, 60), 50)
        time = np.flatnonzero(random.random(3000) < rate) * 1000
        pixel = random.integers(0, 4, (2, len(time)))
        np.savez(place / f"{name}.npz", t=time, x=pixel[0], y=pixel[1], p=np.ones(len(time), int))
        np.savez(place / f"{name}.targets.npz", t=(np.arange(60) * 50 + 25) * 1000, rate=rate[25::50])
    study = make_study(
        data={
            "name": str(place),
            "recordings": {"window": 0.05, "time_unit": "us", "width": 4, "height": 4, "test": ["c"]},
        },
        hidden=[16],
        steps=4,
        epochs=30,
        learning_rate=0.01,
        coding="direct",
    )
    run = train(study, tmp_path / "run")
    # counts of 10 to 50 events have a deviation of 3 that no network can see through, of 12 that rates differ by
    assert run.history[-1].test_accuracy > 0.6
    assert load_run(tmp_path / "run").history == run.history
    (place / "c.targets.npz").unlink()
    np.savez(place / "c.targets.npz", t=[0, 3_000_000], rate=[0.0, 1.0])
    with pytest.raises(InputError, match="have changed"):
        load_run(tmp_path / "run")
