"""Studies: what can be written can be read back, and what cannot be used is named."""

import math
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memsim.errors import InputError
from memsim.learn import Study, build, load_study, make_study, save_study
from memsim.networks import SHIPPED
from memsim.networks.tables import DriveTable

positive = st.floats(min_value=1e-300, max_value=1e300)
share = st.floats(0, 0.999)


def table(**entries: st.SearchStrategy) -> st.SearchStrategy:
    """Some of the entries of a table."""
    return st.fixed_dictionaries({}, optional=entries)


def drawn(window: float, share: float, drive: dict, **rest: object) -> Study:
    """A study whose pulses fit its window."""
    pulse = drive.get("pulse") or ("held" if "switching" in str(rest["neuron"]) else "alpha")
    fits = {} if pulse == "held" else {"tau": window * drive.get("tau", 1.0)}
    others = {name: value for name, value in drive.items() if name != "tau"}
    return make_study(window=window, step=window / share, drive={**others, **fits}, **rest)


studies = st.builds(
    drawn,
    window=st.floats(1e-9, 1e9),
    share=st.floats(4.1, 1e4),
    hidden=st.lists(
        st.integers(1, 4096)
        | st.fixed_dictionaries({"channels": st.integers(1, 64), "kernel": st.integers(1, 9)}),
        min_size=1,
        max_size=4,
    ).map(tuple),
    neuron=st.sampled_from(list(SHIPPED)),
    stepper=st.text(max_size=20),
    epochs=st.integers(1, 10**6),
    batch=st.integers(1, 10**6),
    learning_rate=positive,
    seed=st.integers(0, 2**63 - 1),
    drive=table(
        encoding=st.sampled_from(["amplitude", "rate", "latency"]),
        pulse=st.sampled_from(["alpha", "exponential", "held"]),
        voltage=st.floats(1e-300, 10),
        tau=st.floats(0.03, 10),
        slots=st.integers(1, 100),
    ),
    synapses=table(
        device=st.text(max_size=20), conductance_min=positive, conductance_max=positive, mirror_ratio=positive
    ),
    readout=table(scale=positive),
    training=table(
        weight_decay=positive, gradient_clip=positive, label_smoothing=share, dropout=st.floats(0, 0.9)
    ),
    augmentation=table(shift=st.integers(0, 9), elastic=positive),
)


@given(studies)
def test_a_study_comes_back_from_its_file_exactly(study: Study):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.toml"
        save_study(study, path)
        assert load_study(path) == study


REFUSED = {
    "unknown key": ("learning_rat = 0.1", "learning_rat"),
    "unknown key of a table": ("[drive]\nvoltag = 0.1", "drive.voltag"),
    "NaN": ("window = nan", "window"),
    "infinite": ("[drive]\nvoltage = inf", "drive.voltage"),
    "negative": ("[drive]\ntau = -1e-3", "drive.tau"),
    "zero": ("learning_rate = 0.0", "learning_rate"),
    "text for a number": ('step = "fast"', "step"),
    "number for a text": ("[synapses]\ndevice = 3", "synapses.device"),
    "number for a table": ("synapses = 3", "synapses"),
    "part of an epoch": ("epochs = 1.5", "epochs"),
    "no epoch": ("epochs = 0", "epochs"),
    "empty layer": ("hidden = [8, 0]", "hidden"),
    "layer without kernel": ("hidden = [{channels = 3}]", "kernel"),
    "not a list": ("hidden = 8", "hidden"),
    "negative seed": ("seed = -1", "seed"),
    "seed beyond 64 bits": (f"seed = {2**63}", "seed"),
    "no such neuron": ('neuron = "leaky"', "neuron"),
    "no such drive": ('[drive]\nencoding = "morse"', "drive.encoding"),
    "no such readout": ('[readout]\nkind = "median"', "readout.kind"),
    "all neurons silent": ("[training]\ndropout = 1.0", "training.dropout"),
    "mirror ratios for another number of layers": ("[synapses]\nmirror_ratio = [0.1]", "mirror_ratio"),
    "step longer than a quarter of the window": ("step = 3e-3", "step"),
}


