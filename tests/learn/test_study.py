"""Studies: what can be written can be read back, and what cannot be used is named."""

import math
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memsim.errors import InputError
from memsim.learn import Study, build, load_study, make_study, save_study

positive = st.floats(min_value=1e-300, max_value=1e300)
studies = st.builds(
    lambda window, share, **rest: make_study(window=window, step=window / share, **rest),
    window=st.floats(1e-9, 1e9),
    share=st.floats(4.1, 1e4),
    hidden=st.lists(st.integers(1, 4096), max_size=4).map(tuple),
    neuron_set=st.sampled_from([1, 2, 3]),
    synapse=st.text(max_size=20),
    conductance_min=st.none() | positive,
    conductance_max=st.none() | positive,
    mirror_ratio=positive,
    read_voltage=positive,
    pulse_tau=positive,
    pulses=st.integers(1, 100),
    stepper=st.text(max_size=20),
    logit_scale=positive,
    epochs=st.integers(1, 10**6),
    batch=st.integers(1, 10**6),
    learning_rate=positive,
    seed=st.integers(0, 2**63 - 1),
)


@given(studies)
def test_a_study_comes_back_from_its_file_exactly(study: Study):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.toml"
        save_study(study, path)
        assert load_study(path) == study


REFUSED = {
    "unknown key": ("learning_rat = 0.1", "learning_rat"),
    "NaN": ("window = nan", "window"),
    "infinite": ("read_voltage = inf", "read_voltage"),
    "negative": ("pulse_tau = -1e-3", "pulse_tau"),
    "zero": ("learning_rate = 0.0", "learning_rate"),
    "text for a number": ('step = "fast"', "step"),
    "number for a text": ("synapse = 3", "synapse"),
    "part of an epoch": ("epochs = 1.5", "epochs"),
    "no epoch": ("epochs = 0", "epochs"),
    "empty layer": ("hidden = [8, 0]", "hidden"),
    "not a list": ("hidden = 8", "hidden"),
    "negative seed": ("seed = -1", "seed"),
    "seed beyond 64 bits": (f"seed = {2**63}", "seed"),
    "unknown data": ('data = "mnist-1d"', "data"),
    "no such neuron": ("neuron_set = 4", "neuron_set"),
    "step longer than a quarter of the window": ("step = 3e-3", "step"),
}


@pytest.mark.parametrize(("line", "name"), REFUSED.values(), ids=REFUSED)
def test_an_entry_that_cannot_be_used_is_named(tmp_path: Path, line: str, name: str):
    path = tmp_path / "study.toml"
    path.write_text(line + "\n")
    with pytest.raises(InputError, match=rf"\b{name}\b"):
        load_study(path)


def test_the_message_shows_the_value_and_what_is_allowed():
    with pytest.raises(InputError, match=r"pulse_tau = -0\.001: .*greater than 0"):
        make_study(pulse_tau=-1e-3)


@pytest.mark.parametrize("content", [b"step = ", b"\xff\xfe", b"[data"])
def test_a_file_that_is_not_toml_is_refused(tmp_path: Path, content: bytes):
    path = tmp_path / "study.toml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"study\.toml' cannot be read"):
        load_study(path)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(InputError, match=r"nowhere\.toml' does not exist"):
        load_study(tmp_path / "nowhere.toml")


def test_a_conductance_the_device_cannot_reach_is_named_with_its_range():
    with pytest.raises(InputError, match=r"conductance_max = 1\.0 S is out of range; .* allows 4e-06 to 2\.5e-05 S"):
        build(make_study(conductance_max=1.0))
    with pytest.raises(InputError, match=r"conductance_min = 1e-09 S is out of range"):
        build(make_study(conductance_min=1e-9))


@pytest.mark.parametrize(
    ("entry", "value"), [("synapse", "unobtainium"), ("stepper", "leapfrog"), ("synapse", "none.toml")]
)
def test_unknown_parts_are_named_when_the_network_is_built(entry: str, value: str):
    with pytest.raises(InputError, match=value):
        build(make_study(**{entry: value}))


def test_defaults_are_finite_and_in_si():
    study = Study()
    assert all(math.isfinite(v) for v in study.model_dump().values() if isinstance(v, float))
    assert 1e-6 < study.step < study.pulse_tau < study.window < 1  # seconds
