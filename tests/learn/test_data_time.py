"""Time-domain data: events land in their bins, sounds in their bands, damage is named."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import wavfile

from memsim.errors import InputError
from memsim.learn.data import load_dataset
from memsim.learn.data.events import bin_events, slots_of
from memsim.learn.data.nmnist import DURATION as SACCADES
from memsim.learn.data.nmnist import SENSOR, read_atis
from memsim.learn.data.speech import CHANNELS, DURATION, mel_energies
from memsim.learn.data.tonic import from_recordings

RATE = 8000
EVENTS = [(0, 3, 5, 0), (40_000, 33, 33, 1), (40_001, 33, 33, 1), (200_000, 0, 17, 1), (309_999, 9, 9, 0)]
"""Time [us], column, row, polarity."""
LATE = (310_001, 1, 1, 1)


def atis(events: list[tuple[int, int, int, int]]) -> bytes:
    return b"".join(bytes((x, y, p << 7 | t >> 16, t >> 8 & 255, t & 255)) for t, x, y, p in events)


def write_nmnist(folder: Path) -> None:
    for part, repeats in (("Train", 2), ("Test", 1)):
        for digit in range(10):
            place = folder / part / str(digit)
            place.mkdir(parents=True)
            for number in range(repeats):
                (place / f"{number:05}.bin").write_bytes(atis([*EVENTS, LATE]))


def test_recordings_of_a_folder_are_counted_by_time_pixel_and_polarity(tmp_path: Path):
    write_nmnist(tmp_path / "nmnist")
    data = load_dataset("nmnist", tmp_path, bins=31)
    assert (len(data.train), len(data.test), data.shape) == (20, 10, SENSOR)
    assert data.time_domain
    assert data.duration == SACCADES
    frames = data.train.stored[0].view(31, *SENSOR)
    expected = torch.zeros_like(frames)
    for time, x, y, p in EVENTS:
        expected[time // 10_000, p, y, x] += 1
    assert torch.equal(frames, expected)
    assert data.train.inputs().max() == 1
    assert data.test.labels.tolist() == list(range(10))


def test_all_events_within_the_duration_are_counted_whatever_the_bins():
    random = np.random.default_rng(0)
    events = tuple(random.integers(0, top, 5000) for top in (310_000, 34, 34, 2))
    for bins in (1, 7, 100):
        assert bin_events(events, bins, SENSOR, SACCADES).sum(dtype=int) == 5000


@pytest.mark.parametrize("kind", [np.int64, np.uint32, np.float64])
def test_events_on_the_edges_of_bins_are_in_the_bins_that_begin_there(kind: type):
    random = np.random.default_rng(0).integers(0, 310_000, 5000)
    for time in (np.arange(310) * 1000, random):
        place = [np.zeros(len(time), int)] * 3
        for bins in (1, 7, 31, 100, 310):
            found = bin_events((time.astype(kind), *place), bins, (1, 1, 1), SACCADES).ravel()
            wanted = np.bincount(time * bins // 310_000, minlength=bins)
            np.testing.assert_array_equal(found, np.minimum(wanted, 255))


def test_slots_of_many_decimals_are_exact():
    """Numbers that do not fit into 64 bits beside each other are counted without them."""
    slot, ticks = Fraction("0.30000000000000004") * 10**9 / 7, np.arange(0, 4 * 10**12, 10**9 + 1)
    wanted = [int(tick / slot) for tick in ticks.tolist()]
    assert slots_of(ticks, slot).tolist() == wanted


def test_events_before_the_first_bin_are_left_out():
    place = [np.zeros(2, int)] * 3
    assert bin_events((np.array([-1, 5]), *place), 2, (1, 1, 1), 0.01).sum() == 1


def test_an_archive_and_its_folder_agree(tmp_path: Path):
    write_nmnist(tmp_path / "folder")
    events = np.array([*EVENTS, LATE])
    steps = np.diff(events[:, 0], prepend=0)
    many = {
        "x": np.tile(events[:, 1], 30).astype(np.uint8),
        "y": np.tile(events[:, 2], 30).astype(np.uint8),
        "p": np.packbits(np.tile(events[:, 3], 30).astype(np.uint8)),
        "dt": np.tile(steps, 30).astype(np.uint32),
        "offsets": np.arange(31) * len(events),
        "label": np.concatenate([np.repeat(np.arange(10), 2), np.arange(10)]).astype(np.uint8),
        "n_train": np.int64(20),
    }
    np.savez(tmp_path / "nmnist_small.npz", **many)
    packed, folder = load_dataset("nmnist", tmp_path), load_dataset("nmnist", tmp_path / "folder")
    for one, other in ((packed.train, folder.train), (packed.test, folder.test)):
        assert torch.equal(one.inputs(), other.inputs())
        assert torch.equal(one.labels, other.labels)

    np.savez(tmp_path / "nmnist_small.npz", **{**many, "offsets": many["offsets"][::-1]})
    with pytest.raises(InputError, match=r"nmnist_small\.npz: offsets"):
        load_dataset("nmnist", tmp_path)
    np.savez(tmp_path / "nmnist_small.npz", **{**many, "x": many["x"] + 100})
    with pytest.raises(InputError, match="column of event 0 is 103; allowed: 0 to 33"):
        load_dataset("nmnist", tmp_path)
    np.savez(tmp_path / "nmnist_small.npz", x=np.array([{}], dtype=object))
    with pytest.raises(InputError, match="no array y, p"):
        load_dataset("nmnist", tmp_path)
    (tmp_path / "nmnist_small.npz").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(InputError, match=r"nmnist_small\.npz cannot be read"):
        load_dataset("nmnist", tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "0 bytes"),
        (atis(EVENTS)[:-2], "23 bytes; allowed: 5 for each event"),
        (atis([(0, 34, 0, 0)]), "column of event 0 is 34"),
        (atis([(0, 0, 0, 0), (5, 0, 240, 0)]), "row of event 1 is 240"),
    ],
)
def test_a_damaged_recording_is_named(tmp_path: Path, content: bytes, message: str):
    path = tmp_path / "00001.bin"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"00001.bin.*{message}"):
        read_atis(path)


class TonicItems:
    """What tonic's data sets look like: items of structured events and a label."""

    sensor_size = (700, 1, 1)

    def __init__(self, *, late: int):
        fields = np.dtype([("t", int), ("x", int), ("p", int)])
        self.items = [
            (np.array([(1000, 699, 1), (1000 + late, 3, 1)], fields), 1),
            (np.array([], fields), 0),
        ]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, number: int) -> tuple[np.ndarray, int]:
        return self.items[number]


