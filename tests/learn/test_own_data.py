"""Data of one's own: rails and slots lose nothing, training alone sets the scale, and what is wrong is named."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from scipy.io import wavfile

from memsim.errors import InputError
from memsim.learn import make_dataset
from memsim.learn.data import load_dataset
from memsim.learn.data.inputs import averaged, rails
from memsim.learn.data.raw import Examples
from memsim.learn.data.splits import divide
from memsim.learn.data.table import DataTable

RANDOM = np.random.default_rng(0)
series = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=3, max_dims=3, max_side=9),
    elements=st.floats(-1e6, 1e6),
)
labels = np.array([0, 1] * 10)


def drawn(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape)


@given(series, st.sampled_from([1, 2]))
def test_a_signed_series_is_recovered_exactly_from_its_rails(values: np.ndarray, axis: int):
    both = rails(values, axis)
    positive, negative = np.split(both, 2, axis=axis)
    assert (both >= 0).all()
    np.testing.assert_array_equal(positive - negative, values)
    np.testing.assert_array_equal(positive + negative, np.abs(values))


@given(series, st.integers(1, 20))
def test_slots_keep_the_average_over_all_time(values: np.ndarray, slots: int):
    found = averaged(values, slots)
    assert found.shape == (values.shape[0], slots, values.shape[2])
    # sums of some numbers up to 1e6 in float64
    np.testing.assert_allclose(found.mean(axis=1), values.mean(axis=1), atol=1e-8)


def test_slots_of_whole_samples_are_plain_averages_and_of_as_many_are_the_samples():
    values = drawn(3, 12, 2)
    np.testing.assert_allclose(averaged(values, 4), values.reshape(3, 4, 3, 2).mean(axis=2), atol=1e-12)
    np.testing.assert_allclose(averaged(values, 12), values, atol=1e-12)
    assert averaged(np.arange(4).reshape(1, 4, 1), 2).ravel().tolist() == [0.5, 2.5]  # whole numbers, too


@given(
    hnp.arrays(np.float32, (12, 3), elements=st.floats(-1e3, 1e3, width=32)),
    hnp.arrays(np.float32, (4, 3), elements=st.floats(-1e6, 1e6, width=32)),
)
def test_training_alone_sets_the_scale_and_everything_lies_between_0_and_1(
    train: np.ndarray, test: np.ndarray
):
    y = np.arange(12) % 2, np.arange(4) % 2
    data = make_dataset((train, y[0]), (test, y[1]), repeats=True)
    other = make_dataset((train, y[0]), (test[:1], y[1][:1]), repeats=True)
    for split in (data.train, data.test):
        inputs = split.inputs()
        assert inputs.dtype == torch.float32
        assert ((inputs >= 0) & (inputs <= 1)).all()
    assert torch.equal(data.train.inputs(), other.train.inputs())
    assert data.features == 3 * data.rails


def test_signed_inputs_become_two_rails_of_one_scale():
    x = drawn(40, 6, 2) * [1.0, 100.0]
    data = make_dataset((x, np.arange(40) % 2), slots=6, quantile=1.0)
    assert data.rails == 2
    assert (data.slots, data.shape) == (6, (4,))
    inputs = data.train.inputs()
    found = inputs[..., :2] - inputs[..., 2:]
    scale = torch.tensor([float(np.abs(x[..., k]).max()) for k in range(2)])
    # the scale is that of training, at most that of all; ratios within a channel are those of the signal
    ratio = found[0] * scale / torch.as_tensor(x, dtype=torch.float32)[:, :, :].abs().amax((0, 1))
    assert ratio.abs().max() <= scale.max()
    assert inputs.amax((0, 1)).view(2, 2).amax(0).tolist() == pytest.approx([1.0, 1.0], abs=1e-6)


def test_rails_survive_averaging_that_a_signed_series_does_not():
    wave = np.sin(2 * np.pi * np.arange(64) / 4)[None, :, None] * np.linspace(0.1, 1, 30)[:, None, None]
    inputs = make_dataset((wave, np.arange(30) % 2), slots=4).train.inputs()
    difference, total = inputs[..., 0] - inputs[..., 1], inputs.sum(dim=2)
    # whole periods in a slot cancel to rounding
    assert difference.abs().max() < 1e-5
    assert total.max() > 0.9


def test_centring_takes_the_mean_of_training_off():
    x = 100 + drawn(50, 20, 3)
    assert make_dataset((x, np.arange(50) % 2), slots=20).rails == 1
    centred = make_dataset((x, np.arange(50) % 2), slots=20, centre=True)
    assert centred.rails == 2
    inputs = centred.train.inputs()
    mean = (inputs[..., :3] - inputs[..., 3:]).mean(dim=(0, 1))
    # of a scale of about three standard deviations; means are exact but for the few values that are clipped
    assert mean.abs().max() < 0.01
    assert any("mean of each channel" in note for note in centred.notes)


def test_values_outside_the_range_of_training_are_clipped_and_counted():
    x, outside = np.linspace(0, 1, 40)[:, None].repeat(2, 1), np.array([[-1.0, 0.5], [0.5, 3.0]])
    data = make_dataset((x, np.arange(40) % 2), (outside, [0, 1]), quantile=1.0)
    assert data.test.inputs().tolist() == [[0.0, 0.5], [0.5, 1.0]]
    assert any(note.startswith("2 of 4 test values (50.00%)") for note in data.notes)
    wide = make_dataset((x, np.arange(40) % 2), (outside, [0, 1]), range=(-1, 3))
    assert wide.test.inputs().tolist() == [[0.0, 0.375], [0.375, 1.0]]
    assert not any("clipped" in note for note in wide.notes)


def test_one_outlier_does_not_dim_the_rest_and_a_constant_channel_is_told():
    x = np.abs(drawn(3000, 2))
    x[5, 0], x[:, 1] = 1e9, 7.0
    data = make_dataset((x, np.arange(3000) % 2))
    assert data.train.inputs()[:, 0].mean() > 0.1
    assert (data.train.inputs()[:, 1] == 0).all()
    assert any("1 channel(s) are constant" in note for note in data.notes)


def test_images_keep_bytes_and_other_ones_share_one_range():
    bytes_ = RANDOM.integers(0, 256, (20, 3, 5, 4), dtype=np.uint8)
    data = make_dataset((bytes_, labels))
    assert (data.shape, data.train.stored.dtype, data.time_domain) == ((3, 5, 4), torch.uint8, False)
    grey = make_dataset((bytes_[:, 0], labels))
    assert grey.shape == (5, 4)
    floats = make_dataset((bytes_[:, 0] / 50.0, labels), inputs="images", quantile=1.0)
    assert (floats.shape, floats.time_domain) == ((5, 4), False)
    signed = make_dataset((drawn(20, 5, 4), labels), inputs="images")
    assert signed.shape == (2, 5, 4)


def test_series_of_different_length_share_their_slots(tmp_path: Path):
    for number in range(20):
        place = tmp_path / "set" / ("slow" if number % 2 else "fast")
        place.mkdir(parents=True, exist_ok=True)
        np.save(place / f"{number}.npy", drawn(10 + number, 3))
    data = load_dataset(str(tmp_path / "set"))
    assert (data.slots, data.shape, data.names) == (29, (6,), ("fast", "slow"))
    assert any("10 to 29 times" in note or "11 to 29 times" in note for note in data.notes)


def test_a_series_of_one_channel_needs_no_dimension_for_it(tmp_path: Path):
    x = drawn(20, 50)
    flat, deep = (
        make_dataset((x, labels), inputs="series", slots=8),
        make_dataset((x[..., None], labels), slots=8),
    )
    assert torch.equal(flat.train.inputs(), deep.train.inputs())
    assert make_dataset((x, labels)).slots is None
    for number in range(20):
        place = tmp_path / "set" / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        np.save(place / f"{number}.npy", x[number, : 20 + number])
    assert load_dataset(str(tmp_path / "set"), bins=8).train.inputs().shape == (16, 8, 2)


def test_classes_are_numbered_in_sorted_order_and_said():
    names = np.array(["wave", "fist", "rest", "fist"] * 5)
    data = make_dataset((drawn(20, 2), names))
    assert data.names == ("fist", "rest", "wave")
    assert "classes in sorted order: 0 = fist, 1 = rest, 2 = wave" in data.notes
    odd = make_dataset((drawn(20, 2), np.array([3.0, 7.0] * 10)))
    assert (odd.classes, odd.names) == (2, ("3", "7"))


def test_numbers_are_learned_in_units_of_their_spread():
    y = drawn(50, 2) * [2.0, 300.0] + [5.0, -70.0]
    data = make_dataset((drawn(50, 4), y), (drawn(10, 4), y[:10]))
    assert data.regression
    assert data.classes == 2
    learned = data.train.labels
    assert learned.mean(0).abs().max() < 1e-6  # float32
    np.testing.assert_allclose(learned.std(0, unbiased=False), 1, atol=1e-6)
    np.testing.assert_allclose(data.in_units(data.test.labels), y[:10], rtol=1e-5)


def test_a_number_at_each_time_is_averaged_into_the_slots():
    x, y = drawn(20, 12, 2), drawn(20, 12, 1)
    data = make_dataset((x, y), (x[:4] + 1, y[:4]), slots=4)
    assert data.test.labels.shape == (4, 4, 1)
    np.testing.assert_allclose(data.in_units(data.test.labels), averaged(y[:4], 4), atol=1e-6)


@given(st.lists(st.integers(0, 3), min_size=20, max_size=60), st.floats(0.1, 0.5), st.integers(0, 5))
def test_a_share_is_stratified_the_same_again_and_never_on_both_sides(
    kinds: list[int], share: float, seed: int
):
    y = np.array(kinds)
    # every third example is there twice
    x = np.arange(len(y), dtype=float) - (np.arange(len(y)) % 3 == 1)
    y[x.astype(int) != np.arange(len(y))] = y[x.astype(int)[x.astype(int) != np.arange(len(y))]]
    kept = np.isin(y, [label for label in np.unique(y) if len(np.unique(x[y == label])) > 3])
    examples = Examples(x[kept, None], y[kept])
    if not len(examples):
        return
    train, test = divide(examples, share, seed, stratified=True)
    again = divide(examples, share, seed, stratified=True)[1]
    np.testing.assert_array_equal(test.inputs, again.inputs)
    assert len(train) + len(test) == len(examples)
    assert not set(train.inputs[:, 0]) & set(test.inputs[:, 0])
    assert set(train.targets) == set(test.targets)
    for label in np.unique(test.targets):
        groups = len(np.unique(examples.inputs[examples.targets == label]))
        found = len(np.unique(test.inputs[test.targets == label]))
        assert found == max(1, round(share * groups))


# --- formats


def write_npz(folder: Path) -> Path:
    x = drawn(40, 6)
    np.savez(
        folder / "my.npz", x_train=x[:30], y_train=np.arange(30) % 3, x_test=x[30:], y_test=np.arange(10) % 3
    )
    return folder / "my.npz"


def write_whole_npz(folder: Path) -> Path:
    np.savez(folder / "my.npz", x=drawn(40, 6), y=np.arange(40) % 3)
    return folder / "my.npz"


def write_csv(folder: Path) -> Path:
    lines = ["length;width;kind", *(f"{k + 0.5};{-k};{'abc'[k % 3]}" for k in range(40))]
    (folder / "my.csv").write_text("\n".join(lines) + "\n")
    return folder / "my.csv"


def write_arrays(folder: Path) -> Path:
    np.save(folder / "x.npy", drawn(40, 6))
    np.save(folder / "y.npy", np.arange(40) % 3)
    return folder


def write_images(folder: Path) -> Path:
    for number in range(24):
        place = folder / ("test" if number % 4 == 0 else "train") / "abc"[number % 3]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(RANDOM.integers(0, 256, (6, 5), dtype=np.uint8)).save(place / f"{number}.png")
    return folder


def write_sounds(folder: Path) -> Path:
    for number in range(24):
        place = folder / "abc"[number % 3]
        place.mkdir(exist_ok=True)
        tone = np.sin(2 * np.pi * (300 + 400 * (number % 3)) * np.arange(number, 1600 + 2 * number) / 8000)
        wavfile.write(place / f"{number}.wav", 8000, (9000 * tone).astype(np.int16))
    return folder


FORMATS = [write_npz, write_whole_npz, write_csv, write_arrays, write_images, write_sounds]


@pytest.mark.parametrize("write", FORMATS)
def test_a_format_gives_examples_scaled_and_the_same_every_time(
    tmp_path: Path, write: Callable[[Path], Path]
):
    path = write(tmp_path)
    data = load_dataset(str(path), bins=8)
    assert data.classes == 3
    assert set(data.train.labels.tolist()) == set(data.test.labels.tolist()) == {0, 1, 2}
    inputs = data.train.inputs()
    assert inputs.min() >= 0
    assert 0.9 < inputs.max() <= 1
    again = load_dataset(str(path), bins=8)
    assert torch.equal(again.test.inputs(), data.test.inputs())
    assert again.digest == data.digest
    assert data.notes[0].endswith("to test on")


def test_a_table_may_have_no_titles_and_its_label_elsewhere(tmp_path: Path):
    path = tmp_path / "my.csv"
    path.write_text("".join(f"{k % 2},{k * 0.1},{k * k}\n" for k in range(20)))
    first = load_dataset(DataTable(name=str(path), label=0))
    assert (first.classes, first.features) == (2, 2)
    with pytest.raises(
        InputError, match=r"no column 'kind' for the label; columns: none has a title, numbers 0 to 2"
    ):
        load_dataset(DataTable(name=str(path), label="kind"))


def test_a_name_that_is_known_means_that_set_and_takes_no_options():
    with pytest.raises(InputError, match="'digits' has no options"):
        load_dataset(DataTable(name="digits", centre=True))
    assert load_dataset(DataTable(name="yin-yang")).name == "yin-yang"


ENTRIES = {
    "label": "kind", "duration": 0.4, "test_share": 0.5, "split_seed": 1, "repeats": True, "quantile": 0.9,
    "by_channel": False, "range": (0.0, 2.0), "rails": True, "centre": True, "targets": "classes",
}  # fmt: skip
IDLE: dict[Callable[[Path], Path], set[str]] = {
    write_npz: {"label", "duration", "test_share", "split_seed"},
    write_whole_npz: {"label", "duration", "repeats"},
    write_csv: {"duration", "repeats"},
    write_arrays: {"label", "duration", "repeats"},
    write_images: {"label", "duration", "test_share", "split_seed", "quantile", "by_channel"},
    write_sounds: {"label", "repeats", "quantile", "by_channel"},
}


@pytest.mark.parametrize("write", FORMATS)
def test_an_entry_that_changes_nothing_is_refused_and_every_other_changes_something(
    tmp_path: Path, write: Callable[[Path], Path]
):
    path = str(write(tmp_path))
    plain = load_dataset(DataTable(name=path), bins=8)
    for name, value in ENTRIES.items():
        table = DataTable(name=path, **{name: value})
        if name in IDLE[write]:
            with pytest.raises(
                InputError, match=rf"data.*: {name} = .* changes nothing, because .*; leave it out"
            ):
                load_dataset(table, bins=8)
            continue
        found = load_dataset(table, bins=8)
        same = [
            found.notes == plain.notes,
            found.train.stored.shape == plain.train.stored.shape,
            found.features == plain.features and torch.equal(found.train.inputs(), plain.train.inputs()),
        ]
        # what is so here without the entry, too, or only allowed
        assert not all(same) or name in {"targets", "repeats"} or (name == "rails" and plain.rails == 2)
    ranged = {"range": (0.0, 2.0), "quantile": 0.9}
    with pytest.raises(
        InputError, match=r"quantile = 0\.9 changes nothing, because all channels have the range; leave"
    ):
        load_dataset(DataTable(name=path, **ranged), bins=8)


def test_what_says_nothing_of_data_in_python_is_refused():
    for option in ({"label": 1}, {"duration": 1.0}, {"slots": 3}):
        with pytest.raises(InputError, match=f"{next(iter(option))} = .* changes nothing"):
            make_dataset((drawn(20, 3), labels), **option)
    assert len(make_dataset((drawn(20, 3), labels), test_share=0.2, repeats=False).test) == 4


def test_torch_data_sets_are_read():
    inputs, targets = torch.randn(20, 3), torch.arange(20) % 2
    listed = torch.utils.data.TensorDataset(inputs, targets)
    one, other = make_dataset(listed), make_dataset((inputs, targets))
    assert torch.equal(one.train.inputs(), other.train.inputs())
    assert torch.equal(one.test.labels, other.test.labels)


# --- what is wrong

x20 = drawn(20, 3)
seventh = np.arange(60).reshape(20, 3) == 7
WRONG = {
    "NaN": ((np.where(seventh, np.nan, x20), labels), {}, r"\(train\) are not finite at 1 place.*\[2, 1\]"),
    "infinite": ((np.where(seventh, np.inf, x20), labels), {}, "not finite"),
    "too large": ((x20 * 1e200, labels), {}, r"inputs \(train\) reach .*allowed: up to 1e\+30"),
    "texts for inputs": ((np.full((20, 3), "a"), labels), {}, "allowed: real numbers"),
    "one dimension": ((x20[:, 0], labels), {}, "inputs have 1 dimensions; allowed"),
    "five dimensions": ((drawn(20, 1, 1, 1, 2), labels), {}, "inputs have 5 dimensions"),
    "static as images": ((x20, labels), {"inputs": "images"}, r"images have \[n, h, w\] or"),
    "no features": ((np.zeros((20, 0)), labels), {}, "hold nothing"),
    "fewer labels": ((x20, labels[:5]), {}, r"shape \(20, 3\) and targets \(5,\)"),
    "one class": ((x20, np.zeros(20, int)), {}, "one class only"),
    "too few of a class": ((x20, np.array([0] * 19 + [1])), {}, "class 1 has 1 different example"),
    "equal ones of a class": (
        (np.where(labels[:, None] > 0, 7.0, x20), labels), {}, "class 1 has 10 examples, all equal to each other"
    ),
    "almost equal ones": (
        (np.arange(20)[:, None] // 10, np.full(20, 0.5) + labels), {"test_share": 0.9},
        "there are 20 examples, of which 2 differ from each other",
    ),
    "one-hot": ((x20, np.eye(2, dtype=int)[labels]), {}, "by argmax"),
    "labels that are numbers": ((x20, np.arange(20)), {}, "20 different whole numbers in 20 examples"),
    "labels that are not finite": ((x20, np.where(labels > 0, np.nan, 0.5)), {}, "labels are not finite"),
    "texts for numbers": ((x20, np.full(20, "a")), {"targets": "numbers"}, "labels are texts such as 'a'"),
    "constant numbers": ((x20, np.full(20, 0.5)), {}, "the same in all training data"),
    "numbers over time for static inputs": ((x20, drawn(20, 5, 1)), {}, "inputs are no series"),
    "unknown option": ((x20, labels), {"center": True}, "center.*did you mean centre"),
    "range that is none": ((x20, labels), {"range": (1, 0)}, r"\[low, high\] with low < high"),
    "whole share": ((x20, labels), {"test_share": 1.0}, "test_share = 1.0"),
    "rows of unequal length": (([[1.0], [1.0, 2.0]], [0, 1]), {}, r"hold Python objects, \(2,\) of them.*NAME\.npy"),
    "texts of pandas": ((x20, labels.astype(object)), {}, r"hold Python objects.*texts .*\.astype\(str\)"),
    "examples of unequal length": ([(np.ones(k), 0) for k in (3, 4)], {}, r"inputs have different shapes, \(3,\) and"),
    "targets of unequal length": ([(x20, np.ones(k)) for k in (3, 4)], {}, "targets have different shapes"),
    "labels that are None": ([(x20, None)], {}, "hold Python objects"),
    "nothing": (None, {}, "no data to train on"),
    "a number": (3, {}, "data of type int cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize(("train", "options", "message"), WRONG.values(), ids=WRONG)
def test_data_that_cannot_be_right_are_named(
    train: object, options: dict, message: str, assert_clear: Callable[[str], None]
):
    with pytest.raises(InputError, match=message) as error:
        make_dataset(train, **options)
    assert_clear(str(error.value))


BETWEEN = {
    "class missing from training": (
        (x20, labels),
        (x20[:2] + 1, [0, 2]),
        "class 2 of the test data is missing",
    ),
    "test data in training": (
        (x20, labels),
        (x20[:4], labels[:4]),
        "4 of 4 test inputs are also inputs to train on",
    ),
    "other features": (
        (x20, labels),
        (drawn(4, 2), labels[:4]),
        r"shape \(3,\) in training and \(2,\) in test",
    ),
    "other targets": ((x20, labels), (drawn(4, 3), drawn(4)), "classes in one part and numbers in the other"),
    "NaN in test": ((x20, labels), (np.full((2, 3), np.nan), labels[:2]), r"\(test\) are not finite"),
    "bytes and numbers": (
        (RANDOM.integers(0, 256, (20, 4, 4), dtype=np.uint8), labels),
        (RANDOM.random((4, 4, 4)), labels[:4]),
        "images are of type uint8 in training and float64 in test; give all in one type",
    ),
    "other numbers": ((x20, drawn(20, 2)), (drawn(4, 3), drawn(4, 3)), "the same k in both"),
}


@pytest.mark.parametrize(("train", "test", "message"), BETWEEN.values(), ids=BETWEEN)
def test_parts_that_do_not_belong_together_are_named(train: tuple, test: tuple, message: str):
    with pytest.raises(InputError, match=message):
        make_dataset(train, test)


def test_examples_in_both_parts_may_be_meant_and_few_are_told():
    data = make_dataset((x20, labels), (x20[:4], labels[:4]), repeats=True)
    assert any(note.startswith("warning: 4 of 4 test inputs") for note in data.notes)
    x = drawn(400, 2)
    few = make_dataset((x, np.arange(400) % 2), (np.concatenate([x[:1], drawn(199, 2)]), np.arange(200) % 2))
    assert any("1 of 200 test inputs are also" in note for note in few.notes)


def _png() -> bytes:
    content = io.BytesIO()
    Image.new("L", (2, 2)).save(content, "png")
    return content.getvalue()


PNG = _png()


def unequal() -> np.ndarray:
    series = np.empty(2, object)
    series[:] = [np.ones(3), np.ones(4)]
    return series


def damaged(folder: Path, name: str, content: bytes) -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return str(path)


FILES = {
    "no such file": (lambda f: str(f / "none.npz"), r"none\.npz' were not found in .*--data-dir"),
    "no arrays": (lambda f: damaged(f, "a.npz", b"PK\x03\x04 cut"), "damaged or no archive"),
    "other names": (lambda f: np.savez(f / "b.npz", q=x20) or str(f / "b.npz"), "has no x, y; it has q"),
    "half a split": (lambda f: np.savez(f / "b.npz", x_train=x20) or str(f / "b.npz"), "has no y_train, x_test"),
    "series of unequal length": (
        lambda f: np.savez(f / "c.npz", x=unequal(), y=np.array([1, 2])) or str(f / "c.npz"),
        r"c\.npz: x holds Python objects, \(2,\) of them, which could run code.* save series .* as CLASS/NAME\.npy"),
    "texts of pandas": (
        lambda f: np.savez(f / "c.npz", x=x20, y=labels.astype(object)) or str(f / "c.npz"),
        r"c\.npz: y holds Python objects, \(20,\) .*texts such as labels of pandas with \.astype\(str\)"),
    "objects in an array": (
        lambda f: np.save(f / "x.npy", unequal()) or np.save(f / "y.npy", labels) or str(f),
        r"x\.npy holds Python objects"),
    "unknown format": (lambda f: damaged(f, "a.docx", b"x"), "of no format that is known; allowed: an .npz file"),
    "empty folder": (str, "of no format that is known"),
    "empty table": (lambda f: damaged(f, "a.csv", b"\n"), "is empty"),
    "one column": (lambda f: damaged(f, "a.csv", b"1\n2\n"), "at least one feature and the label"),
    "uneven table": (lambda f: damaged(f, "a.csv", b"1,2\n1,2,3\n"), "line 2 has 3"),
    "gap in a table": (lambda f: damaged(f, "a.csv", b"a,b\n1,0\n,1\n"), "line 3, column 0 is ''; allowed: a number"),
    "gap in the label": (lambda f: damaged(f, "a.csv", b"a,b\n1,0\n2,\n"), "line 3 has no label"),
    "NaN in a table": (lambda f: damaged(f, "a.csv", b"1,0\nnan,1\n" * 9), "not finite"),
    "damaged image": (lambda f: str(Path(damaged(f, "s/a/1.png", b"PNG")).parents[1]), "1.png is not a complete image"),
    "damaged sound": (lambda f: str(Path(damaged(f, "s/a/1.wav", b"RIFF")).parents[1]), "1.wav is not a complete WAV"),
    "damaged array": (lambda f: str(Path(damaged(f, "s/a/1.npy", b"x")).parents[1]), "1.npy cannot be read"),
    "no test folder": (lambda f: str(Path(damaged(f, "s/train/a/1.png", PNG)).parents[2]), "test has no files CLASS"),
}  # fmt: skip


@pytest.mark.parametrize(("make", "message"), FILES.values(), ids=FILES)
def test_files_that_cannot_be_used_are_named(
    tmp_path: Path, make: Callable[[Path], str], message: str, assert_clear: Callable[[str], None]
):
    with pytest.raises(InputError, match=message) as error:
        load_dataset(make(tmp_path), bins=2)
    assert_clear(str(error.value))


anything = hnp.arrays(
    st.sampled_from(
        [np.float64, np.float16, np.int8, np.uint8, np.uint64, np.bool_, np.complex64, "U2", "M8[s]"]
    ),
    hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=6),
)


@given(anything, anything, st.none() | st.tuples(anything, anything), st.sampled_from([None, 1, 3]))
@settings(max_examples=300)
def test_whatever_arrays_there_are_they_train_or_are_refused(
    x: object, y: object, test: object, slots: int | None
):
    try:
        data = make_dataset((x, y), test, slots=slots)
    except InputError:
        return
    for split in (data.train, data.test):
        inputs = split.inputs()
        assert ((inputs >= 0) & (inputs <= 1)).all()
        assert torch.isfinite(split.labels.double()).all()
