"""What the lint of a deck lets pass, and what it stops, without running anything."""

import pytest

from memsim.errors import NetlistError, SingularMatrixError
from memsim.spice import lint

TAIL = ".tran 1n 1u\n.end\n"


@pytest.mark.parametrize(
    "body",
    [
        "v1 a 0\nr1 a gnd r=1k\nc1 a 0 1n ic=0\n",
        "v1 a 0 1 ; limit(v(a), 0, 1)\nr1 a 0 1k $ if(x)\n* limit(1,2,3)\n",
        "v1 a 0 1\nb1 a 0 i = v(a) > 0.5 ? v(a)**2 : u(v(a)) ; even power\n",
        "v1 a 0 1\nr1 a\n+ 0 1k\n",
        ".param big=1\n.if (big==1)\nr1 a 0 1k\n.endif\nv1 a 0 1\n",
        ".subckt cell p n params: r=1k\nr1 p m {r}\nc1 m n 1p\n.ends\nv1 a 0 1\nx1 a 0 cell r=2k\n",
        ".global vdd\n.subckt cell p\nr1 p vdd 1k\n.ends\nv1 vdd 0 1\nx1 a cell\nr2 a 0 1k\n",
        "v1 a 0 1\ni1 0 b 1u\nc1 b 0 1p\n",
        "v1 a 0 1\ng1 b 0 a 0 1m\nr1 b 0 1k\n",
        "v1 a 0 1\nr1 a 0 1k\n.model limit d(is=1e-14)\n",
        "v1 a 0 1\nr1 a 0 1k\n.control\nif $?batchmode\nelse\nrun\nend\n.endc\n",
    ],
)
def test_good_decks_pass(body, tmp_path):
    lint(f"* title with limit( and if( \n{body}{TAIL}", tmp_path)


@pytest.mark.parametrize(
    ("body", "error", "words"),
    [
        ("v1 a 0 1\nc1 a 1n\n", NetlistError, r"line 3: `c1 a 1n`"),
        ("v1 a 0 1\nm1 a b 0 nmos\n", NetlistError, r"line 3.*needs 5"),
        ("v1 a 0 1\nr1 a r=1k\n", NetlistError, r"line 3"),
        ("v1 a 0 1\nb1 b 0\n+ v=LIMIT (v(a),0,1)\n", NetlistError, r"line 3.*limit"),
        ("v1 a 0 1\nr1 a 0 1\n.OPTIONS reltol=1e-4\n+ INTERP\n", NetlistError, r"line 4.*interp"),
        (
            ".subckt cell p n\nr1 p n 1k\ni1 n m 1u\n.ends\nv1 a 0 1\nx1 a 0 cell\n",
            SingularMatrixError,
            r"line 4.*`m`",
        ),
        (".subckt cell p n\nr1 p n 1k\nv1 a 0 1\n", NetlistError, r"line 2.*1 `\.subckt` but 0 `\.ends`"),
        ("v1 a b 1\nr1 a b 1\n", NetlistError, "ground"),
    ],
)
def test_bad_decks_are_named_by_line(body, error, words, tmp_path):
    with pytest.raises(error, match=words):
        lint(f"* t\n{body}{TAIL}", tmp_path)


def test_mistake_in_an_included_file_is_named_there(tmp_path):
    (tmp_path / "cells.lib").write_text("* cells\n.subckt cell p n\nr1 p\n.ends\n")
    with pytest.raises(NetlistError, match=r"cells\.lib, line 3"):
        lint(f"* t\nv1 a 0 1\n.include cells.lib\nx1 a 0 cell\n{TAIL}", tmp_path)
