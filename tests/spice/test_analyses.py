import math
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from memsim.errors import DeckWarning, InputError, NetlistError
from memsim.spice import read_raw, run_deck, simulate, write_raw

pytestmark = pytest.mark.spice

CIRCUIT = "a low pass\nV1 in 0 PULSE(0 1 0 1n 1n 5u 10u) AC 1\nR1 in out 1k\nC1 out 0 1n\n"
CARDS = (
    ".tran 10n 20u\n.ac dec 10 1 1meg\n.op\n.dc V1 0 1 0.1\n.noise v(out) V1 dec 10 1 1meg\n"
    ".meas tran tr trig v(out) val=0.1 rise=1 targ v(out) val=0.9 rise=1\n.meas tran top max v(out)\n"
    ".meas tran twice param='top*2'\n.meas ac gain find vdb(out) at=159k\n.meas dc half find v(out) at=0.5\n"
)
PRINTED = 1e-6
"""ngspice prints measures to seven digits."""


def test_every_analysis_is_returned_with_its_measures():
    found = run_deck(f"{CIRCUIT}{CARDS}.end\n")
    assert set(found) == {"tran", "ac", "op", "dc", "noise"}
    assert float(found["tran"]["twice"]) == pytest.approx(2 * float(found["tran"]["top"]), rel=1e-5)
    # an RC of 1 µs charges from 10 to 90 % in ln 9 µs
    assert float(found["tran"]["tr"]) == pytest.approx(math.log(9) * 1e-6, rel=1e-3)
    assert float(found["dc"]["half"]) == pytest.approx(0.5, rel=PRINTED)
    gain = 20 * np.log10(np.abs(np.interp(159e3, found["ac"]["frequency"], found["ac"]["v(out)"])))
    assert float(found["ac"]["gain"]) == pytest.approx(
        float(gain), abs=0.05
    )  # between points ngspice has another line
    assert found["noise"]["onoise_spectrum"].dims == ("frequency",)
    # Johnson noise of 1 kΩ behind an RC: the integral over all frequencies is k T / C
    assert float(found["noise"]["onoise_total"]) < math.sqrt(1.380649e-23 * 300.15 / 1e-9)


