"""Tables of one's own, as pandas, R and spreadsheets write them: every line and column is taken for what it is."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from memsim.errors import InputError
from memsim.learn import Dataset, make_dataset
from memsim.learn.data import load_dataset
from memsim.learn.data.table import DataTable

RANDOM = np.random.default_rng(0)
ROWS = np.round(RANDOM.standard_normal((24, 3)), 4)
KINDS = np.arange(24) % 3


def written(
    folder: Path, head: str | None, labels: list, *, index: list | None = None, separator: str = ","
) -> str:
    lines = [] if head is None else [head]
    for number, (row, label) in enumerate(zip(ROWS, labels, strict=True)):
        cells = ([] if index is None else [index[number]]) + [*row, label]
        lines.append(separator.join(map(str, cells)))
    (folder / "my.csv").write_text("\n".join(lines) + "\n")
    return str(folder / "my.csv")


def same(one: Dataset, other: Dataset) -> bool:
    return all(
        (getattr(one, part).inputs() == getattr(other, part).inputs()).all()
        and (getattr(one, part).labels == getattr(other, part).labels).all()
        for part in ("train", "test")
    )


PLAIN = make_dataset((ROWS, KINDS))


@pytest.mark.parametrize("head", [None, "a,b,c,kind", "0,1,2,3", "0,1,2,label", '"x 1","x 2","x 3","y"'])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_titles_are_no_example_and_examples_are_no_titles(tmp_path: Path, head: str | None, separator: str):
    head = None if head is None else head.replace(",", separator)
    data = load_dataset(written(tmp_path, head, KINDS.tolist(), separator=separator))
    assert same(data, PLAIN)
    assert any("is read as titles; if it is an example" in note for note in data.notes) is bool(
        head and head[0] == "0"
    )


def test_a_first_example_whose_label_comes_again_is_one(tmp_path: Path):
    path = tmp_path / "my.csv"
    path.write_text("".join(f"{k},{k * k},{'ab'[k % 2]}\n" for k in (0, *range(3, 22))))
    data = load_dataset(str(path))
    assert (len(data.train) + len(data.test), data.names) == (20, ("a", "b"))


@pytest.mark.parametrize("title", ["", '""', "Unnamed: 0"])
@pytest.mark.parametrize("index", [list(range(24)), list(range(24, 0, -1)), [7 * k % 24 for k in range(24)]])
def test_an_untitled_number_of_the_line_is_left_out_and_told(tmp_path: Path, title: str, index: list[int]):
    data = load_dataset(written(tmp_path, f"{title},a,b,c,kind", KINDS.tolist(), index=index))
    assert same(data, PLAIN)
    assert "the first column has no title and numbers the lines: it is left out" in data.notes
    numbered = load_dataset(written(tmp_path, f"{title},0,1,2,3", KINDS.tolist(), index=index))
    assert same(numbered, PLAIN)


def test_a_titled_number_of_the_line_is_told(tmp_path: Path):
    data = load_dataset(written(tmp_path, "id,a,b,c,kind", KINDS.tolist(), index=list(range(24))))
    assert data.features == 2 * 4
    assert any(note.startswith("warning: column 'id' counts the lines") for note in data.notes)


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["01", "1", "2"], ("01", "1", "2")),
        (["1_0", "10", "2"], ("10", "1_0", "2")),
        (["+1", "-1", "1"], ("+1", "-1", "1")),
        (
            ["12345678901234567890", "12345678901234567891", "3"],
            ("12345678901234567890", "12345678901234567891", "3"),
        ),
        (["2", "10", "-3"], ("-3", "2", "10")),
        (["1.0", "2.0", "10.0"], ("1", "2", "10")),
        (["True", "False", "maybe"], ("False", "True", "maybe")),
    ],
)
def test_labels_are_numbers_only_where_they_are_written_as_such(
    tmp_path: Path, labels: list[str], names: tuple[str, ...]
):
    assert load_dataset(written(tmp_path, None, [labels[kind] for kind in KINDS])).names == names


def test_numbers_to_predict_are_read_from_a_table(tmp_path: Path):
    wanted = [f"{value:+.2e}" for value in ROWS @ [1.0, 2.0, 3.0]]
    data = load_dataset(written(tmp_path, None, wanted))
    assert data.regression
    found = sorted(v for part in (data.train, data.test) for v in data.in_units(part.labels)[:, 0].tolist())
    assert found == pytest.approx(sorted(map(float, wanted)), rel=1e-5)


def test_classes_that_differ_in_case_only_are_told(tmp_path: Path):
    labels = [("fist", "Fist", "rest")[kind] for kind in KINDS]
    notes = load_dataset(written(tmp_path, None, labels)).notes
    assert "warning: classes 'Fist' and 'fist' differ in letter case or spaces only" in notes


def test_labels_of_bytes_are_named_as_texts():
    names = np.array([b"rest", b"fist"])[np.arange(24) % 2]
    assert make_dataset((ROWS, names), (ROWS + 9, names.astype(str))).names == ("fist", "rest")


def content(text: str) -> Callable[[Path], str]:
    def write(folder: Path) -> str:
        (folder / "my.csv").write_text(text)
        return str(folder / "my.csv")

    return write


WRONG = {
    "decimal comma": (content("a;b\n1,5377;0\n2;1\n"), {}, "column 0 is '1,5377', with a decimal comma.*1.5377"),
    "decimal commas alone": (content("1,5;2,5;3,5\n2,5;3,5;4,5\n"), {}, "line 1, column 0 is '1,5', with a decimal"),
    "decimal comma in a label": (content("a;y\n1;2,5\n2;3\n"), {}, "a label is '2,5', with a decimal comma"),
    "grouped digits": (content("a,y\n1_000,0\n2,1\n"), {}, "line 2, column 0 is '1_000'; allowed: a number"),
    "label that is missing": (content("a,y\n1,0\n2,NA\n"), {}, "line 3 has no label, NA; give one"),
    "untitled feature": (content("a,,y\n1,2,0\n2,3,1\n"), {}, "column 1 has no title; give it one, or remove it"),
    "untitled first column": (content(",a,y\n1.5,2,0\n2.5,3,1\n"), {}, "column 0 has no title"),
    "separator at the end": (content("a,y,\n1,0,\n2,1,\n"), {}, "the last column has no title; remove it"),
    "label before the last": (content("label,a\n0,1.5\n1,2.5\n"), {}, "'label' or the last one, 'a'. Say label = 'l"),
    "title that is there twice": (content("a,y,y\n1,0,1\n"), {"label": "y"}, "has 2 columns 'y'; give its number"),
    "nothing but an index": (content(",y\n0,0\n1,1\n"), {}, "has a label and no feature"),
    "titles alone": (content("a,b\n"), {}, "has titles and no examples"),
    "open quote": (content('a,b\n"' + "1,2\n" * 60_000), {}, "is no table: field larger than field limit"),
}  # fmt: skip


@pytest.mark.parametrize(("make", "options", "message"), WRONG.values(), ids=WRONG)
def test_tables_that_may_mean_something_else_are_named(
    tmp_path: Path,
    make: Callable[[Path], str],
    options: dict,
    message: str,
    assert_clear: Callable[[str], None],
):
    with pytest.raises(InputError, match=message) as error:
        load_dataset(DataTable(name=make(tmp_path), **options))
    assert_clear(str(error.value))
