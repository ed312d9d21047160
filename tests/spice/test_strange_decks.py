"""Thousands of bent decks through the check, and the accepted ones through ngspice under a tracer.

`python benchmarks/strange_decks.py` is the long run; here a short one, the decks that once got through, and a look at
whether the tracer sees what it should.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from memsim.errors import UntrustedDeckError
from memsim.spice import check_trust, simulate
from memsim.spice.lines import encoded
from memsim.spice.process import DECK

pytestmark = pytest.mark.spice
ROOT = Path(__file__).parent.parent.parent
FEW, MANY = 300, 5000

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


@pytest.fixture
def strange(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import strange_decks

    return strange_decks


@needs_strace
@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
def test_accepted_decks_start_no_program_and_write_nothing_elsewhere(strange, count):
    seen = [strange.try_deck(strange._numbered(0, number)) for number in range(count)]
    assert not [one.escapes for one in seen if one.escapes]
    assert all(one.same for one in seen)
    assert sum(one.ran for one in seen) > count / 20  # else the decks would be too strange to show anything


@needs_strace
@pytest.mark.parametrize(
    "line",
    ["shell true", "run /tmp/{}", "write ../{}", "echo `true`", "echo x > /tmp/{}", "echo $curplottitle"],
)
def test_the_tracer_sees_what_an_unchecked_deck_does(strange, tmp_path, line):
    name = f"memsim-canary-{tmp_path.name}"
    text = f"a `true` b\nv1 a 0 1\nr1 a 0 1\n.op\n.control\nrun\n{line.format(name)}\n.endc\n.end\n"
    _, escapes = strange.traced({DECK: text.encode()}, tmp_path / "deck")
    assert escapes
    Path("/tmp", name).unlink(missing_ok=True)  # noqa: S108


NO_BREAK, IDEOGRAPHIC, OGHAM = "\u00a0", "\u3000", "\u1680"


def ends_early_for_python(blank):
    return (
        "t\nr1 1 0 1k\nv1 1 0 1\na1 1 2 g\n.model g gain(gain=2)\nr2 2 0 1k\n.tran 10u 1m\n.control\n"
        f"{blank}.endc\nshell touch pwned 0 0 0 0\n{blank}.control\n.endc\n.end\n"
    )


def with_commands(*lines, title="t", cards=""):
    return "\n".join([title, f"{cards}r1 1 0 1k\nv1 1 0 1\n.op", ".control", *lines, ".endc", ".end", ""])


TITLE = "`touch pwned`"
FOUND = {
    "a blank of Unicode before .endc": ends_early_for_python(NO_BREAK),
    "an ideographic blank before .endc": ends_early_for_python(IDEOGRAPHIC),
    "an ogham blank before .endc": ends_early_for_python(OGHAM),
    "run writes a raw file": with_commands("run pwned"),
    "the title as a variable": with_commands("run", "echo $curplottitle", title=TITLE),
    "a title card as a variable": with_commands("print $curplottitle", cards=f".title {TITLE}\n"),
    "a loop over the title": with_commands("foreach t $curplottitle", "echo $t", "end", title=TITLE),
    "an option that is a variable": with_commands("run", cards=".options rawfile=pwned\n"),
    # ngspice rewrites both and puts a * before, which makes *# of them: a comment that it executes
    "an element that is rewritten": with_commands(
        "run", cards="r#shell touch pwned r='1k+time'\nrt touch 0 1\nrp pwned 0 1\n"
    ),
    "an element of an unused sub-circuit": with_commands(
        "run", cards=".subckt unused p n\nd#shell touch pwned 0\n.ends\n"
    ),
    "a name that a function stands for": with_commands("run", cards=".func r(x) {*#shell}\nr(1) a 0 1k\n"),
    "a name with a parameter": with_commands("run", cards=".param p=1\nr{p}#shell touch pwned\n"),
    "a loop over pieces of the title's name": with_commands("foreach t {$cur,x}plottitle", "echo $t", "end"),
    "a comma between name and type": with_commands("run", cards=".model m1,filesource gain(file,secret)\n"),
    "a file without its equal sign": with_commands("run", cards='.model m1 gain(file "secret")\n'),
    "more digits than there is room for": with_commands("set numdgt=3000", "print v(1)"),
    "more columns than there is room for": with_commands("run", cards=".width out=99999\n"),
}


@pytest.mark.parametrize("name", FOUND)
def test_decks_that_once_got_through_are_refused(name, tmp_path):
    with pytest.raises(UntrustedDeckError):
        check_trust(FOUND[name], tmp_path)


@pytest.mark.parametrize(
    "title", [f"{'x' * 4999}*# shell touch pwned", ".include x", " .CONTROL", ".lib x y"]
)
def test_titles_that_ngspice_takes_for_more_are_refused(title, tmp_path):
    """It reads at most 4999 bytes of the first line, takes the rest for the second, and includes files there."""
    with pytest.raises(UntrustedDeckError, match="line 1"):
        check_trust(f"{title}\nv1 a 0 1\nr1 a 0 1\n.op\n.end\n", tmp_path)


def test_a_folder_whose_name_is_a_deck_line(tmp_path):
    folder = tmp_path / 'evil"\n.control\nshell touch pwned\n.endc\n*'
    folder.mkdir()
    (folder / "p.inc").write_text("r2 a 0 1\n")
    (folder / "deck.cir").write_text("t\nv1 a 0 1\nr1 a 0 1\n.include p.inc\n.op\n.end\n")
    assert float(simulate(folder / "deck.cir")["i(v1)"]) == pytest.approx(-2.0)  # two resistors of 1 ohm
    with pytest.raises(Exception, match="quotes or control characters"):
        simulate(folder / "deck.cir", trust=True)


HARMLESS = {
    "upper case": str.upper,
    "blanks before lines": lambda text: text.replace("\n", "\n \t"),
    "Windows line ends": lambda text: text.replace("\n", "\r\n"),
    "comments between": lambda text: text.replace("\n", "\n* caf\u00e9 \u00a0 `touch x`\n"),
    "comments behind": lambda text: text.replace("1k\n", "1k ; shell touch x \u00b5\n").replace(
        "1n\n", "1n $ load\n"
    ),
    "continuations": lambda text: text.replace(" 1k", "\n* between\n\n+1k").replace(" 1m", "\n  + 1m"),
    "Latin-1 in a comment": lambda text: text.replace("\n", "\n* \udcb5\n"),
    "a byte order mark": lambda text: f"\ufeff{text}",
}


@pytest.mark.filterwarnings("ignore:deck, line .*thousandths")  # of 1M in upper case
@pytest.mark.parametrize("name", HARMLESS)
def test_a_deck_means_the_same_however_it_is_laid_out(name, tmp_path):
    """What ngspice gets of a stranger's deck simulates as the deck itself does when it is trusted."""
    text = "title\nv1 a 0 sin(0 1 1k)\nr1 a b 1k\nc1 b 0 1n\n.tran 10u 1m\n.end\n"
    (tmp_path / "deck.cir").write_bytes(encoded(HARMLESS[name](text)))
    plain = simulate(text)
    checked, trusted = (simulate(tmp_path / "deck.cir", trust=trust) for trust in (False, True))
    np.testing.assert_array_equal(checked["v(b)"], plain["v(b)"])
    np.testing.assert_array_equal(trusted["v(b)"], plain["v(b)"])