def test_measures_are_those_that_ngspice_prints(tmp_path: Path):
    for kind, card, lines in (
        ("tran", ".tran 10n 20u", [line for line in CARDS.splitlines() if ".meas tran" in line]),
        ("ac", ".ac dec 10 1 1meg", [line for line in CARDS.splitlines() if ".meas ac" in line]),
        ("dc", ".dc V1 0 1 0.1", [line for line in CARDS.splitlines() if ".meas dc" in line]),
    ):
        text = "\n".join([CIRCUIT.strip(), card, *lines, f".print {kind} v(out)", ".end", ""])
        (tmp_path / "deck.cir").write_text(text)
        printed = subprocess.run(
            ["ngspice", "-n", "-b", "deck.cir"], cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout
        waves = simulate(text)
        for name in (line.split()[2] for line in lines):
            said = re.search(rf"^{name}\s*=\s*(\S+)", printed, re.MULTILINE)
            assert said is not None
            assert float(waves[name]) == pytest.approx(float(said[1]), rel=PRINTED)


def test_a_control_block_runs_its_analyses_and_loops():
    block = (
        ".control\nforeach c 1n 2n\nalter c1 $c\ntran 10n 20u\nmeas tran tr trig v(out) val=0.1 rise=1 targ v(out) "
        "val=0.9 rise=1\nend\nac dec 10 1 1meg\nquit\n.endc\n"
    )
    found = run_deck(f"{CIRCUIT}{block}.end\n")
    assert set(found) == {"tran", "tran-2", "ac"}
    assert float(found["tran-2"]["tr"]) == pytest.approx(2 * float(found["tran"]["tr"]), rel=1e-3)


def test_a_run_by_command_gives_the_waveform_of_the_card():
    card = simulate(f"{CIRCUIT}.tran 10n 20u\n.end\n")
    command = simulate(f"{CIRCUIT}.tran 10n 20u\n.control\nrun\n.endc\n.end\n")
    np.testing.assert_array_equal(card["time"], command["time"])
    np.testing.assert_array_equal(card["v(out)"], command["v(out)"])


def test_a_measure_that_fails_is_named():
    with pytest.warns(DeckWarning, match=r"could not take `.meas tran never when v\(out\)=5`; never is NaN"):
        found = simulate(f"{CIRCUIT}.tran 10n 20u\n.meas tran never when v(out)=5\n.end\n")
    assert math.isnan(float(found["never"]))


def test_a_measure_of_an_analysis_that_is_not_there_is_named():
    with pytest.warns(DeckWarning, match="an analysis that this deck does not have"):
        simulate(f"{CIRCUIT}.tran 10n 20u\n.meas ac top max vdb(out)\n.end\n")


def test_raw_files_are_read_back(tmp_path: Path):
    found = run_deck(f"{CIRCUIT}{CARDS}.end\n")
    write_raw(tmp_path / "all.raw", found)
    for kind, name in (("ac", "ac"), ("tran", "transient"), ("dc", "dc"), ("op", "operating")):
        again = read_raw(tmp_path / "all.raw", plot=name)
        for variable in again.variables:
            np.testing.assert_array_equal(again[variable], found[kind][variable])
        assert dict(again.sizes) == dict(found[kind].sizes)


def test_ngspice_reads_raw_files_of_ours(tmp_path: Path):
    found = run_deck(f"{CIRCUIT}.tran 10n 20u\n.end\n")
    write_raw(tmp_path / "t.raw", found)
    (tmp_path / "load.cir").write_text(
        "x\nv1 a 0 1\n.control\nload t.raw\nmeas tran top max v(out)\nquit\n.endc\n.end\n"
    )
    said = subprocess.run(
        ["ngspice", "-n", "-b", "load.cir"], cwd=tmp_path, capture_output=True, text=True, check=False
    ).stdout
    top = re.search(r"top\s*=\s*(\S+)", said)
    assert top is not None
    assert float(top[1]) == pytest.approx(float(found["tran"]["v(out)"].max()), rel=PRINTED)


@pytest.mark.parametrize("trust", [True, False])
@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_a_micro_sign_is_micro_in_every_encoding(tmp_path: Path, encoding: str, trust: bool):
    text = "x\nI2 0 o2 PULSE(0 5µ 0 1µ 1µ 50µ 100µ)\nR2 o2 0 1k\n.tran 1µ 500µ\n.end\n"
    (tmp_path / "a.cir").write_bytes(text.encode(encoding))
    waves = simulate(tmp_path / "a.cir", trust=trust)
    assert float(waves["time"][-1]) == pytest.approx(500e-6)
    assert float(waves["v(o2)"].max()) == pytest.approx(5e-3)


def test_decks_of_ltspice_run_in_its_dialect(tmp_path: Path):
    """`.tran 0 stop 0 step`, `.lib` of a file, `if(` and `.backanno` are LTspice's; the sub-circuit is a divider."""
    (tmp_path / "div.sub").write_text(".subckt div a b\nR1 a b 1k\nR2 b 0 1k\n.ends\n")
    text = (
        "* C:\\drafts\\x.asc\nV1 in 0 SINE(0 1 1k)\nX1 in out div\nB1 s 0 V=if(V(out)>0,1,-1)\nR9 s 0 1\n"
        ".lib div.sub\n.tran 0 2m 0 1u\n.backanno\n.end\n"
    )
    (tmp_path / "x.net").write_text(text)
    waves = simulate(tmp_path / "x.net", compat="lt")
    assert float(waves["time"][-1]) == pytest.approx(2e-3)
    assert float(waves["v(out)"].max()) == pytest.approx(0.5, rel=1e-3)
    assert float(waves["v(s)"].min()) == pytest.approx(-1)
    with pytest.raises(NetlistError, match="ternary"):
        simulate(tmp_path / "x.net", trust=True)


def test_an_unknown_dialect_is_refused():
    with pytest.raises(InputError, match=r"lt \(LTspice\), ps \(PSpice\), hs \(HSPICE\)"):
        run_deck(f"{CIRCUIT}.op\n.end\n", compat="spectre")


def test_a_deck_without_any_analysis_is_refused():
    with pytest.raises(NetlistError, match="neither a card"):
        run_deck(f"{CIRCUIT}.end\n")
