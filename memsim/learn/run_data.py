"""The data of a run: found, fitted to the study, and known again when the run is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import tomli_w

from memsim.errors import InputError
from memsim.files import write_text
from memsim.learn.data import Data, Dataset, Known, data_name, is_own, load_dataset
from memsim.learn.data.own import IN_PYTHON
from memsim.learn.study import Study
from memsim.tables import Table
from memsim.toml import checked, read_toml

DATA = "data.toml"
SERIES_VOLTAGE = 0.2
"""Peak of the short pulses of a series [V]."""
GRADIENT_CLIP = 1.0
STEPS_A_SLOT = 2
"""Voltage and clip were chosen on held-out training data of benchmarks/own_data.py. Without recurrence a network that
is read by the mean over the window cannot tell when something came: 75 % where a recurrent one reached 96 % of 800
heart beats that were made up."""
Part = TypeVar("Part", bound=Table)

SAME_TIME = 1e-9
"""A window is a whole number of steps to so much of it."""


class DataRecord(Table):
    """Which data a run was trained on; see memsim.learn.data.places.Known."""

    path: str
    sha256: str


def data_of(
    study: Study, data_dir: Path | None = None, *, run: Path | None = None, given: Dataset | None = None
) -> tuple[Study, Dataset]:
    """The data of a study, and the study with the drive that suits them where it leaves entries out.

    Args:
        study: the study.
        data_dir: folder of the data sets; the environment variable MEMSIM_DATA where left out.
        run: folder of a run of this study, whose data they must be.
        given: data that Python has.

    Raises:
        InputError: data that are not found, cannot be used, or have changed since the run.
    """
    own_series = is_own(data_name(study.data)) and "slots" not in study.drive.model_fields_set
    bins = study.time_steps if study.discrete else None if own_series else study.drive.slots
    data = load_again(study.data, data_dir, bins=bins, run=run, given=given, parts=tuple(study.inputs))
    if data.parts and list(data.parts.items()) != list(study.inputs.items()):
        raise InputError(
            f"inputs of the study are {_listed(study.inputs)}, and of the data {_listed(data.parts)}; they must be the "
            "same, in the same order"
        )
    if not study.discrete and not data.time_domain:
        _check_slots(study)
    return (study if study.discrete else suited(study, data)), data


def _listed(parts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} = {width}" for name, width in parts.items()) or "one"


def _check_slots(study: Study) -> None:
    """Raise InputError where slots change nothing for static inputs, or steps would miss them."""
    drive, most = study.drive, int(study.window / study.step * (1 + SAME_TIME))
    if drive.slots > most:
        raise InputError(
            f"drive.slots = {drive.slots} is out of range; allowed with steps of {study.step:g} s in a window of "
            f"{study.window:g} s: at most {most}"
        )
    usual = type(drive).model_fields["slots"].default
    if (drive.pulse, drive.encoding) == ("held", "amplitude") and drive.slots not in {1, usual}:
        raise InputError(
            f"drive.slots = {drive.slots} changes nothing for static inputs that are held from slot to slot; leave it "
            'out, or give drive.pulse = "alpha" or drive.encoding = "rate" or "latency"'
        )


def load_again(
    data: Data,
    data_dir: Path | None = None,
    *,
    bins: int | None,
    run: Path | None = None,
    given: Dataset | None = None,
    parts: Sequence[str] = (),
) -> Dataset:
    """Data of a study, the same ones that a run was trained on; arguments as for `data_of`.

    Raises:
        InputError: data that are not found, cannot be used, or have changed since the run.
    """
    path = None if run is None else run / DATA
    record = checked(DataRecord, read_toml(path, "record"), str(path)) if path and path.exists() else None
    kept = Known(**record.model_dump()) if record else None
    if given is None and kept and kept.path == IN_PYTHON:
        raise InputError(f"the data of the run in {run} were given in Python; give them again with data=")
    found = given or load_dataset(data, data_dir, bins=bins, known=kept, parts=parts)
    if kept and kept.sha256 != found.digest:
        raise InputError(
            f"data {found.origin or data_name(data)!r} have changed since the run in {run}: SHA-256 is "
            f"{found.digest}, and was {kept.sha256}; give the folder of the old ones with --data-dir, or train anew"
        )
    return found


def save_record(data: Dataset, folder: Path) -> None:
    """Note in the folder of a run which data of the user's own it has."""
    if data.origin is not None and data.digest is not None:
        record = DataRecord(path=data.origin, sha256=data.digest)
        write_text(folder / DATA, tomli_w.dumps(record.model_dump()))


def suited(study: Study, data: Dataset) -> Study:
    """The study with what suits data of the user's own where it leaves entries out.

    Raises:
        InputError: the study asks for other slots than the data have.
    """
    if data.digest is None:
        return study
    training = _completed(study.training, {"gradient_clip": GRADIENT_CLIP})
    if data.slots is None:
        return study.model_copy(update={"training": training})
    if "slots" in study.drive.model_fields_set and study.drive.slots != data.slots:
        raise InputError(
            f"drive.slots = {study.drive.slots}, and the data have {data.slots} time bins; leave it out, or make "
            f"the data with slots={study.drive.slots}"
        )
    wanted: dict[str, float] = {"slots": data.slots}
    if study.drive.pulse != "held":
        # pulses are over soon after the next ones begin, and each is short
        wanted |= {"tau": study.window / data.slots, "voltage": SERIES_VOLTAGE}
    step = min(study.step, study.window / data.slots / STEPS_A_SLOT)
    described = {"hidden", "layers", "recurrent"} & study.model_fields_set
    suited = _completed(study, {"step": step} if described else {"step": step, "recurrent": True})
    return suited.model_copy(update={"training": training, "drive": _completed(study.drive, wanted)})


def _completed(table: Part, entries: Mapping[str, object]) -> Part:
    """A table with entries that it leaves out."""
    given = table.model_fields_set
    return table.model_copy(update={name: value for name, value in entries.items() if name not in given})
