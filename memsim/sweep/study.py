"""A sweep as a TOML file: what is run, over which values, and what is measured.

circuit = "integrate-and-fire-set1"             # a shipped circuit; or deck = "my.cir", which has `.param`
engine = "ngspice"                              # or torch
stop = "10m"
seed = 1

[grid]                                          # every combination
"iin.peak" = ["2u", "5u", "10u"]
cmem = { from = "0.5n", to = "2n", points = 5, spacing = "log" }

[samples]                                       # at every combination, the same draws
count = 64
method = "sobol"
parameters = { "xm1.r_on" = { spread = 0.1 }, "xm1.v_on" = { from = "100m", to = "120m" } }
devices = { xm2 = "measured.csv" }              # a row per device: its parameters stay together

[corners]                                       # named sets of values
slow = { "xm1.tau" = "120u" }

[measure]
peak = { of = "v(mem)", what = "peak" }
spikes = { of = "v(mem)", what = "spike-count", level = "20m" }
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from memsim.toml import checked, read_toml
from memsim.units import parse_si

MOST_POINTS = 1_000_000


def _quantity(value: object) -> object:
    return parse_si(value) if isinstance(value, str) else value


Quantity = Annotated[float, BeforeValidator(_quantity), Field(allow_inf_nan=False, strict=True)]
Positive = Annotated[float, BeforeValidator(_quantity), Field(gt=0, allow_inf_nan=False, strict=True)]
Count = Annotated[int, Field(ge=1, le=MOST_POINTS, strict=True)]
Spacing = Literal["linear", "log"]
Kind = Literal[
    "peak", "minimum", "peak-to-peak", "mean", "rms", "final", "spike-count", "first-spike", "period",
    "frequency", "energy",
    "value",
]  # fmt: skip
OF_SPICE = {"max": "peak", "min": "minimum", "pp": "peak-to-peak", "avg": "mean"}
"""What `.meas` calls some of them."""
SPIKING = ("spike-count", "first-spike", "period", "frequency")


class Table(BaseModel):
    """A table of a study: unknown entries are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Between(Table):
    """Values between two ends, evenly spaced themselves or in their logarithm.

    Attributes:
        low: written `from`.
        high: written `to`.
        spacing: linear, or log where both ends are positive.
    """

    low: Quantity = Field(alias="from")
    high: Quantity = Field(alias="to")
    spacing: Spacing = "linear"

    @model_validator(mode="after")
    def _ordered(self) -> Between:
        if not self.low < self.high:
            raise ValueError(f"from = {self.low:g} and to = {self.high:g}; allowed: from < to")
        if self.spacing == "log" and self.low <= 0:
            raise ValueError(f"from = {self.low:g} has no logarithm; allowed with spacing = 'log': > 0")
        return self


class Steps(Between):
    """So many values from one end to the other, both included."""

    points: Annotated[int, Field(ge=2, le=MOST_POINTS, strict=True)]


class Spread(Table):
    """Log-normal about the circuit's own value: value exp(spread n), n standard normal."""

    spread: Positive


class Normal(Table):
    """Normal distribution."""

    mean: Quantity
    deviation: Positive


class Samples(Table):
    """Draws of several parameters together.

    Attributes:
        count: how many; for `sobol` a power of two, which its balance needs.
        method: sobol or latin-hypercube, which fill the space evenly, or random.
        parameters: distribution of each.
        devices: file of measured devices for each instance, such as `xm1`: a CSV with a row per device and a column per
            parameter, or `fit.json` of `memsim fit`. An instance gets parameters that belong together.
    """

    count: Count
    method: Literal["sobol", "latin-hypercube", "random"] = "sobol"
    parameters: Annotated[dict[str, Between | Spread | Normal], Field(max_length=1000)] = {}
    devices: Annotated[dict[str, str], Field(max_length=1000)] = {}

    @model_validator(mode="after")
    def _of_something(self) -> Samples:
        if not self.parameters and not self.devices:
            raise ValueError("samples of nothing; give parameters or devices")
        return self

    @model_validator(mode="after")
    def _balanced(self) -> Samples:
        if self.method == "sobol" and self.count & (self.count - 1):
            below = 2 ** int(math.log2(self.count))
            raise ValueError(f"sobol takes a power of two: {below} or {2 * below} instead of {self.count}")
        return self


