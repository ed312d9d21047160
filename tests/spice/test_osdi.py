"""Compiling Verilog-A: which program is asked, what becomes of its answers, and the real one where it is installed.

The stand-ins show how a compiler's end is dealt with, not that a module compiles: that is for tests/devices.
"""

from __future__ import annotations

import shutil
import stat
import sys
from pathlib import Path

import pytest

from memsim.devices import MODELS, verilog_a
from memsim.errors import CompilerError, EngineNotFoundError, InputError, NetlistError
from memsim.spice import compile_verilog_a, openvaf_program, simulate
from memsim.spice.lines import absolute_includes

GOOD = "module good(p, n); inout p, n; endmodule\n"
# What OpenVAF's own front end says, with the exit code that the compiler has for a refused module.
FRONT_END = f"""#!{sys.executable}
import sys, openvaf_py
try:
    openvaf_py.compile_va(sys.argv[1])
except ValueError:
    sys.exit(65)
open(sys.argv[3], "w").write("compiled")
"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that alone is searched for compilers, beside the system's own."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/bin")
    monkeypatch.delenv("MEMSIM_OPENVAF", raising=False)
    return folder


@pytest.fixture
def module(tmp_path: Path) -> Path:
    path = tmp_path / "good.va"
    path.write_text(GOOD)
    return path


def stand_in(folder: Path, text: str, name: str = "openvaf-r") -> Path:
    path = folder / name
    path.write_text(text if text.startswith("#!") else f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.mark.usefixtures("programs")
def test_without_a_compiler_the_message_says_where_it_comes_from(module):
    with pytest.raises(
        EngineNotFoundError, match=r"no Verilog-A compiler was found: install .*MEMSIM_OPENVAF"
    ):
        compile_verilog_a(module)


def test_the_newer_compiler_goes_first_and_the_named_one_before_all(programs, tmp_path, monkeypatch):
    older = stand_in(programs, "exit 0", "openvaf")
    assert openvaf_program() == str(older)
    newer = stand_in(programs, "exit 0")
    assert openvaf_program() == str(newer)
    named = stand_in(tmp_path, "exit 0", "mine")
    monkeypatch.setenv("MEMSIM_OPENVAF", str(named))
    assert openvaf_program() == str(named)
    monkeypatch.setenv("MEMSIM_OPENVAF", "/nowhere/openvaf")
    with pytest.raises(EngineNotFoundError, match="MEMSIM_OPENVAF = /nowhere/openvaf is not a program"):
        openvaf_program()


def test_the_library_lies_beside_the_module_and_nothing_else_does(programs, module):
    stand_in(programs, 'cat "$1" > "$3"; touch rubbish')
    assert compile_verilog_a(module) == module.with_suffix(".osdi")
    assert module.with_suffix(".osdi").read_text() == GOOD
    assert sorted(path.name for path in module.parent.iterdir()) == ["bin", "good.osdi", "good.va"]


def test_a_refused_module_is_named_with_its_line(programs, tmp_path):
    pytest.importorskip("openvaf_py", reason="no wheel of openvaf-py for this Python")
    stand_in(programs, FRONT_END)
    path = tmp_path / "vteam.va"
    text = verilog_a(MODELS["vteam"]())
    path.write_text(text.replace("r_off - r_on", "r_off - r_oon"))
    line = 1 + text[: text.index("r_off - r_on")].count("\n")
    with pytest.raises(CompilerError, match=rf"vteam\.va, line {line}: 'r_oon' was not found") as caught:
        compile_verilog_a(path)
    assert "\x1b" not in str(caught.value)
    assert any("could not compile" in said for said in caught.value.log)
    path.write_text(text)
    assert compile_verilog_a(path).read_text() == "compiled"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (
            "echo 'error: linker not found'",
            r"(?s)ended with exit code 0 and wrote no library.*linker not found.*cc",
        ),
        ("exit 3", "ended with exit code 3 and wrote no library"),
        ("kill -SEGV $$", "ended by signal 11"),
        ("sleep 60", r"was not compiled within 0\.3 s"),
    ],
)
def test_a_compiler_that_fails_leaves_an_older_library_as_it_was(programs, module, script, said):
    stand_in(programs, script)
    module.with_suffix(".osdi").write_text("older")
    with pytest.raises(CompilerError, match=said):
        compile_verilog_a(module, timeout=0.3 if "sleep" in script else 30)
    assert module.with_suffix(".osdi").read_text() == "older"
    assert len(list(module.parent.iterdir())) == 3


def test_a_program_that_cannot_start_is_no_compiler(programs, module):
    stand_in(programs, "#!/nowhere/python\n")
    with pytest.raises(EngineNotFoundError, match="does not start"):
        compile_verilog_a(module)


def test_a_missing_module_is_named(programs, tmp_path):
    stand_in(programs, "exit 0")
    with pytest.raises(InputError, match=r"nowhere\.va does not exist"):
        compile_verilog_a(tmp_path / "nowhere.va")


@pytest.mark.spice
def test_a_compiled_model_that_cannot_be_loaded_is_named():
    """By an ngspice without OSDI, and by one with it that does not find the file."""
    deck = "t\nv1 a 0 1\nn1 a 0 m\n.model m good\n.op\n.control\npre_osdi nowhere.osdi\n.endc\n.end\n"
    with pytest.raises(NetlistError) as caught:
        simulate(deck, trust=True)
    assert any("osdi" in said for said in caught.value.log)


def test_a_compiled_model_lies_beside_its_deck(tmp_path):
    deck = ".control\n pre_osdi good.osdi\npre_osdi /opt/other.osdi\n.endc"
    assert absolute_includes(deck, tmp_path).splitlines() == [
        ".control",
        f"pre_osdi {tmp_path}/good.osdi",
        "pre_osdi /opt/other.osdi",
        ".endc",
    ]


@pytest.mark.slow
@pytest.mark.skipif(
    not any(map(shutil.which, ("openvaf-r", "openvaf"))), reason="no Verilog-A compiler on this machine"
)
@pytest.mark.parametrize("name", MODELS)
def test_the_real_compiler_takes_every_model(name, tmp_path):
    path = tmp_path / f"{name}.va"
    path.write_text(verilog_a(MODELS[name]()))
    assert b"OSDI_DESCRIPTORS" in compile_verilog_a(path).read_bytes()
