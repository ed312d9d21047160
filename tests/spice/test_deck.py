"""The text of decks: deterministic, plain, and able to stand alone."""

import subprocess
import sys

import pytest
from PySpice.Spice.Netlist import Circuit

from memsim.circuits import IntegrateAndFire, PulseTrain, Sine
from memsim.errors import InputError
from memsim.spice import check_trust, deck, lint, read_raw

RC = """.title RC circuit
vdrive top 0 sin(0 1.0 1000.0)
r1 top out 1000
c1 out 0 1e-09 ic=0
.options abstol=1e-20 chgtol=1e-22 method=gear reltol=1e-05 trtol=1.0 vntol=1e-08
.save v(out) v(top)
.tran 1e-08 1e-06 0 1e-08 uic
.control
if $?batchmode
else
run
plot v(out) v(top)
end
.endc
.end
"""


def charging():
    circuit = Circuit("RC circuit")
    circuit.V("Drive", "Top", circuit.gnd, 1)
    circuit.R(1, "Top", "out", 1000)
    circuit.C(1, "out", circuit.gnd, 1e-9, ic=0)
    return circuit


class Literal:
    def netlist_lines(self, element, plus, minus):
        return [f"{element} {plus} {minus} sin(0 1.0 1000.0)"]


def test_text():
    text = deck(
        charging(), stimuli={"VDrive": Literal()}, stop=1e-6, step=1e-8, save=["v(Top)", "v(out)", "v(out)"]
    )
    assert text == RC


def test_text_is_the_same_in_every_process():
    code = (
        "from memsim.circuits import IntegrateAndFire; from memsim.spice import deck\n"
        "print(deck(IntegrateAndFire.published(1).circuit(), stop=1e-2, step=5e-6), end='')"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        ).stdout
        for seed in ("1", "2")
    }
    assert texts == {deck(IntegrateAndFire.published(1).circuit(), stop=1e-2, step=5e-6)}


@pytest.mark.parametrize(
    "stimulus", [Sine(1.0, 1e3), PulseTrain(1.0, width=1e-7, period=1e-6, rise=1e-9, fall=1e-9)]
)
def test_shipped_circuits_are_trusted_and_clean(stimulus, tmp_path):
    text = deck(charging(), stimuli={"vdrive": stimulus}, stop=1e-6, step=1e-8)
    check_trust(text, tmp_path)
    lint(text, tmp_path)
    neuron = deck(IntegrateAndFire.published(1).circuit(), stop=1e-2, step=5e-6)
    check_trust(neuron, tmp_path)
    lint(neuron, tmp_path)


def test_options():
    def card(**options):
        text = deck(charging(), stop=1e-6, step=1e-8, options=options)
        return next(line for line in text.splitlines() if line.startswith(".options"))

    assert (
        card(reltol=1e-3, method=None)
        == ".options abstol=1e-20 chgtol=1e-22 reltol=0.001 trtol=1.0 vntol=1e-08"
    )
    assert card(klu=True, rshunt=1e12, METHOD="trap").split()[3:6] == ["klu", "method=trap", "reltol=1e-05"]


def test_large_circuits_ask_for_klu():
    circuit = Circuit("ladder")
    circuit.V("drive", "n0", circuit.gnd, 1)
    for i in range(256):
        circuit.R(i, f"n{i}", f"n{i + 1}", 1)
    assert " klu " in deck(circuit, stop=1e-6, step=1e-8)


def test_default_plot_shows_at_most_eight_voltages():
    circuit = Circuit("ladder")
    circuit.V("drive", "n0", circuit.gnd, 1)
    for i in range(20):
        circuit.R(i, f"n{i}", f"n{i + 1}", 1)
    (plot,) = [line for line in deck(circuit, stop=1e-6, step=1e-8).splitlines() if line.startswith("plot")]
    assert plot.split()[1:3] == ["v(n0)", "v(n1)"]
    assert len(plot.split()) == 9


def test_names_outside_ascii_are_refused():
    circuit = Circuit("größer")
    circuit.R(1, "größer", circuit.gnd, 1)
    with pytest.raises(InputError, match="ASCII"):
        deck(circuit, stop=1e-6, step=1e-8)


@pytest.mark.spice
def test_stand_alone(tmp_path):
    (tmp_path / "rc.cir").write_text(RC)
    done = subprocess.run(
        ["ngspice", "-b", "-r", "out.raw", "rc.cir"],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        timeout=30,
    )
    assert b"rror" not in done.stdout + done.stderr
    assert list(read_raw(tmp_path / "out.raw")) == ["v(out)", "v(top)"]
