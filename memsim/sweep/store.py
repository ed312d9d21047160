"""Results of a sweep on disk: one netCDF file, and beside it a piece for each point that finished since.

    sweep.nc           every point with its coordinates: measures, status, error and seconds
    sweep.nc.points/   pieces, each written whole or not at all; folded into the file from time to time

Whenever the process is killed, file and pieces together hold every point that finished.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from glob import escape
from pathlib import Path

import numpy as np
import xarray as xr

from memsim.errors import InputError
from memsim.files import ensure_folder, read_waves, replacing, write_text
from memsim.sweep.measures import unit_of
from memsim.sweep.plan import Plan
from memsim.sweep.study import SweepStudy

WAITING, DONE, FAILED = range(3)
_STATUS = {"flag_values": [WAITING, DONE, FAILED], "flag_meanings": "waiting done failed"}


@dataclass(frozen=True)
class Outcome:
    """What became of one point.

    Attributes:
        values: measures by name; none where it failed.
        error: what went wrong; empty where nothing did.
        seconds: time of the run.
    """

    values: Mapping[str, float]
    error: str
    seconds: float


def _value(name: str, outcome: Outcome) -> float:
    return outcome.values.get(name, math.nan)


class Store:
    """Outcomes of the points of one sweep; open it with `opened`."""

    def __init__(self, path: Path, plan: Plan, study: SweepStudy, fingerprint: str) -> None:
        self.path, self.plan, self.study = path, plan, study
        self.folder = path.with_name(path.name + ".points")
        coordinates = plan.coordinates().to_dict()
        # without defaults, so that an entry that a later version of memsim adds does not make it another sweep
        given = study.model_dump_json(exclude={"timeout"}, exclude_defaults=True)
        self.key = hashlib.sha256(f"{given} {fingerprint} {coordinates}".encode()).hexdigest()
        self.outcomes: dict[int, Outcome] = {}

    def load(self) -> None:
        """Read what an earlier run left.

        Raises:
            InputError: the file is of another sweep, or is not one.
        """
        if self.path.exists():
            self._load_file()
        for piece in self._pieces():
            self._load_piece(piece)

    def clear_halves(self) -> None:
        """Remove what a killed process had begun to write."""
        for half in [*self.folder.glob(".*.tmp"), *self.path.parent.glob(f".{escape(self.path.name)}.*.tmp")]:
            half.unlink()

    def missing(self, *, failed: bool = False) -> list[int]:
        """Points that have no outcome yet; with `failed` those that failed, too."""
        return [
            number
            for number in range(self.plan.size)
            if number not in self.outcomes or (failed and self.outcomes[number].error)
        ]

    def add(self, number: int, outcome: Outcome) -> None:
        """Keep the outcome of a point."""
        self.outcomes[number] = outcome
        record = {"key": self.key, "point": number, **vars(outcome)}
        write_text(self.folder / f"{number}.json", json.dumps(record))

    def fold(self) -> xr.Dataset:
        """Write everything into the file; the pieces are not needed any more."""
        pieces = list(self._pieces())
        data = self.dataset()
        with replacing(self.path) as temporary:
            data.to_netcdf(temporary, engine="h5netcdf")
        for piece in pieces:
            piece.unlink()
        return data

    def dataset(self) -> xr.Dataset:
        """All points over their axes; measures of points that did not finish are NaN."""
        shape, dims = self.plan.shape, self.plan.dims
        data = self.plan.coordinates()
        for name, measure in self.study.measure.items():
            values = self._array(math.nan, partial(_value, name))
            label = f"{measure.what} of {measure.of}"
            data[name] = (dims, values.reshape(shape), {"units": unit_of(measure), "long_name": label})
        status = self._array(WAITING, lambda one: FAILED if one.error else DONE).astype(np.int8)
        data["status"] = (dims, status.reshape(shape), dict(_STATUS))
        errors = np.array(
            [self.outcomes[n].error if n in self.outcomes else "" for n in range(self.plan.size)]
        )
        data["error"] = (dims, errors.astype(object).reshape(shape))
        seconds = self._array(math.nan, lambda one: one.seconds)
        data["seconds"] = (dims, seconds.reshape(shape), {"units": "s", "long_name": "time of the run"})
        study = self.study.model_dump_json(exclude_none=True, by_alias=True)
        return data.assign_attrs(kind="sweep", key=self.key, study=study)

    def _array(self, empty: float, value: Callable[[Outcome], float]) -> np.ndarray:
        return np.array(
            [value(self.outcomes[n]) if n in self.outcomes else empty for n in range(self.plan.size)],
            dtype=float,
        )

    def _pieces(self) -> Iterator[Path]:
        return self.folder.glob("*.json")

    def _load_file(self) -> None:
        data = read_waves(self.path)
        self._check_key(data.attrs.get("key"))
        status, error = data["status"].values.ravel(), data["error"].values.ravel()
        seconds = data["seconds"].values.ravel()
        measured = {name: data[name].values.ravel() for name in self.study.measure}
        for number in np.flatnonzero(status != WAITING).tolist():
            good = status[number] == DONE
            values = {name: float(column[number]) for name, column in measured.items()} if good else {}
            self.outcomes[number] = Outcome(values, str(error[number]), float(seconds[number]))

    def _load_piece(self, piece: Path) -> None:
        """A damaged piece does not count: its point is run again."""
        try:
            record = json.loads(piece.read_text(encoding="utf-8"))
            key, number = record.pop("key"), int(record.pop("point"))
            outcome = Outcome(**record)
        except (ValueError, TypeError, KeyError, AttributeError):
            return
        self._check_key(key)
        self.outcomes[number] = outcome

    def _check_key(self, key: object) -> None:
        if key != self.key:
            raise InputError(
                f"{self.path} holds something else than the results of this sweep; name another file with --out, "
                f"or delete it and {self.folder}"
            )


@contextmanager
def opened(path: Path, plan: Plan, study: SweepStudy, fingerprint: str) -> Iterator[Store]:
    """A store for this process alone, loaded; however the block ends, it is folded into one file.

    Raises:
        InputError: another process writes there, the folder cannot be written to, or the file is of another sweep.
    """
    store = Store(path, plan, study, fingerprint)
    lock = ensure_folder(store.folder) / ".lock"
    try:
        file = lock.open("w")
    except OSError as error:
        raise InputError(
            f"cannot write into {store.folder}: {error.strerror}; choose another --out"
        ) from error
    with file:  # the kernel lifts the lock when the process ends, however it does
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(f"another sweep is writing {path}; wait for it, or name another file") from None
        try:
            store.clear_halves()
            store.load()
            try:
                yield store
            finally:
                store.fold()
        finally:
            lock.unlink()
            with suppress(OSError):  # pieces that could not be folded stay
                store.folder.rmdir()
