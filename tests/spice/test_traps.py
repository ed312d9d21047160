import warnings

import pytest

from memsim.errors import DeckWarning, NetlistError
from memsim.spice import read_netlist

BASE = "a low pass\nV1 in 0 SIN(0 1 1k)\nR1 in out 1k\nC1 out 0 1n\n"
END = ".tran 1u 1m\n.end\n"
POWER = "B1 a 0 V={}\nR9 a 0 1\n"
SOURCE = "V3 q 0 {}\nR9 q 0 1\n"


def said(text: str) -> list[str]:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        read_netlist(text)
    return [str(one.message) for one in found if issubclass(one.category, DeckWarning)]


@pytest.mark.parametrize(
    ("lines", "word"),
    [
        (POWER.format("V(in)**3"), "magnitude"),
        (POWER.format("V(in)^3"), "magnitude"),
        (POWER.format("pow(V(in),3)"), "magnitude"),
        (POWER.format("(V(in)-0)**3"), "magnitude"),
        (".param n=3\n" + POWER.format("V(in)**{n}"), "magnitude"),
        (POWER.format("V(in)**(2*2-1)"), "magnitude"),
        (".func cube(x) {x**3}\n" + POWER.format("cube(V(in))"), "magnitude"),
        ("R2 out 0 1M\n", "thousandths"),
        (SOURCE.format("SIN(0 1 10M)"), "thousandths"),
        ("C2 out 0 1F\n", "1e-15 farad"),
        ("R2 out 0 0\n", "1 mΩ"),
        ("C2 out 0 1n IC=1\n", "uic"),
        (SOURCE.format("PULSE(0 1 0 0 0 1m 2m)"), "print step"),
        (SOURCE.format("PWL(0 0 1m 1 1m 2)"), "two values of a PWL"),
    ],
)
def test_what_spice_reads_otherwise_is_warned_about_once(lines, word):
    (message,) = said(BASE + lines + END)
    assert word in message
    assert "deck, line" in message


@pytest.mark.parametrize(
    "lines",
    [
        POWER.format("V(in)**2"),
        POWER.format("abs(V(in))**3"),
        POWER.format("10**(-3)*V(in)"),
        POWER.format("pwr(V(in),3)"),
        POWER.format("V(in)*V(in)*V(in)"),
        "R2 out 0 1MEG\nR3 out 0 10MEGohm\nR4 out 0 4K\nR5 out 0 1e5\nC2 out 0 10uF\n",
        SOURCE.format("PULSE(0 1 0 1n 1n 1m 2m)"),
        SOURCE.format("PWL(0 0 1m 1 2m 2)"),
    ],
)
def test_what_is_meant_as_it_is_written_gives_no_warning(lines):
    assert said(BASE + lines + END) == []


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("R2 out 0 4k7\n", r"line 5.*`4k7` is `4k` to ngspice"),
        ("R2 out 0 1R5\n", r"`1R5` is `1R` to ngspice"),
        ("R2 out 0 1,5k\n", r"`1,5k` has a comma"),
        (SOURCE.format("PWL(0 0 2m 1 1m 2)"), r"must increase, but 0.001 s follows 0.002 s"),
        (".ac dec 1 1k 1k\n", r"`lin 1` for one frequency"),
        (".trna 1u 1m\n", r"no card of ngspice; did you mean .tran\?"),
        (".step param r 1 2 1\n", r"LTspice: `memsim sweep`"),
    ],
)
def test_what_cannot_be_meant_is_refused(lines, message):
    with pytest.raises(NetlistError, match=message):
        read_netlist(BASE + lines + END)


@pytest.mark.parametrize("trust", [True, False])
def test_a_misspelt_card_is_no_matter_of_trust(trust):
    with pytest.raises(NetlistError, match="did you mean"):
        read_netlist(BASE + ".optoins reltol=1\n" + END, trust=trust)


@pytest.mark.parametrize("title", ["V1 in 0 DC 1", "r1 in 0 1k", ".tran 1u 1m"])
def test_an_element_in_the_first_line_is_named(title):
    (message,) = said(f"{title}\n{BASE.partition(chr(10))[2]}{END}")
    assert "title" in message


@pytest.mark.parametrize(
    "title", ["RC low pass filter", "Circuit of the pulse generator", "* V1 in 0 1", "I love SPICE 3"]
)
def test_a_sentence_is_a_title(title):
    assert said(f"{title}\n{BASE.partition(chr(10))[2]}{END}") == []


def test_ngspice_does_take_the_magnitude_before_an_odd_power():
    """What the warning says is so: a sine of 1 V to the third power does not become negative."""
    from memsim.spice import simulate

    text = "x\nV1 in 0 SIN(0 1 1k)\nB1 a 0 V={}\nR1 a 0 1\n.tran 10u 1m\n.end\n"
    with pytest.warns(DeckWarning, match="magnitude"):
        folded = simulate(text.format("V(in)**3"))["v(a)"]
    assert float(folded.min()) > -1e-6
    assert float(simulate(text.format("V(in)*V(in)*V(in)"))["v(a)"].min()) == pytest.approx(-1, abs=0.01)
