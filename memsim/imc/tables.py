"""The tables of a hardware card: see memsim.imc.hardware."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from memsim import tables
from memsim.tables import NonNegative, Positive, Share

Lines = Annotated[int, Field(ge=1, le=4096)]
Bits = Annotated[int, Field(ge=1, le=16)]
COUNTER_BITS = 16
"""Of accumulators of cards that do not say."""
ConverterKind = Literal["ideal", "sense-amplifier", "ternary", "flash", "sar"]


class Table(tables.Table):
    """A table of a card: types are not guessed."""

    model_config = ConfigDict(strict=True)


class ArrayTable(Table):
    """One crossbar array.

    Attributes:
        rows: word lines.
        columns: bit lines that hold weights; a reference column stands beside them.
    """

    rows: Lines
    columns: Lines


class CellTable(Table):
    """One memory cell.

    Attributes:
        bits: that it holds, as 2^bits conductances evenly from 1 / resistance_off to 1 / resistance_on.
        resistance_on, resistance_off: lowest and highest resistance [ohm].
        read_voltage: on the word line of an active input [V].
        read_time: length of a read pulse on a word line, after which the column is converted [s].
        variation: standard deviation of the logarithm of conductances, from device to device.
        stuck_rate: share of cells that stay at their highest conductance.
        upset_rate: share of cells that have turned to the conductance opposite to their own since they were written.
        retained: share that is left of how far cells were written from the middle of their range, 1 when just written;
            what they are compared with, and counted in, stays.
        read_noise: standard deviation of a cell's conductance from read to read, as a share of it.
        write_voltage, write_time: of a pulse that programs a cell [V], [s]; without them programming has no cost.
        write_pulses: that a cell takes on average, those of write and verify schemes included; 1 where left out.
    """

    bits: Annotated[int, Field(ge=1, le=8)]
    resistance_on: Positive
    resistance_off: Positive
    read_voltage: Positive
    read_time: Positive
    variation: NonNegative = 0.0
    stuck_rate: Share = 0.0
    upset_rate: Share = 0.0
    retained: Share = 1.0
    read_noise: NonNegative = 0.0
    write_voltage: Positive | None = None
    write_time: Positive | None = None
    write_pulses: Positive | None = None

    @model_validator(mode="after")
    def _written_wholly(self) -> CellTable:
        if (self.write_voltage is None) != (self.write_time is None):
            raise ValueError("write_voltage and write_time go together; give both or neither")
        if self.write_pulses is not None and self.write_voltage is None:
            raise ValueError(
                f"write_pulses = {self.write_pulses:g} has no meaning without write_voltage and write_time"
            )
        return self

    @property
    def conductance_mean(self) -> float:
        """With as many cells on as off [S]."""
        return (self.conductance_max + self.conductance_min) / 2

    @property
    def conductance_max(self) -> float:
        """[S]."""
        return 1 / self.resistance_on

    @property
    def conductance_min(self) -> float:
        """[S]."""
        return 1 / self.resistance_off

    @property
    def levels(self) -> int:
        """Conductances that a cell can hold."""
        return 2**self.bits

    @property
    def lsb(self) -> float:
        """Current between two neighbouring levels of an active cell [A]."""
        return self.read_voltage * (self.conductance_max - self.conductance_min) / (self.levels - 1)


class WiresTable(Table):
    """Resistances of one array [ohm]: of each segment between neighbours, of drivers and of sense ends."""

    word_line: NonNegative = 0.0
    bit_line: NonNegative = 0.0
    driver: NonNegative = 0.0
    sense: NonNegative = 0.0


class WeightsTable(Table):
    """Weights as integers on bit lines.

    Attributes:
        bits: of a weight, sign included.
        slicing: `offset-binary`: odd multiples of 1/2, (u - (2^bits - 1) / 2), the digits of u on cells that are read
            against a half-on reference column. `sign-magnitude`: -(2^(bits-1) - 1) to 2^(bits-1) - 1, the digits of
            the magnitude on one of two twin bit lines, which are read against each other.
    """

    bits: Annotated[int, Field(ge=1, le=12)]
    slicing: Literal["offset-binary", "sign-magnitude"]


class InputsTable(Table):
    """Inputs on word lines, from 0 to `high`.

    Attributes:
        coding: `binary`: spikes, 0 or 1. `pulse-count`: up to 2^bits - 1 pulses whose charge is converted once.
            `bit-serial`: the digits of an integer one after the other, each converted, then shifted and added.
        bits: of an input.
        high: input that is shown as the largest integer, where no range was fitted to data; of binary ones it is 1.
        saturates: whether what is above it is shown as the largest integer, as a line that several spikes drive at once
            is on and no more; else it is refused.
    """

    coding: Literal["binary", "pulse-count", "bit-serial"]
    bits: Bits = 1
    high: Positive = 1.0
    saturates: bool = False


class ConverterTable(Table):
    """What reads a bit line, against its reference.

    Attributes:
        kind: `ideal` reads exactly; `sense-amplifier` gives the sign; `ternary` has two thresholds; `flash` and `sar`
            are ADCs.
        bits: of a conversion; 1 for sense amplifiers, 2 for ternary ones, and for ideal ones only what is costed.
        columns: bit lines that take turns at one converter.
        step: of an ADC [LSB]; where left out the finest that partial sums can have.
        threshold: of a ternary converter, up and down [LSB].
        offset: standard deviation over converters, fixed for each [LSB].
        noise: standard deviation of each decision [LSB].
        hysteresis: by which the threshold moves away from the side that was last decided, up and down [LSB].
        metastable: inputs this close to the threshold are decided by chance [LSB].
        tie: what a sense amplifier decides at exactly 0.
        decision_time: of a sense amplifier or a ternary converter [s]; that of the technology where left out.
        inl, dnl: standard deviation of the bow over the range, and of each step [LSB of the ADC].
    """

    kind: ConverterKind
    bits: Bits
    columns: Lines = 1
    step: Positive | None = None
    threshold: NonNegative = 0.0
    offset: NonNegative = 0.0
    noise: NonNegative = 0.0
    hysteresis: NonNegative = 0.0
    metastable: NonNegative = 0.0
    tie: Literal["low", "high"] = "low"
    decision_time: Positive | None = None
    inl: NonNegative = 0.0
    dnl: NonNegative = 0.0

    @property
    def adc(self) -> bool:
        """Whether it gives numbers, and not decisions."""
        return self.kind in {"flash", "sar"}

    @model_validator(mode="after")
    def _figures_fit_kind(self) -> ConverterTable:
        fixed = {"sense-amplifier": 1, "ternary": 2}
        if self.bits != fixed.get(self.kind, self.bits):
            raise ValueError(f"bits = {self.bits} does not fit a {self.kind}; allowed: {fixed[self.kind]}")
        of_adc, of_decision = ("step", "inl", "dnl"), ("hysteresis", "metastable")
        idle = {
            "ideal": (*of_adc, *of_decision, "offset", "noise", "threshold", "decision_time"),
            "sense-amplifier": (*of_adc, "threshold"),
            "ternary": (*of_adc, *of_decision),
        }.get(self.kind, (*of_decision, "threshold", "decision_time"))
        for name in idle:
            if getattr(self, name):
                raise ValueError(
                    f"{name} = {getattr(self, name)} has no meaning for kind = {self.kind}; leave it out"
                )
        if self.kind != "sense-amplifier" and self.tie != "low":
            raise ValueError(f"tie = {self.tie} has no meaning for kind = {self.kind}; leave it out")
        return self


class AccumulationTable(Table):
    """Where partial sums of slices and of row tiles are added: `digital` counters, or the `analog` membrane.

    Attributes:
        bits: of a counter, 1 to 32; 16 where left out.
    """

    kind: Literal["digital", "analog"]
    bits: Annotated[int, Field(ge=1, le=32)] | None = None

    @model_validator(mode="after")
    def _analog_has_no_counter(self) -> AccumulationTable:
        if self.kind == "analog" and self.bits is not None:
            raise ValueError(f"bits = {self.bits} has no meaning for kind = analog; leave it out")
        return self

    @property
    def width(self) -> int:
        """Bits of a counter."""
        return COUNTER_BITS if self.bits is None else self.bits


class TilesTable(Table):
    """How arrays are grouped.

    Attributes:
        arrays: that share buffer and wiring, in a square: 1, 4, 9, 16, and so on.
        buffer_bits: of that buffer, for inputs and partial sums; what does not fit passes through the global buffer.
        on_chip: tiles of the chip; where left out as many as a network takes. A larger network is programmed anew, part
            after part, in each inference.
    """

    arrays: Annotated[int, Field(ge=1)]
    buffer_bits: Annotated[int, Field(ge=1)]
    on_chip: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _square(self) -> TilesTable:
        side = math.isqrt(self.arrays)
        if side**2 != self.arrays:
            raise ValueError(
                f"arrays = {self.arrays} do not form a square; allowed: such as {side**2} or {(side + 1) ** 2}"
            )
        return self


class DigitalTable(Table):
    """The unit that computes what is not on arrays: normalisation, pooling, sums of branches, digital layers.

    Attributes:
        lanes: multiply-accumulate units that work side by side, one operation in each cycle.
    """

    lanes: Annotated[int, Field(ge=1, le=10**6)] = 64


class MemoryTable(Table):
    """Memory off the chip, from which inputs come and to which outputs go, and weights that are loaded anew.

    Attributes:
        energy: of one bit [J].
        bandwidth: [bit/s].
    """

    energy: Positive
    bandwidth: Positive


class ClockTable(Table):
    """`synchronous`: one period for all, that of the slowest; `decoupled`: digital parts keep their own.

    Attributes:
        digital_period: of digital parts [s].
    """

    kind: Literal["synchronous", "decoupled"]
    digital_period: Positive = 1e-9


class TechnologyTable(Table):
    """Name of the card of cost constants, or the path of one."""

    card: str
