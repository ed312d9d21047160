"""A study: everything that decides a training run, as a TOML file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from memsim.errors import InputError
from memsim.files import write_text

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Study(BaseModel):
    """Parameters of a training run, in SI units.

    The drive is an alpha-shaped voltage pulse on every word line, scaled by the pixel, at each of `pulses` instants
    spread evenly over `window`. The network is stepped at `step` seconds.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: Literal["digits"] = "digits"
    hidden: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = (32,)
    neuron_set: Literal[1, 2, 3] = 1
    synapse: str = "pd-wo3-w"
    conductance_min: Positive | None = None
    conductance_max: Positive | None = None
    mirror_ratio: Positive = 0.3
    read_voltage: Positive = 0.1
    pulse_tau: Positive = 1e-3
    pulses: Annotated[int, Field(ge=1, le=100)] = 2
    window: Positive = 10e-3
    step: Positive = 200e-6
    stepper: str = "rosenbrock2"
    logit_scale: Positive = 2e-3
    epochs: Annotated[int, Field(ge=1)] = 20
    batch: Annotated[int, Field(ge=1)] = 64
    learning_rate: Positive = 0.02
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0

    @model_validator(mode="after")
    def _steps_fit(self) -> Study:
        if self.step * 4 > self.window:
            raise ValueError(
                f"step = {self.step:g} s is too long for a window of {self.window:g} s; allowed: at most a quarter"
            )
        return self


def make_study(**values: object) -> Study:
    """A study from keyword values.

    Raises:
        InputError: an unknown name or a value out of range, named with what is allowed.
    """
    try:
        return Study.model_validate(values)
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, item['loc'])) or 'study'} = {item.get('input')!r}: {item['msg']}"
            for item in error.errors()
        ]
        raise InputError("the study cannot be used:\n  " + "\n  ".join(problems)) from None


def load_study(path: Path) -> Study:
    """Read a study from a TOML file.

    Raises:
        InputError: no such file, not TOML, or an entry that cannot be used.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"study {str(path)!r} does not exist; give the path of a TOML file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise InputError(f"study {str(path)!r} cannot be read: {error}") from None
    return make_study(**content)


def save_study(study: Study, path: Path) -> None:
    """Write a study as TOML."""
    write_text(path, tomli_w.dumps(study.model_dump(exclude_none=True)))