class Measure(Table):
    """One number of a waveform.

    Attributes:
        of: the waveform, such as `v(mem)`.
        what: the kind of number, `value` for what is one number already; a frequency is 0 where there are fewer than
            two spikes, a period has no value there. SPICE's `max`, `min`, `avg` and `pp` are understood; its rise
            times and delays are `value` of a `.meas` in the deck.
        level: that a spike crosses upward, in the unit of the waveform.
        after: start of what is looked at [s], to leave a transient out.
        current: waveform of the current, for an energy: the integral of `of` times it. SPICE counts the current of a
            source into its plus end, so what a source delivers is negative.
    """

    of: Annotated[str, Field(min_length=1)]
    what: Annotated[
        Kind, BeforeValidator(lambda word: OF_SPICE.get(word, word) if isinstance(word, str) else word)
    ]
    level: Quantity | None = None
    after: Annotated[Quantity, Field(ge=0)] = 0.0
    current: str | None = None

    @model_validator(mode="after")
    def _complete(self) -> Measure:
        if (self.level is not None) != (self.what in SPIKING):
            raise ValueError(f"level belongs to {', '.join(SPIKING)}, which need it, and to nothing else")
        if (self.current is not None) != (self.what == "energy"):
            raise ValueError("current belongs to energy, which needs it, and to nothing else")
        return self


class SweepStudy(Table):
    """A sweep; see the top of this file for an example.

    Attributes:
        circuit: a shipped circuit by name.
        deck: or a deck, from the folder of the study; its parameters are values of `.param`, of elements (`r1`), of
            models (`mem.ron`), and `temp` in °C. Its own `.meas` are numbers, `what = "value"`.
        network: or the folder of a trained run; non-idealities are the parameters, `accuracy` is what comes out.
        images: test images of a network; all where left out.
        engine: what runs a circuit; decks need ngspice.
        stop: end time [s] of a circuit; its own where left out.
        step: longest step [s] of a circuit; its own where left out.
        timeout: time limit of one run [s].
        seed: of the draws.
        grid: values by parameter; every combination is run.
        samples: draws that are run at every combination.
        corners: named sets of values that are run at every combination.
        measure: what is kept of each run, by name.
    """

    circuit: str | None = None
    deck: str | None = None
    network: str | None = None
    images: Count | None = None
    engine: Literal["ngspice", "torch"] = "ngspice"
    stop: Positive | None = None
    step: Positive | None = None
    timeout: Positive = 60.0
    seed: Annotated[int, Field(ge=0, lt=2**63, strict=True)] = 0
    grid: dict[str, Steps | Annotated[tuple[Quantity, ...], Field(min_length=1)]] = {}
    samples: Samples | None = None
    corners: dict[str, dict[str, Quantity]] = {}
    measure: Annotated[dict[str, Measure], Field(min_length=1)]

    @model_validator(mode="after")
    def _one_subject(self) -> SweepStudy:
        if sum(one is not None for one in (self.circuit, self.deck, self.network)) > 1:
            raise ValueError("circuit, deck and network exclude each other; keep one")
        timed = self.engine != "ngspice" or self.stop or self.step
        if (self.deck or self.network) and timed:
            raise ValueError("engine, stop and step belong to a circuit; decks and networks have their own")
        if self.images and not self.network:
            raise ValueError("images belongs to a network; leave it out")
        return self


def make_sweep(**values: object) -> SweepStudy:
    """A sweep from keyword values; tables are dictionaries.

    Raises:
        InputError: an unknown name or a value out of range, named with what is allowed.
    """
    return checked(SweepStudy, values, "the sweep")


def load_sweep(path: str | Path) -> SweepStudy:
    """Read a sweep from a TOML file.

    Raises:
        InputError: no such file, not TOML, or an entry that cannot be used.
    """
    return checked(SweepStudy, read_toml(path, "sweep"), f"sweep {str(path)!r}")