@pytest.mark.parametrize(("line", "name"), REFUSED.values(), ids=REFUSED)
def test_an_entry_that_cannot_be_used_is_named(tmp_path: Path, line: str, name: str):
    path = tmp_path / "study.toml"
    path.write_text(line + "\n")
    with pytest.raises(InputError, match=rf"\b{name}\b"):
        load_study(path)


def test_the_message_shows_the_value_and_what_is_allowed():
    with pytest.raises(InputError, match=r"drive\.tau = -0\.001: .*allowed: above 0"):
        make_study(drive={"tau": -1e-3})


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
    with pytest.raises(
        InputError, match=r"conductance_max = 1\.0 S is out of range; .* allows 4e-06 to 2\.5e-05 S"
    ):
        build(make_study(synapses={"conductance_max": 1.0}))
    with pytest.raises(InputError, match=r"conductance_min = 1e-09 S is out of range"):
        build(make_study(synapses={"conductance_min": 1e-9}))


@pytest.mark.parametrize(
    ("entries", "value"),
    [
        ({"data": "mnist-1d"}, "mnist-1d"),
        ({"stepper": "leapfrog"}, "leapfrog"),
        ({"synapses": {"device": "unobtainium"}}, "unobtainium"),
        ({"synapses": {"device": "none.toml"}}, "none.toml"),
        ({"hidden": (8, {"channels": 2, "kernel": 3})}, "a convolution needs an image"),
        ({"hidden": ({"channels": 2, "kernel": 9},)}, "kernel = 9 is larger than the input of 8 x 8"),
    ],
)
def test_parts_that_do_not_fit_are_named_when_the_network_is_built(entries: dict, value: str):
    with pytest.raises(InputError, match=value):
        build(make_study(**entries))


SUITED = {
    "integrate-and-fire-set1": (10e-3, "alpha", 0.3),
    "integrate-and-fire-set2": (10e-3, "alpha", 0.3e-3),
    "integrate-and-fire-set3": (10e-3, "alpha", 0.3e-6),
    "after-hyperpolarising-set1": (10e-3, "alpha", 0.36),
    "threshold-switching-a": (5e-3, "held", 1.0),
    "threshold-switching-b": (0.5e-3, "held", 1.0),
}


@pytest.mark.parametrize("neuron", list(SHIPPED))
def test_what_is_left_out_suits_the_neuron(neuron: str):
    study = make_study(neuron=neuron)
    window, pulse, ratio = SUITED[neuron]
    assert (study.window, study.drive.pulse) == (window, pulse)
    assert study.synapses.mirror_ratio == pytest.approx(ratio)
    assert study == Study(neuron=neuron)


@pytest.mark.parametrize("neuron", list(SHIPPED))
def test_what_is_written_counts_whatever_the_neuron(neuron: str):
    drive, synapses = {"pulse": "exponential", "slots": 3}, {"mirror_ratio": (0.7, 0.8)}
    study = make_study(neuron=neuron, window=3e-3, step=30e-6, drive=drive, synapses=synapses)
    assert (study.window, study.step) == (3e-3, 30e-6)
    assert (study.drive.pulse, study.drive.slots) == ("exponential", 3)
    assert study.synapses.mirror_ratio == (0.7, 0.8)


def test_a_table_that_is_partly_written_keeps_what_suits_the_neuron():
    drive = make_study(neuron="threshold-switching-a", drive={"slots": 3}).drive
    assert (drive.pulse, drive.slots) == ("held", 3)
    assert Study(neuron="threshold-switching-a", drive=DriveTable(slots=3)).drive == drive


def test_defaults_are_finite_and_in_si():
    study = Study()
    assert all(math.isfinite(v) for v in study.model_dump().values() if isinstance(v, float))
    assert 1e-6 < study.step < study.drive.tau < study.window < 1  # seconds
