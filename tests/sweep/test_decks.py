from pathlib import Path

import numpy as np
import pytest

from memsim.sweep import make_sweep, run_sweep
from memsim.sweep.places import changed, places

DECK = """a divider that warms up
.param vin=2
V1 in 0 {vin}
R1 in out 1k tc1=4m
R2 out 0 R=3k
D1 out a dio
R3 a 0 1meg
.model dio d(is=1e-14
+ n=1.5)
.subckt none a
R1 a 0 7
.ends
.op
.tran 1u 10u
.meas tran top max v(out)
.end
"""


def test_numbers_are_found_under_their_names():
    found = {name: [place.text for place in there] for name, there in places(DECK.split("\n")).items()}
    assert found == {
        "vin": ["2"], "v1": ["{vin}"], "r1": ["1k"], "r2": ["3k"], "r3": ["1meg"], "dio.is": ["1e-14"],
        "dio.n": ["1.5"],
    }  # fmt: skip


def test_changed_numbers_stand_in_their_places():
    lines = changed(DECK.split("\n"), {"r1": 5.0, "r2": 6.0, "dio.n": 2.0, "temp": 77.0})
    assert lines[3:5] == ["R1 in out 5.0 tc1=4m", "R2 out 0 R=6.0"]
    assert lines[8] == "+ n=2.0)"
    assert lines[lines.index(".end") - 1] == ".temp 77.0"
    assert lines[10] == "R1 a 0 7"


@pytest.mark.spice
def test_elements_models_and_temperature_are_swept_and_measures_taken(tmp_path: Path, scheduler: str):
    (tmp_path / "divider.cir").write_text(DECK)
    study = make_sweep(
        deck="divider.cir",
        grid={"r1": ["1k", "3k"], "temp": [27, 77]},
        measure={
            "top": {"of": "top", "what": "value"},
            "most": {"of": "v(out)", "what": "max"},
            "final": {"of": "v(out)", "what": "final"},
        },
    )
    run_sweep(study, tmp_path / "o.nc", folder=tmp_path, scheduler=scheduler)
    from memsim.files import read_waves

    found = read_waves(tmp_path / "o.nc")
    # R1 grows by 4e-3 per kelvin: 1.2 times at 77 degrees; the diode behind a megaohm takes next to nothing
    expected = [[2 * 3 / (3 + r * t) for t in (1, 1.2)] for r in (1, 3)]
    np.testing.assert_allclose(found["top"], expected, rtol=2e-3)
    np.testing.assert_allclose(found["final"], found["top"], rtol=1e-6)
    np.testing.assert_allclose(found["most"], found["top"], rtol=1e-6)
