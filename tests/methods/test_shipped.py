"""Methods of the literature: known by name, with studies that can be trained as they ship."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from memsim.cli import app
from memsim.errors import InputError
from memsim.learn import load_study
from memsim.learn.checks import check_study
from memsim.methods import load_method, method_names, study_path

STUDIES = {name: path for one in method_names() for name, path in load_method(one).studies.items()}


def test_the_command_lists_all_with_their_papers_and_studies() -> None:
    text = CliRunner().invoke(app, ["methods"], catch_exceptions=False).output
    listed = json.loads(CliRunner().invoke(app, ["methods", "--json"], catch_exceptions=False).output)
    assert [one["name"] for one in listed] == method_names()
    assert {name for one in listed for name in one["studies"]} == set(STUDIES)
    for one in listed:
        assert all(one[entry] in text for entry in ("title", "paper", "task", "expected", "time"))


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_can_be_trained_and_says_how(name: str) -> None:
    study = load_study(STUDIES[name])
    check_study(study)
    assert STUDIES[name].read_text().startswith("#")


def test_a_name_finds_its_file_and_a_path_stays_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert study_path(Path("equilibrium")) == STUDIES["equilibrium"]
    assert study_path(Path("equilibrium.toml")) == Path("equilibrium.toml")
    Path("mine").write_text("")
    assert study_path(Path("mine")) == Path("mine")


def test_a_name_of_both_a_file_and_a_method_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("equilibrium").write_text("epochs = 1\n")
    with pytest.raises(InputError, match="ships with memsim, too"):
        study_path(Path("equilibrium"))
    assert study_path(tmp_path / "equilibrium") == tmp_path / "equilibrium"


def test_unknown_names_are_refused_with_those_known() -> None:
    for find in (lambda: study_path(Path("equilibirum")), lambda: load_method("equilibirum")):
        with pytest.raises(InputError, match="equilibrium"):
            find()


def test_a_study_is_trained_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("runs/thresholds-alone").mkdir(parents=True)
    Path("runs/thresholds-alone/checkpoint.safetensors").touch()
    result = CliRunner().invoke(app, ["train", "thresholds-alone"])
    assert "runs/thresholds-alone already holds a trained run" in str(result.exception)
