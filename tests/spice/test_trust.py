"""A deck from a stranger can simulate and nothing else."""

import pytest

from memsim.errors import DeckWarning, NetlistError, UntrustedDeckError
from memsim.spice import check_trust, simulate

BODY = "v1 a 0 1\nr1 a 0 1k\n.tran 1n 1u\n"
GUARDED = ".control\nif $?batchmode\nelse\nrun\nplot v(a) v(xm1.x)\nend\n.endc\n"


def control(*lines):
    return "* t\n" + BODY + "\n".join([".control", *lines, ".endc", ".end", ""])


def deck(*lines):
    return "* t\n" + BODY + "\n".join([*lines, ".end", ""])


REFUSED = {
    "shell": control("shell touch pwned"),
    "upper case": control("  SHELL touch pwned"),
    "indented block": "* t\n" + BODY + "  .ConTrol\n shell touch pwned\n.endc\n.end\n",
    "longer word opens a block": "* t\n" + BODY + ".controlfoo\nshell touch pwned\n.endc\n.end\n",
    "block after the end": deck() + ".control\nshell touch pwned\n.endc\n",
    "block on the title line": ".control\nshell touch pwned\n.endc\n" + BODY + ".end\n",
    "executed comment": deck("*# shell touch pwned"),
    "indented executed comment": deck("  *# shell touch pwned"),
    "script instead of a deck": "*ng_script\nshell touch pwned\n",
    "script in upper case": "*NG_SCRIPT\nshell touch pwned\n",
    "back quotes": control("echo `touch pwned`"),
    "back quotes in a card": deck(".param p=`touch pwned`"),
    "history": control("!touch pwned"),
    "second command": control("plot v(a); shell touch pwned"),
    "continued command": control("plot v(a)", "+ ; shell touch pwned"),
    "continuation opens": control("+ shell touch pwned"),
    "backslash continuation": deck("r2 a 0 1k \\\\", "*# shell touch pwned"),
    "backslash": control("echo hi \\", "shell touch pwned"),
    "command in a variable": control("set c=shell", "$c touch pwned"),
    "loop over commands": control("foreach c shell", "$c touch pwned", "end"),
    "command before the deck": control("pre_shell touch pwned"),
    "quoted command": control('"shell" touch pwned'),
    "inside a condition": control("if 1", "shell touch pwned", "end"),
    "system": control("system touch pwned"),
    "unix commands": control("set unixcom", "touch pwned"),
    "alias": control("alias plot shell", "plot touch pwned"),
    "redirection": control("echo hi > pwned"),
    "redirection without spaces": control("print v(a)>pwned"),
    "appending": control("echo hi >> pwned"),
    "input": control("set x=$<"),
    "write": control("write pwned v(a)"),
    "wrdata": control("wrdata pwned v(a)"),
    "hardcopy and more": control("hardcopy pwned v(a) ; shell true"),
    "snapshot": control("snsave pwned"),
    "change folder": control("cd /"),
    "source": control("source /etc/passwd"),
    "load": control("load /etc/passwd"),
    "code model": control("codemodel ./evil.cm"),
    "osdi": control("pre_osdi evil.osdi"),
    "model from a file": control("altermod m1 file = /etc/passwd"),
    "search path": control("set sourcepath = ( / )"),
    "printer": control("set lprps = touch"),
    "include in a block": control(".include other.cir"),
    "unclosed block": deck(".control", "run"),
    "carriage return": deck("* comment\r.control\rshell touch pwned\r.endc"),
    "form feed": deck("\f.control", "shell touch pwned", ".endc"),
    "line separator": deck("* comment\u2028.control"),
    "absolute include": deck(".include /etc/passwd"),
    "quoted absolute include": deck('.INC "/etc/passwd"'),
    "home include": deck(".include ~/.ssh/id_rsa"),
    "include above": deck(".include ../other/secret"),
    "include above, later": deck(".include sub/../../secret"),
    "indented include": deck("   .include /etc/passwd"),
    "longer include": deck(".includes /etc/passwd"),
    "include without a space": deck('.include"/etc/passwd"'),
    "continued include": deck(".include", "+ /etc/passwd"),
    "variable in an include": deck(".include $HOME/secret"),
    "library": deck(".lib /etc/passwd tt"),
    "library above": deck('.LIB "../secret" tt'),
    "a card that loads code": deck(".osdi ./evil.osdi"),
    "file source": deck("a1 %v([b]) m1", '.model m1 filesource(file="/etc/passwd")'),
    "file source, continued": deck("a1 %v([b]) m1", ".model m1", "+ filesource (", "+ file", "+ = x)"),
    "digital source": deck(".model m1 d_source(input_file=/etc/passwd)"),
    "state machine": deck(".model m1 D_STATE (state_file=/etc/passwd)"),
    "program": deck(".model m1 d_process(process_file=/bin/sh)"),
    "co-simulation": deck(".model m1 d_cosim(simulation=./evil.so)"),
    "table": deck('.model m1 table2d(file="/etc/passwd")'),
    "socket": deck(".model m1 ndev(remote=evil port=1)"),
    "numerical device": deck(".model m1 numd level=1"),
    "model type by parameter": deck('.model m1 {"d_" "state"}'),
    "source from a file": deck("v2 b 0 pwl file=/etc/passwd"),
    "source from a file, spaced": deck("v2 b 0 PWL FILE = /etc/passwd"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name, tmp_path):
    with pytest.raises(UntrustedDeckError, match=r"--trust.*trust=True") as caught:
        check_trust(REFUSED[name], tmp_path)
    assert "line " in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        deck(),
        "* t\n" + BODY + GUARDED + ".end\n",
        "* reads a shell script, system, cd, load: only a title\n" + BODY + ".end\n",
        deck(
            "* shell, write, source: a comment", ".model d1 d(is=1e-14)", ".ic v(a)=0", ".options reltol=1e-4"
        ),
        deck("b1 b 0 v=v(a)>0.5?1:0 ; comparison", "r2 b 0 1k $ load"),
        deck(".subckt cell p n r=1k", "r1 p n {r}", ".ends", "x1 a 0 cell r=2k"),
        control(
            "run", "let p = v(a)*i(v1)", "print p", "meas tran top max v(a)", "echo $&top", "set color0=white"
        ),
        "* windows\r\n" + (BODY + GUARDED + ".end\n").replace("\n", "\r\n"),
    ],
)
def test_allowed(text, tmp_path):
    check_trust(text, tmp_path)


