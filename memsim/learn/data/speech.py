"""Spoken digits as the energies of a mel filter bank over time.

A recording is cut into overlapping windows, one for each time bin; the power spectrum of each (Hann window) is summed
in triangular bands whose centres are equally far apart on the mel scale, m = 2595 log10(1 + f / 700 Hz) (S. Davis and
P. Mermelstein, IEEE Trans. ASSP 28(4), 1980). Energies are given in decibels below the strongest band of the
recording, from 0 (at RANGE dB below it, or quieter) to 1.
"""

from __future__ import annotations

import re
import struct
import warnings
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from memsim.errors import InputError
from memsim.learn.data.archives import DAMAGED, check_offsets, read_archive
from memsim.learn.data.dataset import Dataset, Split
from memsim.learn.data.folders import DATA_VARIABLE, find
from memsim.memory import check_memory

Signal = NDArray[np.float64]

CHANNELS = 40
RATES = 1_000, 1_000_000  # samples per second
LESS = "take fewer slots"
LOWEST, RANGE = 100.0, 50.0
DURATION = 0.64
"""Length of every input [s]: one recording in a hundred is longer and is cut, shorter ones end in silence."""
WINDOW = 0.032
TEST_NUMBERS = 5
"""FSDD's own split: recordings 0 to 4 of each digit and speaker are for testing, the rest for training."""
PLACES = ("fsdd", "FSDD", "free-spoken-digit-dataset")
FILE_NAME = re.compile(r"(?P<digit>\d)_[^_]+_(?P<number>\d+)\.wav")
Recording = tuple[Signal, int, int, int]
"""Samples, samples per second, digit, and number of the recording."""


def spoken_digits(folder: Path | None, bins: int) -> Dataset:
    """The Free Spoken Digit Dataset (Z. Jackson et al.): ten digits in English, several speakers.

    The folder recordings/ as published, files such as 7_jackson_32.wav, or the archive fsdd_0to14.npz of the first
    fifteen recordings of each digit and speaker.

    Args:
        folder: the data folder; the set is in fsdd/ or directly inside.
        bins: time bins for the 640 ms of an input.

    Raises:
        InputError: damaged or missing files.
    """
    if archive := find(folder, PLACES, ["fsdd_0to14.npz"]):
        recordings = _from_archive(archive)
    elif recorded := find(folder, PLACES, ["recordings"]):
        recordings = _from_wav_files(recorded)
    else:
        raise InputError(
            f"fsdd was not found: put its folder recordings/ into {PLACES[0]}/ of a folder given with --data-dir or "
            f"{DATA_VARIABLE}"
        )
    check_memory(
        f"{len(recordings)} recordings in {bins} bins of time", 8 * CHANNELS * bins * len(recordings), LESS
    )
    parts = [
        [
            (mel_energies(signal, rate, bins), digit)
            for signal, rate, digit, number in recordings
            if choose(number)
        ]
        for choose in (lambda number: number >= TEST_NUMBERS, lambda number: number < TEST_NUMBERS)
    ]
    if not all(parts):
        raise InputError(
            f"fsdd in {folder} lacks recordings to train on or to test on; numbers 0 to 4 are for testing"
        )
    train, test = (
        Split(
            torch.as_tensor(np.stack([energies for energies, _ in part]), dtype=torch.float32),
            torch.tensor([digit for _, digit in part]),
        )
        for part in parts
    )
    return Dataset("fsdd", 10, (CHANNELS,), train, test, duration=DURATION)


def mel_energies(
    signal: Signal, rate: int, bins: int, channels: int = CHANNELS, *, duration: float = DURATION
) -> Signal:
    """Energies in [0, 1], [bins, channels], over the beginning of a signal.

    Args:
        signal: samples, any scale.
        rate: samples per second.
        bins: time bins; windows of 32 ms, or of one bin where that is longer, are centred in them.
        channels: bands from 100 Hz to half the rate.
        duration: how much of the signal is looked at [s]; shorter ones end in silence.
    """
    length = round(max(WINDOW, duration / bins) * rate)
    centres = ((np.arange(bins) + 0.5) * (duration / bins) * rate).astype(int)
    padded = np.concatenate([np.zeros(length), signal, np.zeros(length + round(duration * rate))])
    windows = padded[centres[:, None] + (length - length // 2) + np.arange(length)]
    power = np.abs(np.fft.rfft(windows * np.hanning(length), axis=1)) ** 2
    energies = power @ _mel_bands(length, rate, channels)
    decibels = 10 * np.log10(np.maximum(energies, 1e-30) / max(energies.max(), 1e-30))
    return np.clip(1 + decibels / RANGE, 0.0, 1.0)


def _mel_bands(length: int, rate: int, channels: int) -> Signal:
    """Triangular bands, [frequencies, channels], each overlapping its neighbours by half."""
    lowest, highest = (2595 * np.log10(1 + f / 700) for f in (LOWEST, rate / 2))
    corners = 700 * (10 ** (np.linspace(lowest, highest, channels + 2) / 2595) - 1)
    frequencies = np.fft.rfftfreq(length, 1 / rate)[:, None]
    rising = (frequencies - corners[:-2]) / np.diff(corners)[:-1]
    falling = (corners[2:] - frequencies) / np.diff(corners)[1:]
    return np.maximum(np.minimum(rising, falling), 0.0)


def _from_archive(path: Path) -> list[Recording]:
    arrays = read_archive(path, ("audio", "offsets", "digit", "index"), ("rate",))
    audio, offsets = arrays["audio"].astype(float), arrays["offsets"]
    check_offsets(path, offsets, len(audio))
    if not len(arrays["digit"]) == len(arrays["index"]) == len(offsets) - 1:
        raise InputError(f"{path}: digit, index and offsets differ in length; fetch the file again")
    rate = _checked_rate(path, int(arrays["rate"]))
    pieces = np.split(audio, offsets[1:-1])
    return [
        (signal, rate, int(digit), int(number))
        for signal, digit, number in zip(pieces, arrays["digit"], arrays["index"], strict=True)
    ]


def _checked_rate(path: Path, rate: int) -> int:
    low, high = RATES
    if not low <= rate <= high:
        raise InputError(f"{path} has {rate} samples per second; allowed: {low} to {high}")
    return rate


def _from_wav_files(folder: Path) -> list[Recording]:
    named = [(path, FILE_NAME.fullmatch(path.name)) for path in sorted(folder.glob("*.wav"))]
    strange = [path.name for path, match in named if match is None]
    if strange:
        raise InputError(f"{folder / strange[0]} is not named digit_speaker_number.wav; rename or remove it")
    return [(*read_wav(path), int(m["digit"]), int(m["number"])) for path, m in named if m is not None]


def read_wav(path: Path) -> tuple[Signal, int]:
    """Samples of one channel, and how many make a second.

    Raises:
        InputError: not a complete WAV file of one channel, or a rate out of range.
    """
    from scipy.io import wavfile

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", wavfile.WavFileWarning)  # chunks of no interest
            warnings.filterwarnings("error", "Reached EOF", wavfile.WavFileWarning)
            rate, samples = wavfile.read(path)
    except (*DAMAGED, NameError, ArithmeticError, IndexError, struct.error, wavfile.WavFileWarning):
        raise InputError(f"{path} is not a complete WAV file; fetch it again") from None
    if samples.ndim != 1 or not len(samples):
        raise InputError(
            f"{path} has samples of shape {samples.shape}; allowed: one channel that is not empty"
        )
    return samples.astype(float), _checked_rate(path, int(rate))