def test_data_sets_of_tonic_share_the_time_scale_of_the_longest_recording():
    data = from_recordings("tonic:SHD", TonicItems(late=499), TonicItems(late=999), bins=10)
    assert data.duration == pytest.approx(1e-3, rel=1e-12)
    assert data.shape == (1, 1, 700)
    assert torch.nonzero(data.train.inputs()).tolist() == [[0, 0, 699], [0, 4, 3]]
    assert torch.nonzero(data.test.inputs()).tolist() == [[0, 0, 699], [0, 9, 3]]


def tone(frequency: float, seconds: float) -> np.ndarray:
    return 9000 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * RATE)) / RATE)


@pytest.mark.parametrize("frequency", [300.0, 1000.0, 3000.0])
def test_a_tone_is_strongest_in_the_band_around_it(frequency: float):
    energies = mel_energies(tone(frequency, DURATION), RATE, bins=20)
    lowest, highest, here = (2595 * np.log10(1 + f / 700) for f in (100.0, RATE / 2, frequency))
    band = (here - lowest) / (highest - lowest) * (CHANNELS + 1) - 1
    # half a band for rounding; windows of 32 ms resolve 31 Hz, less than a band from 300 Hz on
    assert abs(energies[5:15].argmax(axis=1) - band).max() <= 1


def test_energies_are_decibels_below_the_strongest_and_end_in_silence():
    short, loud, soft = (
        mel_energies(x, RATE, bins=64) for x in (tone(1000, 0.3), tone(1000, 0.64), tone(1000, 0.64) / 10)
    )
    np.testing.assert_allclose(loud, soft, atol=1e-9)  # loudness does not matter
    assert loud.max() == 1
    assert (short[34:] == 0).all()
    steps = np.concatenate([tone(1000, 0.32), tone(1000, 0.32) / 10])
    middle = mel_energies(steps, RATE, bins=64).max(axis=1)
    # 20 dB of a range of 50 dB; windows far from the step see one level, but not at the same phase of the tone
    assert middle[10:25].mean() - middle[40:55].mean() == pytest.approx(0.4, abs=0.01)


def write_fsdd(folder: Path) -> None:
    folder.mkdir(parents=True)
    for number in (0, 4, 5, 49):
        for digit in range(10):
            wavfile.write(
                folder / f"{digit}_ada_{number}.wav", RATE, tone(200 * (digit + 1), 0.2).astype(np.int16)
            )


def test_spoken_digits_are_split_by_their_number(tmp_path: Path):
    write_fsdd(tmp_path / "fsdd" / "recordings")
    data = load_dataset("fsdd", tmp_path, bins=16)
    assert (len(data.train), len(data.test)) == (20, 20)
    assert data.train.inputs().shape == (20, 16, CHANNELS)
    assert sorted(data.test.labels.tolist()) == sorted([*range(10)] * 2)


def test_damaged_sounds_are_named(tmp_path: Path):
    folder = tmp_path / "recordings"
    write_fsdd(folder)
    path = folder / "3_ada_5.wav"
    whole = path.read_bytes()
    for content in (b"", b"RIFF", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"3_ada_5\.wav"):
            load_dataset("fsdd", tmp_path)
    wavfile.write(path, RATE, np.zeros((10, 2), np.int16))
    with pytest.raises(InputError, match=r"\(10, 2\); allowed: one channel"):
        load_dataset("fsdd", tmp_path)
    path.rename(folder / "three.wav")
    with pytest.raises(InputError, match=r"three\.wav is not named"):
        load_dataset("fsdd", tmp_path)