def test_message_names_line_and_reason(tmp_path):
    with pytest.raises(
        UntrustedDeckError, match=r"deck, line 6: a command that is not known.*`shell touch pwned`"
    ):
        check_trust(REFUSED["shell"], tmp_path)


def test_includes_inside_the_folder_are_read_and_checked(tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "good.lib").write_text(".include more.lib\n.model d1 d\n")
    (tmp_path / "models" / "more.lib").write_text(".subckt cell a\nr1 a 0 1\n.ends\n")
    check_trust(deck(".include models/good.lib", ".inc 'models/more.lib'"), tmp_path)
    (tmp_path / "models" / "more.lib").write_text(".include ../../secret\n")
    with pytest.raises(UntrustedDeckError, match=r"more\.lib, line 1") as caught:
        check_trust(deck(".include models/good.lib"), tmp_path)
    assert "outside" in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        ".control\nshell touch pwned\n.endc\n",
        ".control\n",  # would turn the deck's own lines into commands
        "*# shell touch pwned\n",
        "a1 %v([b]) m1\n.model m1 filesource(file=x)\n",
        "* first line\r.control\nshell touch pwned\n.endc\n",
    ],
)
def test_included_file_cannot_do_more_than_the_deck(content, tmp_path):
    (tmp_path / "inner.lib").write_bytes(content.encode())
    (tmp_path / "outer.lib").write_text(".include inner.lib\n")
    with pytest.raises(UntrustedDeckError, match=r"inner\.lib, line"):
        check_trust(deck(".include outer.lib"), tmp_path)


def test_links_are_refused(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("r9 a 0 1\n")
    folder = tmp_path / "deck"
    (folder / "sub").mkdir(parents=True)
    (folder / "link.lib").symlink_to(secret)
    (folder / "away").symlink_to(tmp_path)
    for name in ("link.lib", "away/secret"):
        with pytest.raises(UntrustedDeckError, match="symbolic link"):
            check_trust(deck(f".include {name}"), folder)


def test_endless_includes_are_refused(tmp_path):
    (tmp_path / "a.lib").write_text(".include a.lib\n")
    with pytest.raises(UntrustedDeckError, match="too deep"):
        check_trust(deck(".include a.lib"), tmp_path)
    (tmp_path / "deck.cir").write_text(deck(".include a.lib"))
    with pytest.raises(NetlistError, match="include"):
        simulate(tmp_path / "deck.cir", trust=True)


@pytest.mark.spice
def test_nothing_runs_before_trust_is_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil.cir").write_text(control(f"shell touch {tmp_path}/pwned"))
    with pytest.raises(UntrustedDeckError):
        simulate(tmp_path / "evil.cir")
    assert not (tmp_path / "pwned").exists()
    simulate(tmp_path / "evil.cir", trust=True)
    assert (tmp_path / "pwned").exists()


@pytest.mark.spice
def test_the_init_file_of_the_user_is_not_read(tmp_path, monkeypatch):
    for name in (".spiceinit", "spinit.rc"):
        (tmp_path / name).write_text(f"shell touch {tmp_path}/pwned\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    simulate(deck())
    assert not (tmp_path / "pwned").exists()


def test_a_name_too_long_for_a_file_is_no_crash(tmp_path):
    for trust in (False, True):
        (tmp_path / "deck.cir").write_text(deck(f".include {'x' * 300}"))
        with pytest.raises(NetlistError, match="File name too long"):
            simulate(tmp_path / "deck.cir", trust=trust)


@pytest.mark.parametrize("command", ["hardcopy pwned v(a)", "gnuplot pwned v(a)"])
def test_pictures_of_a_deck_are_left_out(command, tmp_path):
    from memsim.spice.trust import DECK, confined
    from memsim.spice.trust.files import gather

    with pytest.warns(DeckWarning, match="pictures of a deck are left out"):
        files = confined(gather(control(command, "set color2=rgb:f/0/0"), tmp_path, DECK))
    assert b"pwned" not in files[DECK]
    assert b"color2" not in files[DECK]


def test_a_card_that_no_ngspice_has_is_refused(tmp_path):
    with pytest.raises(NetlistError, match=r"deck, line .*`.exec` is no card of ngspice"):
        check_trust(deck(".exec touch pwned"), tmp_path)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (deck("b1 b 0 v=sinn(v(a))"), "sin"),
        (deck(".options reltoll=1e-4"), "reltol"),
        (control("plto v(a)"), "plot"),
    ],
)
def test_a_word_that_is_nearly_known_is_taken_for_a_slip(text, meant, tmp_path):
    with pytest.raises(UntrustedDeckError, match=rf"did you mean {meant}\?"):
        check_trust(text, tmp_path)
