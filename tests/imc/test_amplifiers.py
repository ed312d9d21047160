"""Sense amplifiers from their circuits: what is put into transistors in ngspice comes out as figures at the input."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import tomli_w
from typer.testing import CliRunner

from memsim.cli import app
from memsim.errors import InputError
from memsim.imc import load_hardware
from memsim.imc.amplifiers import AmplifierFigures, Bench, card_of, figures, read_amplifier
from memsim.imc.amplifiers.bench import Copy, run
from memsim.imc.amplifiers.figures import BOLTZMANN, CHARGE, CONDUCTANCES, RESOLUTION, TEMPERATURE

BENCH = Bench(supply=1.1, common=0.6, period=1e-9)
LATCH = (resources.files("memsim.imc.amplifiers") / "strongarm.cir").read_text(encoding="utf-8")
FIGURES = AmplifierFigures(
    offset=8e-3,
    offset_error=1e-3,
    offset_mean=0.0,
    samples=3,
    hysteresis=2e-3,
    noise=6e-4,
    noise_error=1e-5,
    time_offset=1e-11,
    time_constant=1e-11,
    time_error=1e-13,
    overdrives=(1e-3,),
    times=(8e-11,),
    offsets=(-8e-3, 0.0, 8e-3),
    course_times=(0.0, 1e-10),
    courses=((0.0, 1.1),),
)


@pytest.fixture(scope="module")
def latch() -> figures._Amplifier:
    return figures._Amplifier(read_amplifier("strongarm"), BENCH)


@pytest.mark.spice
def test_a_shift_of_an_input_transistor_is_the_offset_and_that_of_the_tail_is_none(latch: figures._Amplifier):
    assert abs(latch.turning) < RESOLUTION  # both sides are alike
    shifts = [{"s_min1": 5e-3}, {"s_min2": 5e-3}, {"s_mtail": 20e-3}, {"s_min1": 5e-3, "s_min2": 5e-3}]
    found = latch.turning_points([Copy(0.0, -1, one) for one in shifts])
    # a source at a gate is one at the input, to the last but the resolution on either side
    np.testing.assert_allclose(found, [5e-3, -5e-3, 0, 0], atol=2 * RESOLUTION)


@pytest.mark.spice
def test_times_follow_the_law_and_tell_how_far_inputs_were(latch: figures._Amplifier):
    assert (np.diff(latch.times) < 0).all()
    # a tenth of the time in which a difference grows by e: inputs are known to some per cent
    assert latch.error < 0.1 * latch.tau
    inputs = [5e-5, -2e-4, 2e-3, -6e-3]
    found = latch.beyond(latch.run([Copy(latch.turning + one) for one in inputs]))
    np.testing.assert_allclose(found, inputs, rtol=0.1)


@pytest.mark.spice
def test_charges_in_several_channels_add_up(latch: figures._Amplifier):
    length = 5e-12
    pulse = {"pulse_start": BENCH.rise + 1e-11, "pulse_length": length}
    alone = [{"i_min1": CHARGE / length}, {"i_min2": -2 * CHARGE / length}, {"i_mn2": -CHARGE / length}]
    together = {name: value for one in alone for name, value in one.items()}
    copies = [Copy(latch.turning, -1, {**one, **pulse}) for one in (*alone, together)]
    *parts, whole = latch.beyond(latch.run(copies))
    # charge drawn from the output that falls where the input is high decides high
    assert min(parts) > 0
    # the law of times, read four times, is right to some per cent of each
    assert whole == pytest.approx(sum(parts), rel=0.1)


@pytest.mark.spice
@pytest.mark.slow
def test_noise_is_what_random_currents_in_all_channels_do_to_decisions(latch: figures._Amplifier):
    """Currents that are white up to 1 / (2 dt), of the conductances that a decision at the turning point has."""
    noise, _ = latch.noise()
    transistors, draws, step = latch.amplifier.transistors, 120, 3e-12
    save = [f"@m.x0.{one.name}[{kind}]" for one in transistors for kind in CONDUCTANCES]
    (still,) = latch.run([Copy(latch.turning)], save)
    moments = BENCH.rise + np.arange(-1e-10, 2e-10, step)
    density = 8 * BOLTZMANN * TEMPERATURE / 3 * latch._conductances(still, moments)
    random, found = np.random.default_rng(0), []
    for _ in range(draws):
        currents = random.standard_normal(density.shape) * np.sqrt(density / (2 * step))
        sources = [
            f"in_{one.name} {one.nodes[0]} {one.nodes[2]} pwl({points(moments, step, row)})"
            for one, row in zip(transistors, currents, strict=True)
        ]
        noisy = replace(latch.amplifier, others=(*latch.amplifier.others, *sources))
        found += run(noisy, BENCH, [Copy(latch.turning)])
    # the standard error of a deviation of 120 is 6.5 %, three of them; that of the law of times is below
    assert latch.beyond(found).std() == pytest.approx(noise, rel=0.2)


def points(moments: np.ndarray, step: float, values: np.ndarray) -> str:
    """Of a source that is constant over each step but for short edges, and nothing before and after."""
    steps = [
        f"{at:.6e} {value:.6e} {at + 0.95 * step:.6e} {value:.6e}"
        for at, value in zip(moments, values, strict=True)
    ]
    return f"0 0 {moments[0] - step:.6e} 0 {' '.join(steps)} {moments[-1] + 2 * step:.6e} 0"


@pytest.mark.spice
def test_an_output_that_is_not_reset_is_remembered(tmp_path: Path):
    place = tmp_path / "lazy.cir"
    weak = LATCH.replace("mr1 outn clk vdd vdd pch w=1u", "mr1 outn clk vdd vdd pch w=60n")
    place.write_text(weak.replace("mr2 outp clk vdd vdd pch w=1u", "mr2 outp clk vdd vdd pch w=60n"))
    lazy = figures._Amplifier(read_amplifier(place), Bench(supply=1.1, common=0.6, period=7e-10))
    after_low, after_high = lazy.turning_points([Copy(0.0, before) for before in (-1, 1)])
    # the last decision is kept
    assert after_low > 2 * RESOLUTION
    assert after_high == pytest.approx(-after_low, abs=2 * RESOLUTION)


@pytest.mark.spice
def test_the_command_writes_figures_a_picture_and_a_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(figures, "TIMES", 4)
    place = tmp_path / "out"
    numbers = ["--matching", "1n", "--samples", "2", "--period", "1n"]
    asked = ["amplifier", "strongarm", *numbers, "--card", "adcless-32", "--load", "200", "--out", str(place)]
    result = CliRunner().invoke(app, asked, catch_exceptions=False)
    assert result.exit_code == 0
    found = json.loads((place / "amplifier.json").read_text())
    card = load_hardware(place / "adcless-32-strongarm.toml")
    assert (place / "decisions.png").stat().st_size
    assert (card.array.rows, card.converter.hysteresis) == (32, 0.0)
    assert card.converter.offset == pytest.approx(found["offset"] / (200 * card.cell.lsb), rel=1e-3)
    # two samples of two standard normal vectors: offsets are of the size that Pelgrom's law says for the input pair
    pair = 1e-9 * math.sqrt(2 / (2e-6 * 60e-9))
    assert 0.01 * pair < found["offset"] < 4 * pair
    assert 1e-4 < found["noise"] < 2e-3


def test_figures_become_lsb_of_a_card(tmp_path: Path):
    given = {"source": "my.cir:latch", "matching": 3.5e-9}
    made = card_of(FIGURES, BENCH, base="adcless-differential-64", load=100.0, **given)
    (tmp_path / "own.toml").write_text(tomli_w.dumps(made))
    card = load_hardware(tmp_path / "own.toml")
    # 0.5 V on 6 and on 900 kOhm: 82.8 uA, in 100 Ohm
    lsb = 100 * 0.5 * (1 / 6e3 - 1 / 900e3)
    wanted = 8e-3 / lsb, 6e-4 / lsb, 2e-3 / lsb
    found = card.converter.offset, card.converter.noise, card.converter.hysteresis
    assert found == pytest.approx(wanted, rel=1e-3)  # four digits are written
    until = FIGURES.time_offset + FIGURES.time_constant * math.log(BENCH.supply / FIGURES.noise)
    assert card.converter.decision_time == pytest.approx(until, rel=1e-3)
    assert "my.cir:latch in ngspice, 1.1 V" in card.sources["converter.offset"]
    with pytest.raises(InputError, match="is read by flash; allowed: one of sense-amplifier and ternary"):
        card_of(FIGURES, BENCH, base="hp-adc", load=100.0, **given)
    with pytest.raises(InputError, match="load = 0 ohm"):
        card_of(FIGURES, BENCH, base="adcless", load=0.0, **given)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "vdd clk inp inn outp outn",
            "vdd clk inp inn outp out",
            "has the terminals vdd, clk, inp, inn, outp, out;",
        ),
        ("nch w=2u l=60n\nmin1", "nch w={wide} l=60n\nmin1", "give w= and l= as numbers"),
        ("cl1 outn 0 5f", "xl outn load", "write it flat"),
    ],
)
def test_circuits_that_are_no_such_amplifier_are_named(old: str, new: str, told: str, tmp_path: Path):
    assert old in LATCH
    (tmp_path / "own.cir").write_text(LATCH.replace(old, new))
    with pytest.raises(InputError, match=told):
        read_amplifier(tmp_path / "own.cir")


def test_another_sub_circuit_is_named(tmp_path: Path):
    (tmp_path / "two.cir").write_text(LATCH + LATCH.replace("strongarm vdd", "other vdd"))
    with pytest.raises(InputError, match=r"sub-circuits strongarm, other; name one"):
        read_amplifier(tmp_path / "two.cir")
    assert read_amplifier(f"{tmp_path / 'two.cir'}:other").name == "other"
    with pytest.raises(InputError, match="cannot be read"):
        read_amplifier(tmp_path / "none.cir")


@pytest.mark.spice
@pytest.mark.parametrize(
    ("gates", "common", "told"),
    [
        (("inn", "inp"), 0.6, r"after a decision of \+1, outp less outn ends at -1\.1 V"),
        (("inp", "inn"), 0.1, "another common"),
    ],
)
def test_what_does_not_decide_is_named(gates: tuple[str, str], common: float, told: str, tmp_path: Path):
    left = LATCH.replace("min1 x1 inp", f"min1 x1 {gates[0]}")
    (tmp_path / "own.cir").write_text(left.replace("min2 x2 inn", f"min2 x2 {gates[1]}"))
    with pytest.raises(InputError, match=told):
        figures._Amplifier(
            read_amplifier(tmp_path / "own.cir"), Bench(supply=1.1, common=common, period=1e-9)
        )


def test_numbers_out_of_range_are_named():
    with pytest.raises(InputError, match=r"common = 1\.2; allowed: above 0, up to 1\.1"):
        Bench(supply=1.1, common=1.2, period=1e-9)
    with pytest.raises(InputError, match="samples = 1; allowed"):
        figures.characterise(read_amplifier("strongarm"), BENCH, matching=1e-9, samples=1)
