"""Which points a study means, and what it refuses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import qmc

from memsim.errors import InputError
from memsim.sweep import load_sweep, make_sweep
from memsim.sweep.plan import make_plan
from memsim.sweep.subject import Nominal

NOMINAL = {"r": Nominal(1e3, "Ω"), "c": Nominal(1e-9, "F"), "v": Nominal(1.0, "V"), "w": Nominal(2.0, "V")}
MEASURE = {"peak": {"of": "v(a)", "what": "peak"}}


def plan(**tables):
    return make_plan(make_sweep(deck="a.cir", measure=MEASURE, **tables), NOMINAL)


def test_grid_corners_and_samples_are_crossed():
    found = plan(
        grid={"r": ["1k", "2k"], "c": {"from": "1n", "to": "100n", "points": 3, "spacing": "log"}},
        corners={"slow": {"v": "0.9"}, "fast": {"v": 1.1, "w": 3}},
    )
    assert found.dims == ("r", "c", "corner")
    assert found.size == 2 * 3 * 2
    points = [found.point(number) for number in range(found.size)]
    assert points[0] == pytest.approx({"r": 1e3, "c": 1e-9, "v": 0.9, "w": 2.0})  # a corner leaves w as it is
    assert points[-1] == pytest.approx({"r": 2e3, "c": 100e-9, "v": 1.1, "w": 3.0})
    assert len({tuple(point.values()) for point in points}) == found.size
    assert found.coordinates()["c"].attrs["units"] == "F"
    assert list(found.coordinates()["corner"].values) == ["slow", "fast"]


@pytest.mark.parametrize("method", ["sobol", "latin-hypercube", "random"])
def test_draws_follow_their_distributions_and_their_seed(method: str):
    table = {
        "count": 256,
        "method": method,
        "parameters": {
            "r": {"spread": 0.2},
            "c": {"from": "1n", "to": "100n", "spacing": "log"},
            "v": {"mean": 1, "deviation": 0.1},
            "w": {"from": -1, "to": 1},
        },
    }
    drawn, again, other = (plan(seed=seed, samples=table).axes[0].values for seed in (3, 3, 4))
    for name, values in drawn.items():
        np.testing.assert_array_equal(values, again[name])
        assert not np.array_equal(values, other[name])
    # 256 draws: standard errors of mean and deviation are 1/16 and 1/23 of the deviation; four of them
    standard = [np.log(drawn["r"] / 1e3) / 0.2, (drawn["v"] - 1) / 0.1]
    for z in standard:
        assert abs(z.mean()) < 4 / 16
        assert abs(z.std() - 1) < 4 / 23
    assert drawn["c"].min() >= 1e-9
    assert drawn["c"].max() <= 100e-9
    assert abs(np.log10(drawn["c"] / 1e-8).mean()) < 4 * 0.58 / 16  # deviation of a uniform of width 2
    unit = np.column_stack([(drawn["w"] + 1) / 2, np.log10(drawn["c"] / 1e-9) / 2])
    if method != "random":  # what they are for: more even than independent draws
        independent = np.random.default_rng(0).random((256, 2))
        assert qmc.discrepancy(unit) < 0.5 * qmc.discrepancy(independent)


@pytest.fixture
def measured(tmp_path):
    """Twenty devices whose two parameters go together."""
    x = np.random.default_rng(0).standard_normal(20)
    table = np.column_stack([1e3 * np.exp(0.2 * x), 0.1 + 0.01 * x])
    np.savetxt(tmp_path / "devices.csv", table, delimiter=",", header="r_on,v_on", comments="")
    return table


INSTANCES = {f"{one}.{name}": Nominal(1.0, "Ω") for one in ("xm1", "xm2") for name in ("r_on", "v_on")}


@pytest.mark.parametrize("method", ["sobol", "latin-hypercube", "random"])
def test_measured_devices_are_drawn_whole(tmp_path, measured, method: str):
    samples = {"count": 64, "method": method, "devices": {"xm1": "devices.csv", "xm2": "devices.csv"}}

    def drawn(seed: int):
        study = make_sweep(deck="a.cir", measure=MEASURE, samples=samples, seed=seed)
        return make_plan(study, INSTANCES, tmp_path).axes[0].values

    values, again, other = (drawn(seed) for seed in (3, 3, 4))
    assert list(values) == list(INSTANCES)
    for name, column in values.items():
        np.testing.assert_array_equal(column, again[name])
        assert not np.array_equal(column, other[name])
        known = measured[:, int(name.endswith("v_on"))]
        assert column.min() >= known.min() * (1 - 1e-9)  # the file holds 18 digits
        assert column.max() <= known.max() * (1 + 1e-9)
    for one in ("xm1", "xm2"):  # in one device they go together, exactly
        assert np.corrcoef(np.log(values[f"{one}.r_on"]), values[f"{one}.v_on"])[0, 1] > 0.999
    # two devices are independent: 64 draws, standard error 1/8
    assert abs(np.corrcoef(values["xm1.r_on"], values["xm2.r_on"])[0, 1]) < 0.5


@pytest.mark.usefixtures("measured")
@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ({"devices": {"xm1": "none.csv"}}, "no file of devices"),
        ({"devices": {"xm3": "devices.csv"}}, "no parameter 'xm3"),
        ({"devices": {"xm1": "devices.csv"}, "parameters": {"xm1.r_on": {"spread": 1}}}, "leave it out"),
        ({}, "samples of nothing"),
    ],
)
def test_devices_that_cannot_be_drawn(tmp_path, samples, message: str):
    with pytest.raises(InputError, match=message):
        make_plan(
            make_sweep(deck="a.cir", measure=MEASURE, samples={"count": 4, **samples}), INSTANCES, tmp_path
        )


@given(st.integers(0, 200))
def test_points_are_numbered_like_the_array(number: int):
    found = plan(grid={"r": [1, 2, 3], "c": list(range(1, 68))})
    values = found.point(number)
    row, column = np.unravel_index(number, found.shape)
    assert (values["r"], values["c"]) == (row + 1, column + 1)


REFUSED = {
    "unknown parameter": ({"grid": {"q": [1]}}, "no parameter 'q'.*there are: r, c"),
    "twice": ({"grid": {"r": [1]}, "corners": {"a": {"r": 2}}}, "'r' is set in two"),
    "too many": ({"grid": {n: {"from": 1, "to": 2, "points": 999} for n in "rcv"}}, "at most 1000000"),
    "reserved": ({"measure": {"error": MEASURE["peak"]}}, "cannot be named 'error'"),
    "no power of two": (
        {"samples": {"count": 100, "parameters": {"r": {"spread": 1}}}},
        "64 or 128 instead of 100",
    ),
    "reversed": ({"samples": {"count": 4, "parameters": {"r": {"from": 2, "to": 1}}}}, "from < to"),
    "logarithm": ({"grid": {"r": {"from": -1, "to": 1, "points": 3, "spacing": "log"}}}, "> 0"),
    "not finite": ({"grid": {"r": [float("nan")]}}, "finite"),
    "two readings": ({"grid": {"r": ["1M"]}}, "milli .SPICE. or mega"),
    "empty": ({"grid": {"r": []}}, "at least 1"),
    "misspelt": ({"grids": {}}, "did you mean grid?"),
    "spikes without level": ({"measure": {"n": {"of": "v(a)", "what": "spike-count"}}}, "need it"),
    "level of a peak": ({"measure": {"n": {"of": "v(a)", "what": "peak", "level": 1}}}, "need it"),
    "energy without current": ({"measure": {"n": {"of": "v(a)", "what": "energy"}}}, "needs it"),
    "two subjects": ({"circuit": "x"}, "keep one"),
    "images of a deck": ({"images": 3}, "belongs to a network"),
    "deck in torch": ({"engine": "torch"}, "belong to a circuit"),
    "nothing measured": ({"measure": {}}, "at least 1"),
}


@pytest.mark.parametrize(("tables", "message"), REFUSED.values(), ids=REFUSED)
def test_refused_with_what_is_allowed(tables, message: str):
    with pytest.raises(InputError, match=f"(?s){message}"):
        make_plan(make_sweep(**{"deck": "a.cir", "measure": MEASURE, **tables}), NOMINAL)


@pytest.mark.parametrize("content", [b"\xff", b"a = ", b"[grid", b"a=" + b"[" * 5000])
def test_a_file_that_is_not_toml(tmp_path, content: bytes):
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(InputError, match="cannot be read"):
        load_sweep(path)
    with pytest.raises(InputError, match="does not exist"):
        load_sweep(tmp_path / "none.toml")
