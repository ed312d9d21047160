"""What is on disk after a sweep stopped anywhere."""

from pathlib import Path

import numpy as np
import pytest

from memsim.errors import InputError
from memsim.files import read_waves
from memsim.sweep import make_sweep
from memsim.sweep.plan import make_plan
from memsim.sweep.store import DONE, FAILED, WAITING, Outcome, Store, opened
from memsim.sweep.subject import Nominal

STUDY = make_sweep(
    deck="a.cir",
    grid={"r": [1, 2, 3]},
    corners={"slow": {"c": 1}, "fast": {"c": 2}},
    measure={"peak": {"of": "v(a)", "what": "peak"}, "n": {"of": "v(a)", "what": "spike-count", "level": 1}},
)
PLAN = make_plan(STUDY, {"r": Nominal(1, "Ω"), "c": Nominal(1, "F")})
GOOD = Outcome({"peak": 0.1, "n": 3.0}, "", 0.5)
BAD = Outcome({}, "ConvergenceError: time step too small", 1.0)


def store(path: Path, fingerprint: str = "deck") -> Store:
    return Store(path, PLAN, STUDY, fingerprint)


def test_pieces_alone_are_enough(tmp_path: Path):
    """As after SIGKILL: nothing was folded."""
    first = store(tmp_path / "s.nc")
    first.add(1, GOOD)
    first.add(4, BAD)
    again = store(tmp_path / "s.nc")
    again.load()
    assert again.outcomes == {1: GOOD, 4: BAD}
    assert again.missing() == [0, 2, 3, 5]
    assert again.missing(failed=True) == [0, 2, 3, 4, 5]


def test_file_and_pieces_together_and_killed_between_writing_and_tidying(tmp_path: Path):
    first = store(tmp_path / "s.nc")
    first.add(1, GOOD)
    piece = first.folder / "1.json"
    kept = piece.read_text()
    first.fold()
    assert not list(first.folder.iterdir())
    piece.write_text(kept)  # the file was written, the piece not yet removed
    first.add(2, BAD)
    again = store(tmp_path / "s.nc")
    again.load()
    assert again.outcomes == {1: GOOD, 2: BAD}


def test_the_file_has_coordinates_status_and_errors(tmp_path: Path):
    with opened(tmp_path / "s.nc", PLAN, STUDY, "deck") as one:
        one.add(0, GOOD)
        one.add(1, BAD)
    assert [path.name for path in tmp_path.iterdir()] == ["s.nc"]
    data = read_waves(tmp_path / "s.nc")
    assert data["peak"].dims == ("r", "corner")
    assert data["status"].values.tolist() == [[DONE, FAILED], [WAITING] * 2, [WAITING] * 2]
    assert float(data["peak"].sel(r=1, corner="slow")) == 0.1
    assert np.isnan(data["peak"].sel(r=1, corner="fast"))
    assert data["error"].values[0, 1] == BAD.error
    assert data["c"].values.tolist() == [1, 2]
    assert (data["r"].attrs["units"], data["peak"].attrs["units"], data["n"].attrs["units"]) == (
        "Ω",
        "V",
        "1",
    )


def test_halves_of_a_killed_process_are_cleared(tmp_path: Path):
    first = store(tmp_path / "s.nc")
    first.add(0, GOOD)
    for half in (first.folder / ".1.json.0a1b.tmp", tmp_path / ".s.nc.0a1b.tmp"):
        half.write_text("{")
    with opened(tmp_path / "s.nc", PLAN, STUDY, "deck") as one:
        assert one.outcomes == {0: GOOD}
    assert [path.name for path in tmp_path.iterdir()] == ["s.nc"]


def test_a_damaged_piece_is_run_again(tmp_path: Path):
    first = store(tmp_path / "s.nc")
    for number in range(3):
        first.add(number, GOOD)
    for number, content in enumerate(["", "[1]", '{"key": "' + first.key + '"}']):
        (first.folder / f"{number}.json").write_text(content)
    again = store(tmp_path / "s.nc")
    again.load()
    assert again.outcomes == {}


def test_another_sweep_s_results_are_not_touched(tmp_path: Path):
    with opened(tmp_path / "s.nc", PLAN, STUDY, "deck") as one:
        one.add(0, GOOD)
    before = (tmp_path / "s.nc").read_bytes()
    with (
        pytest.raises(InputError, match="something else than the results of this sweep"),
        opened(tmp_path / "s.nc", PLAN, STUDY, "another deck"),
    ):
        pass
    assert (tmp_path / "s.nc").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["s.nc"]


def test_another_sweep_s_pieces_are_not_touched(tmp_path: Path):
    store(tmp_path / "s.nc").add(0, GOOD)
    with (
        pytest.raises(InputError, match="something else than the results of this sweep"),
        opened(tmp_path / "s.nc", PLAN, STUDY, "another deck"),
    ):
        pass
    again = store(tmp_path / "s.nc")
    again.load()
    assert again.outcomes == {0: GOOD}


def test_two_sweeps_do_not_write_the_same_file(tmp_path: Path):
    with (
        opened(tmp_path / "s.nc", PLAN, STUDY, "deck"),
        pytest.raises(InputError, match="another sweep is writing"),
        opened(tmp_path / "s.nc", PLAN, STUDY, "deck"),
    ):
        pass
